//! Who has attempts open, and who may open another one: whoever takes long, or is not known to be quick, never has all
//! slots, however many of them there are.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// An attempt that takes longer makes its channel a slow one, also before it has ended.
const SLOW: Duration = Duration::from_secs(2);
/// So long a channel counts as quick after a quick attempt. What was quick yesterday may hang today.
const KNOWN_FOR: Duration = Duration::from_secs(60);

/// The slots of a worker.
pub(super) struct Slots {
    all: usize,
    open: usize,
    channels: HashMap<Uuid, Line>,
}

#[derive(Default)]
struct Line {
    /// When each open attempt was begun, the oldest first.
    open: Vec<Instant>,
    /// When the latest one ended, and whether it was quick.
    latest: Option<(Instant, bool)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    Quick,
    Unknown,
    Slow,
}

impl Line {
    fn pace(&self, now: Instant) -> Pace {
        let hangs = |since: &Instant| now.duration_since(*since) >= SLOW;
        match self.latest {
            _ if self.open.first().is_some_and(hangs) => Pace::Slow,
            Some((at, _)) if now.duration_since(at) >= KNOWN_FOR => Pace::Unknown,
            Some((_, true)) => Pace::Quick,
            Some((_, false)) => Pace::Slow,
            None => Pace::Unknown,
        }
    }
}

impl Slots {
    /// So many, all free.
    pub(super) fn new(all: usize) -> Self {
        Self {
            all,
            open: 0,
            channels: HashMap::new(),
        }
    }

    /// Whether any is free.
    pub(super) fn has_room(&self) -> bool {
        self.open < self.all
    }

    /// How many of those that a channel can use it may have: never all there are.
    pub(super) fn share(&self, wanted: usize) -> usize {
        wanted.min(self.part(3, 4))
    }

    /// Whether a channel that can use so many may open one more attempt. What is urgent takes any slot that is free: a few are
    /// left for it, whoever hangs.
    pub(super) fn may_open(
        &self,
        channel_id: Uuid,
        wanted: usize,
        is_urgent: bool,
        now: Instant,
    ) -> bool {
        let line = self.channels.get(&channel_id);
        let own = line.map_or(0, |line| line.open.len());
        if !self.has_room() || own >= self.share(wanted) {
            return false;
        }
        if is_urgent {
            return true;
        }
        // The last quarter goes in small portions: several that begin to hang at once leave something too.
        let is_rest = self.open >= self.part(3, 4);
        if self.open >= self.part(15, 16) || (is_rest && own >= self.part(1, 16)) {
            return false;
        }
        match line.map_or(Pace::Unknown, |line| line.pace(now)) {
            Pace::Quick => true,
            Pace::Slow => self.open_at(Pace::Slow, now) < self.part(1, 2),
            // A few at a time, so that those who hang are known before there are too many.
            Pace::Unknown => {
                let unknown = self.open_at(Pace::Unknown, now);
                let slow = self.open_at(Pace::Slow, now);
                unknown < self.part(1, 4) && unknown + slow < self.part(3, 4)
            }
        }
    }

    /// A channel opens an attempt.
    pub(super) fn take(&mut self, channel_id: Uuid, now: Instant) {
        self.open += 1;
        let line = self.channels.entry(channel_id).or_default();
        line.open.push(now);
    }

    /// The attempt that was opened then has ended. That it took long says something of its channel in any case; that it did
    /// not only if the receiving side has met it.
    pub(super) fn give_back(
        &mut self,
        channel_id: Uuid,
        since: Instant,
        ended: Instant,
        met: bool,
    ) {
        let Some(line) = self.channels.get_mut(&channel_id) else {
            return;
        };
        if let Some(index) = line.open.iter().position(|it| *it == since) {
            line.open.remove(index);
            self.open -= 1;
        }
        let is_quick = ended.duration_since(since) < SLOW;
        if met || !is_quick {
            line.latest = Some((ended, is_quick));
        }
    }

    /// Forgets channels that nothing is known of any more.
    pub(super) fn forget(&mut self, now: Instant) {
        let is_known = |line: &Line| !line.open.is_empty() || line.pace(now) != Pace::Unknown;
        self.channels.retain(|_, line| is_known(line));
    }

    fn open_at(&self, pace: Pace, now: Instant) -> usize {
        let lines = self.channels.values();
        let such = lines.filter(|line| !line.open.is_empty() && line.pace(now) == pace);
        such.map(|line| line.open.len()).sum()
    }

