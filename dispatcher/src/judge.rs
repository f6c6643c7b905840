//! Judging a delivery from the streams themselves: slower than the views, and never behind.

use tidings_domain::delivery::{Delivery, Purpose, Receiver};
use tidings_domain::record::Record;
use tidings_domain::stream_id;
use tidings_domain::subscriber::{Profile, Subscriber};
use tidings_domain::suppression::Suppression;
use tidings_event_store::{Guard, LoadError, Loaded, Store};
use tidings_proto::EventMessage as _;
use tidings_proto::subscriber::ContactChanged;
use uuid::Uuid;

use crate::pick::{KnownReceiver, broadcast};

/// The receiver as the log knows them at this moment, for a message of this purpose; `None` when there never was one.
pub(crate) async fn receiver(
    store: &Store,
    subscriber_id: Option<Uuid>,
    purpose: Purpose,
) -> Result<Option<KnownReceiver>, LoadError> {
    let Some(subscriber_id) = subscriber_id else {
        return Ok(Some(broadcast()));
    };
    let subscriber = store.load::<Subscriber>(subscriber_id).await?;
    let Some(profile) = subscriber.state.profile() else {
        return Ok(None);
    };
    let ids = [
        profile.address_suppression_id,
        profile.domain_suppression_id,
    ];
    let suppressions = store.load_many::<Suppression>(&ids).await?;
    let [address, domain] = [&suppressions[0], &suppressions[1]];
    let name = match purpose {
        Purpose::Mail => name(store, subscriber_id, profile).await?,
        // Nobody is called by a name that anybody may have typed.
        Purpose::AskForConsent | Purpose::OwnData => None,
    };
    Ok(Some(KnownReceiver {
        receiver: Receiver::Addressed {
            standing: subscriber.state.standing(),
            subscriber_version: subscriber.version,
            address_suppressed: address.state.forbids(purpose),
            domain_suppressed: domain.state.forbids(purpose),
            topic_left: false,
            channel_left: false,
            over_cap: false,
        },
        email: profile.email.known().map(|email| email.as_str().to_owned()),
        name,
        address_suppression_id: profile.address_suppression_id,
        domain_suppression_id: profile.domain_suppression_id,
        moved_position: last_move(&subscriber),
        choices: profile.choices.clone(),
        preferences: profile
            .preferences
            .as_ref()
            .and_then(|it| it.known().cloned()),
        guards: vec![
            Guard {
                stream_id: subscriber_id,
                version: subscriber.version,
            },
            Guard {
                stream_id: address.id,
                version: address.version,
            },
            Guard {
                stream_id: domain.id,
                version: domain.version,
            },
        ],
    }))
}

/// Position of the last change of their address.
fn last_move(subscriber: &Loaded<Subscriber>) -> Option<i64> {
    let mut latest_first = subscriber.history.iter().rev();
    let change = latest_first.find(|it| it.event_type == ContactChanged::TYPE);
    change.map(|it| it.position)
}

/// How they want to be called. Nothing is guarded on that: a corrected name is no reason to judge anew.
async fn name(
    store: &Store,
    subscriber_id: Uuid,
    profile: &Profile,
) -> Result<Option<String>, LoadError> {
    let record = store
        .load::<Record>(stream_id::record(subscriber_id))
        .await?;
    let name = record.state.name(profile);
    Ok(name.map(|name| name.as_str().to_owned()))
}

/// The delivery itself, if it still waits for an attempt.
pub(crate) async fn pending(
    store: &Store,
    delivery_id: Uuid,
) -> Result<Option<Loaded<Delivery>>, LoadError> {
    let loaded = store.load::<Delivery>(delivery_id).await?;
    Ok(matches!(loaded.state, Delivery::Pending { .. }).then_some(loaded))
}
