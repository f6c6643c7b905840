//! Channels that go to one host under one login: their connections, their rate and their rests are one.

use super::*;
use crate::channel::Environment;
use crate::channels::Accounts;

/// Channels of one process, and of nobody else.
fn process() -> Environment {
    Environment {
        accounts: Accounts::default(),
        ..support::environment("/nowhere".as_ref())
    }
}

/// A channel of it that deliveries go by.
fn one_of(
    process: &Environment,
    sink: &Handle,
    settings: &Value,
    login: Option<&str>,
) -> EmailChannel {
    let mut all = json!({"host": "127.0.0.1", "port": sink.addr().port(), "encryption": "none",
        "from": "tide@example.org"});
    for (name, value) in settings.as_object().unwrap() {
        all[name] = value.clone();
    }
    let login = login.map(|name| json!({"username": name, "password": "right"}).to_string());
    let config = Config::parse(&all, login.as_deref()).unwrap();
    let channel = EmailChannel::new(config, process);
    channel.bind(true);
    channel
}

/// Whether a mail gets no connection, as long as it is young enough.
async fn waits(channel: &EmailChannel) -> bool {
    let asked = AtomicUsize::new(0);
    let fresh = || asked.fetch_add(1, Ordering::Relaxed) < 1;
    let outcome = channel
        .send(&mail(channel, "bob@example.org"), &fresh)
        .await;
    outcome
        == Outcome::Abandoned {
            reason: Reason::Stale,
        }
}

/// The outcome of a mail that waits for a connection for seconds at the most.
async fn send_soon(channel: &EmailChannel) -> Outcome {
    let asked = AtomicUsize::new(0);
    let fresh = || asked.fetch_add(1, Ordering::Relaxed) < 20;
    let waiting = mail(channel, "bob@example.org");
    channel.send(&waiting, &fresh).await
}

/// Has all mails to this sink hang before their connection is of any use; gives back one that does.
pub(super) async fn hanging(
    sink: &Handle,
    channel: &Arc<EmailChannel>,
) -> tokio::task::JoinHandle<Outcome> {
    let hang = sink.add_rule(Rule::new(Phase::FinalDot, Action::Stall).times(1));
    let sending = {
        let channel = Arc::clone(channel);
        tokio::spawn(async move { send(&channel, "ada@example.org").await })
    };
    sink.wait_for_hits(hang, 1).await;
    sending
}

#[tokio::test]
async fn channels_by_one_login_have_one_number_of_connections_and_another_login_its_own() {
    let auth = Credentials {
        user: "ada".to_owned(),
        password: "right".to_owned(),
    };
    let options = smtp::Options {
        auth: Some(auth),
        ..smtp::Options::default()
    };
    let sink = smtp::start(options).await.unwrap();
    let process = process();
    let of = |settings: Value, login| one_of(&process, &sink, &settings, Some(login));
    let first = Arc::new(of(json!({}), "ada"));
    // The smallest number that is stated holds for the one that states none.
    let second = of(json!({"connections_max": 1}), "ada");
    let third = of(json!({"connections_max": 3}), "ada");
    let sending = hanging(&sink, &first).await;
    assert!(waits(&second).await && waits(&third).await);
    assert_eq!(sink.stats().connections, 1);
    let another = of(json!({}), "bob");
    let outcome = send_soon(&another).await;
    assert_eq!(gist(&outcome).1, "authentication_refused");
    // Who is disabled, or replaced, has no say.
    second.bind(false);
    assert_eq!(gist(&send_soon(&third).await), SENT);
    sink.release();
    assert_eq!(gist(&sending.await.unwrap()), SENT);
}

#[tokio::test]
async fn a_channel_that_was_set_up_anew_waits_for_the_attempts_of_the_one_before() {
    let sink = sink(vec![]).await;
    let process = process();
    let settings = json!({"connections_max": 1});
    let before = Arc::new(one_of(&process, &sink, &settings, None));
    let sending = hanging(&sink, &before).await;
    let after = one_of(&process, &sink, &settings, None);
    before.bind(false);
    before.close().await;
    assert!(waits(&after).await);
    assert_eq!(sink.stats().connections, 1);
    sink.release();
    assert_eq!(gist(&sending.await.unwrap()), SENT);
    assert_eq!(gist(&send(&after, "bob@example.org").await), SENT);
    // Its connection stands, and serves the next one too.
    assert_eq!(sink.stats().connections, 1);
}

