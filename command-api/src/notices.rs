//! What the platform itself writes to a subscriber: on record on their `access` stream, together with the delivery that
//! carries it, in the commit of whatever gives the occasion.

use tidings_domain::access::{self, Access, NoticeKind};
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::delivery::{self, Cause, Delivery, Plan};
use tidings_domain::stream_id;
use tidings_domain::subscriber::{Consent, Profile};
use tidings_domain::value::Evidence;
use tidings_event_store::{Context, Draft, Loaded, Past};
use tidings_service::Problem;
use tidings_service::problem::chain;
use uuid::Uuid;

use crate::commands::Commands;
use crate::refusal;

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

/// Where the notice stands that this delivery carries; `None`: none does. `access`: their notices alone.
pub(crate) fn issued_at(access: &Loaded<Access>, delivery_id: Uuid) -> Option<i64> {
    let mut carried = access.state.notices.iter();
    let nth = carried.position(|it| it.delivery_id == delivery_id)?;
    let mut notices = access.history.iter();
    let is_notice = |it: &&Past| Access::NOTICES.contains(&it.event_type.as_str());
    notices
        .by_ref()
        .filter(is_notice)
        .nth(nth)
        .map(|it| it.position)
}

/// Adds to a commit that somebody is told of a change of what they get, or that they get something again: whoever else has a mail
/// of theirs could have made it, or whoever runs the platform. They are told by a channel they have not left; where there is none,
/// or none can be found, it counts all the same, and nothing says that they were told. `whom`: the subscriber, as they are after
/// the change.
///
/// # Errors
/// When the log can not be read.
pub(crate) async fn tell_of_change(
    commands: &Commands,
    draft: &mut Draft<'_>,
    context: &Context,
    (subscriber_id, whom): (Uuid, &Profile),
) -> Result<(), Problem> {
    let left = whom.choices.left_channels().collect();
    let channel = (commands.notice_channel)(left).await;
    let channel = channel.unwrap_or_else(|error| {
        tracing::warn!(
            error = chain(&error),
            "nobody can say by which channel to tell of a change"
        );
        None
    });
    let Some(channel_id) = channel else {
        return Ok(());
    };
    let access = commands
        .store
        .load_of::<Access>(stream_id::access(subscriber_id), Access::NOTICES)
        .await
        .map_err(|error| refusal::load(&error))?;
    let notice = Notice {
        subscriber_id,
        kind: NoticeKind::PreferencesChanged,
        channel_id,
        departures: whom.departures,
        consent: None,
        evidence: None,
    };
    issue(draft, context, access, notice);
    Ok(())
}
