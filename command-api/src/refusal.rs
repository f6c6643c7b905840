//! Turns what the domain and the log say no with into problems: the one place that decides on a status.

use std::error::Error as StdError;

use tidings_domain::value::Invalid;
use tidings_event_store::view::SkipError;
use tidings_event_store::{CommitError, ExecuteError, LoadError, RETRY_AFTER};
use tidings_service::Problem;
use tidings_service::problem::chain;

use crate::commands::NotSkipped;
use crate::publications::aim;

/// What a refusal of the domain means to a caller.
pub(crate) trait Refused: StdError + Send + Sync + 'static {
    /// The stream does not exist: there is nothing at that path.
    fn is_unknown(&self) -> bool;

    /// Pointers such as `#/segments` to what the request lacks, if that is what is wrong: the request and not what it is about.
    fn lacking(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

macro_rules! refused {
    ($($noun:ident),*) => {
        $(impl Refused for tidings_domain::$noun::Refusal {
            fn is_unknown(&self) -> bool {
                matches!(self, Self::NotFound)
            }
        })*
    };
}

refused!(
    api_key,
    channel,
    segment,
    subscriber,
    subscriber_import,
    topic
);

impl Refused for tidings_domain::publication::Refusal {
    fn is_unknown(&self) -> bool {
        matches!(self, Self::NotFound)
    }

    fn lacking(&self) -> Vec<&'static str> {
        match self {
            Self::SegmentsUnsaid { lists } => lists.iter().map(aim::pointer).collect(),
            _ => Vec::new(),
        }
    }
}

impl Refused for tidings_domain::suppression::Refusal {
    fn is_unknown(&self) -> bool {
        match *self {}
    }
}

impl Refused for tidings_domain::log::Refusal {
    fn is_unknown(&self) -> bool {
        match *self {}
    }
}

/// A view did not skip an event.
pub(crate) fn not_skipped(error: NotSkipped) -> Problem {
    match error {
        NotSkipped::Unknown => Problem::not_found("There is no view of that name."),
        NotSkipped::View(SkipError::Execute(error)) => of(*error),
        NotSkipped::View(SkipError::OtherIntent) => Problem::idempotency_key_reused(),
        NotSkipped::View(error @ SkipError::View(_)) => log_away(&error),
        NotSkipped::View(refused) => Problem::conflict(sentence(&refused.to_string())),
    }
}

/// A command that had no effect.
pub(crate) fn of<R: Refused>(error: ExecuteError<R>) -> Problem {
    match error {
        ExecuteError::Refused(refusal) => refused(&refusal),
        ExecuteError::Load(error) => load(&error),
        ExecuteError::Commit(error) => commit(&error),
        // Nothing there is said as such, whatever version was asked for.
        ExecuteError::Precondition { actual: 0 } => unknown(),
        ExecuteError::Precondition { actual } => {
            Problem::precondition_failed(format!(
                "It is at version {actual} now, and If-Match names another. Read it again and decide anew."
            ))
                .extension("version", actual)
        }
    }
}

/// The domain said no.
pub(crate) fn refused<R: Refused>(refusal: &R) -> Problem {
    if refusal.is_unknown() {
        return unknown();
    }
    let detail = sentence(&refusal.to_string());
    let lacking = refusal.lacking();
    if lacking.is_empty() {
        return Problem::conflict(detail);
    }
    let noted = |problem: Problem, pointer: &str| problem.error(pointer, detail.clone());
    lacking.into_iter().fold(Problem::validation(), noted)
}

/// A stream could not be folded.
pub(crate) fn load(error: &LoadError) -> Problem {
    match error {
        _ if error.is_wrong_stream() => unknown(),
        _ if error.is_temporary() => log_away(error),
        _ if error.is_of_a_later_build() => Problem::later_build(),
        _ => Problem::internal(error),
    }
}

/// A commit did not happen, or nobody knows whether it did.
pub(crate) fn commit(error: &CommitError) -> Problem {
    match error {
        CommitError::Conflict { .. } => Problem::conflict(
            "Others changed it at the same time, again and again. Read it and decide anew.",
        ),
        CommitError::Unavailable => log_away(error),
        CommitError::Unknown => unavailable(
            "The log went away before it answered, so the change may or may not be in it. \
             The same request with the same Idempotency-Key finds out.",
        ),
        CommitError::WentBack(_) => unavailable(
            "The database has gone back in time: nothing is recorded before an operator has restored the platform. \
             Nothing was changed.",
        ),
        CommitError::Invalid(_) | CommitError::Refused(_) => Problem::internal(error),
    }
}

/// The database is out of reach; nothing was changed.
pub(crate) fn log_away(error: &dyn StdError) -> Problem {
    tracing::warn!(error = %chain(error), "a command found the log away");
    unavailable("The log cannot be written at the moment. Nothing was changed.")
}

/// Not now; it may go better in a moment.
pub(crate) fn unavailable(detail: &str) -> Problem {
    Problem::unavailable(detail, RETRY_AFTER.as_secs(), None)
}

fn unknown() -> Problem {
    Problem::not_found("Nothing of this kind has that id.")
}

