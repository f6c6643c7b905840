//! The log: commit with guards (group commit), read, fold and decide, relay to JetStream, follow it,
//! fold it into views, and the vault that seals personal data inside it. Postgres is the truth;
//! JetStream is a doorbell with a cache.

pub mod audit;
mod committer;
mod copy;
pub mod counters;
pub mod crash;
pub mod digest;
mod event;
pub mod export;
pub mod feed;
mod give_up;
pub mod hex;
mod log;
pub mod migrate;
mod outage;
pub mod picking;
mod progress;
pub mod receipt;
pub mod relay;
pub mod restore;
pub mod session;
mod store;
pub mod stream;
mod their_word;
mod timeline;
pub mod vault;
pub mod view;
mod why;
pub mod witness;

pub use committer::CommitError;
pub use event::{Commit, Committed, Guard, NewEvent, Recorded, uuid_bytes};
pub use give_up::give_up_addresses;
pub use log::{COMMIT_EVENTS_MAX, EVENT_BYTES_MAX, Head, Log, ReadError, in_time};
pub use outage::Outage;
pub use progress::Progress;
pub use store::{
    CONTRACT_REVISION, Context, Draft, ExecuteError, Executed, LoadError, Loaded, Past,
    RETRY_AFTER, Store, UnderstandError, understand,
};
pub use their_word::{IMPORTER, is_their_word, their_words};
pub use timeline::WentBack;

pub use tokio_postgres;
