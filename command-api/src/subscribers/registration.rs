//! Signing somebody up: the subscriber's first event and the claim on the address, in one commit, so
//! that an address belongs to one subscriber whoever comes first. The commit is guarded on the address's suppression,
//! so that a file cannot bring back whoever is erased meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use tidings_domain::access::{Access, NoticeKind};
use tidings_domain::address::{self, Address};
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::id::IdKey;
use tidings_domain::record::{self, Record, TagPatch, Tags};
use tidings_domain::stream_id;
use tidings_domain::subscriber::{
    self, ConfirmMethod, Consent, ResubscribeMethod, Subscriber, UnsubscribeMethod, What,
};
use tidings_domain::suppression::{self, Reason, Suppression};
use tidings_domain::value::{
    AttributeKey, AttributeValue, Attributes, DisplayName, EmailAddress, Evidence, Tag,
};
use tidings_event_store::{CommitError, Context, Draft, LoadError, Loaded, Store};
use uuid::Uuid;

use crate::notices::{self, Notice};

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
    /// What is known besides, in the sign-up itself.
    pub(crate) attributes: Option<Attributes>,
    /// What is known besides, in a record of its own.
    pub(crate) noted: Noted,
    /// How consent came.
    pub(crate) source: subscriber::Source,
    /// The import they come with.
    pub(crate) import_id: Option<Uuid>,
    /// Id of the address's stream.
    pub(crate) address_id: Uuid,
    /// The channel they are asked by whether they want mail; none: whoever signs them up answers for that.
    pub(crate) confirm_by: Option<Uuid>,
    /// What they agreed to.
    pub(crate) consent: Option<Consent>,
    /// What the request looked like.
    pub(crate) evidence: Option<Evidence>,
    /// What they said where they were signed up before.
    pub(crate) brought: Brought,
}

/// What somebody said where they were signed up before. It never adds to what whoever signs them up answers for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Brought {
    /// They have yet to confirm.
    pub(crate) unconfirmed: bool,
    /// What they left (false) or asked for (true).
    pub(crate) said: Vec<(What, bool)>,
}

impl Brought {
    /// Whether they left everything.
    pub(crate) fn has_left(&self) -> bool {
        self.said.contains(&(What::Everything, false))
    }
}

/// What a record begins with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noted {
    /// Typed attributes.
    pub(crate) attributes: BTreeMap<AttributeKey, AttributeValue>,
    /// What they are called among editors.
    pub(crate) tags: BTreeSet<Tag>,
}

/// What became of a registration.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Signed up, now; or they had asked for mail by themselves and had yet to confirm, and are confirmed now.
    SignedUp(Loaded<Subscriber>),
    /// This very registration was carried out before.
    Repeated(Loaded<Subscriber>),
    /// The address belongs to another subscriber.
    Taken,
    /// Whoever had the address was erased or gave it up for another, as the reason says, and it is not them who ask.
    GivenUp(Reason),
    /// Who is here already would have more attributes or tags than anybody may.
    TooMuch(record::Refusal),
}

/// The streams that a registration is about.
#[derive(Clone, Debug)]
pub(crate) struct OnRecord {
    /// The subscriber to be.
    pub(crate) subscriber: Loaded<Subscriber>,
    /// Who holds the address.
    pub(crate) address: Loaded<Address>,
    /// What speaks against the address.
    pub(crate) suppression: Loaded<Suppression>,
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
    /// Loads the streams and signs up.
    ///
    /// # Errors
    /// When the log is away.
    pub(crate) async fn carry_out(
        &self,
        store: &Store,
        id_key: &IdKey,
        context: &Context,
    ) -> Result<Outcome, RegistrationError> {
        let on_record = self.load(store, id_key).await?;
        self.carry_out_on(store, id_key, context, on_record).await
    }

