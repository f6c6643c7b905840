//! The dispatcher: folds its queue, looks after publications, attempts what is due, and puts on record
//! what is in doubt.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tidings_event_store::feed::Feed;
use tidings_event_store::view::Runner;
use tidings_event_store::{Outage, Progress};
use tidings_service::problem::chain;
use tokio_util::sync::CancellationToken;

use crate::core::{Core, DispatchError, Options};
use crate::publications::Publications;
use crate::queue::DispatchQueue;
use crate::worker::{Worker, gathered};

/// How often publications and open attempts are looked at although nothing woke the dispatcher.
const TIMER: Duration = Duration::from_secs(1);

/// Every worker of the dispatcher.
pub struct Dispatcher {
    core: Arc<Core>,
    feed: Feed,
    queue: Runner<DispatchQueue>,
    publications: Publications,
    worker: Worker,
}

impl Dispatcher {
    /// A dispatcher with an identity of its own.
    pub fn new(options: Options) -> Self {
        let feed = options.feed.clone();
        let core = Arc::new(Core::new(options));
        Self {
            queue: Runner::new(core.store.clone(), feed.clone()),
            publications: Publications::new(),
            worker: Worker::new(core.clone(), feed.clone()),
            core,
            feed,
        }
    }

    /// One step of every worker; attempts are waited for.
    pub async fn step(&mut self) -> Result<Progress, DispatchError> {
        let queue = self.queue.step().await?;
        let publications = self.publications.step(&self.core).await?;
        let doubt = self.core.doubt(&mut HashSet::new()).await?;
        let worker = self.worker.step().await?;
        Ok(queue.or(publications).or(doubt).or(worker))
    }

    /// Works until told to stop, then finishes the attempts that are open. Ends early only when an event
    /// can not be folded into the queue.
    pub async fn run(self, stop: CancellationToken) -> Result<(), DispatchError> {
        let Self {
            core,
            feed,
            mut queue,
            publications,
            worker,
        } = self;
        let (queue_stop, work_stop) = (CancellationToken::new(), stop.child_token());
        let working = async {
            let reactions = look_after(core.clone(), feed, publications, work_stop.clone());
            let work = async { tokio::join!(reactions, worker.run(work_stop.clone())) };
            tokio::select! {
                _ = work => {}
                () = core.instance.stay() => {}
            }
            queue_stop.cancel();
        };
        let folding = async {
            let folded = queue.run(queue_stop.clone()).await;
            // Without its queue a dispatcher must not go on.
            work_stop.cancel();
            folded
        };
        let (folded, ()) = tokio::join!(folding, working);
        Ok(folded?)
    }
}

async fn look_after(
    core: Arc<Core>,
    feed: Feed,
    mut publications: Publications,
    stop: CancellationToken,
) {
    let mut moves = feed.moves();
    let (mut undoubted, mut outage) = (HashSet::new(), Outage::default());
    while !stop.is_cancelled() {
        let step = async {
            let looked_after = publications.step(&core).await;
            // Whatever is wrong with publications, what is in doubt goes on record.
            let doubted = core.doubt(&mut undoubted).await?;
            Ok::<_, DispatchError>(looked_after?.or(doubted))
        };
        let stepped = step.await;
        if stepped.is_ok() && outage.is_over() {
            tracing::info!("publications wait no longer");
        }
        match stepped {
            Ok(Progress::Advanced) => continue,
            Err(error) if outage.is_news(&chain(&error)) => {
                tracing::warn!(error = %chain(&error), "publications wait");
            }
            Ok(Progress::Idle) | Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = gathered(&mut moves) => {}
            () = tokio::time::sleep(TIMER) => {}
        }
    }
}
