//! Keeps the witness: whenever the log has moved, the facts about consent since the last head and a new head are
//! signed, appended and made durable. It only ever reads the log, so no trouble with its folder stops a commit; when it
//! can not go on it says so, finds its place again from its own last lines, and catches up from the log. A log that is
//! not the one it saw is another matter: then nothing is recorded any more.

use std::sync::Arc;

use time::OffsetDateTime;
use tokio::sync::watch;
use uuid::Uuid;

use super::facts::FACT_TYPES;
use super::folder::{Folder, LastLines, Lock, Tail};
use super::key::{PublicKey, SigningKey};
use super::line::{Entry, FORMAT, Line};
use super::lost::known;
use super::state::State;
use super::{WitnessError, facts, incarnations};
use crate::hex::{Hash, Hex};
use crate::log::{Log, ReadError};
use crate::progress::Progress;
use crate::stream::hex;

/// Positions that one step catches up, unless a single batch holds more.
const PAGE: i64 = 50_000;

/// How the witness is doing, for readiness, metrics and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What its signatures are checked with.
    pub public_key: PublicKey,
    /// The last witnessed position; 0: none.
    pub position: i64,
    /// When its line was written.
    pub at: Option<OffsetDateTime>,
    /// The end of the log when it was last looked at.
    pub log_position: i64,
    /// When the witness last was where the log was.
    pub current_at: Option<OffsetDateTime>,
    /// Another process keeps the witness in this folder.
    pub elsewhere: bool,
}

/// [`Standing`], now and later.
pub type Standings = watch::Receiver<Standing>;

/// Writes the witness of one log into one folder. One step at a time.
pub struct Keeper {
    log: Log,
    folder: Folder,
    key: Arc<SigningKey>,
    standing: watch::Sender<Standing>,
    /// The witness has lines: a folder without any is not the one where they are.
    begun: bool,
    /// `None`: not open, or not known how a write ended.
    open: Option<Open>,
}

/// The folder, taken, and where its lines end.
struct Open {
    _lock: Lock,
    tail: Option<Tail>,
    state: State,
}

/// Lines to be written, and what they come to.
struct Page {
    lines: Vec<String>,
    state: State,
}

/// A batch that ends a page.
struct End {
    position: i64,
    batch_hash: Hash,
    incarnation: Uuid,
    recorded_at: OffsetDateTime,
}

impl Keeper {
    /// A keeper that signs with this key. Nothing is read or written before its first step.
    pub fn new(log: Log, folder: Folder, key: SigningKey) -> Self {
        let (standing, _) = watch::channel(Standing {
            public_key: key.public(),
            position: 0,
            at: None,
            log_position: 0,
            current_at: None,
            elsewhere: false,
        });
        Self {
            log,
            folder,
            key: Arc::new(key),
            standing,
            begun: false,
            open: None,
        }
    }

    /// Says that this witness has begun earlier: a folder that holds no line of it is an error, not a place to begin.
    pub fn must_go_on(&mut self) {
        self.begun = true;
    }

    /// How it is doing, now and later.
    pub fn standings(&self) -> Standings {
        self.standing.subscribe()
    }

    /// Whether the last step came to the end of the log, or left the work to another process.
    pub fn is_current(&self) -> bool {
        let standing = self.standing.borrow();
        standing.elsewhere || standing.position == standing.log_position
    }

    /// Witnesses what the log has got since, up to a page. `now`: the time that is written down.
    ///
    /// # Errors
    /// [`WitnessError::is_final`] tells whether to try again. After an error the folder is free for others, and the
    /// next step opens it anew. A log that is not the one that was witnessed ends the process's timeline too: nothing
    /// is recorded any more.
    pub async fn step(&mut self, now: OffsetDateTime) -> Result<Progress, WitnessError> {
        let stepped = self.witness(now).await;
        self.told(stepped)
    }

    async fn witness(&mut self, now: OffsetDateTime) -> Result<Progress, WitnessError> {
        let open = match self.open.take() {
            Some(open) => Some(open),
            None => self.reopen().await?,
        };
        let Some(mut open) = open else {
            self.standing.send_modify(|it| it.elsewhere = true);
            return Ok(Progress::Idle);
        };
        let (page, log_position) = self.pending(&open, now).await?;
        let progress = Progress::of(page.is_some());
        if let Some(page) = page {
            open = write(open, self.folder.clone(), page).await?;
        }
        let state = &open.state;
        self.begun |= state.line > 0;
        self.standing.send_modify(|it| {
            it.elsewhere = false;
            it.position = state.position;
            it.at = state.at;
            it.log_position = log_position.max(state.position);
            if it.position == it.log_position {
                it.current_at = Some(now);
            }
        });
        self.open = Some(open);
        Ok(progress)
    }

