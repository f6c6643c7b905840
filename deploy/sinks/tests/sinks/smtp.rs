//! The SMTP sink's dialogue, journal, files and handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::client::{Client, patient};
use tidings_sinks::Clock;
use tidings_sinks::smtp::{
    self, Action, Credentials, Keep, Options, Phase, Rule, Stats, read_journal,
};
use time::OffsetDateTime;

const MESSAGE: &str = "Message-ID: <1@x.example>\r\nSubject: Hello\r\n\r\nBody\r\n";

async fn started(options: Options) -> smtp::Handle {
    smtp::start(options).await.unwrap()
}

#[tokio::test]
async fn it_offers_its_extensions_and_says_goodbye() {
    let sink = started(Options::default()).await;
    let mut client = Client::connect(sink.addr()).await;
    assert_eq!(
        client.reply().await,
        "220 sink.localhost ESMTP Tidings sink\r\n"
    );
    let hello = client.ask("EHLO me").await;
    assert_eq!(
        hello,
        "250-sink.localhost\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 10485760\r\n"
    );
    assert_eq!(client.ask("HELO me").await, "250 sink.localhost\r\n");
    for (command, code) in [
        ("NOOP", "250"),
        ("VRFY ada", "252"),
        ("RSET", "250"),
        ("QUIT", "221"),
    ] {
        assert_eq!(client.code(command).await, code, "{command}");
    }
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn commands_out_of_order_and_malformed_ones_leave_the_dialogue_usable() {
    let sink = started(Options::default()).await;
    let mut client = Client::connect(sink.addr()).await;
    client.reply().await;
    let long = format!("NOOP {}", "x".repeat(13_000));
    for (command, code) in [
        ("MAIL FROM:<a@x.example>", "503"),
        ("WHAT", "500"),
        (long.as_str(), "500"),
        ("EHLO me", "250"),
        ("AUTH PLAIN AGEAYg==", "502"),
        ("DATA", "503"),
        ("MAIL FROM:a@x.example", "501"),
        ("MAIL FROM:<a@x.example> BODY=8BITMIME SIZE=100", "250"),
        ("MAIL FROM:<a@x.example>", "503"),
        ("DATA", "503"),
        ("RCPT TO:<b@x.example> NOTIFY=NEVER", "555"),
        ("RCPT TO:<b@x.example>", "250"),
        ("RSET", "250"),
        ("RCPT TO:<b@x.example>", "503"),
    ] {
        assert_eq!(
            client.code(command).await,
            code,
            "{}",
            &command[..20.min(command.len())]
        );
    }
    assert_eq!(sink.count(), 0);
}

#[tokio::test]
async fn a_message_is_kept_as_it_was_before_dot_stuffing() {
    let now = Arc::new(AtomicI64::new(0));
    let told = Arc::clone(&now);
    let sink = started(Options {
        clock: Clock::from_fn(move || {
            OffsetDateTime::from_unix_timestamp(told.load(Ordering::Relaxed)).unwrap()
        }),
        ..Options::default()
    })
    .await;
    let mut client = Client::ready(sink.addr()).await;
    now.store(1_000, Ordering::Relaxed);
    for line in [
        "MAIL FROM:<a@x.example>",
        "RCPT TO:<B@x.example>",
        "RCPT TO:<c@x.example>",
    ] {
        assert_eq!(client.code(line).await, "250");
    }
    assert_eq!(client.code("DATA").await, "354");
    client
        .write("message-id: <1@x.example>\r\nX:\r\n folded\r\n\r\n..dot\r\n...\r\nend\r\n.\r")
        .await;
    client.write("\n").await;
    assert_eq!(client.reply().await, "250 2.0.0 accepted as 1\r\n");

    let messages = sink.messages();
    let message = &messages[0];
    let raw = "message-id: <1@x.example>\r\nX:\r\n folded\r\n\r\n.dot\r\n..\r\nend\r\n";
    assert_eq!(message.text(), raw);
    assert_eq!(
        (message.seq, message.connection, message.size_bytes),
        (1, 1, raw.len())
    );
    assert_eq!(message.at.unix_timestamp(), 1_000);
    assert_eq!(message.from, "a@x.example");
    assert_eq!(message.to, ["B@x.example", "c@x.example"]);
    assert_eq!(message.message_id.as_deref(), Some("<1@x.example>"));
    assert_eq!(message.header("x").as_deref(), Some("folded"));
    for id in ["1@x.example", "<1@x.example>"] {
        assert_eq!(sink.by_message_id(id).len(), 1);
    }
    assert_eq!(sink.by_recipient("b@X.example").len(), 1);
    assert!(sink.by_recipient("a@x.example").is_empty());
}

#[tokio::test]
async fn a_pipelined_group_is_answered_in_order() {
    let sink = started(Options::default()).await;
    let mut client = Client::connect(sink.addr()).await;
    let envelope = "MAIL FROM:<>\r\nRCPT TO:<nobody>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n";
    client.write(&format!("EHLO me\r\n{envelope}")).await;
    let mut codes = Vec::new();
    for _ in 0..6 {
        codes.push(client.reply().await[..3].to_owned());
    }
    assert_eq!(codes, ["220", "250", "250", "501", "250", "354"]);
    // The next transaction may follow the final dot in the same write.
    client.write(&format!("{MESSAGE}.\r\n{envelope}")).await;
    for code in ["250", "250", "501", "250", "354"] {
        assert_eq!(&client.reply().await[..3], code);
    }
    client.write(".\r\nQUIT\r\n").await;
    assert_eq!(client.reply().await, "250 2.0.0 accepted as 2\r\n");
    assert_eq!(&client.reply().await[..3], "221");
    let sizes: Vec<usize> = sink.messages().iter().map(|m| m.size_bytes).collect();
    assert_eq!(sizes, [MESSAGE.len(), 0]);
}

#[tokio::test]
async fn too_big_is_refused_early_by_size_and_late_by_bytes() {
    let sink = started(Options {
        size_bytes_max: 100,
        ..Options::default()
    })
    .await;
    let mut client = Client::ready(sink.addr()).await;
    assert_eq!(client.code("MAIL FROM:<a@x.example> SIZE=101").await, "552");
    let content = |bytes: usize| format!("{}\r\n", "x".repeat(bytes - 2));
    for (content, code) in [
        (content(100), "250"),
        (content(101), "552"),
        // The dot that stuffing added does not count.
        (format!("..{}", content(99)), "250"),
        (format!("..{}", content(100)), "552"),
        (content(100).repeat(2_000), "552"),
    ] {
        assert_eq!(client.send("b@x.example", &content).await, code);
    }
    let sizes: Vec<usize> = sink.messages().iter().map(|m| m.size_bytes).collect();
    assert_eq!(sizes, [100, 100]);
}

#[tokio::test]
async fn lines_that_other_servers_refuse_are_refused() {
    let sink = started(Options::default()).await;
    let mut client = Client::ready(sink.addr()).await;
    for content in [
        "a\nb\r\n".to_owned(),
        "a\rb\r\n".to_owned(),
        format!("{}\r\n", "x".repeat(999)),
    ] {
        assert_eq!(client.send("b@x.example", &content).await, "554");
    }
    assert_eq!(client.send("b@x.example", MESSAGE).await, "250");
    assert_eq!(sink.count(), 1);
}

#[tokio::test]
async fn recipients_are_limited() {
    let sink = started(Options {
        recipients_max: 1,
        ..Options::default()
    })
    .await;
    let mut client = Client::ready(sink.addr()).await;
    client.code("MAIL FROM:<a@x.example>").await;
    assert_eq!(client.code("RCPT TO:<b@x.example>").await, "250");
    assert_eq!(client.code("RCPT TO:<c@x.example>").await, "452");
}

#[tokio::test]
async fn authentication_is_asked_for_and_checked() {
    let sink = started(Options {
        auth: Some(Credentials {
            user: "ada".into(),
            password: "secret".into(),
        }),
        ..Options::default()
    })
    .await;
    // base64 of: NUL ada NUL secret; NUL ada NUL wrong; ada; secret.
    let (right, wrong, user, password) =
        ("AGFkYQBzZWNyZXQ=", "AGFkYQB3cm9uZw==", "YWRh", "c2VjcmV0");

    let mut client = Client::connect(sink.addr()).await;
    client.reply().await;
    assert!(
        client
            .ask("EHLO me")
            .await
            .contains("250-AUTH PLAIN LOGIN\r\n")
    );
    for (command, code) in [
        ("MAIL FROM:<a@x.example>".to_owned(), "530"),
        (format!("AUTH PLAIN {wrong}"), "535"),
        ("AUTH PLAIN not-base64".to_owned(), "501"),
        ("AUTH PLAIN".to_owned(), "334"),
        ("*".to_owned(), "501"),
        (format!("AUTH PLAIN {right}"), "235"),
        (format!("AUTH PLAIN {right}"), "503"),
        ("MAIL FROM:<a@x.example>".to_owned(), "250"),
    ] {
        assert_eq!(client.code(&command).await, code, "{command}");
    }

    let mut client = Client::ready(sink.addr()).await;
    assert_eq!(client.ask("AUTH LOGIN").await, "334 VXNlcm5hbWU6\r\n");
    assert_eq!(client.ask(user).await, "334 UGFzc3dvcmQ6\r\n");
    assert_eq!(client.code(password).await, "235");
    assert_eq!(client.send("b@x.example", MESSAGE).await, "250");
}

#[tokio::test]
async fn the_journal_line_is_written_before_the_250_and_continued_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let options = Options {
        journal_file: Some(path.clone()),
        keep: Keep::Digest,
        ..Options::default()
    };
    let sink = started(options.clone()).await;
    let mut client = Client::ready(sink.addr()).await;
    for n in 1..=20 {
        assert_eq!(client.send("b@x.example", MESSAGE).await, "250");
        assert_eq!(read_journal(&path).unwrap().len(), n);
    }
    // Held back between the two, the order shows.
    let stall = sink.add_rule(Rule::new(Phase::FinalDot, Action::Stall).recorded());
    client
        .write("MAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n")
        .await;
    for code in ["250", "250", "354"] {
        assert_eq!(&client.reply().await[..3], code);
    }
    client.write(".\r\n").await;
    patient(sink.wait_for_hits(stall, 1)).await;
    assert_eq!(read_journal(&path).unwrap().len(), 21);
    assert!(client.is_silent());
    sink.stop().await;
    assert!(client.is_closed().await);

    let sink = started(options).await;
    let mut client = Client::ready(sink.addr()).await;
    assert_eq!(client.send("b@x.example", MESSAGE).await, "250");
    let lines = read_journal(&path).unwrap();
    let last = &lines[21];
    assert_eq!((last.seq, last.size), (22, MESSAGE.len()));
    assert_eq!(last.message_id.as_deref(), Some("<1@x.example>"));
    assert_eq!(last.to, ["b@x.example"]);
    assert_eq!((sink.count(), sink.messages()[0].seq), (1, 22));
}

