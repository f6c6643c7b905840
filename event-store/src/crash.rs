//! Points at which a debug build can be made to die by SIGKILL, or to stand still by SIGSTOP, so that tests kill or
//! freeze the program between any two of its steps. A release build holds none of this.
//!
//! A point is named `room.step`, in lower case; `docs/guarantees.md` lists them in the order of a
//! publication's life. Until a process is armed, a point costs one relaxed load.

#[cfg(debug_assertions)]
mod armed;
#[cfg(debug_assertions)]
pub use armed::{arm, arm_to_stop, reach};

/// Marks a point at which a debug build can be made to die: `crash_point!("relay.published");`. The name
/// is a literal, and no other point has it.
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::crash::reach($name);
    };
}
