//! Somebody asks for mail by themselves, or somebody else does with their address: they are asked, and nobody is told
//! whether the address is known.

use tidings_domain::access::{Access, NoticeKind};
use tidings_domain::address::Address;
use tidings_domain::delivery::Purpose;
use tidings_domain::id::derive_from;
use tidings_domain::stream_id;
use tidings_domain::subscriber::{Consent, Profile, Source, Subscriber};
use tidings_domain::suppression::{Reason, Suppression};
use tidings_domain::value::{DisplayName, EmailAddress, Evidence};
use tidings_event_store::{CommitError, Context};
use uuid::Uuid;

use super::{Brought, Noted, Outcome, Registration, RegistrationError};
use crate::commands::Commands;
use crate::notices::{self, Notice};

/// Times it is decided anew because others were faster.
const ATTEMPTS_MAX: u32 = 5;

/// Somebody who wants mail, as far as anybody can tell.
pub(crate) struct Joining {
    /// Where to.
    pub(crate) email: EmailAddress,
    /// How to address them.
    pub(crate) name: Option<DisplayName>,
    /// What they were shown.
    pub(crate) consent: Consent,
    /// What the request looked like.
    pub(crate) evidence: Option<Evidence>,
    /// The channel they are asked by.
    pub(crate) channel_id: Uuid,
}

impl Joining {
    /// Asks whoever has the address, unless they get mail already, or were asked too often today.
    ///
    /// # Errors
    /// When the log is away, or others were faster again and again.
    pub(crate) async fn carry_out(
        self,
        commands: &Commands,
        context: &Context,
    ) -> Result<(), RegistrationError> {
        let address_id = stream_id::address(&commands.id_key, &self.email);
        let mut attempts = 0;
        loop {
            let address = commands.store.load::<Address>(address_id).await?;
            let done = match address.state.holder() {
                Some(holder) => self.ask_again(commands, context, holder).await,
                None => self.sign_up(commands, context, address_id).await,
            };
            attempts += 1;
            match done {
                Ok(true) => return Ok(()),
                Ok(false) if attempts < ATTEMPTS_MAX => {}
                Err(RegistrationError::Commit(error))
                    if error.may_be_decided_anew() && attempts < ATTEMPTS_MAX => {}
                Ok(false) => {
                    return Err(RegistrationError::Commit(CommitError::Unavailable));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// `false`: somebody else has signed up with the address meanwhile.
    async fn sign_up(
        &self,
        commands: &Commands,
        context: &Context,
        address_id: Uuid,
    ) -> Result<bool, RegistrationError> {
        let registration = Registration {
            // The same over all attempts: one whose answer was lost is recognised.
            id: derive_from(context.intent, "join.subscriber", &[]),
            email: self.email.clone(),
            name: self.name.clone(),
            attributes: None,
            noted: Noted::default(),
            source: Source::Form,
            import_id: None,
            address_id,
            confirm_by: Some(self.channel_id),
            consent: Some(self.consent.clone()),
            evidence: self.evidence.clone(),
            brought: Brought::default(),
        };
        let (store, id_key) = (&commands.store, &commands.id_key);
        let outcome = registration.carry_out(store, id_key, context).await?;
        Ok(!matches!(outcome, Outcome::Taken))
    }

    /// Whoever gets no mail, and could by their own word. That is also somebody who is subscribed, to an address that
    /// speaks of its owner having left: a file signed them up, or a link from before an erasure was used.
    async fn to_be_asked<'s>(
        &self,
        commands: &Commands,
        subscriber: &'s Subscriber,
    ) -> Result<Option<&'s Profile>, RegistrationError> {
        match subscriber {
            Subscriber::Pending(profile) | Subscriber::Unsubscribed(profile) => Ok(Some(profile)),
            Subscriber::Active(profile) => {
                let suppression = profile.address_suppression_id;
                let suppression = commands.store.load::<Suppression>(suppression).await?.state;
                // Who gave the address up is not who asks for mail to it.
                let given_up = suppression.reasons().contains(&Reason::Moved);
                let asked = suppression.forbids(Purpose::Mail)
                    && !suppression.forbids(Purpose::AskForConsent)
                    && !given_up;
                Ok(asked.then_some(profile))
            }
            _ => Ok(None),
        }
    }

    async fn ask_again(
        &self,
        commands: &Commands,
        context: &Context,
        holder: Uuid,
    ) -> Result<bool, RegistrationError> {
        let store = &commands.store;
        let subscriber = store.load::<Subscriber>(holder).await?;
        let Some(profile) = self.to_be_asked(commands, &subscriber.state).await? else {
            return Ok(true);
        };
        let access = store
            .load_of::<Access>(stream_id::access(holder), Access::NOTICES)
            .await?;
        if access.repeated(context.intent).is_some() {
            return Ok(true);
        }
        let notice = Notice {
            subscriber_id: holder,
            kind: NoticeKind::ConfirmSignUp,
            channel_id: self.channel_id,
            departures: profile.departures,
            consent: Some(self.consent.clone()),
            evidence: self.evidence.clone(),
        };
        let mut draft = store.draft(context);
        if notices::issue(&mut draft, context, access, notice) {
            draft.guard(holder, subscriber.version);
            draft.commit().await?;
        }
        Ok(true)
    }
}
