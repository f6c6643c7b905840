//! The list of views: a new one is a folder and a line here.

use futures_util::future::BoxFuture;
use tidings_event_store::feed::Feed;
use tidings_event_store::view::{
    self, Merge, RebuildOptions, RebuildProgress, Rebuildable, Rebuilt, Runner, SkipError,
    SkipReason, View, ViewError,
};
use tidings_event_store::{Committed, Context, Progress, Store};
use tokio_util::sync::CancellationToken;

use crate::access_log::AccessLog;
use crate::api_key_list::ApiKeyList;
use crate::channel_list::ChannelList;
use crate::delivery_engagement::DeliveryEngagement;
use crate::delivery_log::DeliveryLog;
use crate::engagement_periods::EngagementPeriods;
use crate::import_rejections::ImportRejections;
use crate::import_status::ImportStatus;
use crate::publication_status::PublicationStatus;
use crate::segment_list::SegmentList;
use crate::subscriber_profile::SubscriberProfile;
use crate::suppression_list::SuppressionList;
use crate::topic_list::TopicList;

/// What asks for every view.
const ALL: &str = "all";

/// Every view of this room. `publication_accounting` and `publication_analytics` are derived from
/// `delivery_log`, `publication_engagement` from `delivery_engagement`; they move with these.
pub const VIEWS: [Registered; 13] = [
    Registered::of::<AccessLog>(),
    Registered::of::<ApiKeyList>(),
    Registered::of::<ChannelList>(),
    Registered::of::<DeliveryEngagement>(),
    Registered::of::<DeliveryLog>(),
    Registered::of::<EngagementPeriods>(),
    Registered::of::<ImportRejections>(),
    Registered::of::<ImportStatus>(),
    Registered::of::<PublicationStatus>(),
    Registered::of::<SegmentList>(),
    Registered::of::<SubscriberProfile>(),
    Registered::of::<SuppressionList>(),
    Registered::of::<TopicList>(),
];

/// A view, whatever its rows are.
#[derive(Clone, Copy)]
pub struct Registered {
    name: &'static str,
    fold: fn() -> i32,
    runner: fn(Store, Feed) -> Box<dyn Steps>,
    rebuildable: Rebuildable,
    poison: Poison,
    skip: Skip,
}

type Poison = for<'a> fn(&'a Store, i64) -> BoxFuture<'a, Result<Option<ViewError>, ViewError>>;
type Skip = for<'a> fn(
    &'a Store,
    &'a Context,
    i64,
    SkipReason,
) -> BoxFuture<'a, Result<Committed, SkipError>>;

impl Registered {
    /// A view of this type.
    pub const fn of<V: View>() -> Self
    where
        V::Row: Merge,
    {
        Self {
            name: V::DEFINITION.name,
            fold: view::fold_of::<V>,
            runner: |store, feed| Box::new(Runner::<V>::new(store, feed)),
            rebuildable: Rebuildable::of::<V>(),
            poison: |store, position| Box::pin(view::poison::<V>(store, position)),
            skip: |store, context, position, reason| {
                Box::pin(view::skip::<V>(store, context, position, reason))
            },
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The number of its definition in this build.
    pub(crate) fn fold(&self) -> i32 {
        (self.fold)()
    }

    /// Why it can not fold the event at a position, if it can not.
    pub(crate) async fn poison(
        &self,
        store: &Store,
        position: i64,
    ) -> Result<Option<ViewError>, ViewError> {
        (self.poison)(store, position).await
    }

    pub(crate) fn runner(&self, store: Store, feed: Feed) -> Box<dyn Steps> {
        (self.runner)(store, feed)
    }
}

/// A runner, whatever its view is.
pub(crate) trait Steps: Send {
    fn step(&mut self) -> BoxFuture<'_, Result<Progress, ViewError>>;
    fn run(&mut self, stop: CancellationToken) -> BoxFuture<'_, Result<(), ViewError>>;
}

impl<V: View> Steps for Runner<V>
where
    V::Row: Merge,
{
    fn step(&mut self) -> BoxFuture<'_, Result<Progress, ViewError>> {
        Box::pin(Self::step(self))
    }

    fn run(&mut self, stop: CancellationToken) -> BoxFuture<'_, Result<(), ViewError>> {
        Box::pin(Self::run(self, stop))
    }
}

/// There is no view of that name.
#[derive(Debug, thiserror::Error)]
#[error("there is no view {name}; there are: {}", known.join(", "))]
pub struct UnknownView {
    /// What was asked for.
    name: String,
    /// What there is.
    known: Vec<&'static str>,
}

/// The view of that name, or `all` of them.
///
/// # Errors
/// When there is none.
pub fn named(views: &[Registered], name: &str) -> Result<Vec<Registered>, UnknownView> {
    let mut found = views.to_vec();
    found.retain(|view| name == ALL || view.name == name);
    if found.is_empty() {
        return Err(UnknownView {
            name: name.to_owned(),
            known: [ALL]
                .into_iter()
                .chain(views.iter().map(Registered::name))
                .collect(),
        });
    }
    Ok(found)
}

/// The view of that name.
///
/// # Errors
/// When there is none.
pub fn find(views: &[Registered], name: &str) -> Result<Registered, UnknownView> {
    let found = views.iter().find(|view| view.name == name).copied();
    found.ok_or_else(|| UnknownView {
        name: name.to_owned(),
        known: views.iter().map(Registered::name).collect(),
    })
}

/// Rebuilds views, all in one pass over the log. `progress` is told how far it is.
///
/// # Errors
/// When an event can not be folded, or the database fails.
pub async fn rebuild(
    store: &Store,
    views: &[Registered],
    options: &RebuildOptions,
    progress: &mut (dyn FnMut(RebuildProgress) + Send),
) -> Result<Vec<Rebuilt>, ViewError> {
    let views: Vec<Rebuildable> = views.iter().map(|view| view.rebuildable).collect();
    view::rebuild(store, &views, options, progress).await
}

/// Has a view skip the event it stands still at, for ever; gives where that is on record.
///
/// # Errors
/// When the view stands elsewhere, can fold the event after all, or must not skip anything.
pub async fn skip(
    store: &Store,
    view: &Registered,
    context: &Context,
    position: i64,
    reason: SkipReason,
) -> Result<Committed, SkipError> {
    (view.skip)(store, context, position, reason).await
}
