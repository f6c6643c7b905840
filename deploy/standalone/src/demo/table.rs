//! The accounting of several publications as one table of text.

use serde_json::Value;

const CLASSES: [&str; 7] = [
    "planned",
    "sent",
    "failed",
    "suppressed",
    "cancelled",
    "in_doubt",
    "pending",
];

/// One line of the table.
pub(super) struct Line {
    /// Of which publication.
    pub(super) title: String,
    /// On which channel.
    pub(super) channel: String,
    /// Counts by class, as the API gives them.
    pub(super) counts: Value,
}

/// The table, with a head.
pub(super) fn table(lines: &[Line]) -> String {
    let mut text = format!("{:46} {:8}", "publication", "channel");
    for class in CLASSES {
        text.push_str(&format!(" {class:>10}"));
    }
    for line in lines {
        let title: String = line.title.chars().take(46).collect();
        text.push_str(&format!("\n{title:46} {:8}", line.channel));
        for class in CLASSES {
            let count = line.counts[class].as_u64().unwrap_or_default();
            text.push_str(&format!(" {count:>10}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counts_stand_below_their_class() {
        let line = Line {
            title: "The ferry is back".to_owned(),
            channel: "email".to_owned(),
            counts: json!({ "planned": 2_000, "sent": 1_999, "suppressed": 1 }),
        };
        insta::assert_snapshot!(table(&[line]), @r"
        publication                                    channel     planned       sent     failed suppressed  cancelled   in_doubt    pending
        The ferry is back                              email          2000       1999          0          1          0          0          0
        ");
    }
}