/// Collects what is wrong with the values of one request.
#[derive(Default)]
pub(crate) struct Values {
    wrong: Vec<(String, String)>,
}

impl Values {
    /// The value, or a note of what is wrong with it. `pointer` such as `#/title`.
    pub(crate) fn take<T>(&mut self, pointer: &str, parsed: Result<T, Invalid>) -> Option<T> {
        parsed
            .map_err(|invalid| self.wrong(pointer, &invalid.detail))
            .ok()
    }

    /// Notes what is wrong with a value.
    pub(crate) fn wrong(&mut self, pointer: &str, detail: &str) {
        self.wrong.push((pointer.to_owned(), sentence(detail)));
    }

    /// The values, if nothing was wrong with any.
    ///
    /// # Errors
    /// 422 with everything that was wrong.
    pub(crate) fn all<T>(self, values: Option<T>) -> Result<T, Problem> {
        match values {
            Some(values) if self.wrong.is_empty() => Ok(values),
            _ => Err(self
                .wrong
                .into_iter()
                .fold(Problem::validation(), |problem, (pointer, detail)| {
                    problem.error(pointer, detail)
                })),
        }
    }
}

/// What the domain says in passing, as a sentence.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    let mut sentence: String = first.chain(letters).collect();
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::ResponseError as _;
    use tidings_domain::aggregate::CodecError;
    use tidings_event_store::vault::VaultError;
    use tidings_event_store::{UnderstandError, WentBack};
    use uuid::Uuid;

    #[derive(Debug, thiserror::Error)]
    enum Refusal {
        #[error("there is none")]
        Unknown,
        #[error("it is sent already; draft another one")]
        Sent,
    }

    impl Refused for Refusal {
        fn is_unknown(&self) -> bool {
            matches!(self, Self::Unknown)
        }
    }

    fn status(error: ExecuteError<Refusal>) -> u16 {
        of(error).kind().status
    }

    fn codec(source: impl Into<UnderstandError>) -> LoadError {
        LoadError::Codec {
            position: 1,
            source: source.into(),
        }
    }

    #[test]
    fn a_view_that_does_not_skip_says_why() {
        let (view, position) = ("channel_list", 7);
        let status = |error| not_skipped(error).kind().status;
        assert_eq!(status(NotSkipped::Unknown), 404);
        assert_eq!(status(SkipError::Never { view }.into()), 409);
        assert_eq!(status(SkipError::Sound { view, position }.into()), 409);
        let poison = tidings_event_store::view::ViewError::Redefined { view };
        assert_eq!(status(SkipError::View(poison).into()), 503);
    }

    #[test]
    fn each_error_has_its_status() {
        let conflict = CommitError::Conflict {
            stream_id: Uuid::nil(),
            expected: 1,
            actual: 2,
        };
        let wrong_stream = CodecError::WrongStream {
            noun: "channel",
            found: "publication.Drafted",
        };
        let damaged = CodecError::Field {
            event_type: "channel.Configured",
            field: "kind",
        };
        let cases = [
            (ExecuteError::Refused(Refusal::Unknown), 404),
            (ExecuteError::Refused(Refusal::Sent), 409),
            (ExecuteError::Load(codec(wrong_stream)), 404),
            (ExecuteError::Load(codec(damaged)), 500),
            (ExecuteError::Load(codec(UnderstandError::TooNew(9))), 503),
            (
                ExecuteError::Load(LoadError::Vault(VaultError::Damaged(Uuid::nil()))),
                500,
            ),
            (ExecuteError::Commit(conflict), 409),
            (ExecuteError::Commit(CommitError::Unavailable), 503),
            (ExecuteError::Commit(CommitError::Unknown), 503),
            (ExecuteError::Commit(WentBack { position: 7 }.into()), 503),
            (
                ExecuteError::Commit(CommitError::Invalid("too large".to_owned())),
                500,
            ),
            (ExecuteError::Precondition { actual: 3 }, 412),
            (ExecuteError::Precondition { actual: 0 }, 404),
        ];
        for (error, expected) in cases {
            let said = format!("{error:?}");
            assert_eq!(status(error), expected, "{said}");
        }
    }

    #[test]
    fn a_log_that_is_away_says_when_to_come_back() {
        let response = commit(&CommitError::Unavailable).error_response();
        assert_eq!(response.headers().get("retry-after").unwrap(), "5");
    }

    #[test]
    fn the_domains_words_reach_the_caller_as_a_sentence() {
        let problem = refused(&Refusal::Sent);
        assert_eq!(
            problem.body().detail.as_deref(),
            Some("It is sent already; draft another one.")
        );
    }

    #[test]
    fn all_wrong_values_are_named_at_once() {
        let mut values = Values::default();
        values.wrong("#/title", "the title is empty");
        values.wrong("#/channels", "no channel is named");
        let problem = values.all(Some(())).unwrap_err();
        let named: Vec<_> = problem
            .errors()
            .iter()
            .map(|error| error.pointer.as_str())
            .collect();
        assert_eq!(
            (problem.kind().status, named),
            (422, vec!["#/title", "#/channels"])
        );
    }
}
