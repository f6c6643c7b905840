//! Views: disposable tables folded from the log. A view turns each event into rows (deltas with a key)
//! and says how two rows of one key merge, associatively and without a clock. So the live fold (page by
//! page) and a rebuild (ranges of the log side by side) run the same code and end in the same rows.

mod bulk;
mod derived;
mod opening;
mod reach;
mod rebuild;
mod row;
mod runner;
mod skips;
mod table;

use std::sync::Arc;

use crate::feed::Item;
use crate::log::ReadError;
use crate::store::UnderstandError;
use crate::vault::{KeyRing, VaultError};

pub use derived::{Derivation, Derived, DerivedView, Totals};
pub use opening::fold_of;
pub use reach::{Reached, reached};
pub use rebuild::{
    Bounds, Phase, RebuildMode, RebuildOptions, RebuildProgress, Rebuildable, Rebuilt,
    discard_staged, rebuild,
};
pub use row::{Column, Key, Merge, Row, SqlType};
pub use runner::Runner;
pub use skips::{SkipError, poison, skip};
pub use table::{Definition, position};
/// What views need of the domain's contract: to open sealed values, to say what is wrong with a field, and
/// why an event is skipped.
pub use tidings_domain::record::{AttributePatch, TagPatch};
pub use tidings_domain::segment::Condition;
pub use tidings_domain::stream_id::engagement_period;
pub use tidings_domain::topic::ByDefault;
pub use tidings_domain::value::{
    AttributeKey, AttributeValue, Attributes, Invalid, Month, SkipReason, Tag,
};
pub use tidings_domain::{
    aggregate::CodecError,
    personal::{Open, Personal},
};

/// A fold of the log into one table (and tables derived from that one's rows).
pub trait View: Send + Sync + 'static {
    /// What the table holds.
    type Row: Row;
    /// Its name: the rows can be queried as `publishing_<name>`.
    const DEFINITION: Definition;
    /// Nouns of the streams whose events lead to rows: a rebuild reads no others. None: any.
    const NOUNS: &'static [&'static str] = &[];
    /// Whether an operator may have it skip an event that it can not fold. Not where rows are acted upon.
    const MAY_SKIP: bool = true;
    /// Nouns of the streams whose sealed values the fold opens: their keys are at hand when it runs.
    const OPENS: &'static [&'static str] = &[];

    /// The rows an event leads to: most events of no interest lead to none.
    fn fold(item: &Item, ring: &KeyRing, rows: &mut Vec<Self::Row>) -> Result<(), UnderstandError>;

    /// Views folded from the changes of this view's rows.
    fn derived() -> Vec<Arc<dyn Derivation<Self::Row>>> {
        Vec::new()
    }
}

/// Why a view could not move on.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The keys could not be had.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database refused to write the view.
    #[error("the view {view} could not be written")]
    Write {
        /// The view.
        view: &'static str,
        /// What the database said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// No connection to the database.
    #[error("no connection to the database")]
    Pool(#[from] deadpool_postgres::PoolError),
    /// An event the view can not fold. The view stops here, alone, until an operator decides.
    #[error("the view {view} stopped at position {position}")]
    Poison {
        /// The view.
        view: &'static str,
        /// Where it stopped.
        position: i64,
        /// What is wrong with the event.
        #[source]
        source: UnderstandError,
    },
    /// Another version of Tidings has given the view another definition since this process opened it.
    #[error("another version of Tidings has redefined the view {view}")]
    Redefined {
        /// The view.
        view: &'static str,
    },
    /// An earlier version of Tidings has defined the view otherwise, so a rebuild has nothing to compare its rows with.
    #[error(
        "the view {view} is as an earlier version of Tidings defined it, so there is nothing to compare with: \
         `tidings rebuild {view}` folds it as this one does"
    )]
    Incomparable {
        /// The view.
        view: &'static str,
    },
    /// A later version of Tidings folds the view. This one leaves it alone.
    #[error(
        "a later version of Tidings folds the view {view} (fold {theirs}, here it is fold {ours}): upgrade this \
         process"
    )]
    Outdated {
        /// The view.
        view: &'static str,
        /// The number of this build's definition.
        ours: i32,
        /// The number of the definition in service.
        theirs: i32,
    },
    /// The view was started over or rebuilt by somebody else during this rebuild. Nothing was swapped.
    #[error("the view {view} was started over meanwhile; rebuild it again")]
    Superseded {
        /// The view.
        view: &'static str,
    },
    /// Positions are dense, and yet events are missing.
    #[error(
        "the log lacks {missing} of its events, so nothing was rebuilt: `tidings audit verify` says where"
    )]
    Incomplete {
        /// How many.
        missing: i64,
    },
    /// The events that came are not the log's.
    #[error(
        "the view {view} met another history than the log's at position {position}: the database has gone back in \
         time; stop all processes, run `tidings restore --in-place`, and start them again"
    )]
    DeadTimeline {
        /// The view.
        view: &'static str,
        /// The last position that came with a claim.
        position: i64,
    },
}

impl ViewError {
    pub(crate) fn write(view: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::Write { view, source }
    }

    /// Trying again can not help.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Poison { .. }
                | Self::DeadTimeline { .. }
                | Self::Redefined { .. }
                | Self::Outdated { .. }
                | Self::Read(ReadError::WentBack { .. })
        )
    }

    /// Final until somebody acts: has the event skipped, or the view redefined. Then the view goes on.
    /// Whoever met another history must not: what it knows of the log is not the log's.
    pub fn may_be_mended(&self) -> bool {
        self.is_final()
            && !matches!(
                self,
                Self::DeadTimeline { .. } | Self::Read(ReadError::WentBack { .. })
            )
    }
}