    /// Compares the log with the last lines, whoever keeps them: nothing is taken, made or written.
    ///
    /// # Errors
    /// As of [`Self::step`].
    pub async fn compare(&self) -> Result<(), WitnessError> {
        let (folder, key) = (self.folder.clone(), self.key.public());
        let LastLines { mut state, .. } = blocking(move || folder.last_lines(key)).await?;
        let compared = async {
            if let (_, Some(after_position)) = self.incarnation(&state).await? {
                state.give_up(after_position);
            }
            self.still_the_same(&state).await
        };
        self.told(compared.await)
    }

    /// A log that is another one ends the timeline.
    fn told<T>(&self, result: Result<T, WitnessError>) -> Result<T, WitnessError> {
        if let Err(WitnessError::Diverged { position }) = &result {
            self.log.went_back(*position);
        }
        result
    }

    async fn reopen(&self) -> Result<Option<Open>, WitnessError> {
        let (folder, key) = (self.folder.clone(), self.key.public());
        let begun = self.begun;
        blocking(move || reopen(&folder, key, begun)).await
    }

    /// The lines to write next, with what they come to; and where the log ends.
    async fn pending(
        &self,
        open: &Open,
        now: OffsetDateTime,
    ) -> Result<(Option<Page>, i64), WitnessError> {
        let mut state = open.state.clone();
        let (incarnation, common) = self.incarnation(&state).await?;
        let mut entries = Vec::new();
        if let Some(after_position) = common {
            entries.push(Entry::Restored {
                incarnation,
                after_position,
            });
            state.give_up(after_position);
        }
        self.still_the_same(&state).await?;
        let after = state.facts_up_to;
        let (end, log_position) = self.end_after(state.position, after).await?;
        let Some(end) = end else {
            return Ok((None, log_position));
        };
        if open.begins_file() || !open.promises_ours() {
            entries.insert(0, self.opened(&open.state, incarnation));
        }
        let facts = facts::between(&self.log, after, end.position).await?;
        entries.extend(facts.into_iter().map(Entry::Fact));
        entries.push(Entry::Head {
            position: end.position,
            batch_hash: end.batch_hash,
            incarnation: end.incarnation,
            recorded_at: end.recorded_at,
        });
        let mut state = open.state.clone();
        let lines = entries
            .into_iter()
            .map(|entry| self.line(&mut state, now, entry))
            .collect::<Result<_, _>>()?;
        Ok((Some(Page { lines, state }), log_position))
    }

    /// What stands before the first lines of a file, or of a build that writes other facts.
    fn opened(&self, state: &State, incarnation: Uuid) -> Entry {
        Entry::Opened {
            format: FORMAT.to_owned(),
            public_key: self.key.public(),
            incarnation: state.incarnation.unwrap_or(incarnation),
            position: state.position,
            batch_hash: state.batch_hash.unwrap_or(Hex([0; 32])),
            facts: Vec::from(FACT_TYPES.map(str::to_owned)),
        }
    }

    /// Signs the next line.
    fn line(
        &self,
        state: &mut State,
        at: OffsetDateTime,
        entry: Entry,
    ) -> Result<String, WitnessError> {
        let line = Line {
            line: state.line + 1,
            previous: state.previous,
            at,
            entry,
        };
        let text = line.sign(&self.key);
        // What could not be read back must not be written: a log that contradicts what was witnessed.
        let followed = state.follow(&text, &line);
        followed.map_err(|_| WitnessError::Diverged {
            position: state.position,
        })?;
        Ok(text)
    }

    /// Whether the log still holds the batch that was witnessed last, and the facts beyond it that a crash has left
    /// without their head.
    async fn still_the_same(&self, state: &State) -> Result<(), WitnessError> {
        let mut same = match state.batch_hash {
            Some(witnessed) => self.log.holds(state.position, &hex(&witnessed.0)).await?,
            None => true,
        };
        if same && !state.beyond.is_empty() {
            let in_log = known(&self.log, state.position, state.facts_up_to).await?;
            same = state.beyond.iter().all(|fact| in_log.contains(fact));
        }
        same.then_some(()).ok_or(WitnessError::Diverged {
            position: state.facts_up_to,
        })
    }

