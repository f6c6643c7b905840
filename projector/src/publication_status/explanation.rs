//! Why a publication does not go out, in words that an editor understands.

use tidings_proto::reason::words;

use super::Publication;

/// The code of what somebody did without saying why.
const REQUESTED: &str = "requested";

/// What keeps it, or has ended it; none: nothing does. `held`: nothing is sent since the log was restored, and it would be.
pub(super) fn explanation(it: &Publication, held: bool) -> Option<String> {
    if let Some(reason) = &it.cancel_reason {
        // Without a frozen audience no delivery comes of it, and nothing completes it.
        let is_left = it.deliveries.is_some() && it.completed_at.is_none();
        let left = match is_left {
            true => " What is left of its deliveries is being settled.",
            false => "",
        };
        return Some(format!("It was cancelled{}.{left}", why(reason)));
    }
    if held {
        return Some(
            "Nothing is sent since the log was restored, until somebody releases it (`tidings dispatch release`)."
                .to_owned(),
        );
    }
    if let Some(reason) = &it.paused_reason {
        return Some(format!(
            "Nothing of it goes out until somebody resumes it: it was paused{}.",
            why(reason)
        ));
    }
    let missed = it.missed_reason.as_deref().map(|code| match code {
        "late" => "when somebody looked, more than an hour had passed".to_owned(),
        "restored" => {
            "the log was restored from a backup, and in what that has lost it may have gone out"
                .to_owned()
        }
        code => words(code),
    });
    missed.map(|why| format!("It did not go out at its time, and is a draft again: {why}."))
}

fn why(code: &str) -> String {
    match code {
        REQUESTED => String::new(),
        code => format!(", for the reason {}", words(code)),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    fn draft() -> Publication {
        Publication {
            id: Uuid::nil(),
            title: None,
            state: "draft".to_owned(),
            content_version: 1,
            channel_ids: vec![],
            topic_ids: vec![],
            segment_ids: vec![],
            excluded_segment_ids: vec![],
            priority: "ordinary".to_owned(),
            created_at: datetime!(2026-03-01 8:00 UTC),
            published_at: None,
            completed_at: None,
            cancelled_at: None,
            cancel_reason: None,
            schedule: None,
            missed_reason: None,
            paused_reason: None,
            explanation: None,
            retrying: false,
            subscribers: None,
            deliveries: None,
            planned: None,
            not_planned: None,
            version: 1,
            created_position: 1,
            position: 1,
        }
    }

    #[test]
    fn whatever_keeps_a_publication_is_said_in_words() {
        let code = |code: &str| Some(code.to_owned());
        let missed = |reason| Publication {
            missed_reason: code(reason),
            ..draft()
        };
        let paused = |reason| Publication {
            paused_reason: code(reason),
            ..draft()
        };
        let cancelled = |reason| Publication {
            cancel_reason: code(reason),
            // Whoever pauses it first only wins time.
            paused_reason: code("wrong_price"),
            published_at: Some(datetime!(2026-03-01 8:30 UTC)),
            deliveries: Some(3),
            ..draft()
        };
        let over = Publication {
            completed_at: Some(datetime!(2026-03-01 9:00 UTC)),
            ..cancelled("requested")
        };
        let unfrozen = Publication {
            deliveries: None,
            ..cancelled("requested")
        };
        let unpublished = Publication {
            published_at: None,
            deliveries: None,
            ..cancelled("requested")
        };
        let said = [
            missed("late"),
            missed("restored"),
            missed("asleep"),
            paused("requested"),
            paused("wrong_price"),
            cancelled("out_of_date"),
            over,
            unfrozen,
            unpublished,
        ];
        let said = said.map(|it| explanation(&it, false).unwrap());
        assert_eq!(
            said,
            [
                "It did not go out at its time, and is a draft again: when somebody looked, more than an hour had passed.",
                "It did not go out at its time, and is a draft again: the log was restored from a backup, and in what that \
                 has lost it may have gone out.",
                "It did not go out at its time, and is a draft again: “asleep”.",
                "Nothing of it goes out until somebody resumes it: it was paused.",
                "Nothing of it goes out until somebody resumes it: it was paused, for the reason “wrong price”.",
                "It was cancelled, for the reason “out of date”. What is left of its deliveries is being settled.",
                "It was cancelled.",
                "It was cancelled.",
                "It was cancelled.",
            ]
        );
        assert_eq!(explanation(&draft(), false), None);
        let held = explanation(&paused("requested"), true).unwrap();
        assert!(
            held.starts_with("Nothing is sent since the log was restored"),
            "{held}"
        );
        assert_eq!(
            explanation(&cancelled("out_of_date"), true),
            explanation(&cancelled("out_of_date"), false)
        );
    }
}
