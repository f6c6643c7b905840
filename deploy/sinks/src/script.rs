//! A list of rules that make a sink misbehave, shared by every kind of sink.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::record::lock;

/// Names a rule of a running sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleId(u64);

/// Which of the occasions a rule matches are the ones it acts on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turns {
    /// Let this many pass first.
    pub(crate) skip: u32,
    /// Then act on this many; `None` = on all that follow.
    pub(crate) times: Option<u32>,
    /// Count for each recipient (or webhook) apart.
    pub(crate) each: bool,
}

impl Turns {
    /// Whether the `nth` occasion, from 1, is one to act on.
    fn includes(&self, nth: u32) -> bool {
        nth > self.skip && self.times.is_none_or(|times| nth - self.skip <= times)
    }
}

/// A rule that a [`Script`] can count for.
pub(crate) trait Counted {
    fn turns(&self) -> &Turns;
}

/// A rule that acts now, and the signal that ends a stall. The signal is taken before anybody
/// can learn that the rule fired, so a release that follows at once is not missed.
pub(crate) struct Fired<R> {
    pub(crate) rule: Arc<R>,
    pub(crate) release: watch::Receiver<()>,
}

struct Entry<R> {
    id: RuleId,
    rule: Arc<R>,
    seen: HashMap<String, u32>,
    hits: u32,
}

struct Rules<R> {
    entries: Vec<Entry<R>>,
    last_id: u64,
}

/// The rules of one sink. The first that matches and whose turn it is acts; rules before it
/// that matched out of turn have counted the occasion, rules after it have not.
pub(crate) struct Script<R> {
    armed: AtomicBool,
    rules: Mutex<Rules<R>>,
    fired: watch::Sender<()>,
    release: watch::Sender<()>,
}

impl<R: Counted> Script<R> {
    pub(crate) fn new(rules: impl IntoIterator<Item = R>) -> Self {
        let script = Self {
            armed: AtomicBool::new(false),
            rules: Mutex::new(Rules {
                entries: Vec::new(),
                last_id: 0,
            }),
            fired: watch::Sender::new(()),
            release: watch::Sender::new(()),
        };
        for rule in rules {
            script.add(rule);
        }
        script
    }

    pub(crate) fn add(&self, rule: R) -> RuleId {
        let mut rules = lock(&self.rules);
        rules.last_id += 1;
        let id = RuleId(rules.last_id);
        rules.entries.push(Entry {
            id,
            rule: Arc::new(rule),
            seen: HashMap::new(),
            hits: 0,
        });
        self.armed.store(true, Ordering::Release);
        id
    }

    pub(crate) fn remove(&self, id: RuleId) {
        let mut rules = lock(&self.rules);
        rules.entries.retain(|entry| entry.id != id);
        self.armed
            .store(!rules.entries.is_empty(), Ordering::Release);
    }

    pub(crate) fn clear(&self) {
        lock(&self.rules).entries.clear();
        self.armed.store(false, Ordering::Release);
    }

    /// Lets everything that is stalled now go on.
    pub(crate) fn release(&self) {
        self.release.send_replace(());
    }

    /// How often rule `id` has acted; 0 for a removed one.
    pub(crate) fn hits(&self, id: RuleId) -> u32 {
        lock(&self.rules)
            .entries
            .iter()
            .find(|entry| entry.id == id)
            .map_or(0, |entry| entry.hits)
    }

    /// Waits until rule `id` has acted `n` times.
    pub(crate) async fn wait_for_hits(&self, id: RuleId, n: u32) {
        let mut fired = self.fired.subscribe();
        // The sender lives in self, so this cannot fail while we are borrowed.
        let _ = fired.wait_for(|()| self.hits(id) >= n).await;
    }

    /// The rule to act on now. `key` says whether a rule matches, and whom it matched.
    pub(crate) fn pick<'k>(&self, key: impl Fn(&R) -> Option<&'k str>) -> Option<Fired<R>> {
        if !self.armed.load(Ordering::Acquire) {
            return None;
        }
        let fired = lock(&self.rules).entries.iter_mut().find_map(|entry| {
            let key = key(&entry.rule)?;
            let turns = entry.rule.turns();
            let key = if turns.each { key } else { "" };
            let seen = entry.seen.entry(key.to_owned()).or_default();
            *seen += 1;
            turns.includes(*seen).then(|| {
                entry.hits += 1;
                Fired {
                    rule: Arc::clone(&entry.rule),
                    release: self.release.subscribe(),
                }
            })
        })?;
        self.fired.send_replace(());
        Some(fired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Any(Turns);

    impl Counted for Any {
        fn turns(&self) -> &Turns {
            &self.0
        }
    }

    fn acted(script: &Script<Any>, keys: &[&str]) -> Vec<bool> {
        keys.iter()
            .map(|key| script.pick(|_| Some(*key)).is_some())
            .collect()
    }

    #[test]
    fn a_rule_skips_then_acts_then_rests() {
        let script = Script::new([Any(Turns {
            skip: 1,
            times: Some(2),
            each: false,
        })]);
        assert_eq!(
            acted(&script, &["a", "a", "b", "a"]),
            [false, true, true, false]
        );
    }

    #[test]
    fn a_rule_counts_for_each_recipient_apart() {
        let script = Script::new([Any(Turns {
            skip: 0,
            times: Some(1),
            each: true,
        })]);
        assert_eq!(
            acted(&script, &["a", "b", "a", "b"]),
            [true, true, false, false]
        );
    }

    #[test]
    fn the_first_rule_in_turn_wins_and_a_removed_one_never_acts() {
        let script = Script::new([]);
        let first = script.add(Any(Turns::default()));
        let second = script.add(Any(Turns::default()));
        acted(&script, &["a", "a"]);
        assert_eq!((script.hits(first), script.hits(second)), (2, 0));
        script.remove(first);
        acted(&script, &["a"]);
        assert_eq!((script.hits(first), script.hits(second)), (0, 1));
        script.clear();
        assert_eq!(acted(&script, &["a"]), [false]);
    }
}
