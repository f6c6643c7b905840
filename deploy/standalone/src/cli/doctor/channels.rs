//! The channels: whether each takes what is sent by it.

use tidings_event_store::tokio_postgres::{Client, Error};
use uuid::Uuid;

use super::Finding;

const NAME: &str = "channels";

/// A channel by which nothing goes out for now.
struct Shut {
    channel_id: Uuid,
    name: String,
    enabled: bool,
    /// Why: what opened its circuit, or why it is disabled.
    reason: String,
    waiting: i64,
}

const SHUT: &str = "select c.channel_id, coalesce(c.name, ''), coalesce(c.enabled, false), \
            coalesce(case when c.enabled then c.circuit_reason else c.disabled_reason end, ''), \
            (select count(*) from publishing_dispatch_queue q where q.channel_id = c.channel_id) \
     from publishing_channel_list c \
     where not coalesce(c.enabled, false) or coalesce(c.circuit, 'closed') <> 'closed' \
     order by c.channel_id";

/// Whether deliveries wait for a channel that takes none.
pub(super) async fn channels(client: &Client) -> Finding {
    // Before a platform has run there are no views.
    let there = "select to_regclass('publishing_channel_list') is not null \
                    and to_regclass('publishing_dispatch_queue') is not null";
    let looked = async {
        if !client.query_one(there, &[]).await?.get::<_, bool>(0) {
            return Ok(Vec::new());
        }
        let rows = client.query(SHUT, &[]).await?;
        let shut = rows.iter().map(|row| Shut {
            channel_id: row.get(0),
            name: row.get(1),
            enabled: row.get(2),
            reason: row.get(3),
            waiting: row.get(4),
        });
        Ok::<Vec<Shut>, Error>(shut.collect())
    };
    match looked.await {
        Ok(shut) => judge(&shut),
        Err(error) => Finding::failed(NAME, &error, "check the rights of the database user"),
    }
}

/// One that somebody has disabled, and that nothing waits for, is as it should be.
fn judge(shut: &[Shut]) -> Finding {
    let ill = shut.iter().filter(|it| it.enabled || it.waiting > 0);
    let each: Vec<String> = ill
        .map(|it| {
            let why = match it.enabled {
                true => "takes nothing for now",
                false => "is disabled",
            };
            format!(
                "{} ({}) {why} ({}), and {} deliveries wait for it",
                it.name, it.channel_id, it.reason, it.waiting
            )
        })
        .collect();
    if each.is_empty() {
        return Finding::well(NAME, "nothing waits for one that takes nothing");
    }
    let remedy = "see `tidings channels health ID`; once it is mended, `tidings channels enable ID` tries it at once";
    Finding::ill(NAME, each.join("; "), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shut(enabled: bool, waiting: i64) -> Shut {
        Shut {
            channel_id: Uuid::nil(),
            name: "News".to_owned(),
            enabled,
            reason: "connect_failed".to_owned(),
            waiting,
        }
    }

    #[test]
    fn a_channel_that_deliveries_wait_for_in_vain_is_named() {
        assert!(judge(&[]).well);
        assert!(judge(&[shut(false, 0)]).well);
        for ill in [shut(true, 0), shut(true, 7), shut(false, 7)] {
            let finding = judge(&[shut(false, 0), ill]);
            assert!(!finding.well);
            assert!(finding.found.starts_with("News (0000") && !finding.found.contains(';'));
        }
        let found = judge(&[shut(true, 7)]).found;
        assert!(
            found.ends_with("takes nothing for now (connect_failed), and 7 deliveries wait for it")
        );
    }
}
