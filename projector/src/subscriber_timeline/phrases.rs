//! What each type of event says in passing, as the cause of something else. A new type needs its words here; one that
//! can be about a subscriber needs a sentence in `words` too.

/// In plain words; `None`: this build does not know the type.
pub(crate) fn phrase(event_type: &str) -> Option<&'static str> {
    Some(match event_type {
        "access.Viewed" => "somebody looked at their data",
        "access.NoticeIssued" => "the platform wrote to them by itself",
        "access.Exported" => "their data were written to a file",
        "address.Claimed" => "an address was taken by a subscriber",
        "address.Released" => "an address was given up",
        "api_key.Created" => "a program was given an API key",
        "api_key.Revoked" => "a program's API key was revoked",
        "api_key.Rotated" => "a program's API key got another secret",
        "channel.CircuitClosed" => "a channel worked again",
        "channel.CircuitOpened" => "a channel stopped sending, because nothing got through",
        "channel.CircuitProbed" => "one message was sent to find out whether a channel works again",
        "channel.Configured" => "a channel was set up",
        "channel.Disabled" => "a channel was switched off",
        "channel.Enabled" => "a channel was switched on",
        "channel.Reconfigured" => "the settings of a channel were changed",
        "log.DispatchReleased" => "sending was allowed again after a restore",
        "log.Restored" => "the log was restored from a backup",
        "log.ViewSkipped" => "an operator let a view pass over an event",
        "publication.AudienceFrozen" => "it was settled who gets a publication",
        "publication.Cancelled" => "a publication was cancelled",
        "publication.Completed" => "a publication was done with",
        "publication.Drafted" => "a publication was drafted",
        "publication.Paused" => "a publication was paused",
        "publication.PlanCompleted" => "every message of a publication was planned",
        "publication.Published" => "a publication was published",
        "publication.Resumed" => "a publication went on after a pause",
        "publication.RetryCompleted" => "what was to be sent again was found",
        "publication.RetryRequested" => "somebody asked to send again what had not arrived",
        "publication.Revised" => "a publication was changed",
        "publication.ScheduleMissed" => "a publication did not go out at its time",
        "publication.Scheduled" => "a time was set for a publication",
        "publication.Unscheduled" => "the time of a publication was taken back",
        "record.Changed" => "what is known of them was changed",
        "segment.Archived" => "a segment was closed",
        "segment.Defined" => "a segment was set up",
        "segment.Revised" => "a segment was changed",
        "subscriber.Confirmed" => "they confirmed that they want mail",
        "subscriber.ContactChanged" => "their address was changed",
        "subscriber.Erased" => "their data were destroyed",
        "subscriber.ErasureRequested" => "their erasure was asked for",
        "subscriber.PreferencesChanged" => "they changed how they want to get what they get",
        "subscriber.Resubscribed" => "they came back, or asked for a topic",
        "subscriber.SignedUp" => "they were signed up",
        "subscriber.Unsubscribed" => "they left",
        "subscriber_import.Advanced" => "a part of a file of subscribers was taken in",
        "subscriber_import.Completed" => "a file of subscribers was taken in to its end",
        "subscriber_import.Started" => "a file of subscribers was handed in",
        "suppression.Added" => "nothing may be sent to an address or domain any more",
        "suppression.Lifted" => "an address or domain may be sent to again",
        "topic.Archived" => "a topic was closed",
        "topic.Defined" => "a topic was set up",
        "topic.Revised" => "a topic was changed",
        _ => return of_message(event_type),
    })
}

/// Of messages, and what these told.
fn of_message(event_type: &str) -> Option<&'static str> {
    Some(match event_type {
        "delivery.Abandoned" => "an attempt was given up before anything was sent",
        "delivery.Attempted" => "an attempt to send was begun",
        "delivery.Bounced" => "a message came back",
        "delivery.Cancelled" => "a message was cancelled",
        "delivery.Complained" => "the receiver called a message spam",
        "delivery.Deferred" => "a message was not taken this time",
        "delivery.Delivered" => "a message reached the receiver's server",
        "delivery.Failed" => "a message was given up",
        "delivery.InDoubt" => "nobody knows whether a message arrived",
        "delivery.Planned" => "a message was planned",
        "delivery.Reopened" => "a message was to be sent after all",
        "delivery.Sent" => "a message was taken by the receiving side",
        "delivery.Suppressed" => "a message was not allowed to be sent",
        "engagement.Clicked" => "a link of a message was followed",
        "engagement.Opened" => "the picture of a message was fetched",
        "engagement_period.Closed" => {
            "no more evidence of what a month's readers did with messages was kept"
        }
        "engagement_period.Shredded" => {
            "the evidence of what a month's readers did with messages was destroyed"
        }
        _ => return None,
    })
}
