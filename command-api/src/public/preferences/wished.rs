//! What a reader wishes by what they have entered. A page may be old when it is sent, and what it shows may have been left since by a
//! link in a mail: so only what its reader has changed on it is a word of theirs.

use tidings_domain::preferences::Wrong;
use tidings_domain::subscriber::{
    Command, PreferencesMethod, ResubscribeMethod, Standing, Subscriber, UnsubscribeMethod, What,
};
use tidings_domain::token::{ConfirmLink, PreferencesLink};
use tidings_domain::value::Evidence;
use tidings_event_store::Past;
use tidings_proto::EventMessage as _;
use tidings_proto::subscriber::Unsubscribed;
use time::Date;

use super::entry::{Entry, Mark, Wish};
use super::page::Word;
use super::shown::{Choice, Shown};
use crate::offers::Offer;

/// What an entry comes to.
#[derive(Debug)]
pub(super) struct Wished {
    pub(super) commands: Vec<Command>,
    /// What is to be said of what does not come of it; none: all of it does.
    pub(super) but: Option<Word<'static>>,
}

/// What is wished by an entry; `Err`: why nothing comes of it, whoever sends it.
pub(super) fn wish(
    entry: &Entry,
    link: &PreferencesLink,
    today: Date,
) -> Result<Wish, Word<'static>> {
    let wish = entry.wish.ok_or(Word::Unknown)?;
    match wish == Wish::ComeBack && only_leaves(link, today) {
        true => Err(Word::TooOld),
        false => Ok(wish),
    }
}

/// Whether by this link one can leave, but not undo that: a mail lies around for years, and may have been passed on.
fn only_leaves(link: &PreferencesLink, today: Date) -> bool {
    ConfirmLink::has_had_its_time(link.issued, today)
}

/// What an entry comes to, for a reader as they are.
pub(super) fn wishes(
    state: &Subscriber,
    offer: &Offer,
    (wish, entry): (Wish, &Entry),
    (link, today): (&PreferencesLink, Date),
    evidence: Option<&Evidence>,
) -> Result<Wished, Vec<Wrong>> {
    let words = Words { link, evidence };
    match wish {
        Wish::Leave => return Ok(words.only(What::Everything, false)),
        Wish::ComeBack if has_left_since(state, entry) => return Ok(Wished::none(Word::LeftSince)),
        Wish::ComeBack => return Ok(words.only(What::Everything, true)),
        Wish::Save => {}
    }
    let shown = Shown::new(state, offer);
    let preferences = entry.preferences(&shown.preferences, &shown.topics)?;
    let mut wished = Wished {
        commands: Vec::new(),
        but: None,
    };
    let topics = shown
        .topics
        .iter()
        .map(|it| (it, "topic", What::Topic(it.id)));
    let channels = shown
        .channels
        .iter()
        .map(|it| (it, "channel", What::Channel(it.id)));
    for (choice, name, what) in topics.chain(channels) {
        match said(choice, entry.mark(name, choice.id)) {
            Said::Nothing => {}
            Said::Wanted if only_leaves(link, today) => wished.but = Some(Word::OnlyLeaves),
            Said::Wanted => wished.commands.push(words.word(what, true)),
            Said::Unwanted => wished.commands.push(words.word(what, false)),
            Said::Perhaps => wished.but = wished.but.or(Some(Word::StaysLeft)),
        }
    }
    wished.commands.push(Command::ChangePreferences {
        preferences,
        method: PreferencesMethod::Page,
        evidence: evidence.cloned(),
    });
    Ok(wished)
}

/// What a box says of a topic or channel.
enum Said {
    /// It is so already, or was not touched: silence stays silence.
    Nothing,
    Wanted,
    Unwanted,
    /// It is ticked and not wanted, and nothing tells whether its reader has ticked it or left it as it was.
    Perhaps,
}

fn said(choice: &Choice, mark: Mark) -> Said {
    match (mark, choice.on_record) {
        (Mark::Ticked, false) => Said::Wanted,
        (Mark::Cleared, true) => Said::Unwanted,
        (Mark::Unclear, false) => Said::Perhaps,
        _ => Said::Nothing,
    }
}

/// Whether somebody has left everything after the page with the button to come back was made.
fn has_left_since(state: &Subscriber, entry: &Entry) -> bool {
    let departures = state.profile().map(|it| it.departures);
    state.standing() == Standing::Unsubscribed && entry.departures() != departures
}

/// Makes commands of a reader's words.
struct Words<'a> {
    link: &'a PreferencesLink,
    evidence: Option<&'a Evidence>,
}

impl Words<'_> {
    fn word(&self, what: What, wanted: bool) -> Command {
        let evidence = self.evidence.cloned();
        match wanted {
            true => Command::Resubscribe {
                method: ResubscribeMethod::Page,
                evidence,
                what,
            },
            false => Command::Unsubscribe {
                method: UnsubscribeMethod::Page,
                delivery_id: self.link.delivery_id,
                evidence,
                what,
            },
        }
    }

    fn only(&self, what: What, wanted: bool) -> Wished {
        Wished {
            commands: vec![self.word(what, wanted)],
            but: None,
        }
    }
}

impl Wished {
    /// What is ticked on a page of before they left something is not come back to: it may be the same page once more.
    pub(super) fn of_page(mut self, entry: &Entry, history: &[Past]) -> Self {
        let is_older = |left: i32| entry.version().is_none_or(|shown| shown < left);
        let mut departures = history.iter();
        if departures.any(|it| it.event_type == Unsubscribed::TYPE && is_older(it.version)) {
            let before = self.commands.len();
            self.commands
                .retain(|it| !matches!(it, Command::Resubscribe { .. }));
            if self.commands.len() < before {
                self.but = self.but.or(Some(Word::StaysLeft));
            }
        }
        self
    }

    fn none(but: Word<'static>) -> Self {
        Self {
            commands: Vec::new(),
            but: Some(but),
        }
    }
}
