//! Picking what is due, with what the views know of each receiver.

use tidings_domain::delivery::{Cause, Delivery, Plan, Receiver, Tries};
use tidings_domain::preferences::Preferences;
use tidings_domain::subscriber::{Choices, Standing};
use tidings_event_store::{Guard, Loaded, Log, ReadError};
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::audience::AboutTopic;
use crate::preferences::choices;

/// A due delivery.
#[derive(Clone)]
pub(crate) struct Pick {
    /// The delivery, as the queue knows it.
    pub(crate) delivery: Loaded<Delivery>,
    /// What is to be delivered; due since then.
    pub(crate) plan: Plan,
    /// It was put off for its channel, which has been said to work since: it need not wait for its own time.
    pub(crate) waits_no_longer: bool,
    /// It waits for later, and is only looked at because its reader may have left: it is settled if so, and never sent.
    pub(crate) is_withdrawn: bool,
    /// The request that set it off.
    pub(crate) correlation_id: Uuid,
    /// Its trace.
    pub(crate) traceparent: Option<String>,
    /// Position of the Planned event.
    pub(crate) planned_position: i64,
    /// When it was planned.
    pub(crate) planned_at: OffsetDateTime,
    /// What the views know of the receiver; none when they lag behind.
    pub(crate) receiver: Option<KnownReceiver>,
}

impl Pick {
    /// The subscriber, or the channel for a broadcast: in whose lane it is, and under whose key the
    /// receiving side's words are sealed.
    pub(crate) fn receiver_id(&self) -> Uuid {
        self.plan.owner()
    }
}

/// A receiver, judged at known versions.
#[derive(Clone)]
pub(crate) struct KnownReceiver {
    /// What speaks for or against them.
    pub(crate) receiver: Receiver,
    /// Where mail goes; none for a broadcast.
    pub(crate) email: Option<String>,
    /// How they want to be called.
    pub(crate) name: Option<String>,
    /// Id of the address's `suppression` stream; nil for a broadcast.
    pub(crate) address_suppression_id: Uuid,
    /// Id of its domain's; nil for a broadcast.
    pub(crate) domain_suppression_id: Uuid,
    /// Position of the last change of their address; none: it was never changed, or only the views were asked.
    pub(crate) moved_position: Option<i64>,
    /// What they left or asked for one by one.
    pub(crate) choices: Choices,
    /// How and when they want to get it; none: they never said.
    pub(crate) preferences: Option<Preferences>,
    /// The streams it was judged from, at their versions.
    pub(crate) guards: Vec<Guard>,
}

impl KnownReceiver {
    /// Id of the address's `suppression` stream; none for a broadcast.
    pub(crate) fn address(&self) -> Option<Uuid> {
        Some(self.address_suppression_id).filter(|id| !id.is_nil())
    }

    /// Id of its domain's; none for a broadcast.
    pub(crate) fn domain(&self) -> Option<Uuid> {
        Some(self.domain_suppression_id).filter(|id| !id.is_nil())
    }

    /// Judged for what is about these topics and goes by this channel.
    pub(crate) fn of(mut self, topics: &[AboutTopic], channel_id: Uuid) -> Self {
        if let Receiver::Addressed {
            topic_left,
            channel_left,
            ..
        } = &mut self.receiver
        {
            *topic_left = !self.choices.want_any(topics);
            *channel_left = self.choices.has_left_channel(channel_id);
        }
        self
    }
}

/// What to pick.
pub(crate) struct Wanted<'a> {
    /// The lanes this instance owns.
    pub(crate) lanes: &'a [i32],
    /// The time it is.
    pub(crate) now: OffsetDateTime,
    /// Channels that can send nothing at the moment.
    pub(crate) resting: &'a [Uuid],
    /// Channels of which enough waits already.
    pub(crate) crowded: &'a [Crowded],
    /// Deliveries the queue has not caught up with.
    pub(crate) taken: &'a [Uuid],
    /// Publications whose deliveries are settled whenever they are due: cancelled ones.
    pub(crate) whenever_due: &'a [Uuid],
    /// Deliveries that wait for later, and whose readers may have left since.
    pub(crate) maybe_withdrawn: &'a [Uuid],
    /// Publications whose deliveries wait.
    pub(crate) paused: &'a [Uuid],
    /// Nothing else: the others must not be sent.
    pub(crate) held: bool,
    /// At most so many.
    pub(crate) limit: i64,
}

/// A channel of which enough waits already: only what is more urgent is worth reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crowded {
    /// The channel.
    pub(crate) channel_id: Uuid,
    /// The priority of the least urgent that waits.
    pub(crate) least: i32,
}

