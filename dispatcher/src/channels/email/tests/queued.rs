//! Attempts that wait for a connection which another one holds.

use std::sync::atomic::AtomicBool;

use super::shared::hanging;
use super::*;

/// The only connection is at the final dot, and nobody answers: whoever waits for it goes when they are too old to be sent.
#[tokio::test]
async fn nobody_waits_for_a_connection_for_longer_than_they_may_be_sent() {
    let sink = sink(vec![]).await;
    let channel = Arc::new(to_sink(&sink));
    let hanging = hanging(&sink, &channel).await;
    let asked = AtomicUsize::new(0);
    let fresh = || asked.fetch_add(1, Ordering::Relaxed) < 1;
    let waiting = mail(&channel, "bob@example.org");
    let waited = channel.send(&waiting, &fresh);
    assert_eq!(
        waited.await,
        Outcome::Abandoned {
            reason: Reason::Stale
        }
    );
    assert!(!hanging.is_finished());
    sink.release();
    assert_eq!(gist(&hanging.await.unwrap()), SENT);
    assert_eq!(sink.count(), 1);
}

/// Somebody waits for what comes of it, and it can be tried again.
#[tokio::test]
async fn a_test_message_waits_for_a_connection_for_seconds() {
    let sink = sink(vec![]).await;
    let channel = Arc::new(to_sink(&sink));
    let hanging = hanging(&sink, &channel).await;
    let tried = Rendered {
        attempt: 0,
        ..mail(&channel, "bob@example.org")
    };
    let began = tokio::time::Instant::now();
    let outcome = channel.send(&tried, &support::always).await;
    let reason = Reason::NoFreeConnection;
    assert_eq!(outcome, Outcome::Abandoned { reason });
    assert!(began.elapsed() < Duration::from_secs(10), "{began:?}");
    assert!(!hanging.is_finished());
    sink.release();
    assert_eq!(gist(&hanging.await.unwrap()), SENT);
}

/// A server that does not even greet: whoever gets the connection's place after that is too old, and does not dial.
#[tokio::test]
async fn whoever_is_too_old_when_a_connection_is_free_does_not_dial() {
    let sink = sink(vec![]).await;
    let hang = sink.add_rule(Rule::new(Phase::Greeting, Action::Stall));
    let channel = Arc::new(channel(sink.addr().port(), None, 300));
    let dialling = {
        let channel = Arc::clone(&channel);
        tokio::spawn(async move { send(&channel, "ada@example.org").await })
    };
    sink.wait_for_hits(hang, 1).await;
    let is_fresh = AtomicBool::new(true);
    let waiting = async {
        let fresh = || is_fresh.load(Ordering::Relaxed);
        channel
            .send(&mail(&channel, "bob@example.org"), &fresh)
            .await
    };
    let first = async {
        let outcome = dialling.await.unwrap();
        is_fresh.store(false, Ordering::Relaxed);
        outcome
    };
    // In one task: the first one's end is noted before the second one looks.
    let (outcome, waited) = tokio::join!(biased; first, waiting);
    let expected = ("deferred", "timeout", 0, Some(Blame::Network));
    assert_eq!(gist(&outcome), expected);
    assert_eq!(
        waited,
        Outcome::Abandoned {
            reason: Reason::Stale
        }
    );
    assert_eq!(sink.stats().connections, 1);
}

/// Where no connection stands, more attempts than connections would only wait for each other.
#[tokio::test]
async fn a_server_that_can_not_be_reached_is_a_slow_one_until_it_is_quick_again() {
    let sink = sink(vec![Rule::new(Phase::Greeting, Action::Reset).times(1)]).await;
    let channel = to_sink(&sink);
    assert_eq!(channel.concurrency(), ATTEMPTS_PER_CONNECTION);
    let outcome = send(&channel, "ada@example.org").await;
    let expected = ("deferred", "connection_lost", 0, Some(Blame::Network));
    assert_eq!(gist(&outcome), expected);
    assert_eq!(channel.concurrency(), 1);
    assert_eq!(gist(&send(&channel, "ada@example.org").await), SENT);
    assert_eq!(channel.concurrency(), ATTEMPTS_PER_CONNECTION);
}
