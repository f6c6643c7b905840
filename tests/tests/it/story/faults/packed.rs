//! Answers of a few megabytes that unpack to gigabytes: they are read as far as any answer is, and never unpacked.

use std::fs;

use tidings_sinks::slack::{Action, Rule};

use super::town::Town;

/// Far less than one of them unpacks to, and far more than all that runs beside this needs.
const MEMORY_KIB_MAX: u64 = 1024 * 1024;

/// The most memory that this process ever had, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let peak = lines.find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_unpacks_to_gigabytes_costs_no_memory_and_holds_up_nobody() {
    let mut town = Town::start().await;
    let kinds = ["slack", "discord", "webhook"];
    let mut places = Vec::new();
    for kind in kinds {
        places.push((kind, town.channel(kind, kind).await));
    }
    let bombs: Vec<_> = kinds
        .map(|kind| {
            let bomb = Rule::new(Action::Bomb).recorded().times(1).to(kind);
            (kind, town.receiver(kind).add_rule(bomb))
        })
        .into();
    let mail = town.house.email_channel().await;
    places.push(("other", town.channel("slack", "other").await));
    let before = peak();
    let id = town.publish("The ferry", &[mail], &places).await;
    town.house.platform.settle().await;
    let grown = peak() - before;
    assert!(grown < MEMORY_KIB_MAX, "{grown} KiB");
    for (kind, bomb) in bombs {
        assert_eq!(town.receiver(kind).hits(bomb), 1, "{kind}");
    }
    for ((name, channel), (class, reason)) in places.into_iter().zip([
        ("in_doubt", "unexpected_reply"),
        ("in_doubt", "unexpected_reply"),
        // Its status is enough.
        ("sent", ""),
        ("sent", ""),
    ]) {
        assert_eq!(town.class(id, channel).await, class, "{name}");
        assert_eq!(town.reason(channel).await, reason, "{name}");
    }
    assert_eq!(town.class(id, mail).await, "sent");
    town.is_settled().await;
}
