//! The real program, killed at every step, frozen, starved and cut off: nothing that was acknowledged is
//! lost, nobody is skipped, and nobody is mailed twice without that being on record.
#![allow(
    clippy::unwrap_used,
    reason = "all of this is test code: a panic is a failed test"
)]
#![cfg_attr(
    not(debug_assertions),
    allow(dead_code, reason = "a release build has no crash points to die at")
)]

mod checks;
#[cfg(debug_assertions)]
mod death;
#[cfg(debug_assertions)]
mod each_kind;
mod erased;
mod faults;
mod imported;
mod in_place;
mod joining;
mod kept_back;
mod kinds;
mod master_keys;
mod mid_send;
#[cfg(debug_assertions)]
mod months;
#[cfg(debug_assertions)]
mod points;
mod private;
#[cfg(debug_assertions)]
mod restore_points;
mod restored;
mod rounds;
mod segments;
mod settle;
#[cfg(debug_assertions)]
mod soak;
#[cfg(debug_assertions)]
mod still;
mod stopped;
#[cfg(debug_assertions)]
mod verbs;
mod witness;
mod world;

use std::path::{Path, PathBuf};

use tidings_tests::program::Program;

/// The program with these settings on top of those of a new platform. It does not run yet.
fn program(settings: Vec<(&'static str, String)>) -> Program {
    // Where the runner says it is, else where it was built.
    let said = std::env::var_os("CARGO_BIN_EXE_tidings");
    let binary = said.map_or_else(|| env!("CARGO_BIN_EXE_tidings").into(), PathBuf::from);
    Program::new(binary, Path::new("/tmp"), settings)
}

/// The program over private servers of its own, ready.
async fn start() -> Program {
    let mut program = program(Vec::new());
    assert!(program.up(None).await, "it ended at its start");
    program
}
