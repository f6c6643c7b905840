//! `tidings keys status`: the keys, counted.

use clap::Args;
use serde_json::json;
use tidings_event_store::vault::KeyStatus;

use crate::cli::{CliError, Out};
use crate::platform::Core;

/// Count the keys: how many live, how many are shredded, and which master key wraps them
///
/// A master key is named by an id of 16 hex digits that tells nothing about it. All live keys are wrapped by the one
/// in use, unless a change of master key was interrupted: then `tidings keys rotate` finishes it.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings keys status")]
pub(crate) struct Status {}

impl Status {
    pub(super) async fn run(self, core: &Core, out: Out) -> Result<(), CliError> {
        let status = core.store.vault().status().await?;
        for line in lines(&status) {
            out.say(line);
        }
        let wrapped_by = status
            .wrapped_by
            .iter()
            .map(|(id, keys)| json!({ "master_key": id.to_string(), "keys": keys }));
        out.result(&json!({
            "live": status.live,
            "shredded": status.shredded,
            "master_key": status.in_use.map(|id| id.to_string()),
            "rotating": status.rotating,
            "wrapped_by": wrapped_by.collect::<Vec<_>>(),
        }));
        Ok(())
    }
}

fn lines(status: &KeyStatus) -> Vec<String> {
    let mut lines = vec![format!(
        "{} keys live, {} shredded.",
        status.live, status.shredded
    )];
    for (id, keys) in &status.wrapped_by {
        let mark = match status.in_use {
            Some(in_use) if in_use == *id => ", in use",
            _ => "",
        };
        lines.push(format!("{keys} are wrapped by the master key {id}{mark}."));
    }
    if status.rotating {
        lines.push(
            "A change of master key has not ended: `tidings keys rotate` finishes it.".to_owned(),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_event_store::vault::MasterId;

    #[test]
    fn an_unfinished_change_is_told() {
        let id = |byte| MasterId::from_slice(&[byte; 8]).unwrap();
        let status = KeyStatus {
            live: 5,
            shredded: 1,
            wrapped_by: vec![(id(0xaa), 4), (id(0xbb), 1)],
            in_use: Some(id(0xbb)),
            replaced: vec![id(0xaa)],
            rotating: true,
            at_hand: Vec::new(),
        };
        insta::assert_snapshot!(lines(&status).join("\n"), @r"
        5 keys live, 1 shredded.
        4 are wrapped by the master key aaaaaaaaaaaaaaaa.
        1 are wrapped by the master key bbbbbbbbbbbbbbbb, in use.
        A change of master key has not ended: `tidings keys rotate` finishes it.
        ");
    }
}
