//! W3C trace context, version 00, carried whether or not spans are exported: one trace goes from the request
//! through event metadata and message headers to the delivery.

use std::fmt;
use std::future::Future;
use std::str::FromStr;

use uuid::Uuid;

use crate::ids::Ids;

/// The `sampled` flag.
const SAMPLED: u8 = 1;

/// A `traceparent` value: which trace, which span of it, which flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span of it that is the parent of what follows.
    pub span_id: [u8; 8],
    /// Bit 0: sampled.
    pub flags: u8,
}

/// A value that is no `traceparent` of a version we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C traceparent: expected 00-<32 hex>-<16 hex>-<2 hex>, ids not all zero")]
pub struct NotATraceParent;

/// What the running task works for; set by [`in_scope`], read by [`current`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// What it belongs to, for people: in every event, log line and problem.
    pub correlation_id: Uuid,
    /// Its place in the trace.
    pub traceparent: TraceParent,
}

tokio::task_local! {
    static CURRENT: Scope;
}

/// Runs `work` with `scope` as its [`current`] one. A task spawned inside starts without a scope.
pub async fn in_scope<F: Future>(scope: Scope, work: F) -> F::Output {
    CURRENT.scope(scope, work).await
}

/// The scope of the running task, if it has one.
#[must_use]
pub fn current() -> Option<Scope> {
    CURRENT.try_get().ok()
}

impl TraceParent {
    /// The start of a new trace, sampled.
    #[must_use]
    pub fn root(ids: &Ids) -> Self {
        Self {
            trace_id: ids.bytes(),
            span_id: ids.bytes(),
            flags: SAMPLED,
        }
    }

    /// A new span of the same trace.
    #[must_use]
    pub fn child(&self, span_id: [u8; 8]) -> Self {
        Self { span_id, ..*self }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            u128::from_be_bytes(self.trace_id),
            u64::from_be_bytes(self.span_id),
            self.flags
        )
    }
}

impl FromStr for TraceParent {
    type Err = NotATraceParent;

    fn from_str(text: &str) -> Result<Self, NotATraceParent> {
        let mut parts = text.split('-');
        let mut next = |length: usize| {
            parts
                .next()
                .filter(|part| part.len() == length && part.bytes().all(is_lower_hex))
                .ok_or(NotATraceParent)
        };
        let version = next(2)?;
        let trace_id = hex(next(32)?)?.to_be_bytes();
        let span_id = u64::try_from(hex(next(16)?)?)
            .map_err(|_| NotATraceParent)?
            .to_be_bytes();
        let flags = u8::try_from(hex(next(2)?)?).map_err(|_| NotATraceParent)?;
        // A later version may append fields; version 00 may not, and ff is never a version.
        let refused = version == "ff" || (version == "00" && parts.next().is_some());
        if refused || trace_id == [0; 16] || span_id == [0; 8] {
            return Err(NotATraceParent);
        }
        Ok(Self {
            trace_id,
            span_id,
            flags,
        })
    }
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn hex(digits: &str) -> Result<u128, NotATraceParent> {
    u128::from_str_radix(digits, 16).map_err(|_| NotATraceParent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_standards_example_reads_and_writes() {
        let parsed: TraceParent = EXAMPLE.parse().unwrap();
        assert_eq!(parsed.to_string(), EXAMPLE);
        assert_eq!(parsed.flags, 1);
        let child = parsed.child([1; 8]);
        assert_eq!(child.trace_id, parsed.trace_id);
        assert_eq!(
            child.to_string(),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0101010101010101-01"
        );
    }

    #[test]
    fn what_the_standard_forbids_is_refused() {
        for bad in [
            "",
            "00",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-+1",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(bad.parse::<TraceParent>(), Err(NotATraceParent), "{bad:?}");
        }
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra";
        assert!(later.parse::<TraceParent>().is_ok());
    }

    #[tokio::test]
    async fn the_scope_ends_with_its_work() {
        let scope = Scope {
            correlation_id: Uuid::from_u128(7),
            traceparent: TraceParent::root(&Ids::seeded(1)),
        };
        assert_eq!(in_scope(scope, async { current() }).await, Some(scope));
        assert_eq!(current(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_without_panic(text in ".{0,80}") {
            if let Ok(parsed) = text.parse::<TraceParent>() {
                prop_assert_eq!(parsed.to_string().parse::<TraceParent>(), Ok(parsed));
            }
        }
    }
}
