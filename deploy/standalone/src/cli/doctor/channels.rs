//! The channels: whether each takes what is sent by it.

use tidings_event_store::tokio_postgres::{Client, Error};
use tidings_proto::reason::words;
use tidings_service::auth::Role;
use tidings_service::problem::chain;
use uuid::Uuid;

use super::Finding;
use crate::cli::caller::caller;
use crate::cli::{ApiError, Session};

const NAME: &str = "channels";

/// A channel.
struct Channel {
    channel_id: Uuid,
    name: String,
    how: How,
    waiting: i64,
}

/// How it is.
enum How {
    /// As far as is known it takes what comes.
    Well,
    /// It is tried, and does not take all at once: what its health says of it.
    Troubled(String),
    /// Its circuit is not closed, for this reason.
    Down(String),
    /// For this reason.
    Disabled(String),
    /// Its settings or credentials can not be used: what its health says of it.
    Unusable(String),
    /// The program that runs does not tell, for this reason.
    Unknown(String),
}

const CHANNELS: &str = "select c.channel_id, coalesce(c.name, ''), coalesce(c.enabled, false), \
            coalesce(c.circuit, 'closed') = 'closed', coalesce(c.circuit_reason, ''), coalesce(c.disabled_reason, ''), \
            (select count(*) from publishing_dispatch_queue q where q.channel_id = c.channel_id) \
     from publishing_channel_list c order by c.channel_id";

/// Whether deliveries wait for a channel that takes none.
pub(super) async fn channels(session: &Session, client: &Client) -> Finding {
    // Before a platform has run there are no views.
    let there = "select to_regclass('publishing_channel_list') is not null \
                    and to_regclass('publishing_dispatch_queue') is not null";
    let looked = async {
        if !client.query_one(there, &[]).await?.get::<_, bool>(0) {
            return Ok(Vec::new());
        }
        let rows = client.query(CHANNELS, &[]).await?;
        let channels = rows.iter().map(|row| Channel {
            channel_id: row.get(0),
            name: row.get(1),
            how: match (row.get(2), row.get(3)) {
                (false, _) => How::Disabled(row.get(5)),
                (true, false) => How::Down(row.get(4)),
                (true, true) => How::Well,
            },
            waiting: row.get(6),
        });
        Ok::<Vec<Channel>, Error>(channels.collect())
    };
    match looked.await {
        Ok(mut channels) => {
            let is_asked = ask_running(session, &mut channels).await;
            judge(&channels, is_asked)
        }
        Err(error) => Finding::failed(NAME, &error, "check the rights of the database user"),
    }
}

/// Of those that are enabled, as the program that runs finds it: its settings are its own. False: none runs.
async fn ask_running(session: &Session, channels: &mut [Channel]) -> bool {
    let Ok(Some(running)) = session.ground.home.running() else {
        return false;
    };
    let api = caller(session, Role::Operator, &running.url).map_err(|error| chain(&error));
    let mut away = None;
    let enabled = channels
        .iter_mut()
        .filter(|it| matches!(it.how, How::Well | How::Down(_)));
    for channel in enabled {
        let path = format!("/api/v1/channels/{}/health", channel.channel_id);
        let asked = match (&api, &away) {
            (Ok(api), None) => api.get_once(&path).await.map_err(|error| {
                let why = chain(&error);
                // It would have everybody else wait as long.
                if matches!(error, ApiError::Unreachable { .. }) {
                    away = Some(why.clone());
                }
                why
            }),
            (Err(why), _) | (_, Some(why)) => Err(why.clone()),
        };
        let health = match (asked, &channel.how) {
            (Ok(health), _) => health,
            // That is known, and enough.
            (Err(_), How::Down(_)) => continue,
            (Err(why), _) => {
                channel.how = How::Unknown(why);
                continue;
            }
        };
        let told = health.body["explanation"].as_str().unwrap_or_default();
        let told = told.trim_end_matches('.').to_owned();
        match health.body["state"].as_str() {
            Some("unusable") => channel.how = How::Unusable(told),
            Some("slowed" | "failing") => channel.how = How::Troubled(told),
            _ => {}
        }
    }
    true
}

