//! What goes into one batch, and the in-batch rule.

use std::collections::{HashSet, VecDeque};

use super::Submission;

/// Events a batch may hold: enough to spread the commit's cost, few enough to keep it short.
const EVENTS_MAX: usize = 1_024;
/// Payload and metadata a batch may hold.
const BYTES_MAX: usize = 16 << 20;

/// Commits that are judged together, each against the log as it was before the batch.
pub(super) struct Batch {
    pub(super) submissions: Vec<Submission>,
}

impl Batch {
    /// Takes commits from the front of the line. One that writes or guards a stream which an earlier
    /// commit of the batch writes stays for the next batch, since it must be judged after it: otherwise
    /// an unsubscribe and an attempt that only guards the subscriber would both pass. Sharing a stream
    /// by guards alone is free.
    pub(super) fn take(line: &mut VecDeque<Submission>) -> Self {
        let mut submissions = Vec::new();
        let mut left = VecDeque::new();
        let mut written = HashSet::new();
        let (mut events, mut bytes) = (0, 0);
        while let Some(next) = line.pop_front() {
            let commit = &next.commit;
            let size: usize = commit.events.iter().map(crate::NewEvent::size_bytes).sum();
            let full = !submissions.is_empty()
                && (events + commit.events.len() > EVENTS_MAX || bytes + size > BYTES_MAX);
            if full {
                left.push_back(next);
                break;
            }
            let must_wait = commit
                .guards
                .iter()
                .any(|guard| written.contains(&guard.stream_id))
                || commit
                    .events
                    .iter()
                    .any(|event| written.contains(&event.stream_id));
            // Commits that wait count as writers too, so that nobody overtakes them on their streams.
            written.extend(commit.events.iter().map(|event| event.stream_id));
            if must_wait {
                left.push_back(next);
            } else {
                events += commit.events.len();
                bytes += size;
                submissions.push(next);
            }
        }
        left.append(line);
        *line = left;
        Self { submissions }
    }

    /// Two halves, or the one commit that can not be halved.
    pub(super) fn halve(mut self) -> Result<(Self, Self), Submission> {
        match self.submissions.len() {
            0 | 1 => Err(self.submissions.pop().expect("a batch holds a commit")),
            count => {
                let second = self.submissions.split_off(count / 2);
                Ok((
                    self,
                    Self {
                        submissions: second,
                    },
                ))
            }
        }
    }
}
