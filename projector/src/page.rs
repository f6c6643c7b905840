//! Paging by cursor: a page ends with the key of its last row, and the next one begins behind it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tidings_service::Problem;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Rows a page has when the caller does not say.
pub(crate) const LIMIT: u32 = 100;
/// Rows a page has at most.
pub(crate) const LIMIT_MAX: u32 = 1_000;

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Rows of a page, 100 unless the endpoint says otherwise.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// A `Log-Position`: the answer waits for the views it is read from to reach it. 503 if they do not in time.
    #[param(minimum = 0)]
    pub at_least: Option<i64>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Pass it as `?cursor=` to get the page behind this one; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "AAAAAAAAACo")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of `limit` rows out of up to `limit + 1` that were read: the one too many tells that there
    /// is another page.
    pub(crate) fn of(mut items: Vec<T>, limit: i64, key: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(0);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(key);
        Self { items, next }
    }
}

/// The number of rows asked for.
pub(crate) fn limit(asked: Option<u32>) -> Result<i64, Problem> {
    match asked.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_MAX => Ok(i64::from(limit)),
        other => Err(Problem::bad_request(format!(
            "A page has 1 to {LIMIT_MAX} rows; limit is {other}."
        ))),
    }
}

/// The cursor of what stands before a position, in a list of what the log holds, newest first.
#[must_use]
pub fn cursor_before(position: i64) -> String {
    position.to_cursor()
}

/// The key of a list's rows as a cursor.
pub(crate) trait Key: Sized {
    fn to_bytes(&self) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Option<Self>;

    /// The cursor of the page behind this key.
    fn to_cursor(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.to_bytes())
    }

    /// The key behind a cursor.
    fn from_cursor(cursor: Option<&str>) -> Result<Option<Self>, Problem> {
        let Some(cursor) = cursor else {
            return Ok(None);
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
        let key = bytes.and_then(|bytes| Self::from_bytes(&bytes));
        key.map(Some).ok_or_else(|| {
            Problem::bad_request(
                "The cursor is not one of this list: pass next of a page as it is.",
            )
        })
    }
}

impl Key for i64 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl Key for Uuid {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_names_its_key(number: i64, id: u128) {
            let id = Uuid::from_u128(id);
            prop_assert_eq!(i64::from_cursor(Some(&number.to_cursor())).unwrap(), Some(number));
            prop_assert_eq!(Uuid::from_cursor(Some(&id.to_cursor())).unwrap(), Some(id));
            prop_assert!(i64::from_cursor(Some(&id.to_cursor())).is_err());
        }

        #[test]
        fn pages_put_together_are_the_list(length in 0_i64..40, limit in 1_i64..15) {
            let mut read: Vec<i64> = Vec::new();
            let mut after = None;
            loop {
                let start = after.map_or(0, |last: i64| last + 1);
                let page = Page::of((start..length).take(limit as usize + 1).collect(), limit, i64::to_cursor);
                prop_assert!(page.items.len() <= limit as usize);
                read.extend(&page.items);
                let Some(next) = page.next else { break };
                after = i64::from_cursor(Some(&next)).unwrap();
            }
            prop_assert_eq!(read, (0..length).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_no_cursor_or_limit_is_refused() {
        for cursor in ["", "*", "AAAA", "AAAAAAAAACo="] {
            assert!(i64::from_cursor(Some(cursor)).is_err(), "{cursor:?}");
        }
        assert!(limit(Some(0)).is_err() && limit(Some(LIMIT_MAX + 1)).is_err());
        assert_eq!(limit(None).unwrap(), i64::from(LIMIT));
    }
}
