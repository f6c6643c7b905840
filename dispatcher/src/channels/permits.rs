//! So many at a time, first come first served, where how many that is may change while some are in use.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// The permits.
pub(super) struct Permits {
    semaphore: Semaphore,
    count: Mutex<Count>,
}

#[derive(Clone, Copy)]
struct Count {
    most: usize,
    in_use: usize,
    /// Of those in use, so many are taken away as they come back.
    owed: usize,
}

/// The right to be one of them, until it is dropped.
pub(super) struct Permit<'a> {
    permits: &'a Permits,
    permit: Option<SemaphorePermit<'a>>,
}

impl Permits {
    /// So many, none in use.
    pub(super) fn new(most: usize) -> Self {
        Self {
            semaphore: Semaphore::new(most),
            count: Mutex::new(Count {
                most,
                in_use: 0,
                owed: 0,
            }),
        }
    }

    /// Waits for one. Nothing is taken if nobody waits to the end.
    pub(super) async fn acquire(&self) -> Option<Permit<'_>> {
        loop {
            // The semaphore is never closed.
            let permit = self.semaphore.acquire().await.ok()?;
            if let Some(permit) = self.granted(permit) {
                return Some(permit);
            }
        }
    }

    /// One that was free; none: there have come to be fewer since it was.
    fn granted<'a>(&'a self, permit: SemaphorePermit<'a>) -> Option<Permit<'a>> {
        let mut count = self.lock();
        if count.owed > 0 && count.in_use >= count.most {
            count.owed -= 1;
            permit.forget();
            return None;
        }
        count.in_use += 1;
        Some(Permit {
            permits: self,
            permit: Some(permit),
        })
    }

    /// From now on so many. What is in use beyond that goes on, and is not given out again.
    pub(super) fn set(&self, most: usize) {
        let mut count = self.lock();
        if most > count.most {
            let more = most - count.most;
            let kept = more.min(count.owed);
            count.owed -= kept;
            self.semaphore.add_permits(more - kept);
        } else {
            let less = count.most - most;
            count.owed += less - self.semaphore.forget_permits(less);
        }
        count.most = most;
    }

    /// How many there are.
    pub(super) fn most(&self) -> usize {
        self.lock().most
    }

    /// By how many it would be too many if so many were in use beside those that are.
    pub(super) fn beyond(&self, beside: usize) -> usize {
        let count = self.lock();
        (count.in_use + beside).saturating_sub(count.most)
    }

    fn lock(&self) -> MutexGuard<'_, Count> {
        // Numbers cannot be left half-changed by a panic.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut count = self.permits.lock();
        count.in_use -= 1;
        if count.owed > 0
            && let Some(permit) = self.permit.take()
        {
            count.owed -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_in_use_beyond_a_smaller_number_is_not_given_out_again() {
        let permits = Permits::new(3);
        let get = || permits.acquire().now_or_never().flatten();
        let mut held = [get(), get(), get()];
        assert!(held.iter().all(Option::is_some) && get().is_none());
        permits.set(1);
        held[0] = None;
        held[1] = None;
        assert!(get().is_none());
        held[2] = None;
        let one = get();
        assert!(one.is_some() && get().is_none());
        permits.set(2);
        assert_eq!([1, 2, 3].map(|beside| permits.beyond(beside)), [0, 1, 2]);
        assert!(get().is_some());
    }

    #[test]
    fn one_that_was_free_before_there_were_fewer_is_not_given_out() {
        let permits = Permits::new(2);
        let first = permits.acquire().now_or_never().flatten();
        assert!(first.is_some());
        // Somebody has it in hand, and does not know yet.
        let in_hand = permits.semaphore.try_acquire().unwrap();
        permits.set(1);
        assert!(permits.granted(in_hand).is_none());
        drop(first);
        let one = permits.acquire().now_or_never().flatten();
        assert!(one.is_some() && permits.acquire().now_or_never().is_none());
        permits.set(2);
        assert!(permits.acquire().now_or_never().flatten().is_some());
    }

    proptest! {
        #[test]
        fn nobody_gets_one_beyond_the_number_that_holds_and_none_is_lost(
            steps in prop::collection::vec((0u8..3, 1usize..6), 1..100),
        ) {
            let permits = Permits::new(4);
            let (mut held, mut most) = (Vec::new(), 4);
            for (what, number) in steps {
                match what {
                    0 => {
                        let permit = permits.acquire().now_or_never().flatten();
                        prop_assert_eq!(permit.is_some(), held.len() < most);
                        held.extend(permit);
                    }
                    1 => drop(held.pop()),
                    _ => {
                        permits.set(number);
                        most = number;
                    }
                }
                prop_assert_eq!(permits.beyond(2), (held.len() + 2).saturating_sub(most));
            }
        }
    }
}
