//! The list of views: a new one is a folder and a line here.

use futures_util::future::BoxFuture;
use tidings_event_store::feed::Feed;
use tidings_event_store::view::{
    self, Merge, RebuildMode, RebuildProgress, Rebuilt, Runner, View, ViewError,
};
use tidings_event_store::{Progress, Store};
use tokio_util::sync::CancellationToken;

use crate::channel_list::ChannelList;
use crate::delivery_log::DeliveryLog;
use crate::import_rejections::ImportRejections;
use crate::import_status::ImportStatus;
use crate::publication_status::PublicationStatus;
use crate::subscriber_profile::SubscriberProfile;
use crate::suppression_list::SuppressionList;

/// Every view of this room. `publication_accounting` and `publication_analytics` are derived from
/// `delivery_log` and move with it.
pub const VIEWS: [Registered; 7] = [
    Registered::of::<ChannelList>(),
    Registered::of::<DeliveryLog>(),
    Registered::of::<ImportRejections>(),
    Registered::of::<ImportStatus>(),
    Registered::of::<PublicationStatus>(),
    Registered::of::<SubscriberProfile>(),
    Registered::of::<SuppressionList>(),
];

/// A view, whatever its rows are.
#[derive(Clone, Copy)]
pub struct Registered {
    name: &'static str,
    runner: fn(Store, Feed) -> Box<dyn Steps>,
    rebuild: Rebuild,
}

type Rebuild =
    for<'a> fn(&'a Store, RebuildMode, Tell<'a>) -> BoxFuture<'a, Result<Rebuilt, ViewError>>;
type Tell<'a> = &'a mut (dyn FnMut(RebuildProgress) + Send);

impl Registered {
    /// A view of this type.
    pub const fn of<V: View>() -> Self
    where
        V::Row: Merge,
    {
        Self {
            name: V::DEFINITION.name,
            runner: |store, feed| Box::new(Runner::<V>::new(store, feed)),
            rebuild: |store, mode, tell| Box::pin(view::rebuild::<V>(store, mode, tell)),
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn runner(&self, store: Store, feed: Feed) -> Box<dyn Steps> {
        (self.runner)(store, feed)
    }
}

/// A runner, whatever its view is.
pub(crate) trait Steps: Send {
    fn step(&mut self) -> BoxFuture<'_, Result<Progress, ViewError>>;
    fn run(self: Box<Self>, stop: CancellationToken) -> BoxFuture<'static, Result<(), ViewError>>;
}

impl<V: View> Steps for Runner<V>
where
    V::Row: Merge,
{
    fn step(&mut self) -> BoxFuture<'_, Result<Progress, ViewError>> {
        Box::pin(Self::step(self))
    }

    fn run(self: Box<Self>, stop: CancellationToken) -> BoxFuture<'static, Result<(), ViewError>> {
        Box::pin(Self::run(*self, stop))
    }
}

/// Why views could not be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// There is no view of that name.
    #[error("there is no view {name}; there are: all, {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// One could not be rebuilt.
    #[error("the view {view} could not be rebuilt")]
    View {
        /// The view.
        view: &'static str,
        /// Why.
        #[source]
        source: ViewError,
    },
}

/// Rebuilds the view of that name, or `all` of `views`, one after the other. `progress` is told the view's
/// name and how far it is.
///
/// # Errors
/// When there is no such view, or at the first that can not be rebuilt.
pub async fn rebuild(
    store: &Store,
    views: &[Registered],
    name: &str,
    mode: RebuildMode,
    progress: &mut (dyn FnMut(&'static str, RebuildProgress) + Send),
) -> Result<Vec<(&'static str, Rebuilt)>, RebuildError> {
    let asked: Vec<&Registered> = views
        .iter()
        .filter(|view| name == "all" || view.name == name)
        .collect();
    if asked.is_empty() {
        let known = views.iter().map(Registered::name).collect();
        return Err(RebuildError::Unknown {
            name: name.to_owned(),
            known,
        });
    }
    let mut rebuilt = Vec::with_capacity(asked.len());
    for Registered {
        name: view,
        rebuild,
        ..
    } in asked
    {
        let mut tell = |at| progress(view, at);
        let done = rebuild(store, mode, &mut tell).await;
        rebuilt.push((
            *view,
            done.map_err(|source| RebuildError::View { view, source })?,
        ));
    }
    Ok(rebuilt)
}