#[tokio::test]
async fn what_is_kept_can_be_less_but_the_digest_is_the_same() {
    let mut digests = Vec::new();
    for keep in [Keep::Full, Keep::Headers, Keep::Digest] {
        let sink = started(Options {
            keep,
            ..Options::default()
        })
        .await;
        let mut client = Client::ready(sink.addr()).await;
        client.send("b@x.example", MESSAGE).await;
        let message = sink.messages().remove(0);
        assert_eq!(message.raw().is_some(), keep == Keep::Full);
        assert_eq!(message.header("subject").is_some(), keep != Keep::Digest);
        assert_eq!(message.message_id.as_deref(), Some("<1@x.example>"));
        digests.push(message.sha256());
    }
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0], digests[2]);
}

#[tokio::test]
async fn messages_become_files() {
    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().join("mail");
    let sink = started(Options {
        folder: Some(mail.clone()),
        keep: Keep::Digest,
        ..Options::default()
    })
    .await;
    let mut client = Client::ready(sink.addr()).await;
    client.send("ada@x.example", MESSAGE).await;
    client.send("bob@x.example", MESSAGE).await;
    sink.flush().await.unwrap();
    let read = |name: &str| std::fs::read_to_string(mail.join(name)).unwrap();
    assert_eq!(read("000001-ada@x.example.eml"), MESSAGE);
    assert_eq!(read("000002-bob@x.example.eml"), MESSAGE);
}