/// One that somebody has disabled, and that nothing waits for, is as it should be.
fn judge(channels: &[Channel], is_asked: bool) -> Finding {
    let vain: Vec<String> = channels
        .iter()
        .filter_map(|it| {
            let how = match &it.how {
                How::Disabled(reason) if it.waiting > 0 => {
                    format!("is disabled ({})", words(reason))
                }
                How::Well | How::Troubled(_) | How::Disabled(_) => return None,
                How::Down(reason) => format!("takes nothing for now ({})", words(reason)),
                How::Unusable(told) => format!("is unusable: {told}"),
                How::Unknown(why) => format!("can not be asked about ({why})"),
            };
            let (name, id, waiting) = (&it.name, it.channel_id, it.waiting);
            let wait = match waiting {
                0 => "nothing waits".to_owned(),
                1 => "1 delivery waits".to_owned(),
                more => format!("{more} deliveries wait"),
            };
            Some(format!("{name} ({id}) {how}, and {wait} for it"))
        })
        .collect();
    let is_well = vain.is_empty();
    let none = is_well.then(|| "nothing waits for one that takes nothing".to_owned());
    let troubled = channels.iter().filter_map(|it| match &it.how {
        How::Troubled(told) => Some(format!("{} ({}): {told}", it.name, it.channel_id)),
        _ => None,
    });
    let unasked = (!is_asked && !channels.is_empty()).then(|| {
        "whether each can be used as it is set up shows while the platform runs".to_owned()
    });
    let found: Vec<String> = vain
        .into_iter()
        .chain(none)
        .chain(troubled)
        .chain(unasked)
        .collect();
    let found = found.join("; ");
    if is_well {
        return Finding::well(NAME, found);
    }
    let remedy = "see `tidings channels health ID`; once it is mended, `tidings channels enable ID` tries it at once";
    Finding::ill(NAME, found, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(how: How, waiting: i64) -> Channel {
        Channel {
            channel_id: Uuid::nil(),
            name: "News".to_owned(),
            how,
            waiting,
        }
    }

    fn down() -> How {
        How::Down("connect_failed".to_owned())
    }

    fn disabled() -> How {
        How::Disabled("requested".to_owned())
    }

    #[test]
    fn what_is_tried_and_does_not_take_all_at_once_is_told_of_and_is_no_fault() {
        let slowed = || How::Troubled("It is slowed down (so they say)".to_owned());
        let finding = judge(&[channel(How::Well, 1), channel(slowed(), 7)], true);
        assert!(finding.well);
        assert_eq!(
            finding.found,
            "nothing waits for one that takes nothing; News (00000000-0000-0000-0000-000000000000): It is slowed down (so they \
             say)"
        );
        let beside = judge(&[channel(slowed(), 7), channel(down(), 1)], true);
        assert!(!beside.well);
        assert!(beside.found.ends_with(": It is slowed down (so they say)"));
    }

    #[test]
    fn a_channel_that_deliveries_wait_for_in_vain_is_named() {
        assert!(judge(&[], false).well);
        let well = [channel(disabled(), 0), channel(How::Well, 7)];
        assert!(judge(&well, true).well);
        let unasked = judge(&well, false);
        assert!(unasked.well && unasked.found.ends_with("shows while the platform runs"));
        for (how, waiting) in [
            (down(), 0),
            (down(), 7),
            (disabled(), 7),
            (How::Unusable("/host: is missing".to_owned()), 0),
            (How::Unknown("the token is of no use".to_owned()), 0),
        ] {
            let finding = judge(&[channel(disabled(), 0), channel(how, waiting)], true);
            assert!(!finding.well);
            assert!(finding.found.starts_with("News (0000") && !finding.found.contains(';'));
        }
        let found = judge(&[channel(down(), 7)], true).found;
        let end = "takes nothing for now (the receiving side can not be connected to), and 7 deliveries wait for it";
        assert!(found.ends_with(end), "{found}");
    }
}
