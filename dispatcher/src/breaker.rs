//! What the outcomes of a channel's attempts do to its circuit. Failures in a row are counted in this process;
//! what they lead to is an event on the channel's stream, which every attempt anywhere is guarded on.

mod given_up;
#[cfg(test)]
mod tests;
mod unknown;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::channel::circuit::{Fault, MetBy};
use tidings_domain::channel::{Attempt, Channel, Circuit, Command};
use tidings_domain::delivery::retry::Family;
use tidings_domain::value::Code;
use tidings_event_store::{CommitError, crash_point};
use tidings_proto::Reason;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::channel::{Blame, Outcome};
use crate::core::{Core, DispatchError};
use crate::pick::{KnownReceiver, Pick};
use crate::roster::Way;
use unknown::Unknown;

/// The longest anybody is left alone because they ask for it.
const ASKED_FOR_MAX: time::Duration = time::Duration::HOUR;

/// How long the next probe waits after one that never got as far as the receiving side.
const NEVER_ASKED: time::Duration = time::Duration::seconds(5);

/// Failed attempts in a row, by channel. Lost with the process: then they are counted anew.
#[derive(Default)]
pub(crate) struct Breaker {
    channels: Mutex<HashMap<Uuid, Counted>>,
}

#[derive(Default)]
struct Counted {
    /// Version of the channel's stream that the attempts were judged with.
    version: i32,
    failures: u32,
    /// Whose they were, since the channel last worked.
    met_by: MetBy,
    /// Receivers that were refused since then, for what may be the channel's fault or their own; the latest last.
    refused: Vec<Uuid>,
    /// Receivers that were refused so while another one's message got through: then it is their own. The latest last.
    excused: Vec<Uuid>,
    /// Until when nothing is tried; set by the failure that opened the circuit, for those that come behind it.
    open_until: Option<OffsetDateTime>,
    /// Until when the receiving side has asked to be left alone, since the channel last worked: what was put off before is due
    /// once it works again, and must not come sooner.
    asked_until: Option<OffsetDateTime>,
    /// Whom nobody is said to be; none: no message was taken yet.
    unknown: Option<Unknown>,
    /// Deliveries that nobody else's failure stood beside when another one got through; the latest last.
    outdone: Vec<Uuid>,
}

/// Most deliveries of a channel that are remembered to have failed while others got through.
const OUTDONE_MAX: usize = 32;

/// Most receivers of a channel that are remembered to have been refused since it worked.
const REFUSED_MAX: usize = 32;
/// Most of those whose own fault it was.
const EXCUSED_MAX: usize = 256;

/// So often nothing but one delivery finds out whether a service is still in trouble, a quarter of an hour apart: five days.
/// Then it is the delivery.
const PROBES_ALONE_MAX: u32 = 480;

/// Whose attempt it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whose {
    /// The delivery.
    pub(crate) delivery_id: Uuid,
    /// Its receiver, who may have others under way.
    pub(crate) receiver_id: Uuid,
    /// Keyed id of the domain it went to; none for a broadcast.
    pub(crate) domain_id: Option<Uuid>,
}

impl Whose {
    /// `receiver`: as the attempt was judged with; none: nothing was attempted.
    pub(crate) fn of(pick: &Pick, receiver: Option<&KnownReceiver>) -> Self {
        Self {
            delivery_id: pick.delivery.id,
            receiver_id: pick.receiver_id(),
            domain_id: receiver.and_then(KnownReceiver::domain),
        }
    }
}

/// What an outcome means for the channel's circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Nothing,
    /// Messages get through again.
    Closes,
    /// Nothing gets through.
    Opens {
        /// What the attempt met.
        reason: Code,
        /// Attempts in a row that failed.
        failures: u32,
        /// When one attempt may find out whether it works again.
        probe_at: OffsetDateTime,
        /// How often it was opened since it was closed.
        openings: u32,
    },
    /// It was opened a moment ago.
    IsOpen {
        /// When one attempt may find out whether it works again.
        probe_at: OffsetDateTime,
    },
}

