//! The stream beside the log: whether it is there, how far it is, and whether it tells the same story.

use std::time::Duration;

use tidings_event_store::Log;
use tidings_event_store::stream::{BATCH_HASH, StreamName};
use tidings_service::nats;

use super::Finding;
use crate::cli::Session;
use crate::platform::Backing;

const NAME: &str = "stream";
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
const NATS_REMEDY: &str = "check that nats-server runs with JetStream and that TIDINGS_NATS_URL is right; nothing is lost meanwhile";
const GONE_BACK: &str = "the database has gone back in time: stop all processes and run `tidings restore --in-place`, which \
                         starts a new incarnation";

/// What can be said of both.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    /// The log's last position.
    head: i64,
    /// The stream's last sequence; `None`: there is no stream.
    last: Option<i64>,
    /// Whether the stream's last message is the log's event; `None`: it holds no message.
    same: Option<bool>,
}

pub(super) async fn against_log(session: &Session, backing: &Backing, log: &Log) -> Finding {
    match tokio::time::timeout(ANSWERS_WITHIN, look(session, backing, log)).await {
        Ok(Ok(standing)) => judge(&standing),
        Ok(Err(why)) => Finding::ill(NAME, why, NATS_REMEDY),
        Err(_) => {
            let found = format!("NATS gives no answer within {} s", ANSWERS_WITHIN.as_secs());
            Finding::ill(NAME, found, NATS_REMEDY)
        }
    }
}

async fn look(session: &Session, backing: &Backing, log: &Log) -> Result<Standing, String> {
    let text = |error: &dyn std::error::Error| tidings_service::problem::chain(error);
    let head = async || Ok::<_, String>(log.head().await.map_err(|error| text(&error))?.position);
    let incarnation = log.incarnation().await.map_err(|error| text(&error))?;
    let name = StreamName::new(&session.config.nats_subject_prefix, incarnation);
    let client = nats::connect(backing.nats_url(), "tidings doctor").await;
    let client = client.map_err(|error| text(&error))?;
    // Only an answer shows that somebody is there.
    client.flush().await.map_err(|error| text(&error))?;
    let jetstream = async_nats::jetstream::new(client);
    jetstream
        .query_account()
        .await
        .map_err(|error| text(&error))?;
    let Ok(mut stream) = jetstream.get_stream(&name.stream).await else {
        return Ok(Standing {
            head: head().await?,
            last: None,
            same: None,
        });
    };
    let state = stream
        .info()
        .await
        .map_err(|error| text(&error))?
        .state
        .clone();
    let last = state.last_sequence;
    let position = i64::try_from(last).unwrap_or(i64::MAX);
    let mut same = None;
    if state.messages > 0 {
        let message = stream
            .get_raw_message(last)
            .await
            .map_err(|error| text(&error))?;
        let claimed = message
            .headers
            .get(BATCH_HASH)
            .map(|value| value.as_str().to_owned());
        let in_log = log
            .batch_hash(position)
            .await
            .map_err(|error| text(&error))?;
        same = Some(claimed.is_some() && claimed == in_log.map(|hash| hex(&hash)));
    }
    Ok(Standing {
        // After the stream: a log that goes on meanwhile is ahead of it, never behind.
        head: head().await?,
        last: Some(position),
        same,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn judge(standing: &Standing) -> Finding {
    let Standing { head, last, same } = *standing;
    let Some(last) = last else {
        return Finding::well(
            NAME,
            format!("none yet; the next start fills it from the log ({head} events)"),
        );
    };
    if last > head {
        let found = format!("the stream is at {last}, beyond the log's end at {head}");
        return Finding::ill(NAME, found, GONE_BACK);
    }
    if same == Some(false) {
        let found = format!("the stream's message {last} is not the log's event {last}");
        return Finding::ill(NAME, found, GONE_BACK);
    }
    Finding::well(NAME, format!("at {last} of {head} events"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(head: i64, last: Option<i64>, same: Option<bool>) -> Finding {
        judge(&Standing { head, last, same })
    }

    #[test]
    fn a_stream_may_be_behind_but_never_ahead_or_another() {
        assert!(at(10, None, None).well);
        assert!(at(10, Some(7), Some(true)).well);
        assert!(at(0, Some(0), None).well);
        assert_eq!(
            at(10, Some(11), Some(true)).remedy.as_deref(),
            Some(GONE_BACK)
        );
        assert_eq!(
            at(10, Some(7), Some(false)).remedy.as_deref(),
            Some(GONE_BACK)
        );
    }
}
