//! Signing somebody up: the subscriber's first event and the claim on the address, in one commit, so
//! that an address belongs to one subscriber whoever comes first.

use tidings_domain::address::{self, Address};
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::id::IdKey;
use tidings_domain::stream_id;
use tidings_domain::subscriber::{self, Subscriber};
use tidings_domain::value::{Attributes, DisplayName, EmailAddress};
use tidings_event_store::{CommitError, Context, LoadError, Loaded, Store};
use uuid::Uuid;

/// Times a registration is decided anew because others were faster.
const ATTEMPTS_MAX: u32 = 5;

/// Somebody to sign up.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    /// The subscriber to be.
    pub(crate) id: Uuid,
    /// Where mail goes.
    pub(crate) email: EmailAddress,
    /// How to address them.
    pub(crate) name: Option<DisplayName>,
    /// What is known besides.
    pub(crate) attributes: Option<Attributes>,
    /// How consent came.
    pub(crate) source: subscriber::Source,
    /// The import they come with.
    pub(crate) import_id: Option<Uuid>,
    /// Id of the address's stream.
    pub(crate) address_id: Uuid,
}

/// What became of a registration.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Signed up, now.
    SignedUp(Loaded<Subscriber>),
    /// This very subscriber was signed up before.
    Repeated(Loaded<Subscriber>),
    /// The address belongs to another subscriber.
    Taken,
}

/// Why nobody knows, or nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistrationError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Refused(#[from] subscriber::Refusal),
}

impl Registration {
    /// Loads both streams and signs up.
    ///
    /// # Errors
    /// When the log is away.
    pub(crate) async fn carry_out(
        &self,
        store: &Store,
        id_key: &IdKey,
        context: &Context,
    ) -> Result<Outcome, RegistrationError> {
        let address = store.load::<Address>(self.address_id).await?;
        let subscriber = store.load::<Subscriber>(self.id).await?;
        self.carry_out_on(store, id_key, context, subscriber, address)
            .await
    }

    /// The same with both streams at hand; they are loaded again if they have moved on.
    pub(crate) async fn carry_out_on(
        &self,
        store: &Store,
        id_key: &IdKey,
        context: &Context,
        mut subscriber: Loaded<Subscriber>,
        mut address: Loaded<Address>,
    ) -> Result<Outcome, RegistrationError> {
        let mut attempts = 0;
        loop {
            if subscriber.version > 0 {
                return Ok(Outcome::Repeated(subscriber));
            }
            let signed_up = subscriber.state.decide(self.sign_up(id_key))?;
            let Ok(claimed) = address.state.decide(address::Command::Claim {
                subscriber_id: self.id,
            }) else {
                return Ok(Outcome::Taken);
            };
            let mut draft = store.draft(context);
            // First in the commit: a repeat of the request looks for its event in this stream.
            let after = draft.append_for(subscriber, signed_up, self.id, Some(self.id));
            draft.append(address, claimed);
            attempts += 1;
            match draft.commit().await {
                Ok(committed) => return Ok(Outcome::SignedUp(after.recorded(&committed))),
                Err(CommitError::Conflict { .. } | CommitError::Unknown)
                    if attempts < ATTEMPTS_MAX => {}
                Err(error) => return Err(error.into()),
            }
            address = store.load::<Address>(self.address_id).await?;
            subscriber = store.load::<Subscriber>(self.id).await?;
        }
    }

    fn sign_up(&self, id_key: &IdKey) -> subscriber::Command {
        subscriber::Command::SignUp {
            email: self.email.clone(),
            name: self.name.clone(),
            attributes: self.attributes.clone(),
            address_id: self.address_id,
            address_suppression_id: stream_id::address_suppression(id_key, &self.email),
            domain_suppression_id: stream_id::domain_suppression(id_key, self.email.domain()),
            source: self.source,
            import_id: self.import_id,
        }
    }
}