#[tokio::test]
async fn a_connection_serves_whoever_would_open_it_in_the_same_way_and_makes_room_for_others() {
    let sink = sink(vec![]).await;
    let process = process();
    let one = one_of(&process, &sink, &json!({"connections_max": 1}), None);
    let two = one_of(&process, &sink, &json!({"from": "other@example.org"}), None);
    for channel in [&one, &two, &one] {
        assert_eq!(gist(&send(channel, "ada@example.org").await), SENT);
    }
    assert_eq!(sink.stats().connections, 1);
    let mut config = Config::parse(
        &json!({"host": "127.0.0.1", "port": sink.addr().port(), "encryption": "none",
            "from": "tide@example.org"}),
        None,
    )
    .unwrap();
    config.server.timers.hurry(Duration::from_secs(9));
    let otherwise = EmailChannel::new(config, &process);
    for _ in 0..2 {
        assert_eq!(gist(&send(&otherwise, "ada@example.org").await), SENT);
    }
    assert_eq!(sink.stats().connections, 2);
    // The first connection has gone for it.
    assert_eq!(gist(&send(&one, "ada@example.org").await), SENT);
    assert_eq!(sink.stats().connections, 3);
}

#[tokio::test]
async fn what_a_server_complains_of_to_one_channel_is_a_rest_of_all_by_that_login() {
    let throttled = Rule::reply(Phase::MailFrom, 454, "Throttling failure: too fast");
    let sink = sink(vec![throttled.times(1)]).await;
    let process = process();
    let of = || one_of(&process, &sink, &json!({}), None);
    let (one, two) = (of(), of());
    assert_eq!(gist(&send(&one, "ada@example.org").await).1, "throttled");
    assert_eq!(two.ready_after(), Some(Duration::from_secs(2)));
    assert_eq!([one.concurrency(), two.concurrency()], [1, 1]);
    // Whoever tries a channel hears what its server says to it.
    let tried = Rendered {
        attempt: 0,
        ..mail(&two, "bob@example.org")
    };
    let outcome = two.send(&tried, &support::always).await;
    assert_eq!(gist(&outcome), SENT);
    let elsewhere = one_of(&self::process(), &sink, &json!({}), None);
    assert_eq!(elsewhere.ready_after(), None);
}

#[tokio::test]
async fn the_smallest_rate_that_is_stated_is_that_of_all_and_dispatchers_divide_it() {
    let sink = sink(vec![]).await;
    let process = process();
    let of = |settings: Value| one_of(&process, &sink, &settings, None);
    let (one, two) = (of(json!({})), of(json!({"mails_per_minute": 120})));
    let three = of(json!({"mails_per_minute": 60}));
    let paced = async |channel: &EmailChannel| {
        let outcome = send(channel, "ada@example.org").await;
        gist(&outcome).1 == "paced"
    };
    assert!(!paced(&one).await && !paced(&two).await);
    for channel in [&one, &two, &three] {
        assert!(paced(channel).await);
        assert_eq!(channel.ready_after(), Some(Duration::from_secs(1)));
    }
    assert_eq!(sink.count(), 2);
    process.accounts.share_among(3);
    // Two are ahead as before, at a third of the rate: and nothing is saved up for two seconds that takes three.
    assert_eq!(one.ready_after(), Some(Duration::from_secs(6)));
    process.accounts.share_among(1);
    drop(three);
    assert_eq!(two.ready_after(), None);
}

#[tokio::test]
async fn dispatchers_divide_connections_and_keep_one_at_least() {
    let sink = sink(vec![]).await;
    let process = process();
    let channel = one_of(&process, &sink, &json!({"connections_max": 5}), None);
    let connections = |dispatchers| {
        process.accounts.share_among(dispatchers);
        channel.concurrency() / ATTEMPTS_PER_CONNECTION
    };
    assert_eq!([1, 2, 5, 9].map(connections), [5, 2, 1, 1]);
}

/// Has two mails end together by connections of their own.
async fn two_at_once(sink: &Handle, channel: &Arc<EmailChannel>, meanwhile: impl FnOnce()) {
    let sending = [hanging(sink, channel).await, hanging(sink, channel).await];
    assert_eq!(sink.stats().open, 2);
    meanwhile();
    sink.release();
    for sending in sending {
        assert_eq!(gist(&sending.await.unwrap()), SENT);
    }
}

/// Waits until no more than one connection stands.
async fn one_is_left(sink: &Handle) {
    let one = async {
        while sink.stats().open > 1 {
            tokio::task::yield_now().await;
        }
    };
    let one = tokio::time::timeout(Duration::from_secs(10), one).await;
    assert!(one.is_ok(), "both stand");
}

/// Whether they are in use or idle when another dispatcher comes.
#[tokio::test]
async fn connections_that_are_others_by_now_are_closed() {
    let sink = sink(vec![]).await;
    let process = process();
    let settings = json!({"connections_max": 2});
    let channel = Arc::new(one_of(&process, &sink, &settings, None));
    two_at_once(&sink, &channel, || process.accounts.share_among(2)).await;
    one_is_left(&sink).await;
    assert_eq!(gist(&send(&channel, "ada@example.org").await), SENT);
    assert_eq!(sink.stats().connections, 2);

    process.accounts.share_among(1);
    two_at_once(&sink, &channel, || {}).await;
    assert_eq!(sink.stats().open, 2);
    process.accounts.share_among(2);
    one_is_left(&sink).await;
}
