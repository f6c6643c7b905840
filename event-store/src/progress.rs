//! What a step of a worker did.

/// Workers are stepped: by their loop in production, by the test in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something was done; there may be more.
    Advanced,
    /// Nothing was left to do.
    Idle,
}

impl Progress {
    /// Advanced if either did.
    pub fn or(self, other: Self) -> Self {
        if self == Self::Advanced { self } else { other }
    }

    /// Advanced if anything was done.
    pub fn of(anything: bool) -> Self {
        if anything { Self::Advanced } else { Self::Idle }
    }
}