/// What an outcome means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    /// For the channel's circuit.
    pub(crate) verdict: Verdict,
    /// The receiving side has answered this delivery, and no other has met such an answer since the channel last worked:
    /// it may be the delivery's own fault, so it counts against it.
    pub(crate) alone: bool,
    /// Nobody has the receiver's address, and who says so takes mail for others.
    pub(crate) is_unknown: bool,
}

impl Judged {
    /// When the delivery can be tried again, if the channel is to blame that it was not taken.
    pub(crate) fn wait_until(&self) -> Option<OffsetDateTime> {
        match self.verdict {
            _ if self.alone => None,
            Verdict::Nothing | Verdict::Closes => None,
            Verdict::Opens { probe_at, .. } | Verdict::IsOpen { probe_at } => Some(probe_at),
        }
    }
}

impl Breaker {
    /// Counts an outcome of a delivery's attempt that was judged with the channel as `way` has it.
    pub(crate) fn judge(
        &self,
        way: &Way,
        whose: Whose,
        outcome: &Outcome,
        now: OffsetDateTime,
    ) -> Judged {
        let delivery_id = whose.delivery_id;
        let circuit = way.circuit();
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = channels.entry(way.channel_id).or_default();
        if way.version < counted.version {
            // A late word on the channel as it was before.
            return Judged {
                verdict: Verdict::Nothing,
                alone: false,
                is_unknown: false,
            };
        }
        if way.version > counted.version {
            let before = std::mem::take(counted);
            *counted = Counted {
                version: way.version,
                met_by: match circuit.is_closed() {
                    true => MetBy::Nobody,
                    false => before.met_by.and(circuit.met_by()),
                },
                // Whoever has closed it may have met one refusal alone.
                refused: before.refused,
                excused: before.excused,
                outdone: before.outdone,
                asked_until: before.asked_until.filter(|_| !circuit.is_closed()),
                ..Counted::default()
            };
        }
        let is_unknown = counted.is_unknown(whose, outcome);
        let verdict = counted.judge(circuit, whose, outcome, now);
        let is_own = is_answer(outcome)
            && (!is_trouble_of_a_service(way, outcome)
                || counted.outdone.contains(&delivery_id)
                || circuit.openings() >= PROBES_ALONE_MAX);
        Judged {
            verdict,
            alone: is_own && counted.met_by == MetBy::One(delivery_id),
            is_unknown,
        }
    }
}

impl Counted {
    fn judge(
        &mut self,
        circuit: Circuit,
        whose: Whose,
        outcome: &Outcome,
        now: OffsetDateTime,
    ) -> Verdict {
        let delivery_id = whose.delivery_id;
        let probe = !circuit.is_closed();
        let (reason, fault, openings) = match heard(outcome) {
            Heard::Works => {
                self.failures = 0;
                self.asked_until = None;
                self.works_for(whose);
                return if probe {
                    Verdict::Closes
                } else {
                    Verdict::Nothing
                };
            }
            // What a probe should have found out is not known: another one has to.
            Heard::Nothing(reason) if probe => (reason, Fault::Network, circuit.openings()),
            Heard::Nothing(_) => return Verdict::Nothing,
            Heard::Fails(reason, fault) => (reason, fault, circuit.openings().saturating_add(1)),
            Heard::Refuses(reason) => {
                // Nobody else has met it: it goes by its own schedule, and the others go on.
                if !self.refuses_others_too(whose.receiver_id, circuit) {
                    return match probe {
                        true => Verdict::Closes,
                        false => Verdict::Nothing,
                    };
                }
                (reason, Fault::Setup, circuit.openings().saturating_add(1))
            }
        };
        self.failures = self.failures.saturating_add(1);
        self.met_by = self.met_by.and(MetBy::One(delivery_id));
        let asked_until = now.saturating_add(asked_for(outcome));
        let asked_until = self
            .asked_until
            .map_or(asked_until, |it| it.max(asked_until));
        self.asked_until = Some(asked_until);
        if let Some(probe_at) = self.open_until.filter(|until| !probe && now < *until) {
            return Verdict::IsOpen { probe_at };
        }
        if !probe && self.failures < fault.failures_to_open() {
            return Verdict::Nothing;
        }
        let wait = match is_never_asked(outcome) {
            true => NEVER_ASKED,
            false => fault.wait(openings.saturating_sub(1)),
        };
        // Nobody is asked sooner than they want to be.
        let probe_at = now.saturating_add(wait).max(asked_until);
        self.open_until = Some(probe_at);
        Verdict::Opens {
            reason: Code::from_static(reason.as_str()),
            failures: self.failures,
            probe_at,
            openings,
        }
    }
}

