//! The file channel in a folder of its own.

use std::{fs, path::Path, sync::Arc};

use serde_json::json;

use crate::{
    channel::{Blame, Channel, Outcome, Rendered},
    channels::{find, support},
    content::Composed,
};
use tidings_proto::Reason;

fn channel(root: &Path, folder: &str) -> Arc<dyn Channel> {
    let build = find("file").unwrap().build;
    build(
        &json!({"folder": folder}),
        None,
        &support::environment(root),
    )
    .unwrap()
}

fn rendered(channel: &Arc<dyn Channel>, content: &Composed) -> Rendered {
    channel.render(&support::broadcast(content)).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn a_publication_becomes_one_file_and_a_repeat_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let channel = channel(root.path(), "out/news");
    let rendered = rendered(&channel, &support::content());
    for reply in ["written", "already there"] {
        let outcome = channel.send(&rendered, &support::always).await;
        assert_eq!(
            outcome,
            Outcome::Sent {
                code: 0,
                reply: reply.to_owned(),
                provider_message_id: None,
            }
        );
    }
    let folder = root.path().join("out/news");
    assert_eq!(names(&folder), [rendered.to.as_str()]);
    assert_eq!(fs::read(folder.join(&rendered.to)).unwrap(), rendered.body);
}

#[tokio::test]
async fn another_message_of_the_same_name_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let channel = channel(root.path(), "out");
    let first = rendered(&channel, &support::content());
    channel.send(&first, &support::always).await;
    let other = rendered(&channel, &Composed::new("Other", "text"));
    let outcome = channel.send(&other, &support::always).await;
    assert!(
        matches!(
            outcome,
            Outcome::Failed {
                reason: Reason::NameTaken,
                blame: Blame::Receiver,
                ..
            }
        ),
        "{outcome:?}"
    );
    assert_eq!(
        fs::read(root.path().join("out").join(&first.to)).unwrap(),
        first.body
    );
}

#[tokio::test]
async fn a_stale_attempt_leaves_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    let channel = channel(root.path(), "out");
    let rendered = rendered(&channel, &support::content());
    let outcome = channel.send(&rendered, &|| false).await;
    assert_eq!(
        outcome,
        Outcome::Abandoned {
            reason: Reason::Stale
        }
    );
    assert!(names(&root.path().join("out")).is_empty());
}

#[tokio::test]
async fn what_cannot_be_written_is_put_off_as_the_channels_fault_and_nothing_is_there() {
    let root = tempfile::tempdir().unwrap();
    let channel = channel(root.path(), "out");
    let rendered = rendered(&channel, &support::content());
    let folder = root.path().join("out");
    let draft = folder.join(format!(".{}.draft", rendered.delivery_id));
    // Something that is no folder stands in its place; then, something that is no file in the draft's.
    fs::write(&folder, "").unwrap();
    let mends: [&dyn Fn(); 2] = [
        &|| {
            fs::remove_file(&folder).unwrap();
            fs::create_dir_all(&draft).unwrap();
        },
        &|| fs::remove_dir(&draft).unwrap(),
    ];
    for mend in mends {
        let outcome = channel.send(&rendered, &support::always).await;
        let Outcome::Deferred { ref reply, .. } = outcome else {
            panic!("{outcome:?}");
        };
        let expected = support::deferred("not_writable", 0, reply, Blame::Channel);
        assert_eq!(outcome, expected);
        assert!(!folder.join(&rendered.to).exists());
        mend();
    }
    // Half of it, left by an attempt that was killed or had no room.
    fs::write(&draft, &rendered.body[..9]).unwrap();
    let outcome = channel.send(&rendered, &support::always).await;
    assert!(matches!(outcome, Outcome::Sent { .. }), "{outcome:?}");
    assert_eq!(names(&folder), [rendered.to.as_str()]);
    assert_eq!(fs::read(folder.join(&rendered.to)).unwrap(), rendered.body);
}

#[tokio::test]
async fn a_link_does_not_lead_out_of_the_root() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(outside.path(), root.path().join("out")).unwrap();
    let channel = channel(root.path(), "out/deeper");
    let rendered = rendered(&channel, &support::content());
    let outcome = channel.send(&rendered, &support::always).await;
    assert!(
        matches!(
            outcome,
            Outcome::Deferred {
                reason: Reason::NotWritable,
                blame: Blame::Channel,
                ..
            }
        ),
        "{outcome:?}"
    );
    assert!(names(outside.path()).is_empty());
}

#[test]
fn the_file_is_a_mail_anyone_can_open() {
    let channel = channel("/nowhere".as_ref(), "out");
    let rendered = rendered(&channel, &support::content());
    let text = String::from_utf8(rendered.body).unwrap();
    let headers = text.split_once("\r\n\r\n").unwrap().0;
    insta::assert_snapshot!(headers.replace("\r\n", "\n"));
    assert!(!text.contains("receive this because"));
}