    fn part(&self, of: usize, parts: usize) -> usize {
        (self.all * of / parts).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: usize = 64;
    const MOMENT: Duration = Duration::from_millis(50);

    fn channel(n: usize) -> Uuid {
        Uuid::from_u128(n as u128)
    }

    /// Opens as many as a channel may that could use `wanted`.
    fn fill(slots: &mut Slots, n: usize, wanted: usize, now: Instant) -> usize {
        let mut opened = 0;
        while slots.may_open(channel(n), wanted, false, now) {
            slots.take(channel(n), now);
            opened += 1;
        }
        opened
    }

    /// One attempt that takes so long, from `now` on.
    fn attempt(slots: &mut Slots, n: usize, took: Duration, now: Instant) {
        slots.take(channel(n), now);
        slots.give_back(channel(n), now, now + took, true);
    }

    #[test]
    fn one_channel_has_three_quarters_once_it_is_known_to_be_quick() {
        let (mut slots, now) = (Slots::new(ALL), Instant::now());
        assert_eq!(fill(&mut slots, 1, 100, now), 16);
        slots.give_back(channel(1), now, now + MOMENT, true);
        assert_eq!(fill(&mut slots, 1, 100, now + MOMENT), 33);
        assert_eq!(slots.open, 48);
    }

    #[test]
    fn however_many_hang_whoever_is_quick_goes_on() {
        let mut slots = Slots::new(ALL);
        let mut now = Instant::now();
        attempt(&mut slots, 0, MOMENT, now);
        let mut hanging = 0;
        for _ in 0..20 {
            let opened: usize = (1..=64).map(|n| fill(&mut slots, n, 1, now)).sum();
            // Not more at a time than are known to hang before long.
            assert!(opened <= 16, "{opened} at once");
            hanging += opened;
            now += SLOW;
        }
        assert_eq!(hanging, 48);
        assert_eq!(fill(&mut slots, 0, 100, now), 4);
        // Those that have hung before get half of the slots at the most.
        for n in 1..=48 {
            let since = slots.channels[&channel(n)].open[0];
            slots.give_back(channel(n), since, now, true);
        }
        let again: usize = (1..=48).map(|n| fill(&mut slots, n, 4, now)).sum();
        assert_eq!(again, 32);
        // Somebody new can still show that it is quick.
        assert!(slots.may_open(channel(100), 1, false, now));
    }

    #[test]
    fn two_quick_ones_that_begin_to_hang_leave_some() {
        let (mut slots, now) = (Slots::new(ALL), Instant::now());
        for n in 0..3 {
            attempt(&mut slots, n, MOMENT, now);
        }
        let opened = [0, 1].map(|n| fill(&mut slots, n, 32, now));
        assert_eq!(opened, [32, 16]);
        assert_eq!(fill(&mut slots, 2, 32, now), 4);
    }

    /// Whether those that hang were quick until now, or are known to be slow.
    #[test]
    fn what_is_urgent_finds_a_slot_whoever_hangs() {
        let now = Instant::now();
        let mut stalled = Slots::new(ALL);
        for n in 0..64 {
            attempt(&mut stalled, n, MOMENT, now);
        }
        let opened: usize = (0..64).map(|n| fill(&mut stalled, n, 1, now)).sum();
        assert_eq!(opened, 60);
        let mut slow = Slots::new(ALL);
        for n in 0..2 {
            attempt(&mut slow, n, MOMENT, now);
        }
        let opened = [0, 1].map(|n| fill(&mut slow, n, 32, now));
        assert_eq!(opened, [32, 16]);
        for slots in [&mut stalled, &mut slow] {
            let later = now + SLOW;
            assert!(!slots.may_open(channel(100), 1, false, later));
            assert!(slots.may_open(channel(100), 1, true, later));
            slots.take(channel(100), later);
            assert!(!slots.may_open(channel(100), 1, true, later), "its share");
        }
    }

    #[test]
    fn what_is_known_of_a_channel_is_forgotten() {
        let (mut slots, now) = (Slots::new(ALL), Instant::now());
        attempt(&mut slots, 1, SLOW, now);
        attempt(&mut slots, 2, MOMENT, now);
        let pace = |slots: &Slots, n, now| slots.channels[&channel(n)].pace(now);
        assert!(pace(&slots, 1, now + SLOW) == Pace::Slow);
        assert!(pace(&slots, 2, now + SLOW) == Pace::Quick);
        // An attempt that hangs is enough, whatever the latest was like.
        slots.take(channel(2), now + SLOW);
        assert!(pace(&slots, 2, now + 2 * SLOW) == Pace::Slow);
        slots.give_back(channel(2), now + SLOW, now + SLOW + MOMENT, true);
        assert!(pace(&slots, 2, now + 2 * SLOW) == Pace::Quick);
        slots.forget(now + SLOW + MOMENT + KNOWN_FOR);
        assert!(slots.channels.is_empty());
    }

    #[test]
    fn one_slot_is_enough_for_anybody() {
        let (mut slots, now) = (Slots::new(1), Instant::now());
        assert_eq!(fill(&mut slots, 1, 4, now), 1);
        assert!(!slots.has_room());
        slots.give_back(channel(1), now, now + SLOW, true);
        assert!(slots.may_open(channel(1), 4, false, now + SLOW));
    }

    #[test]
    fn what_is_kept_from_a_receiver_does_not_make_it_a_quick_one() {
        let (mut slots, now) = (Slots::new(ALL), Instant::now());
        let kept = |slots: &mut Slots, took| {
            slots.take(channel(1), now);
            slots.give_back(channel(1), now, now + took, false);
        };
        let pace = |slots: &Slots| slots.channels[&channel(1)].pace(now + SLOW);
        kept(&mut slots, MOMENT);
        assert!(pace(&slots) == Pace::Unknown);
        // It has waited for a connection, say.
        kept(&mut slots, SLOW);
        assert!(pace(&slots) == Pace::Slow);
        kept(&mut slots, MOMENT);
        assert!(pace(&slots) == Pace::Slow);
        attempt(&mut slots, 1, MOMENT, now);
        assert!(pace(&slots) == Pace::Quick);
    }
}
