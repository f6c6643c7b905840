//! What a worker has picked and not yet attempted, the most urgent first.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};

use uuid::Uuid;

use crate::pick::{Crowded, Pick};

/// In the order of the queue, however it was read.
#[derive(Default)]
pub(super) struct Waiting(VecDeque<Pick>);

impl Waiting {
    /// Puts these among the others, and takes out the least urgent of each channel that has more than `most`; gives
    /// whose they were. What is only settled, since its publication is one of the `cancelled` or its reader has left, is as many by itself: it goes
    /// at nobody's pace, and would never come in behind what is more urgent.
    pub(super) fn add(&mut self, picks: Vec<Pick>, most: usize, cancelled: &[Uuid]) -> Vec<Uuid> {
        // What waits already may be less urgent than what was read now.
        self.0.extend(picks);
        let order = |pick: &Pick| {
            (
                Reverse(pick.plan.priority),
                pick.plan.due_at,
                pick.delivery.id,
            )
        };
        self.0.make_contiguous().sort_by_key(order);
        let mut counts: HashMap<(Uuid, bool), usize> = HashMap::new();
        let mut beyond = Vec::new();
        self.0.retain(|pick| {
            let kind = (pick.plan.channel_id, is_settled(pick, cancelled));
            let before = counts.entry(kind).or_default();
            *before += 1;
            let stays = *before <= most;
            if !stays {
                beyond.push(pick.delivery.id);
            }
            stays
        });
        beyond
    }

    /// Channels that have as many to send as are enough for them, or more.
    pub(super) fn crowded(
        &self,
        cancelled: &[Uuid],
        enough: impl Fn(Uuid) -> usize,
    ) -> Vec<Crowded> {
        let mut by_channel: HashMap<Uuid, (usize, i32)> = HashMap::new();
        for pick in self.0.iter().filter(|pick| !is_settled(pick, cancelled)) {
            let plan = &pick.plan;
            let (count, least) = by_channel
                .entry(plan.channel_id)
                .or_insert((0, plan.priority));
            *count += 1;
            *least = plan.priority.min(*least);
        }
        let crowded = by_channel
            .into_iter()
            .filter(|(channel_id, (count, _))| *count >= enough(*channel_id));
        crowded
            .map(|(channel_id, (_, least))| Crowded { channel_id, least })
            .collect()
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Pick> {
        self.0.iter()
    }

    /// The n-th, from 0.
    pub(super) fn get(&self, index: usize) -> Option<&Pick> {
        self.0.get(index)
    }

    /// Takes out the n-th.
    pub(super) fn remove(&mut self, index: usize) -> Option<Pick> {
        self.0.remove(index)
    }

    /// Takes out all that are such; gives whose they were.
    pub(super) fn remove_all(&mut self, which: impl Fn(&Pick) -> bool) -> Vec<Uuid> {
        let mut removed = Vec::new();
        self.0.retain(|pick| {
            let goes = which(pick);
            if goes {
                removed.push(pick.delivery.id);
            }
            !goes
        });
        removed
    }

    /// Takes out all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Whether nothing is sent for it: its publication was cancelled, or its reader has left.
pub(super) fn is_settled(pick: &Pick, cancelled: &[Uuid]) -> bool {
    pick.is_withdrawn || cancelled.contains(&pick.plan.cause.id())
}

#[cfg(test)]
mod tests {
    use tidings_domain::delivery::{Cause, Delivery, Plan, Tries};
    use tidings_event_store::Loaded;
    use time::OffsetDateTime;
    use time::macros::datetime;

    use super::*;
    use crate::pick::broadcast;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);
    const SLOW: Uuid = Uuid::from_u128(1);
    const QUICK: Uuid = Uuid::from_u128(2);

    fn pick(n: u128, channel_id: Uuid, priority: i32) -> Pick {
        let plan = Plan {
            cause: Cause::Publication(Uuid::nil()),
            content_version: 1,
            channel_id,
            subscriber_id: None,
            priority,
            due_at: NOW,
        };
        let state = Delivery::Pending {
            plan: plan.clone(),
            tries: Tries::default(),
            due_at: NOW,
        };
        Pick {
            delivery: Loaded::known(Uuid::from_u128(n), state, 1),
            plan,
            waits_no_longer: false,
            is_withdrawn: false,
            correlation_id: Uuid::nil(),
            traceparent: None,
            planned_position: 1,
            planned_at: NOW,
            receiver: Some(broadcast()),
        }
    }

    fn numbers(waiting: &Waiting) -> Vec<u128> {
        waiting.iter().map(|it| it.delivery.id.as_u128()).collect()
    }

    #[test]
    fn the_most_urgent_come_first_and_the_least_urgent_of_a_full_channel_go() {
        let mut waiting = Waiting::default();
        let ordinary = [3, 1, 2].map(|n| pick(n, SLOW, 0));
        assert!(waiting.add(ordinary.into(), 3, &[]).is_empty());
        assert_eq!(numbers(&waiting), [1, 2, 3]);
        // However many there are of another.
        let mut more: Vec<Pick> = [4, 5, 6].map(|n| pick(n, QUICK, 0)).into();
        more.extend([7, 8].map(|n| pick(n, SLOW, 10)));
        let beyond = waiting.add(more, 3, &[]);
        assert_eq!(beyond, [2, 3].map(Uuid::from_u128));
        assert_eq!(numbers(&waiting), [7, 8, 1, 4, 5, 6]);
    }

    #[test]
    fn a_channel_is_crowded_by_its_own_and_still_wants_what_is_more_urgent() {
        let mut waiting = Waiting::default();
        let picks = [(1, SLOW, 0), (2, SLOW, 10), (3, QUICK, 0)];
        waiting.add(
            picks.map(|(n, id, priority)| pick(n, id, priority)).into(),
            9,
            &[],
        );
        let crowded = |least| Crowded {
            channel_id: SLOW,
            least,
        };
        assert_eq!(waiting.crowded(&[], |_| 2), [crowded(0)]);
        waiting.remove_all(|pick| pick.plan.priority == 0);
        waiting.add([pick(4, SLOW, 10)].into(), 9, &[]);
        assert_eq!(waiting.crowded(&[], |_| 2), [crowded(10)]);
    }

    #[test]
    fn what_is_only_settled_waits_behind_nobody_and_takes_nobodys_place() {
        let cancelled = Uuid::from_u128(77);
        let settled = |n| {
            let mut pick = pick(n, SLOW, 0);
            pick.plan.cause = Cause::Publication(cancelled);
            pick
        };
        let mut waiting = Waiting::default();
        let mut picks: Vec<Pick> = [1, 2, 3].map(|n| pick(n, SLOW, 10)).into();
        picks.extend([4, 5].map(settled));
        assert!(waiting.add(picks, 3, &[cancelled]).is_empty());
        let crowded = Crowded {
            channel_id: SLOW,
            least: 10,
        };
        assert_eq!(waiting.crowded(&[cancelled], |_| 3), [crowded]);
        assert_eq!(waiting.crowded(&[cancelled], |_| 4), []);
        // Of what is read again and again there is no end of it in memory.
        let beyond = waiting.add([6, 7].map(settled).into(), 3, &[cancelled]);
        assert_eq!(beyond, [Uuid::from_u128(7)]);
        assert_eq!(numbers(&waiting), [1, 2, 3, 4, 5, 6]);
    }
}
