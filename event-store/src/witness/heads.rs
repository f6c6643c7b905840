//! The signed heads that cover some positions, found from the end of a witness, so that a long one need not be read whole.

use super::WitnessError;
use super::folder::{self, Folder};
use super::line::{Entry, Line};

/// A head that the witness has signed. Its signature is not checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// Up to there the log is covered by it.
    pub position: i64,
    /// The line, verbatim.
    pub line: String,
}

/// For each of these positions, which rise, the first head at or after it that no restore has given up; each head once,
/// in the order of the log. Positions that are not witnessed yet have none.
///
/// # Errors
/// When the files cannot be read.
pub fn signed_heads(folder: &Folder, positions: &[i64]) -> Result<Vec<SignedHead>, WitnessError> {
    let mut found: Vec<SignedHead> = Vec::new();
    let Some(first) = positions.first() else {
        return Ok(found);
    };
    let mut search = Search {
        given_up_after: i64::MAX,
        next: None,
    };
    for (_, path) in folder.files()?.into_iter().rev() {
        for text in folder::read(&path)?.lines.into_iter().rev() {
            if let Some(head) = search.take(text, positions) {
                found.push(head);
            }
            if search
                .next
                .as_ref()
                .is_some_and(|next| next.position < *first)
            {
                found.reverse();
                return Ok(found);
            }
        }
    }
    found.extend(search.covers(positions, i64::MIN));
    found.reverse();
    Ok(found)
}

/// What is known on the way back.
struct Search {
    /// Heads beyond it were given up by a restore that came later.
    given_up_after: i64,
    /// The head read last: the one that comes next in the log.
    next: Option<SignedHead>,
}

impl Search {
    /// Takes the line before; gives the head after it, if that covers a position that this one does not.
    fn take(&mut self, text: String, positions: &[i64]) -> Option<SignedHead> {
        match Line::parse(&text).ok()?.entry {
            Entry::Head { position, .. } if position <= self.given_up_after => {
                let covers = self.covers(positions, position);
                self.next = Some(SignedHead {
                    position,
                    line: text,
                });
                covers
            }
            Entry::Restored { after_position, .. } => {
                self.given_up_after = self.given_up_after.min(after_position);
                None
            }
            _ => None,
        }
    }

    /// The head read last, if one of the positions lies between it and the one before.
    fn covers(&self, positions: &[i64], before: i64) -> Option<SignedHead> {
        let next = self.next.as_ref()?;
        let at = positions.partition_point(|it| *it <= before);
        let covered = positions.get(at).is_some_and(|it| *it <= next.position);
        covered.then(|| next.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::Hex;
    use crate::witness::SigningKey;
    use time::OffsetDateTime;
    use uuid::Uuid;

    fn folder_of(entries: &[Entry]) -> (tempfile::TempDir, Folder) {
        let kept = tempfile::tempdir().unwrap();
        for (file, entries) in entries.chunks(3).enumerate() {
            let lines = entries.iter().map(|entry| {
                let line = Line {
                    line: 1,
                    previous: Hex([0; 32]),
                    at: OffsetDateTime::UNIX_EPOCH,
                    entry: entry.clone(),
                };
                line.sign(&SigningKey::from_seed(&[7; 32])) + "\n"
            });
            let path = kept.path().join(format!("witness-{:08}.jsonl", file + 1));
            std::fs::write(path, lines.collect::<String>()).unwrap();
        }
        let folder = Folder::new(kept.path());
        (kept, folder)
    }

    fn head(position: i64) -> Entry {
        Entry::Head {
            position,
            batch_hash: Hex([0; 32]),
            incarnation: Uuid::nil(),
            recorded_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    fn found(folder: &Folder, positions: &[i64]) -> Vec<i64> {
        let heads = signed_heads(folder, positions).unwrap();
        heads.into_iter().map(|head| head.position).collect()
    }

    #[test]
    fn each_position_is_covered_by_the_first_head_after_it() {
        let (_kept, folder) = folder_of(&[3, 7, 10, 12, 20].map(head));
        assert_eq!(found(&folder, &[1]), [3]);
        assert_eq!(found(&folder, &[2, 3, 4, 12]), [3, 7, 12]);
        assert_eq!(found(&folder, &[11, 13, 14]), [12, 20]);
        assert_eq!(found(&folder, &[19, 21]), [20]);
        assert_eq!(found(&folder, &[21]), [0_i64; 0]);
        assert_eq!(found(&folder, &[]), [0_i64; 0]);
    }

    #[test]
    fn heads_that_a_restore_gave_up_cover_nothing() {
        let restored = Entry::Restored {
            incarnation: Uuid::nil(),
            after_position: 7,
        };
        let (_kept, folder) = folder_of(&[head(5), head(7), head(10), restored, head(12)]);
        assert_eq!(found(&folder, &[6, 9]), [7, 12]);
    }
}
