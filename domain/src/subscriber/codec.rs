//! Subscriber events on the wire. Personal fields are sealed under the subscriber's own key.

use tidings_proto::{Event as Wire, EventMessage as _, common::Sealed, subscriber as wire};

use super::{
    ConfirmMethod, Confirmation, Consent, ContactMethod, ErasureBasis, Event, FormerAddress,
    PreferencesMethod, Remains, ResubscribeMethod, Shreddable, Shredded, Source, Subscriber,
    UnsubscribeMethod, What, decode_consent, open_evidence, seal_evidence,
};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::personal::{Open, Personal, Seal};
use crate::preferences::{Part, Preferences};
use crate::value::{Attributes, Code, DisplayName, EmailAddress};
use crate::wire::{Fields, id, optional_id};

const NOT_REQUIRED: &str = "not_required";

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::SignedUp { .. } => wire::SignedUp::TYPE,
        Event::Confirmed { .. } => wire::Confirmed::TYPE,
        Event::Unsubscribed { .. } => wire::Unsubscribed::TYPE,
        Event::Resubscribed { .. } => wire::Resubscribed::TYPE,
        Event::PreferencesChanged { .. } => wire::PreferencesChanged::TYPE,
        Event::ContactChanged { .. } => wire::ContactChanged::TYPE,
        Event::ErasureRequested { .. } => wire::ErasureRequested::TYPE,
        Event::Erased { .. } => wire::Erased::TYPE,
    }
}

/// The first contract revision that knows of coming back to one thing alone.
const ONE_BY_ONE_REVISION: u32 = 3;
/// The first that knows that a file may say what somebody left or came back to.
const BY_FILE_REVISION: u32 = 4;

pub(super) fn min_reader(event: &Event) -> u32 {
    match event {
        Event::Unsubscribed {
            method: UnsubscribeMethod::Import,
            ..
        }
        | Event::Resubscribed {
            method: ResubscribeMethod::Import,
            ..
        } => BY_FILE_REVISION,
        Event::Resubscribed { what, .. } if *what != What::Everything => ONE_BY_ONE_REVISION,
        _ => 0,
    }
}

pub(super) fn encode(event: &Event, seal: &dyn Seal) -> Wire {
    match event {
        Event::SignedUp { .. } => encode_signed_up(event, seal),
        Event::ContactChanged {
            email,
            address_id,
            address_suppression_id,
            domain_suppression_id,
            former,
            method,
        } => wire::ContactChanged {
            email: seal.seal_text("email", email.known().map(EmailAddress::as_str)),
            address_id: id(*address_id),
            address_suppression_id: id(*address_suppression_id),
            domain_suppression_id: id(*domain_suppression_id),
            former_address_id: id(former.address_id),
            former_address_suppression_id: id(former.address_suppression_id),
            method: method.to_string(),
        }
        .into(),
        Event::ErasureRequested {
            basis,
            asked_at,
            address_id,
            address_suppression_id,
            restored_event_id,
        } => wire::ErasureRequested {
            basis: basis.to_string(),
            asked_at_us: asked_at.map_or(0, tidings_proto::to_us),
            address_id: id(*address_id),
            address_suppression_id: id(*address_suppression_id),
            restored_event_id: optional_id(*restored_event_id),
        }
        .into(),
        Event::Erased { shredded, remains } => wire::Erased {
            shredded: shredded.iter().map(encode_shredded).collect(),
            remains: remains.iter().map(ToString::to_string).collect(),
        }
        .into(),
        said => encode_said(said, seal),
    }
}

/// What they said themselves since they signed up.
fn encode_said(event: &Event, seal: &dyn Seal) -> Wire {
    match event {
        Event::Confirmed {
            method,
            delivery_id,
            consent,
            evidence,
        } => wire::Confirmed {
            method: method.to_string(),
            delivery_id: optional_id(*delivery_id),
            evidence: seal_evidence(evidence.as_ref(), seal),
            consent: Consent::seal(consent.as_ref(), seal),
            consent_version: Consent::version(consent.as_ref()),
        }
        .into(),
        Event::Unsubscribed {
            method,
            delivery_id,
            evidence,
            what,
        } => wire::Unsubscribed {
            method: method.to_string(),
            delivery_id: optional_id(*delivery_id),
            evidence: seal_evidence(evidence.as_ref(), seal),
            topic_id: optional_id(what.topic_id()),
            channel_id: optional_id(what.channel_id()),
        }
        .into(),
        Event::Resubscribed {
            method,
            evidence,
            what,
        } => wire::Resubscribed {
            method: method.to_string(),
            evidence: seal_evidence(evidence.as_ref(), seal),
            topic_id: optional_id(what.topic_id()),
            channel_id: optional_id(what.channel_id()),
        }
        .into(),
        Event::PreferencesChanged {
            preferences,
            changed,
            method,
            evidence,
        } => wire::PreferencesChanged {
            preferences: preferences
                .known()
                .map(|it| seal.seal("preferences", it.to_json().as_bytes())),
            changed: changed.iter().map(ToString::to_string).collect(),
            method: method.to_string(),
            evidence: seal_evidence(evidence.as_ref(), seal),
        }
        .into(),
        // `encode` has dealt with all others.
        _ => unreachable!("nothing they said"),
    }
}