    /// The log's incarnation; and, if it was restored since the last line, the lowest position up to which it is
    /// known to be the log that was witnessed.
    async fn incarnation(&self, state: &State) -> Result<(Uuid, Option<i64>), WitnessError> {
        let since = incarnations::since(&self.log, state.incarnation).await?;
        since.ok_or(WitnessError::Diverged {
            position: state.position,
        })
    }

    /// The batch that ends the next page, and where the log ends.
    async fn end_after(&self, position: i64, after: i64) -> Result<(Option<End>, i64), ReadError> {
        let client = self.log.pool().get().await?;
        // At or after the last fact that is written down, which may still lack its head.
        let sql = "select last_position, hash, incarnation, committed_at, \
                   (select max(last_position) from publishing_batches) \
                   from publishing_batches where last_position = coalesce( \
                     (select max(last_position) from publishing_batches \
                      where last_position > $1 and last_position >= $2 and last_position <= $3), \
                     (select min(last_position) from publishing_batches \
                      where last_position > $1 and last_position >= $2))";
        let statement = client.prepare_cached(sql).await?;
        let row = client
            .query_opt(
                &statement,
                &[&position, &after, &after.saturating_add(PAGE)],
            )
            .await?;
        let Some(row) = row else {
            return Ok((None, after));
        };
        // Somebody may have tampered with the row: then there is no head to sign, and the lag tells.
        let recorded_at = row.try_get(3)?;
        let hash = row.get::<_, Option<&[u8]>>(1);
        let end = hash.and_then(|hash| hash.try_into().ok()).map(|hash| End {
            position: row.get(0),
            batch_hash: Hex(hash),
            incarnation: row.get(2),
            recorded_at,
        });
        Ok((end, row.get(4)))
    }
}

impl Open {
    /// Whether the last `opened` line promises just the facts that this build writes.
    fn promises_ours(&self) -> bool {
        let promised = &self.state.promised;
        promised.len() == FACT_TYPES.len() && FACT_TYPES.iter().all(|ours| promised.contains(*ours))
    }

    /// Whether the next lines are the first of a file.
    fn begins_file(&self) -> bool {
        self.tail.as_ref().is_none_or(Tail::is_empty) || self.ends_file()
    }

    /// Whether the last file has all its lines, and another one follows.
    fn ends_file(&self) -> bool {
        let ends = |tail: &Tail| !tail.is_empty() && (tail.is_full() || !self.promises_ours());
        self.state.after_head && self.tail.as_ref().is_some_and(ends)
    }
}

/// Takes the folder and finds the end of its lines; `None`: another process has it. `begun`: there must be some.
fn reopen(folder: &Folder, key: PublicKey, begun: bool) -> Result<Option<Open>, WitnessError> {
    let gone = || WitnessError::Gone(folder.path().to_owned());
    // Before anything is made there: it may be the place of a mount that is missing.
    if begun && folder.files()?.is_empty() {
        return Err(gone());
    }
    let Some(lock) = folder.lock()? else {
        return Ok(None);
    };
    let LastLines { newest, state } = folder.last_lines(key)?;
    if begun && state.line == 0 {
        return Err(gone());
    }
    let mut tail = None;
    if let Some((number, text)) = newest {
        tail = Some(folder.tail(number, &text)?);
        if text.rest > 0 {
            tracing::warn!(
                file = %text.path.display(),
                bytes = text.rest,
                "the witness ended in a half-written line, which was cut off"
            );
        }
    }
    Ok(Some(Open {
        _lock: lock,
        tail,
        state,
    }))
}

/// Appends the lines, to a new file where they begin one.
async fn write(mut open: Open, folder: Folder, page: Page) -> Result<Open, WitnessError> {
    blocking(move || {
        if open.tail.is_none() || open.ends_file() {
            open.tail = Some(folder.begin(open.tail.as_ref())?);
        }
        if let Some(tail) = &mut open.tail {
            tail.append(&page.lines)?;
        }
        open.state = page.state;
        Ok(open)
    })
    .await
}

/// Off the threads that serve requests: a disk may hang.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