#[tokio::test]
async fn waiting_ends_when_enough_has_come() {
    let sink = started(Options::default()).await;
    let waiting = tokio::spawn({
        let sink = sink.clone();
        async move { sink.wait_for(40).await.len() }
    });
    let mut clients = Vec::new();
    for _ in 0..4 {
        let addr = sink.addr();
        clients.push(tokio::spawn(async move {
            let mut client = Client::ready(addr).await;
            for _ in 0..10 {
                assert_eq!(client.send("b@x.example", MESSAGE).await, "250");
            }
            client
        }));
    }
    assert_eq!(patient(waiting).await.unwrap(), 40);
    let mut open = Vec::new();
    for client in clients {
        open.push(client.await.unwrap());
    }
    let seqs: Vec<u64> = sink.messages().iter().map(|message| message.seq).collect();
    assert_eq!(seqs, (1..=40).collect::<Vec<_>>());
    assert_eq!(
        sink.stats(),
        Stats {
            connections: 4,
            open: 4,
            mails: 40,
            accepted: 40
        }
    );
    sink.stop().await;
    assert_eq!(sink.stats().open, 0);
}

#[tokio::test]
async fn dropping_the_last_handle_stops_it() {
    let sink = started(Options::default()).await;
    let mut client = Client::ready(sink.addr()).await;
    let clone = sink.clone();
    drop(sink);
    assert_eq!(client.code("NOOP").await, "250");
    drop(clone);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let sink = started(Options::default()).await;
    let again = smtp::start(Options {
        listen: sink.addr(),
        ..Options::default()
    });
    let error = again.await.err().unwrap();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {}", sink.addr())
    );
}