/// Of any other event it is an empty one: nobody asks.
fn encode_signed_up(event: &Event, seal: &dyn Seal) -> Wire {
    let Event::SignedUp {
        email,
        name,
        attributes,
        address_id,
        address_suppression_id,
        domain_suppression_id,
        source,
        import_id,
        confirmation,
        consent,
        evidence,
    } = event
    else {
        return wire::SignedUp::default().into();
    };
    let name = name.as_ref().and_then(Personal::known);
    let attributes = attributes.as_ref().and_then(Personal::known);
    wire::SignedUp {
        email: seal.seal_text("email", email.known().map(EmailAddress::as_str)),
        name: seal.seal_text("name", name.map(DisplayName::as_str)),
        attributes: attributes.map(|a| seal.seal("attributes", a.to_json().as_bytes())),
        address_id: id(*address_id),
        address_suppression_id: id(*address_suppression_id),
        domain_suppression_id: id(*domain_suppression_id),
        source: source.to_string(),
        import_id: optional_id(*import_id),
        confirmation: match confirmation {
            Confirmation::NotRequired => NOT_REQUIRED.to_owned(),
            Confirmation::Pending(code) => code.to_string(),
        },
        consent: Consent::seal(consent.as_ref(), seal),
        consent_version: Consent::version(consent.as_ref()),
        evidence: seal_evidence(evidence.as_ref(), seal),
    }
    .into()
}

fn encode_shredded(shredded: &Shredded) -> wire::erased::Shredded {
    wire::erased::Shredded {
        kind: shredded.kind.to_string(),
        key_id: id(shredded.key_id),
        shredded_at_us: tidings_proto::to_us(shredded.at),
    }
}

pub(super) fn decode(event: &Wire, open: &dyn Open) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    match event {
        Wire::SubscriberSignedUp(e) => decode_signed_up(fields, e, open),
        Wire::SubscriberConfirmed(e) => Ok(Event::Confirmed {
            method: ConfirmMethod::parse(&e.method).map_err(|_| fields.impossible("method"))?,
            delivery_id: fields.optional_id("delivery_id", &e.delivery_id)?,
            consent: decode_consent(e.consent.as_ref(), &e.consent_version, open)?,
            evidence: open_evidence(e.evidence.as_ref(), open)?,
        }),
        Wire::SubscriberUnsubscribed(e) => Ok(Event::Unsubscribed {
            method: UnsubscribeMethod::parse(&e.method).map_err(|_| fields.impossible("method"))?,
            delivery_id: fields.optional_id("delivery_id", &e.delivery_id)?,
            evidence: open_evidence(e.evidence.as_ref(), open)?,
            what: decode_what(fields, &e.topic_id, &e.channel_id)?,
        }),
        Wire::SubscriberResubscribed(e) => Ok(Event::Resubscribed {
            method: ResubscribeMethod::parse(&e.method).map_err(|_| fields.impossible("method"))?,
            evidence: open_evidence(e.evidence.as_ref(), open)?,
            what: decode_what(fields, &e.topic_id, &e.channel_id)?,
        }),
        Wire::SubscriberPreferencesChanged(e) => decode_preferences(fields, e, open),
        Wire::SubscriberContactChanged(e) => decode_contact(fields, e, open),
        Wire::SubscriberErasureRequested(e) => Ok(Event::ErasureRequested {
            basis: ErasureBasis::parse(&e.basis).map_err(|_| fields.impossible("basis"))?,
            asked_at: fields.optional_instant("asked_at_us", e.asked_at_us)?,
            address_id: fields.id("address_id", &e.address_id)?,
            address_suppression_id: fields
                .id("address_suppression_id", &e.address_suppression_id)?,
            restored_event_id: fields.optional_id("restored_event_id", &e.restored_event_id)?,
        }),
        Wire::SubscriberErased(e) => decode_erased(fields, e),
        other => Err(CodecError::WrongStream {
            noun: Subscriber::NOUN,
            found: other.event_type(),
        }),
    }
}