impl Counted {
    /// Whether an outcome shows that nobody has its receiver's address. It is believed of who has taken a message since the
    /// channel is as it is, and does not say so of everybody: whoever is not believed is asked for once more by the next
    /// publication.
    fn is_unknown(&mut self, whose: Whose, outcome: &Outcome) -> bool {
        let Some(domain_id) = whose.domain_id else {
            return false;
        };
        match (outcome, &mut self.unknown) {
            (Outcome::Sent { .. }, unknown) => {
                unknown.get_or_insert_default().is_known(domain_id);
                false
            }
            (
                Outcome::Failed {
                    blame: Blame::Address,
                    ..
                },
                Some(unknown),
            ) => unknown.is_one_more(domain_id),
            _ => false,
        }
    }

    /// Somebody has got through: whoever else has failed until then, and was the only one, is to blame for it.
    fn works_for(&mut self, whose: Whose) {
        let Whose {
            delivery_id,
            receiver_id,
            ..
        } = whose;
        let failed = std::mem::take(&mut self.met_by);
        self.outdone.retain(|it| *it != delivery_id);
        if let MetBy::One(other) = failed
            && other != delivery_id
        {
            remember(&mut self.outdone, other, OUTDONE_MAX);
        }
        for other in std::mem::take(&mut self.refused) {
            remember(&mut self.excused, other, EXCUSED_MAX);
        }
        self.excused.retain(|it| *it != receiver_id);
    }

    /// A receiver is refused; whether another one was too since the channel last worked, so that it is nobody's own fault. The
    /// log says so too, of whom other dispatchers met.
    fn refuses_others_too(&mut self, receiver_id: Uuid, circuit: Circuit) -> bool {
        if self.excused.contains(&receiver_id) {
            return false;
        }
        remember(&mut self.refused, receiver_id, REFUSED_MAX);
        self.refused.len() > 1 || circuit.refuses()
    }
}

/// Puts it last into a list of so many at the most, of which the first are forgotten.
fn remember(list: &mut Vec<Uuid>, id: Uuid, most: usize) {
    if list.contains(&id) {
        return;
    }
    if list.len() == most {
        list.remove(0);
    }
    list.push(id);
}

/// What a whole service says of itself, whoever asks it for what: SMTP 421, HTTP 429, 502 to 504.
const OF_THE_SERVICE: [i32; 5] = [421, 429, 502, 503, 504];

/// Whether the receiving side has seen the delivery and would not take it now. Who is not reached has not, nor has a
/// service that is away, and what is wrong with our credentials or settings is nobody's message's fault.
fn is_answer(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Deferred { code, blame: Blame::Network, .. }
            if *code > 0 && !OF_THE_SERVICE.contains(code)
    )
}

/// Whether a service that others run for many says that it is in trouble, or a mail server before it has heard of any
/// receiver: whoever asks meanwhile is answered so, and that may be one delivery alone. What a webhook's receiver says so
/// may be about this message of all.
fn is_trouble_of_a_service(way: &Way, outcome: &Outcome) -> bool {
    let is_webhook = way.kind.is_some_and(|kind| kind.family == Family::Webhook);
    let Outcome::Deferred { reason, code, .. } = outcome else {
        return false;
    };
    !is_webhook && (*code == 500 || *reason == Reason::ServiceUnavailable)
}

