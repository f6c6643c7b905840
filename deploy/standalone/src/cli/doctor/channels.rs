//! The channels: whether each takes what is sent by it.

use reqwest::StatusCode;
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
#[derive(PartialEq, Eq)]
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
    /// The program that runs does not tell of this one, for this reason.
    Unknown(String),
}

/// Whether the program that runs tells how channels are: its settings are its own.
#[derive(PartialEq, Eq)]
enum Asked {
    Told,
    /// None runs.
    Nobody,
    /// It tells of none, for this reason.
    Silent(String),
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
            let asked = ask_running(session, &mut channels).await;
            judge(&channels, &asked)
        }
        Err(error) => Finding::failed(NAME, &error, "check the rights of the database user"),
    }
}

/// Asks about those that are enabled.
async fn ask_running(session: &Session, channels: &mut [Channel]) -> Asked {
    let Ok(Some(running)) = session.ground.home.running() else {
        return Asked::Nobody;
    };
    let api = match caller(session, Role::Operator, &running.url) {
        Ok(api) => api,
        Err(error) => return Asked::Silent(chain(&error)),
    };
    let enabled = channels
        .iter_mut()
        .filter(|it| matches!(it.how, How::Well | How::Down(_)));
    for channel in enabled {
        let path = format!("/api/v1/channels/{}/health", channel.channel_id);
        let health = match api.get_once(&path).await {
            Ok(health) => health,
            Err(error) if concerns_all(&error) => return Asked::Silent(chain(&error)),
            Err(error) => {
                // What is known already is enough.
                if channel.how == How::Well {
                    channel.how = How::Unknown(chain(&error));
                }
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
    Asked::Told
}

/// Whether it would be the same of every other channel, perhaps after as long a wait.
fn concerns_all(error: &ApiError) -> bool {
    match error {
        ApiError::Unreachable { .. } => true,
        ApiError::Refused { status, .. } => {
            matches!(*status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        }
        _ => false,
    }
}

impl Channel {
    /// What is wrong with it, and what to do. One that somebody has disabled, and that nothing waits for, is as it should be.
    fn fault(&self) -> Option<(String, &'static str)> {
        let (how, remedy) = match &self.how {
            How::Disabled(reason) if self.waiting > 0 => (
                format!("is disabled ({})", words(reason)),
                "to have sent what waits for one that is disabled: `tidings channels enable ID`",
            ),
            How::Well | How::Troubled(_) | How::Disabled(_) => return None,
            How::Down(reason) => (
                format!("takes nothing for now ({})", words(reason)),
                "once it is mended, `tidings channels enable ID` tries it at once; see `tidings channels health ID`",
            ),
            How::Unusable(told) => (
                format!("is unusable: {told}"),
                "set one that is unusable up anew, or start the platform with the settings that it needs",
            ),
            How::Unknown(why) => (
                format!("can not be asked about ({why})"),
                "ask again with `tidings channels health ID`",
            ),
        };
        let wait = match self.waiting {
            0 => "nothing waits".to_owned(),
            1 => "1 delivery waits".to_owned(),
            more => format!("{more} deliveries wait"),
        };
        let (name, id) = (&self.name, self.channel_id);
        Some((format!("{name} ({id}) {how}, and {wait} for it"), remedy))
    }

    /// That it is tried, and does not take all at once, which is no fault.
    fn trouble(&self) -> Option<String> {
        match &self.how {
            How::Troubled(told) => Some(format!("{} ({}): {told}", self.name, self.channel_id)),
            _ => None,
        }
    }
}

/// A line for each channel that there is something to say about, and for each cause what to do.
fn judge(channels: &[Channel], asked: &Asked) -> Finding {
    let (mut found, mut remedies): (Vec<String>, Vec<&str>) =
        channels.iter().filter_map(Channel::fault).unzip();
    if let Asked::Silent(why) = asked {
        found.push(format!(
            "the platform that runs can not be asked how they are ({why})"
        ));
        remedies.push(
            "see whether it answers, and call the doctor with the settings (TIDINGS_…) that it has",
        );
    }
    remedies.sort_unstable();
    remedies.dedup();
    let is_well = found.is_empty();
    if is_well {
        found.push("nothing waits for one that takes nothing".to_owned());
    }
    found.extend(channels.iter().filter_map(Channel::trouble));
    if *asked == Asked::Nobody && !channels.is_empty() {
        found.push(
            "whether each can be used as it is set up shows while the platform runs".to_owned(),
        );
    }
    let found = found.join("\n");
    match is_well {
        true => Finding::well(NAME, found),
        false => Finding::ill(NAME, found, &remedies.join("\n")),
    }
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
        let finding = judge(&[channel(How::Well, 1), channel(slowed(), 7)], &Asked::Told);
        assert!(finding.well);
        assert_eq!(
            finding.found,
            "nothing waits for one that takes nothing\n\
             News (00000000-0000-0000-0000-000000000000): It is slowed down (so they say)"
        );
        let beside = judge(&[channel(slowed(), 7), channel(down(), 1)], &Asked::Told);
        assert!(!beside.well);
        assert!(beside.found.ends_with(": It is slowed down (so they say)"));
    }

    #[test]
    fn a_channel_that_deliveries_wait_for_in_vain_is_named() {
        assert!(judge(&[], &Asked::Nobody).well);
        let well = [channel(disabled(), 0), channel(How::Well, 7)];
        assert!(judge(&well, &Asked::Told).well);
        let unasked = judge(&well, &Asked::Nobody);
        assert!(unasked.well && unasked.found.ends_with("shows while the platform runs"));
        for (how, waiting) in [
            (down(), 0),
            (down(), 7),
            (disabled(), 7),
            (How::Unusable("/host: is missing".to_owned()), 0),
            (How::Unknown("the token is of no use".to_owned()), 0),
        ] {
            let finding = judge(
                &[channel(disabled(), 0), channel(how, waiting)],
                &Asked::Told,
            );
            assert!(!finding.well);
            assert!(finding.found.starts_with("News (0000") && finding.found.lines().count() == 1);
        }
        let found = judge(&[channel(down(), 7)], &Asked::Told).found;
        let end = "takes nothing for now (the receiving side can not be connected to), and 7 deliveries wait for it";
        assert!(found.ends_with(end), "{found}");
    }

    #[test]
    fn several_that_are_ill_have_a_line_each_and_each_cause_one_remedy() {
        let unusable = || How::Unusable("/host: is missing".to_owned());
        let channels = [
            channel(unusable(), 0),
            channel(down(), 1),
            channel(unusable(), 2),
        ];
        let finding = judge(&channels, &Asked::Told);
        assert_eq!(finding.found.lines().count(), 3);
        insta::assert_snapshot!(finding.remedy.unwrap(), @r"
        once it is mended, `tidings channels enable ID` tries it at once; see `tidings channels health ID`
        set one that is unusable up anew, or start the platform with the settings that it needs
        ");
    }

    #[test]
    fn a_platform_that_does_not_tell_is_a_fault_of_its_own() {
        let silent = Asked::Silent("GET /x was refused (401): no".to_owned());
        let finding = judge(&[channel(How::Well, 0), channel(How::Well, 0)], &silent);
        assert!(!finding.well);
        insta::assert_snapshot!(finding, @r"
        FAIL  channels         the platform that runs can not be asked how they are (GET /x was refused (401): no)
                                → see whether it answers, and call the doctor with the settings (TIDINGS_…) that it has
        ");
    }
}