/// Reads due deliveries, the most urgent first.
pub(crate) async fn pick(log: &Log, wanted: &Wanted<'_>) -> Result<Vec<Pick>, ReadError> {
    let (crowded, least): (Vec<Uuid>, Vec<i32>) = wanted
        .crowded
        .iter()
        .map(|it| (it.channel_id, it.least))
        .unzip();
    let rows = log
        .query(
            include_str!("pick.sql"),
            &[
                &wanted.lanes,
                &wanted.now,
                &wanted.resting,
                &wanted.taken,
                &wanted.limit,
                &wanted.whenever_due,
                &wanted.held,
                &wanted.paused,
                &crowded,
                &least,
                &wanted.maybe_withdrawn,
            ],
        )
        .await?;
    Ok(rows.iter().filter_map(read).collect())
}

/// `None` for a row whose Planned event the queue has not seen, which the order of the log forbids.
fn read(row: &Row) -> Option<Pick> {
    let cause_kind = row.get::<_, Option<&str>>(24)?;
    let plan = Plan {
        // Of a kind that a later build knows: it waits for one.
        cause: Cause::recorded(cause_kind, row.get::<_, Option<Uuid>>(1)?)?,
        content_version: row.get::<_, Option<i32>>(2)?,
        channel_id: row.get::<_, Option<Uuid>>(3)?,
        subscriber_id: row.get(4),
        priority: row.get::<_, Option<i32>>(8)?,
        due_at: row.get::<_, Option<OffsetDateTime>>(10)?,
    };
    let tries = Tries {
        attempts: row.get::<_, i32>(11) as u32,
        abandons_in_all: row.get::<_, i32>(23) as u32,
        ..Tries::default()
    };
    let state = Delivery::Pending {
        plan: plan.clone(),
        tries,
        due_at: plan.due_at,
    };
    Some(Pick {
        delivery: Loaded::known(row.get(0), state, row.get(12)),
        waits_no_longer: row.get::<_, Option<bool>>(28)?,
        is_withdrawn: row.get::<_, Option<bool>>(29)?,
        receiver: match (plan.subscriber_id, plan.cause) {
            (None, _) => Some(broadcast()),
            (Some(subscriber_id), Cause::Publication(_)) => known(subscriber_id, row),
            // The views do not say why an address is suppressed, and whom they know they may not know yet.
            (Some(_), Cause::Notice(_)) => None,
        },
        plan,
        correlation_id: row.get::<_, Option<Uuid>>(5)?,
        traceparent: row.get(6),
        planned_position: row.get::<_, Option<i64>>(7)?,
        planned_at: row.get::<_, Option<OffsetDateTime>>(9)?,
    })
}

/// The receiver of a broadcast: nobody who could have left.
pub(crate) fn broadcast() -> KnownReceiver {
    KnownReceiver {
        receiver: Receiver::Broadcast,
        email: None,
        name: None,
        address_suppression_id: Uuid::nil(),
        domain_suppression_id: Uuid::nil(),
        moved_position: None,
        choices: Choices::default(),
        preferences: None,
        guards: Vec::new(),
    }
}

fn known(subscriber_id: Uuid, row: &Row) -> Option<KnownReceiver> {
    let standing = Standing::parse(row.get::<_, Option<&str>>(15)?).ok()?;
    let email: Option<String> = row.get(13);
    let subscriber_version: i32 = row.get::<_, Option<i32>>(16)?;
    let address_suppression_id: Uuid = row.get::<_, Option<Uuid>>(17)?;
    let domain_suppression_id: Uuid = row.get::<_, Option<Uuid>>(18)?;
    let suppression = |version: usize| row.get::<_, Option<i32>>(version).unwrap_or(0);
    let suppressed = |flag: usize| row.get::<_, Option<bool>>(flag).unwrap_or(false);
    Some(KnownReceiver {
        receiver: Receiver::Addressed {
            standing: if email.is_none() && standing == Standing::Active {
                Standing::Erased
            } else {
                standing
            },
            subscriber_version,
            address_suppressed: suppressed(20),
            domain_suppressed: suppressed(22),
            topic_left: false,
            channel_left: false,
            over_cap: false,
        },
        email,
        name: row.get(14),
        address_suppression_id,
        domain_suppression_id,
        moved_position: None,
        choices: choices(row.get(25), row.get(26)),
        preferences: row
            .get::<_, Option<serde_json::Value>>(27)
            .and_then(|it| Preferences::recorded_value(&it)),
        guards: vec![
            Guard {
                stream_id: subscriber_id,
                version: subscriber_version,
            },
            Guard {
                stream_id: address_suppression_id,
                version: suppression(19),
            },
            Guard {
                stream_id: domain_suppression_id,
                version: suppression(21),
            },
        ],
    })
}