/// Whether an attempt ended before anybody was asked: what is busy is ourselves.
fn is_never_asked(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Abandoned {
            reason: Reason::Paced | Reason::Stale | Reason::NoFreeConnection
        }
    )
}

/// How long the receiving side wants to be left alone, as far as we go along with it.
fn asked_for(outcome: &Outcome) -> time::Duration {
    let wanted = match outcome {
        Outcome::Deferred { retry_after, .. } => *retry_after,
        _ => None,
    };
    let wanted = wanted.and_then(|wanted| wanted.try_into().ok());
    wanted.map_or(time::Duration::ZERO, |wanted: time::Duration| {
        wanted.min(ASKED_FOR_MAX)
    })
}

/// What an outcome says of the channel.
enum Heard {
    /// The receiving side is there and takes messages, if perhaps not this one.
    Works,
    /// Not a word.
    Nothing(Reason),
    /// No message gets through.
    Fails(Reason, Fault),
    /// Not this one, for what is wrong with our account or settings; or with its receiver.
    Refuses(Reason),
}

fn heard(outcome: &Outcome) -> Heard {
    let blamed = |reason, blame| match blame {
        // Whoever asks us to slow down is there.
        Blame::Receiver | Blame::Address | Blame::Domain | Blame::Pace => Heard::Works,
        Blame::Network => Heard::Fails(reason, Fault::Network),
        Blame::Channel => Heard::Fails(reason, Fault::Setup),
        Blame::ChannelOrReceiver => Heard::Refuses(reason),
    };
    match outcome {
        Outcome::Sent { .. } => Heard::Works,
        Outcome::Deferred { reason, blame, .. } | Outcome::Failed { reason, blame, .. } => {
            blamed(*reason, *blame)
        }
        Outcome::InDoubt { reason } => Heard::Fails(*reason, Fault::Network),
        Outcome::Abandoned { reason } => Heard::Nothing(*reason),
    }
}

impl Core {
    /// Puts on the channel's stream what an outcome means for its circuit: only if the stream stands where the attempt
    /// left it. Or another dispatcher found it out first, or somebody has set the channel up anew, or a later probe knows
    /// better.
    pub(crate) async fn switch(
        &self,
        way: &Way,
        by: Attempt,
        cause: (Uuid, i64),
        verdict: Verdict,
    ) -> Result<(), DispatchError> {
        let command = match verdict {
            Verdict::Nothing | Verdict::IsOpen { .. } => return Ok(()),
            Verdict::Closes => Command::CloseCircuit { by },
            Verdict::Opens {
                reason,
                failures,
                probe_at,
                openings,
            } => Command::OpenCircuit {
                reason,
                failures,
                probe_at,
                openings,
                by,
            },
        };
        let loaded = self.store.load::<Channel>(way.channel_id).await?;
        let command = self
            .given_up(way, &loaded, &command)
            .await?
            .unwrap_or(command);
        let left_at = way.version + i32::from(!way.circuit().is_closed());
        let events = loaded.state.decide(command).unwrap_or_default();
        if loaded.version != left_at || events.is_empty() {
            return Ok(());
        }
        let (correlation_id, position) = cause;
        let context = self.context(correlation_id, position, None, self.ids.next());
        let mut draft = self.store.draft(&context);
        draft.append(loaded, events);
        crash_point!("circuit.before_recorded");
        match draft.commit().await {
            Ok(_) => {
                crash_point!("circuit.recorded");
                let state = &self.roster.refresh(way.channel_id).await?.state;
                match state.circuit() {
                    _ if !state.is_enabled() => {
                        tracing::warn!(channel = %way.channel_id, "a channel is disabled: it takes nothing, and says so or has done so for too long");
                    }
                    Circuit::Closed => {
                        tracing::info!(channel = %way.channel_id, "a channel works again");
                    }
                    _ => {
                        tracing::warn!(channel = %way.channel_id, "a channel takes nothing: its deliveries wait");
                    }
                }
                Ok(())
            }
            Err(CommitError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
