//! Reads what readers did with a publication's messages.

use serde::Serialize;
use tidings_service::Problem;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::reader::Reader;

/// What was done with messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct EngagementCounts {
    /// Deliveries that the receiving side took, as the accounting has it: what a rate is made with.
    pub sent: i64,
    /// Deliveries whose picture was fetched, or a link of which was followed, by a program that a person sits before or that
    /// does it when a person opens the mail. Mail programs that show no pictures are missing here.
    pub opened: i64,
    /// Deliveries of which such a program followed a link.
    pub clicked: i64,
    /// Deliveries of which only programs fetched anything that do so whether or not anybody reads: they say nothing of people.
    pub machine_only: i64,
    /// Times that a picture was fetched, people's.
    pub opens: i64,
    /// Times that a picture was fetched, programs' own.
    pub machine_opens: i64,
    /// Times that a link was followed, people's.
    pub clicks: i64,
    /// Times that a link was followed, programs' own.
    pub machine_clicks: i64,
}

/// The same of one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChannelEngagement {
    /// The channel.
    pub channel_id: Uuid,
    /// What its settings ask of mails now: `off`, `clicks` or `opens_and_clicks`; null: they do not say. Of a channel that does
    /// not ask, nothing is known, which is not that nobody did anything.
    #[schema(example = "opens_and_clicks")]
    pub tracking: Option<String>,
    /// What was done with its messages.
    #[serde(flatten)]
    pub counts: EngagementCounts,
}

impl EngagementCounts {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            opened: self.opened + other.opened,
            clicked: self.clicked + other.clicked,
            machine_only: self.machine_only + other.machine_only,
            opens: self.opens + other.opens,
            machine_opens: self.machine_opens + other.machine_opens,
            clicks: self.clicks + other.clicks,
            machine_clicks: self.machine_clicks + other.machine_clicks,
        }
    }
}

/// A mail may tell something before its outcome is on record, and long after its delivery was lost: so neither side need be there.
const SELECT: &str = "select channel_id, c.settings ->> 'tracking' as tracking, \
     coalesce(a.sent, 0) as sent, coalesce(e.opened, 0) as opened, coalesce(e.clicked, 0) as clicked, \
     coalesce(e.machine_only, 0) as machine_only, coalesce(e.opens, 0) as opens, \
     coalesce(e.machine_opens, 0) as machine_opens, coalesce(e.clicks, 0) as clicks, \
     coalesce(e.machine_clicks, 0) as machine_clicks \
     from (select * from publishing_publication_accounting where publication_id = $1) a \
     full join (select * from publishing_publication_engagement where publication_id = $1) e using (channel_id) \
     left join publishing_channel_list c using (channel_id) \
     order by channel_id";

/// Of each channel of a publication.
pub(super) async fn channels(reader: &Reader, id: Uuid) -> Result<Vec<ChannelEngagement>, Problem> {
    let rows = reader.rows(SELECT, &[&id]).await?;
    Ok(rows.iter().map(channel).collect())
}

fn channel(row: &Row) -> ChannelEngagement {
    ChannelEngagement {
        channel_id: row.get("channel_id"),
        tracking: row.get("tracking"),
        counts: EngagementCounts {
            sent: row.get("sent"),
            opened: row.get("opened"),
            clicked: row.get("clicked"),
            machine_only: row.get("machine_only"),
            opens: row.get("opens"),
            machine_opens: row.get("machine_opens"),
            clicks: row.get("clicks"),
            machine_clicks: row.get("machine_clicks"),
        },
    }
}
