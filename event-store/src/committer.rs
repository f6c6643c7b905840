//! Group commit. One task per process collects the commits that wait, writes them in one round trip,
//! and answers each caller with its own verdict. One batch is in flight at a time.

mod batch;
mod columns;
mod session;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::counters::Counters;
use crate::crash_point;
use crate::event::{Commit, Committed};
use crate::outage::Outage;
use crate::session::Connect;
use crate::timeline::{Timeline, WentBack};
use crate::why::why;

use batch::Batch;
use session::{CommitSession, Failure, Lost};

/// How long a caller waits for a database that is away before it is told so.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long opening a session, or looking for the outcome of a batch, may take before it is tried anew.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(2);
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
const NO_ANSWER: &str = "the database does not answer";
const OUTCOME_UNKNOWN: &str = "the outcome of a batch is still unknown";
/// Commits that may wait in line; past it, callers wait to get in line.
const LINE_COMMITS: usize = 8_192;

/// Why a commit did not happen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// A guard did not hold. Nothing was written.
    #[error("stream {stream_id} is at version {actual}, not {expected}")]
    Conflict {
        /// The guarded stream.
        stream_id: Uuid,
        /// The version the guard named.
        expected: i32,
        /// The version it was at.
        actual: i32,
    },
    /// The commit breaks a bound of the log. Nothing was written.
    #[error("the commit can not be recorded: {0}")]
    Invalid(String),
    /// The database refused the statement. Nothing was written.
    #[error("the database refused the commit")]
    Refused(#[source] Arc<tokio_postgres::Error>),
    /// The log is not the one this process has seen. Never retried.
    #[error(transparent)]
    WentBack(#[from] WentBack),
    /// The log is away. Nothing was written.
    #[error("the log can not be written at the moment")]
    Unavailable,
    /// The connection was lost at the wrong moment: it may have been written. Trying again with the
    /// same event ids is safe, after a look at the stream.
    #[error("the log went away before it answered: the outcome is unknown")]
    Unknown,
}

impl CommitError {
    /// Others were faster, or nobody knows whether it was written: after another look at the streams it may be decided and
    /// tried again.
    pub fn may_be_decided_anew(&self) -> bool {
        matches!(self, Self::Conflict { .. } | Self::Unknown)
    }
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error(transparent)]
    Database(#[from] tokio_postgres::Error),
    #[error(transparent)]
    WentBack(#[from] WentBack),
}

pub(crate) struct Submission {
    pub(crate) commit: Commit,
    pub(crate) digests: Vec<[u8; 32]>,
    answer: oneshot::Sender<Result<Committed, CommitError>>,
    since: Instant,
    /// It was sent over a connection that was lost: a conflict may be with itself.
    tried: bool,
}

impl Submission {
    fn answer(self, verdict: Result<Committed, CommitError>) {
        // A caller that stopped waiting is told by the stream itself when it looks.
        drop(self.answer.send(verdict));
    }

    fn give_up(self) {
        let verdict = if self.tried {
            CommitError::Unknown
        } else {
            CommitError::Unavailable
        };
        self.answer(Err(verdict));
    }
}

/// The way into the committer's line.
#[derive(Clone)]
pub(crate) struct Committer {
    line: mpsc::Sender<Submission>,
    timeline: Arc<Timeline>,
}

impl Committer {
    /// Starts the task; it ends when the last handle is dropped and the line is empty.
    pub(crate) fn start(
        connect: Connect,
        counters: Arc<Counters>,
        head: watch::Sender<i64>,
        timeline: Arc<Timeline>,
    ) -> Self {
        let (line, waiting) = mpsc::channel(LINE_COMMITS);
        let task = Task {
            connect,
            counters,
            head,
            waiting,
            timeline: timeline.clone(),
            line: VecDeque::new(),
            session: None,
            lost: Vec::new(),
            away: Outage::default(),
            refusing: Outage::default(),
        };
        tokio::spawn(task.run());
        Self { line, timeline }
    }

    pub(crate) async fn submit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.timeline.alive()?;
        let (answer, verdict) = oneshot::channel();
        let digests = commit.events.iter().map(crate::NewEvent::digest).collect();
        let submission = Submission {
            commit,
            digests,
            answer,
            since: Instant::now(),
            tried: false,
        };
        if self.line.send(submission).await.is_err() {
            return Err(CommitError::Unavailable);
        }
        verdict.await.unwrap_or(Err(CommitError::Unknown))
    }
}

struct Task {
    connect: Connect,
    counters: Arc<Counters>,
    head: watch::Sender<i64>,
    waiting: mpsc::Receiver<Submission>,
    timeline: Arc<Timeline>,
    line: VecDeque<Submission>,
    session: Option<CommitSession>,
    /// Sessions that were lost, and that nobody has made sure of since: what was sent over them may still be
    /// committed.
    lost: Vec<CommitSession>,
    /// Said once: callers that wait have it tried many times a second.
    away: Outage,
    /// The same of a database that answers, and takes nothing at the moment.
    refusing: Outage,
}

impl Task {
    async fn run(mut self) {
        loop {
            if self.line.is_empty() {
                match self.waiting.recv().await {
                    Some(submission) => self.line.push_back(submission),
                    None => return,
                }
            }
            self.take_waiting();
            if let Some(session) = self.session().await {
                let batch = Batch::take(&mut self.line);
                match self.write(&session, batch).await {
                    Ok(()) => self.session = Some(session),
                    Err(Lost { submissions, first }) => {
                        self.resolve(session, submissions, first).await;
                    }
                }
            }
        }
    }

    fn take_waiting(&mut self) {
        while self.line.len() < LINE_COMMITS
            && let Ok(submission) = self.waiting.try_recv()
        {
            self.line.push_back(submission);
        }
    }

    /// The session, opened anew if need be. Callers whose patience ends meanwhile are told.
    async fn session(&mut self) -> Option<CommitSession> {
        if let Err(went_back) = self.timeline.alive() {
            // Whoever waits in line is told, over whatever session it would have gone out.
            self.take_waiting();
            self.refuse(went_back);
            return None;
        }
        if let Some(session) = self.session.take() {
            return Some(session);
        }
        match timeout(ATTEMPT_WITHIN, self.open()).await {
            Ok(Ok(session)) => {
                self.is_back();
                return Some(session);
            }
            Ok(Err(OpenError::WentBack(went_back))) => {
                self.take_waiting();
                self.refuse(went_back);
                return None;
            }
            Ok(Err(OpenError::Database(error))) => {
                self.is_away(&why(&error), "the committer has no database");
            }
            Err(_) => self.is_away(NO_ANSWER, "the committer has no database"),
        }
        self.give_up_on_the_impatient();
        tokio::time::sleep(RECONNECT_PAUSE).await;
        None
    }

    fn is_away(&mut self, error: &str, what: &str) {
        if self.away.is_news(error) {
            tracing::warn!(error, "{what}");
        }
    }

    fn is_back(&mut self) {
        if self.away.is_over() {
            tracing::info!("the committer has its database again");
        }
    }

    /// A session with the log that was seen before, by whomever in this process. Nothing is committed any more over
    /// those that were lost.
    async fn open(&mut self) -> Result<CommitSession, OpenError> {
        self.timeline.alive()?;
        let seen = self.timeline.seen();
        let (session, same) = CommitSession::open(&self.connect, &seen).await?;
        if !same {
            return Err(self.timeline.end(seen.position).into());
        }
        for lost in &self.lost {
            session.end(lost).await?;
        }
        self.lost.clear();
        // Behind the last word of those that were lost: what they committed counts as seen.
        if let Some(end) = session.end_of_log().await? {
            self.timeline.saw(end.position, &end.batch_hash);
        }
        Ok(session)
    }

    fn refuse(&mut self, went_back: WentBack) {
        for submission in self.line.drain(..) {
            submission.answer(Err(went_back.into()));
        }
    }

    fn give_up_on_the_impatient(&mut self) {
        self.take_waiting();
        let (late, patient): (VecDeque<_>, VecDeque<_>) = self
            .line
            .drain(..)
            .partition(|submission| submission.since.elapsed() >= PATIENCE);
        self.line = patient;
        late.into_iter().for_each(Submission::give_up);
    }

    /// Writes a batch and answers its callers. A batch the database refuses is halved until the
    /// commit at fault stands alone.
    async fn write(&mut self, session: &CommitSession, batch: Batch) -> Result<(), Lost> {
        let mut todo = vec![batch];
        while let Some(batch) = todo.pop() {
            let started = Instant::now();
            match session.commit(&batch).await {
                Ok(verdicts) => {
                    if self.refusing.is_over() {
                        tracing::info!("batches are committed again");
                    }
                    crash_point!("commit.recorded");
                    let refused = verdicts
                        .each
                        .iter()
                        .filter(|verdict| verdict.is_err())
                        .count() as u64;
                    let accepted = verdicts.each.len() as u64 - refused;
                    self.counters
                        .batch(accepted, refused, verdicts.events, started.elapsed());
                    if let Some(seen) = &verdicts.seen {
                        self.head.send_replace(seen.position);
                        self.timeline.saw(seen.position, &seen.batch_hash);
                    }
                    self.answer(session, batch, verdicts).await;
                    crash_point!("commit.answered");
                }
                Err(Failure::Lost) => {
                    let first = batch.submissions.len();
                    let mut submissions = batch.submissions;
                    submissions.extend(todo.into_iter().rev().flat_map(|batch| batch.submissions));
                    return Err(Lost { submissions, first });
                }
                Err(Failure::Refused(error)) if session::is_temporary(&error) => {
                    let error = why(&error);
                    if self.refusing.is_news(&error) {
                        tracing::warn!(error, "batches are not committed");
                    }
                    batch
                        .submissions
                        .into_iter()
                        .for_each(|waiting| waiting.answer(Err(CommitError::Unavailable)));
                }
                Err(Failure::Refused(error)) => match batch.halve() {
                    Ok((first, second)) => todo.extend([second, first]),
                    Err(only) => {
                        tracing::error!(error = why(&error), "the database refused a commit");
                        only.answer(Err(CommitError::Refused(Arc::new(error))));
                    }
                },
            }
        }
        Ok(())
    }

    async fn answer(&self, session: &CommitSession, batch: Batch, verdicts: session::Verdicts) {
        for (submission, verdict) in batch.submissions.into_iter().zip(verdicts.each) {
            let verdict = match verdict {
                // A commit that was sent before may have met its own events.
                Err(conflict) if submission.tried => {
                    let find = session.find(std::slice::from_ref(&submission));
                    match timeout(ATTEMPT_WITHIN, find).await {
                        Ok(Ok(found)) => found.into_iter().next().flatten().ok_or(conflict),
                        Ok(Err(_)) | Err(_) => Err(CommitError::Unknown),
                    }
                }
                other => other,
            };
            submission.answer(verdict);
        }
    }

    /// After a lost connection: makes sure the old session is gone, then looks which commits are there.
    /// Those that are not go back to the front of the line, in order.
    async fn resolve(
        &mut self,
        lost: CommitSession,
        mut submissions: Vec<Submission>,
        sent: usize,
    ) {
        self.lost.push(lost);
        for submission in &mut submissions[..sent] {
            submission.tried = true;
        }
        crash_point!("commit.lost");
        loop {
            match timeout(ATTEMPT_WITHIN, self.find_after(&submissions)).await {
                Ok(Ok((session, found))) => {
                    self.is_back();
                    crash_point!("commit.found");
                    for (submission, found) in submissions.into_iter().zip(found).rev() {
                        match found {
                            Some(committed) => submission.answer(Ok(committed)),
                            None => self.line.push_front(submission),
                        }
                    }
                    self.session = Some(session);
                    return;
                }
                Ok(Err(OpenError::WentBack(went_back))) => {
                    self.line.extend(submissions);
                    return self.refuse(went_back);
                }
                Ok(Err(OpenError::Database(error))) => {
                    self.is_away(&why(&error), OUTCOME_UNKNOWN);
                }
                Err(_) => self.is_away(NO_ANSWER, OUTCOME_UNKNOWN),
            }
            let (late, patient): (Vec<_>, Vec<_>) = submissions
                .into_iter()
                .partition(|submission| submission.since.elapsed() >= PATIENCE);
            late.into_iter().for_each(Submission::give_up);
            submissions = patient;
            self.give_up_on_the_impatient();
            if submissions.is_empty() {
                return;
            }
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }

    async fn find_after(
        &mut self,
        submissions: &[Submission],
    ) -> Result<(CommitSession, Vec<Option<Committed>>), OpenError> {
        let session = self.open().await?;
        let found = session.find(submissions).await?;
        if found.iter().any(Option::is_some) {
            session.replicated().await?;
        }
        Ok((session, found))
    }
}