    /// The same with the streams at hand; they are loaded again if they have moved on.
    pub(crate) async fn carry_out_on(
        &self,
        store: &Store,
        id_key: &IdKey,
        context: &Context,
        mut on_record: OnRecord,
    ) -> Result<Outcome, RegistrationError> {
        let mut attempts = 0;
        loop {
            let OnRecord {
                subscriber,
                address,
                suppression,
            } = on_record;
            if subscriber.version > 0 {
                return Ok(Outcome::Repeated(subscriber));
            }
            if let Some(vouched) = self.vouched_before(store, context, &address).await? {
                return Ok(Outcome::Repeated(vouched));
            }
            let signed_up = subscriber.state.decide(self.sign_up(id_key))?;
            let signed_up = self.with_what_they_said(&subscriber.state, signed_up)?;
            let Ok(claimed) = address.state.decide(address::Command::Claim {
                subscriber_id: self.id,
            }) else {
                let there = self.vouch(store, context, &address, suppression);
                match there.await {
                    Err(RegistrationError::Commit(error))
                        if attempts < ATTEMPTS_MAX && error.may_be_decided_anew() => {}
                    done => return done,
                }
                attempts += 1;
                on_record = self.load(store, id_key).await?;
                continue;
            };
            let lifted = match self.lifted(&suppression.state) {
                Ok(lifted) => lifted,
                Err(reason) => return Ok(Outcome::GivenUp(reason)),
            };
            let mut draft = store.draft(context);
            // First in the commit: a repeat of the request looks for its event in this stream.
            let after = draft.append_for(subscriber, signed_up, self.id, Some(self.id));
            draft.append(address, claimed);
            lift(&mut draft, suppression, lifted);
            // Who has just come to be has none.
            let none = Loaded::known(stream_id::record(self.id), Record::default(), 0);
            if let Err(refusal) = self.note(&mut draft, &after, none, None) {
                return Ok(Outcome::TooMuch(refusal));
            }
            self.ask(&mut draft, context);
            attempts += 1;
            match draft.commit().await {
                Ok(committed) => return Ok(Outcome::SignedUp(after.recorded(&committed))),
                Err(error) if attempts < ATTEMPTS_MAX && error.may_be_decided_anew() => {}
                Err(error) => return Err(error.into()),
            }
            on_record = self.load(store, id_key).await?;
        }
    }

    /// Whom this very request has vouched for before, though the address is free by now: they were erased since, or moved.
    /// They must not come to be anew.
    async fn vouched_before(
        &self,
        store: &Store,
        context: &Context,
        address: &Loaded<Address>,
    ) -> Result<Option<Loaded<Subscriber>>, LoadError> {
        let Address::Free {
            before: Some(before),
        } = address.state
        else {
            return Ok(None);
        };
        let before = store.load::<Subscriber>(before).await?;
        let vouched = before.repeated(context.intent).is_some();
        Ok(vouched.then_some(before))
    }

    /// Somebody has the address already. Who has yet to confirm is taken at the word of whoever answers for their consent;
    /// everybody else stays as they are.
    async fn vouch(
        &self,
        store: &Store,
        context: &Context,
        address: &Loaded<Address>,
        suppression: Loaded<Suppression>,
    ) -> Result<Outcome, RegistrationError> {
        let method = match self.source {
            _ if self.confirm_by.is_some() => return Ok(Outcome::Taken),
            _ if self.brought.unconfirmed || self.brought.has_left() => return Ok(Outcome::Taken),
            subscriber::Source::Form => return Ok(Outcome::Taken),
            subscriber::Source::Api => ConfirmMethod::Api,
            subscriber::Source::Import => ConfirmMethod::Import,
        };
        let Some(holder) = address.state.holder() else {
            return Ok(Outcome::Taken);
        };
        let subscriber = store.load::<Subscriber>(holder).await?;
        if subscriber.repeated(context.intent).is_some() {
            return Ok(Outcome::Repeated(subscriber));
        }
        let consent = self.consent.clone();
        let command = subscriber::Command::Vouch { method, consent };
        let confirmed = match subscriber.state.decide(command) {
            Ok(confirmed) if !confirmed.is_empty() => confirmed,
            _ => return Ok(Outcome::Taken),
        };
        let confirmed = self.with_what_they_said(&subscriber.state, confirmed)?;
        let lifted = match self.lifted(&suppression.state) {
            Ok(lifted) => lifted,
            Err(reason) => return Ok(Outcome::GivenUp(reason)),
        };
        let record = store.load::<Record>(stream_id::record(holder)).await?;
        let mut draft = store.draft(context);
        let after = draft.append(subscriber, confirmed);
        let name = self.name.clone().map(Some);
        if let Err(refusal) = self.note(&mut draft, &after, record, name) {
            return Ok(Outcome::TooMuch(refusal));
        }
        draft.guard(address.id, address.version);
        lift(&mut draft, suppression, lifted);
        let committed = draft.commit().await?;
        Ok(Outcome::SignedUp(after.recorded(&committed)))
    }

