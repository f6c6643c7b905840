//! Views: disposable tables folded from the log. A view turns each event into rows (deltas with a key)
//! and says how two rows of one key merge, associatively and without a clock. So the live fold (page by
//! page) and a rebuild (the whole log in memory) run the same code and end in the same rows.

mod derived;
mod rebuild;
mod row;
mod runner;
mod table;

use std::sync::Arc;

use crate::feed::Item;
use crate::log::ReadError;
use crate::store::UnderstandError;
use crate::vault::{KeyRing, VaultError};

pub use derived::{Derivation, Derived, DerivedView};
pub use rebuild::{RebuildMode, RebuildProgress, Rebuilt, rebuild};
pub use row::{Column, Key, Merge, Row, SqlType};
pub use runner::Runner;
pub use table::{Definition, position};
/// What a fold needs of the domain's contract: to open sealed values, and to say what is wrong with a field.
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
    /// The view was started over or rebuilt by somebody else during this rebuild. Nothing was swapped.
    #[error("the view {view} was started over meanwhile; rebuild it again")]
    Superseded {
        /// The view.
        view: &'static str,
    },
    /// The events that came through JetStream are not the log's.
    #[error("the view {view} met another history than the log's at position {position}")]
    DeadTimeline {
        /// The view.
        view: &'static str,
        /// The last position of the page.
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
            Self::Poison { .. } | Self::DeadTimeline { .. } | Self::Redefined { .. }
        )
    }
}
