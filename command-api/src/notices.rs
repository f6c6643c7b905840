//! What the platform itself writes to a subscriber: on record on their `access` stream, together with the delivery that
//! carries it, in the commit of whatever gives the occasion.

use tidings_domain::access::{self, Access, NoticeKind};
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::delivery::{self, Cause, Delivery, Plan};
use tidings_domain::stream_id;
use tidings_domain::subscriber::Consent;
use tidings_domain::value::Evidence;
use tidings_event_store::{Context, Draft, Loaded};
use uuid::Uuid;

/// Somebody waits for it: it goes ahead of publications.
const PRIORITY: i32 = 100;

/// A notice to be.
pub(crate) struct Notice {
    /// To whom.
    pub(crate) subscriber_id: Uuid,
    /// What.
    pub(crate) kind: NoticeKind,
    /// The channel it goes out by.
    pub(crate) channel_id: Uuid,
    /// How often they have left everything.
    pub(crate) departures: u32,
    /// What they are asked to agree to, where no sign-up in the same commit says it.
    pub(crate) consent: Option<Consent>,
    /// What the request looked like, where no sign-up in the same commit says it.
    pub(crate) evidence: Option<Evidence>,
}

/// Adds the notice and its delivery to a commit; `false`: they have had as many as one may have in a day. `access`:
/// their stream as it is.
pub(crate) fn issue(
    draft: &mut Draft<'_>,
    context: &Context,
    access: Loaded<Access>,
    notice: Notice,
) -> bool {
    let Notice {
        subscriber_id,
        channel_id,
        ..
    } = notice;
    let delivery_id =
        stream_id::notice_delivery(context.intent, notice.kind, channel_id, subscriber_id);
    let Ok(issued) = access.state.decide(access::Command::Issue {
        subscriber_id,
        kind: notice.kind,
        delivery_id,
        now: context.occurred_at,
        departures: notice.departures,
        consent: notice.consent,
        evidence: notice.evidence,
    });
    if issued.is_empty() {
        return false;
    }
    let access = draft.append_for(access, issued, subscriber_id, Some(subscriber_id));
    let planned = delivery::Event::Planned(Plan {
        cause: Cause::Notice(access.id),
        content_version: access.version,
        channel_id,
        subscriber_id: Some(subscriber_id),
        due_at: context.occurred_at,
        priority: PRIORITY,
    });
    let fresh = Loaded::known(delivery_id, Delivery::default(), 0);
    draft.append_for(fresh, vec![planned], subscriber_id, Some(subscriber_id));
    true
}
