//! What a wire does with one connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;

use super::Way;

/// What the session says first that commits.
const COMMITTER: &[u8] = b"tidings committer";
/// What it says among others when somebody leaves.
const LEAVES: &[u8] = b"subscriber.Unsubscribed";

/// What has come of it, for whoever waits for that.
#[derive(Clone)]
pub(super) struct Counts {
    /// Connections of which something is kept: see [`Way::Short`].
    pub(super) kept: watch::Sender<usize>,
    /// Sessions that were ended while they committed: see [`Way::Unasked`] and [`Way::Unheard`].
    pub(super) ended: watch::Sender<usize>,
}

impl Way {
    /// Whether it keeps what comes from this side; `leaves`: of a session that has asked for somebody to leave.
    fn keeps(self, side: Side, leaves: bool) -> bool {
        match self {
            Self::Silent => true,
            Self::Deaf => side == Side::Server,
            Self::Mute => side == Side::Client,
            Self::Late => side == Side::Server && leaves,
            Self::Open | Self::Unasked | Self::Unheard | Self::Short(_) | Self::Cut => false,
        }
    }

    /// Whether it ends a session that commits, when something comes from this side.
    fn ends(self, side: Side) -> bool {
        match side {
            Side::Client => self == Self::Unasked,
            Side::Server => self == Self::Unheard,
        }
    }
}

/// Where something comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// Ends, and with it both connections, when either side ends or the wire is cut.
pub(super) async fn both_ways(
    client: (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    server: (impl AsyncRead + Unpin, impl AsyncWrite + Unpin),
    way: watch::Receiver<Way>,
    counts: Counts,
) {
    let (commits, leaves) = (Arc::default(), Arc::default());
    let carrier = |side| Carrier {
        side,
        way: way.clone(),
        counts: counts.clone(),
        commits: Arc::clone(&commits),
        leaves: Arc::clone(&leaves),
    };
    tokio::select! {
        _ = carrier(Side::Client).carry(client.0, server.1) => {}
        _ = carrier(Side::Server).carry(server.0, client.1) => {}
    }
}

/// Counts a connection of which something is kept, until it is dropped.
struct Keeping(watch::Sender<usize>);

impl Keeping {
    fn new(kept: &watch::Sender<usize>) -> Self {
        kept.send_modify(|count| *count += 1);
        Self(kept.clone())
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// One way of one connection.
struct Carrier {
    /// Where what it brings comes from.
    side: Side,
    way: watch::Receiver<Way>,
    counts: Counts,
    /// Whether the connection is a session that commits.
    commits: Arc<AtomicBool>,
    /// Whether it has asked for somebody to leave, while that mattered.
    leaves: Arc<AtomicBool>,
}

impl Carrier {
    async fn carry(
        mut self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> Option<()> {
        let mut buffer = vec![0; 16 << 10];
        let mut cuts = self.way.clone();
        let mut brought = 0;
        loop {
            let read = tokio::select! {
                read = from.read(&mut buffer) => read,
                () = cut(&mut cuts) => return None,
            };
            let mut bytes = &buffer[..read.ok().filter(|count| *count > 0)?];
            let mut now = self.lets_through(bytes).await?;
            if let (Way::Short(most), Side::Client) = (now, self.side)
                && brought + bytes.len() > most
            {
                let (first, rest) = bytes.split_at(most.saturating_sub(brought));
                to.write_all(first).await.ok()?;
                let _keeping = Keeping::new(&self.counts.kept);
                let goes_on = |way: &Way| !matches!(way, Way::Silent | Way::Short(_));
                now = *self.way.wait_for(goes_on).await.ok()?;
                (bytes, brought) = (rest, brought + first.len());
            }
            if now == Way::Cut {
                return None;
            }
            to.write_all(bytes).await.ok()?;
            brought += bytes.len();
        }
    }

    /// Waits until the wire brings what comes from this side; none: it ends the connection instead.
    async fn lets_through(&mut self, bytes: &[u8]) -> Option<Way> {
        let side = self.side;
        let says = |words: &[u8]| bytes.windows(words.len()).any(|it| it == words);
        let arrives = side == Side::Client && says(COMMITTER);
        let commits = self.commits.fetch_or(arrives, Ordering::Relaxed);
        let asks = side == Side::Client && *self.way.borrow() == Way::Late && says(LEAVES);
        let leaves = self.leaves.fetch_or(commits && asks, Ordering::Relaxed);
        let brings = |way: &Way| !way.keeps(side, leaves);
        let now = *self.way.wait_for(brings).await.ok()?;
        if commits && now.ends(side) {
            self.counts.ended.send_modify(|count| *count += 1);
            return None;
        }
        Some(now)
    }
}

async fn cut(way: &mut watch::Receiver<Way>) {
    // A wire that is gone is cut as well.
    drop(way.wait_for(|way| *way == Way::Cut).await);
}