fn decode_signed_up(
    fields: Fields,
    e: &wire::SignedUp,
    open: &dyn Open,
) -> Result<Event, CodecError> {
    let email = decode_email(fields, e.email.as_ref(), open)?;
    let name = open.open_optional_text("name", e.name.as_ref())?;
    let attributes = match open.open_optional_text("attributes", e.attributes.as_ref())? {
        None => None,
        Some(Personal::Erased) => Some(Personal::Erased),
        Some(Personal::Known(text)) => Some(Personal::Known(
            Attributes::recorded(&text).ok_or_else(|| fields.impossible("attributes"))?,
        )),
    };
    Ok(Event::SignedUp {
        email,
        name: name.map(|name| name.map(DisplayName::recorded)),
        attributes,
        address_id: fields.id("address_id", &e.address_id)?,
        address_suppression_id: fields.id("address_suppression_id", &e.address_suppression_id)?,
        domain_suppression_id: fields.id("domain_suppression_id", &e.domain_suppression_id)?,
        source: Source::parse(&e.source).map_err(|_| fields.impossible("source"))?,
        import_id: fields.optional_id("import_id", &e.import_id)?,
        confirmation: match e.confirmation.as_str() {
            NOT_REQUIRED => Confirmation::NotRequired,
            other => Confirmation::Pending(Code::recorded(other.to_owned())),
        },
        consent: decode_consent(e.consent.as_ref(), &e.consent_version, open)?,
        evidence: open_evidence(e.evidence.as_ref(), open)?,
    })
}

fn decode_email(
    fields: Fields,
    sealed: Option<&Sealed>,
    open: &dyn Open,
) -> Result<Personal<EmailAddress>, CodecError> {
    Ok(match open.open_text("email", sealed)? {
        Personal::Erased => Personal::Erased,
        Personal::Known(text) => {
            Personal::Known(EmailAddress::recorded(text).ok_or_else(|| fields.impossible("email"))?)
        }
    })
}

fn decode_contact(
    fields: Fields,
    e: &wire::ContactChanged,
    open: &dyn Open,
) -> Result<Event, CodecError> {
    let former = FormerAddress {
        address_id: fields.id("former_address_id", &e.former_address_id)?,
        address_suppression_id: fields.id(
            "former_address_suppression_id",
            &e.former_address_suppression_id,
        )?,
    };
    Ok(Event::ContactChanged {
        email: decode_email(fields, e.email.as_ref(), open)?,
        address_id: fields.id("address_id", &e.address_id)?,
        address_suppression_id: fields.id("address_suppression_id", &e.address_suppression_id)?,
        domain_suppression_id: fields.id("domain_suppression_id", &e.domain_suppression_id)?,
        former,
        method: ContactMethod::parse(&e.method).map_err(|_| fields.impossible("method"))?,
    })
}

fn decode_what(fields: Fields, topic_id: &[u8], channel_id: &[u8]) -> Result<What, CodecError> {
    let topic_id = fields.optional_id("topic_id", topic_id)?;
    match fields.optional_id("channel_id", channel_id)? {
        None => Ok(What::topic_or_everything(topic_id)),
        Some(_) if topic_id.is_some() => Err(fields.impossible("channel_id")),
        Some(channel_id) => Ok(What::Channel(channel_id)),
    }
}

fn decode_preferences(
    fields: Fields,
    e: &wire::PreferencesChanged,
    open: &dyn Open,
) -> Result<Event, CodecError> {
    let preferences = match open.open_text("preferences", e.preferences.as_ref())? {
        Personal::Erased => Personal::Erased,
        Personal::Known(text) => Personal::Known(
            Preferences::recorded(&text).ok_or_else(|| fields.impossible("preferences"))?,
        ),
    };
    let changed = e
        .changed
        .iter()
        .map(|part| Part::parse(part).map_err(|_| fields.impossible("changed")));
    Ok(Event::PreferencesChanged {
        preferences,
        changed: changed.collect::<Result<_, _>>()?,
        method: PreferencesMethod::parse(&e.method).map_err(|_| fields.impossible("method"))?,
        evidence: open_evidence(e.evidence.as_ref(), open)?,
    })
}

fn decode_erased(fields: Fields, e: &wire::Erased) -> Result<Event, CodecError> {
    let shredded = e.shredded.iter().map(|it| {
        Ok(Shredded {
            kind: Shreddable::parse(&it.kind).map_err(|_| fields.impossible("shredded.kind"))?,
            key_id: fields.id("shredded.key_id", &it.key_id)?,
            at: fields.instant("shredded.shredded_at_us", it.shredded_at_us)?,
        })
    });
    // A later version's code stops nobody: it changes nothing in what may be done.
    let remains = e
        .remains
        .iter()
        .filter_map(|code| Remains::parse(code).ok());
    Ok(Event::Erased {
        shredded: shredded.collect::<Result<_, CodecError>>()?,
        remains: remains.collect(),
    })
}
