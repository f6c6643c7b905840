//! The most recent events, in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::Item;

/// Events kept; readers further behind read the log.
const ITEMS_MAX: usize = 16_384;
/// Payload bytes kept.
const BYTES_MAX: usize = 64 << 20;

/// A run of events without a hole, oldest first.
pub(super) struct Window {
    inner: Mutex<Inner>,
}

struct Inner {
    /// Position before the first item.
    after: i64,
    items: VecDeque<Arc<Item>>,
    bytes: usize,
}

impl Window {
    pub(super) fn after(position: i64) -> Self {
        Self {
            inner: Mutex::new(Inner {
                after: position,
                items: VecDeque::new(),
                bytes: 0,
            }),
        }
    }

    pub(super) fn push(&self, item: Arc<Item>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        debug_assert_eq!(item.position(), inner.after + inner.items.len() as i64 + 1);
        inner.bytes += item.recorded.payload.len();
        inner.items.push_back(item);
        while inner.items.len() > ITEMS_MAX || inner.bytes > BYTES_MAX {
            let Some(oldest) = inner.items.pop_front() else {
                break;
            };
            inner.bytes -= oldest.recorded.payload.len();
            inner.after = oldest.position();
        }
    }

    /// The page, if the window still holds its first event.
    pub(super) fn page_after(&self, position: i64, limit: usize) -> Option<Vec<Arc<Item>>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = usize::try_from(position - inner.after).ok()?;
        Some(inner.items.iter().skip(skip).take(limit).cloned().collect())
    }
}