    /// These events of theirs, and behind them what they bring.
    fn with_what_they_said(
        &self,
        state: &Subscriber,
        mut events: Vec<subscriber::Event>,
    ) -> Result<Vec<subscriber::Event>, subscriber::Refusal> {
        let mut after = events.iter().fold(state.clone(), Subscriber::evolve);
        let choices = state.profile().map(|profile| profile.choices.clone());
        let choices = choices.unwrap_or_default();
        for (what, wanted) in &self.brought.said {
            // Their word here is the later one, as far as anybody knows; leaving is believed whoever tells of it.
            if *wanted && choices.has_word_on(*what) {
                continue;
            }
            let is_in_a_file = self.source == subscriber::Source::Import;
            let command = match wanted {
                true => subscriber::Command::Resubscribe {
                    method: match is_in_a_file {
                        true => ResubscribeMethod::Import,
                        false => ResubscribeMethod::Api,
                    },
                    evidence: None,
                    what: *what,
                },
                false => subscriber::Command::Unsubscribe {
                    method: match is_in_a_file {
                        true => UnsubscribeMethod::Import,
                        false => UnsubscribeMethod::Api,
                    },
                    delivery_id: None,
                    evidence: None,
                    what: *what,
                },
            };
            for event in after.decide(command)? {
                after = after.evolve(&event);
                events.push(event);
            }
        }
        Ok(events)
    }

    /// Puts on their record what there is to note.
    fn note(
        &self,
        draft: &mut Draft<'_>,
        after: &Loaded<Subscriber>,
        record: Loaded<Record>,
        name: Option<Option<DisplayName>>,
    ) -> Result<(), record::Refusal> {
        let Some(profile) = after.state.profile() else {
            return Ok(());
        };
        // What the sign-up says already is no change.
        let said = self.attributes.iter().flat_map(Attributes::typed);
        let attributes = said.chain(self.noted.attributes.clone());
        let command = record::Command::Change {
            subscriber_id: after.id,
            profile: Box::new(profile.clone()),
            name,
            attributes: attributes.map(|(key, value)| (key, Some(value))).collect(),
            // Those they have already they keep.
            tags: Some(Tags::Patch(TagPatch {
                added: self.noted.tags.clone(),
                ..TagPatch::default()
            })),
        };
        let noted = record.state.decide(command)?;
        if !noted.is_empty() {
            draft.append_for(record, noted, after.id, Some(after.id));
        }
        Ok(())
    }

    /// Asks them, if they have to be: a subscriber who has just come to be can not have been asked too often.
    fn ask(&self, draft: &mut Draft<'_>, context: &Context) {
        let Some(channel_id) = self.confirm_by else {
            return;
        };
        let access = Loaded::known(stream_id::access(self.id), Access::default(), 0);
        let notice = Notice {
            subscriber_id: self.id,
            kind: NoticeKind::ConfirmSignUp,
            channel_id,
            departures: 0,
            consent: None,
            evidence: None,
        };
        notices::issue(draft, context, access, notice);
    }

    async fn load(&self, store: &Store, id_key: &IdKey) -> Result<OnRecord, LoadError> {
        Ok(OnRecord {
            address: store.load::<Address>(self.address_id).await?,
            subscriber: store.load::<Subscriber>(self.id).await?,
            suppression: store.load(self.suppression_id(id_key)).await?,
        })
    }

    /// Id of the address's suppression.
    pub(crate) fn suppression_id(&self, id_key: &IdKey) -> Uuid {
        stream_id::address_suppression(id_key, &self.email)
    }

    /// What signing up does to what speaks against the address.
    ///
    /// # Errors
    /// Why nobody has it any more, which only they themselves can put an end to, not a file.
    fn lifted(&self, suppression: &Suppression) -> Result<Vec<suppression::Event>, Reason> {
        match self.source {
            subscriber::Source::Import => match suppression.given_up() {
                Some(reason) => Err(reason),
                None => Ok(Vec::new()),
            },
            // Not before they have confirmed: anybody can type any address.
            _ if self.confirm_by.is_some() => Ok(Vec::new()),
            subscriber::Source::Api | subscriber::Source::Form => {
                let reasons = Reason::ENDED_BY_SIGN_UP.to_vec();
                let Ok(lifted) = suppression.decide(suppression::Command::Lift { reasons });
                Ok(lifted)
            }
        }
    }

    fn sign_up(&self, id_key: &IdKey) -> subscriber::Command {
        subscriber::Command::SignUp {
            email: self.email.clone(),
            name: self.name.clone(),
            attributes: self.attributes.clone(),
            address_id: self.address_id,
            address_suppression_id: self.suppression_id(id_key),
            domain_suppression_id: stream_id::domain_suppression(id_key, self.email.domain()),
            source: self.source,
            import_id: self.import_id,
            confirm: self.confirm_by.is_some() || self.brought.unconfirmed,
            consent: self.consent.clone(),
            evidence: self.evidence.clone(),
        }
    }
}

/// Takes away what spoke against the address; nothing else may speak against it meanwhile.
pub(crate) fn lift(
    draft: &mut Draft<'_>,
    suppression: Loaded<Suppression>,
    lifted: Vec<suppression::Event>,
) {
    match lifted.is_empty() {
        true => drop(draft.guard(suppression.id, suppression.version)),
        false => drop(draft.append(suppression, lifted)),
    }
}
