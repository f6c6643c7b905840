//! For tests: a vault that seals nothing but notices everything, and decision tables.

use std::fmt::Write as _;

use tidings_proto::common::Sealed;

use crate::aggregate::{Aggregate, fold};
use crate::personal::{Open, OpenError, Seal};

/// Binds a value to its field by writing the field before it.
pub(crate) struct GlassVault;

impl Seal for GlassVault {
    fn seal(&self, field: &str, plaintext: &[u8]) -> Sealed {
        Sealed {
            scheme: 1,
            key_id: vec![0xaa; 16].into(),
            nonce: vec![0xbb; 12].into(),
            ciphertext: [field.as_bytes(), b"=", plaintext].concat().into(),
            ..Sealed::default()
        }
    }

    fn seal_by_period(&self, field: &str, plaintext: &[u8]) -> Sealed {
        Sealed {
            key_id: vec![0xcc; 16].into(),
            ..self.seal(field, plaintext)
        }
    }
}

impl Open for GlassVault {
    fn open(&self, field: &str, sealed: &Sealed) -> Result<Option<Vec<u8>>, OpenError> {
        sealed
            .ciphertext
            .strip_prefix(format!("{field}=").as_bytes())
            .map(|plaintext| Some(plaintext.to_vec()))
            .ok_or_else(|| OpenError {
                field: field.to_owned(),
            })
    }
}

/// Its keys are gone.
pub(crate) struct ShreddedVault;

impl Open for ShreddedVault {
    fn open(&self, _: &str, _: &Sealed) -> Result<Option<Vec<u8>>, OpenError> {
        Ok(None)
    }
}

/// What a table calls a command, and how to make it.
type Named<C> = (&'static str, fn() -> C);

/// Given, when, then: every command in every state, one line each.
pub(crate) fn table<A: Aggregate>(
    states: &[(&str, Vec<A::Event>)],
    commands: &[Named<A::Command>],
) -> String {
    let mut table = String::new();
    for (state, history) in states {
        writeln!(table, "given {state}").unwrap();
        for (name, command) in commands {
            let then = match fold::<A>(history).decide(command()) {
                Ok(events) if events.is_empty() => "nothing".to_owned(),
                Ok(events) => events.iter().map(short::<A>).collect::<Vec<_>>().join(", "),
                Err(refusal) => format!("refused: {refusal}"),
            };
            writeln!(table, "  {name:<18} -> {then}").unwrap();
        }
    }
    table
}

fn short<A: Aggregate>(event: &A::Event) -> String {
    A::event_type(event)
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_owned()
}
