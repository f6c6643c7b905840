//! What the two events of engagement have in common: a picture was fetched, or a link was followed.

use tidings_proto::Event;

const CAUSE_PUBLICATION: &str = "publication";

/// What was done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    /// Its picture was fetched.
    Open,
    /// A link of it was followed.
    Click,
}

/// The fields of either event that stand in the clear.
#[derive(Clone, Copy)]
pub(crate) struct Hit<'a> {
    pub(crate) did: Did,
    /// Of what asked for the message, if that was a publication.
    pub(crate) publication_id: Option<&'a [u8]>,
    pub(crate) channel_id: &'a [u8],
    pub(crate) delivery_id: &'a [u8],
    pub(crate) subscriber_id: &'a [u8],
    /// The month, such as 2026-09.
    pub(crate) period: &'a str,
    /// What kind of program it was.
    pub(crate) agent: &'a str,
    /// No human did it.
    pub(crate) machine: bool,
}

/// Reads it; none: the event is of another kind.
pub(crate) fn hit(event: &Event) -> Option<Hit<'_>> {
    Some(match event {
        Event::EngagementOpened(it) => Hit {
            did: Did::Open,
            publication_id: publication(&it.cause_kind, &it.cause_id),
            channel_id: &it.channel_id,
            delivery_id: &it.delivery_id,
            subscriber_id: &it.subscriber_id,
            period: &it.period,
            agent: &it.agent,
            machine: it.machine,
        },
        Event::EngagementClicked(it) => Hit {
            did: Did::Click,
            publication_id: publication(&it.cause_kind, &it.cause_id),
            channel_id: &it.channel_id,
            delivery_id: &it.delivery_id,
            subscriber_id: &it.subscriber_id,
            period: &it.period,
            agent: &it.agent,
            machine: it.machine,
        },
        _ => return None,
    })
}

fn publication<'a>(cause_kind: &str, cause_id: &'a [u8]) -> Option<&'a [u8]> {
    (cause_kind == CAUSE_PUBLICATION).then_some(cause_id)
}
