//! One round: readers are imported, something is published to them by mail, Slack, Discord, webhook and file, some leave
//! meanwhile, and it comes to its end. It passes every crash point of `tidings up`.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_service::Clock;
use tidings_tests::checker::readers::Handed;
use tidings_tests::program::{Api, Away};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use uuid::Uuid;

use crate::kept_back::own_domain;
use crate::segments::SEATS;
use crate::world::{LATER, NEVER, World};

/// The channels of a round.
const KINDS: [&str; 5] = ["email", "slack", "discord", "webhook", "file"];

/// Readers who get nothing of a round at the most: four leave something, one leaves by a link, one is erased, and an address and
/// a domain are suppressed.
pub(crate) const LEFT_OUT_MAX: usize = 8;

/// The slug of what every other round is about.
const TOPIC: &str = "town";
const TEXT: &str = "All is **well**.";

/// A round ends within this, or it counts as never. Whoever is erased waits for two minutes if a file lies about whose
/// request died.
const ROUND_WITHIN: Duration = Duration::from_secs(240);

/// What is scheduled goes out so much later.
const SOON: Duration = Duration::from_secs(5);
/// What a webhook may not have got is sent once more half a minute later. Due after more than this it was put off by a clock
/// that is ahead.
const RESENT_WITHIN: Duration = Duration::from_secs(45);
/// How often somebody looks after the channels.
const MENDED_EVERY: Duration = Duration::from_secs(2);

/// What a round is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Readers that come new.
    pub(crate) readers: usize,
    /// Whether the committer's session is ended from outside now and then.
    pub(crate) lose_session: bool,
    /// Whether it goes out by itself, a moment later.
    pub(crate) scheduled: bool,
    /// Whether deliveries that failed are tried again.
    pub(crate) try_again: bool,
    /// Whether somebody is erased.
    pub(crate) erases: bool,
    /// Whether something is published to segments as well.
    pub(crate) to_segments: bool,
    /// Whether somebody signs up, and confirms.
    pub(crate) joins: bool,
}

impl Default for Round {
    fn default() -> Self {
        Self {
            readers: 6,
            lose_session: false,
            scheduled: false,
            try_again: false,
            erases: true,
            to_segments: false,
            joins: false,
        }
    }
}

impl World {
    /// Carries a round out, as far as there is somebody to answer. Panics when it does not end.
    pub(crate) async fn round(&self, round: Round) -> Result<(), Away> {
        let ended = tokio::time::timeout(ROUND_WITHIN, self.carry_out(round)).await;
        ended.unwrap_or_else(|_| {
            let (seed, said) = (self.seed, self.program.said());
            panic!("a round of {seed} never ended; the program's last words:\n{said}")
        })
    }

    async fn carry_out(&self, round: Round) -> Result<(), Away> {
        let number = self.next_round();
        let api = self.program.api();
        let channels = self.channels(&api).await?;
        self.import(&api, number, round.readers).await?;
        if round.lose_session {
            self.lose_session().await;
        }
        if round.joins {
            self.one_joins(&api, number).await?;
        }
        let topic = self.topic(&api).await?;
        // Every other one is about something that some have left.
        let topics = &[TOPIC][..number % 2];
        let id = self.draft(&api, number, TEXT, &channels, topics).await?;
        self.send_off(&api, id, round.scheduled).await?;
        let to_segments = match round.to_segments {
            true => Some(self.publish_to_segments(&api, number, channels[0]).await?),
            false => None,
        };
        if round.lose_session {
            self.lose_session().await;
        }
        self.some_leave(&api, number, topic, channels[0]).await?;
        self.some_are_kept_back(&api, number).await?;
        let erased = match round.erases {
            true => self.one_is_erased(&api, number).await?,
            false => None,
        };
        if self.until_put_off(&api, id).await? && round.try_again {
            let path = format!("/api/v1/publications/{id}/retry");
            // Refused while it is still being planned.
            if let Some(answer) = api.command(&path, &json!({})).await? {
                self.tell(&answer);
                // A view that has not seen the request says that nothing is retried.
                let position = &answer["position"];
                let publication = format!("/api/v1/publications/{id}?at_least={position}");
                let done = |it: &Value| it["retrying"] == json!(false);
                api.await_answer(&publication, done).await?;
            }
        }
        self.see_to_its_end(&api, id).await?;
        if let Some(id) = to_segments.flatten() {
            self.see_to_its_end(&api, id).await?;
        }
        if let Some(erased) = erased {
            let path = format!("/api/v1/subscribers/{erased}/erasure");
            let done = |it: &Value| it["signature"].is_string();
            api.await_answer(&path, done).await?;
        }
        Ok(())
    }

    /// What is published next is called by this number.
    pub(crate) fn next_round(&self) -> usize {
        let mut known = self.known();
        known.rounds += 1;
        known.rounds
    }

    /// Those by which a round is published.
    pub(crate) async fn channels(&self, api: &Api) -> Result<Vec<Uuid>, Away> {
        let mut channels = Vec::new();
        for kind in KINDS {
            channels.push(self.channel(api, kind).await?);
        }
        Ok(channels)
    }

    /// The channel of this kind, configured if it is not known yet.
    pub(crate) async fn channel(&self, api: &Api, kind: &'static str) -> Result<Uuid, Away> {
        if let Some(id) = self.known().channels.get(kind) {
            return Ok(*id);
        }
        let (settings, credentials) = self.channel_of(kind);
        let of_kind = kind.trim_end_matches("_bot");
        let mut channel = json!({ "kind": of_kind, "name": kind, "settings": settings });
        if !credentials.is_null() {
            channel["credentials"] = credentials;
        }
        let answer = api.command("/api/v1/channels", &channel).await?;
        let id = self.tell(&answer.expect("a channel may be configured"));
        self.known().channels.insert(kind, id);
        Ok(id)
    }

    async fn import(&self, api: &Api, number: usize, readers: usize) -> Result<(), Away> {
        let mut addresses = vec![format!("r{number}{LATER}"), format!("r{number}{NEVER}")];
        addresses.extend((1..readers).map(|n| format!("r{number}-{n}@example.org")));
        addresses.push(format!("r{number}-0@{}", own_domain(number)));
        let lines = addresses.iter().zip(SEATS.iter().cycle());
        let lines = lines.map(|(address, seat)| format!("{address},Reader,{seat}\n"));
        let lines: String = lines.collect();
        let csv = format!("email,name,seat\n{lines}nobody,Nobody,\n");
        let file = self.hand_in(addresses);
        let answer = api.file(csv).await?;
        let id = self.tell(&answer.expect("a file may be imported"));
        self.known().files[file].import_id = Some(id);
        let done = |import: &Value| import["state"] == json!("completed");
        api.await_answer(&format!("/api/v1/imports/{id}"), done)
            .await?;
        Ok(())
    }

    /// Notes a file before it is sent: an answer may not come, and its readers all the same. Gives its number.
    pub(crate) fn hand_in(&self, addresses: Vec<String>) -> usize {
        let mut known = self.known();
        known.files.push(Handed {
            import_id: None,
            addresses,
        });
        known.files.len() - 1
    }

    /// Drafts what is called by its number; gives its id.
    pub(crate) async fn draft(
        &self,
        api: &Api,
        number: usize,
        text: &str,
        channels: &[Uuid],
        topics: &[&str],
    ) -> Result<Uuid, Away> {
        let title = format!("Edition {number} of {}", self.seed);
        let draft =
            json!({ "title": title, "markdown": text, "channels": channels, "topics": topics });
        self.draft_once(api, title, &draft).await
    }

    /// Drafts what has this title; gives its id.
    pub(crate) async fn draft_once(
        &self,
        api: &Api,
        title: String,
        draft: &Value,
    ) -> Result<Uuid, Away> {
        // Said twice, as by somebody who missed the answer.
        let drafted = api
            .command_once(&title, "/api/v1/publications", draft)
            .await?;
        let drafted = drafted.expect("a draft may be made");
        let id = self.tell(&drafted);
        self.known().titles.insert(title.clone(), id);
        let again = api
            .command_once(&title, "/api/v1/publications", draft)
            .await?;
        assert_eq!(again, Some(drafted), "the same key, the same answer");
        Ok(id)
    }

    async fn send_off(&self, api: &Api, id: Uuid, scheduled: bool) -> Result<(), Away> {
        let publication = format!("/api/v1/publications/{id}");
        if scheduled {
            return self.schedule(api, &publication).await;
        }
        let answer = api
            .command(&format!("{publication}/publish"), &json!({}))
            .await?;
        self.tell(&answer.expect("a draft may be published"));
        Ok(())
    }

    /// Soon. Where the log is slow to take it, that may have passed meanwhile, and is said anew.
    async fn schedule(&self, api: &Api, publication: &str) -> Result<(), Away> {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
        loop {
            let soon = Clock::system().now() + SOON;
            let schedule = json!({ "local_time": soon.format(format).unwrap(), "zone": "UTC" });
            let answer = api
                .command(&format!("{publication}/schedule"), &schedule)
                .await?;
            if let Some(accepted) = answer {
                self.tell(&accepted);
                return Ok(());
            }
            // Sent as a whole second, which begins up to one earlier.
            let passed = Clock::system().now() + Duration::from_secs(1) > soon;
            assert!(passed, "a draft may be scheduled");
        }
    }

    /// Two readers leave, one leaves the topic, and one the channel; whoever they are.
    async fn some_leave(
        &self,
        api: &Api,
        number: usize,
        topic: Uuid,
        channel: Uuid,
    ) -> Result<(), Away> {
        let Some(readers) = self.readers().await else {
            return Ok(());
        };
        let mut dice = self.dice(&format!("leave {number}"));
        for what in [
            json!({}),
            json!({}),
            // A notice to whom the mail server puts off for ever would never be settled.
            json!({ "topic_id": topic, "notify": false }),
            json!({ "channel_id": channel, "notify": false }),
        ] {
            let reader = readers[dice.below(readers.len())];
            let path = format!("/api/v1/subscribers/{reader}/unsubscribe");
            if let Some(answer) = api.command(&path, &what).await? {
                self.tell(&answer);
            }
        }
        Ok(())
    }

    /// What every other round is about, defined if it is not known yet.
    async fn topic(&self, api: &Api) -> Result<Uuid, Away> {
        if let Some(id) = self.known().topic {
            return Ok(id);
        }
        let topic = json!({ "slug": TOPIC, "name": "The town", "default": "in" });
        // Said again by somebody who missed the answer.
        let answer = api.command_once(TOPIC, "/api/v1/topics", &topic).await?;
        let id = self.tell(&answer.expect("a topic may be defined"));
        self.known().topic = Some(id);
        Ok(id)
    }

    /// One reader is erased, whoever it is; `None`: somebody who was before.
    async fn one_is_erased(&self, api: &Api, number: usize) -> Result<Option<Uuid>, Away> {
        let Some(readers) = self.readers().await else {
            return Ok(None);
        };
        let reader = readers[self.dice(&format!("erase {number}")).below(readers.len())];
        let path = format!("/api/v1/subscribers/{reader}");
        let has_address = |it: &Value| it["email"].is_string() || it["state"] == json!("erased");
        let profile = api.await_answer(&path, has_address).await?;
        let Some(email) = profile["email"].as_str() else {
            return Ok(None);
        };
        // Whoever gets no answer may have been heard.
        self.known().erased.insert(reader, email.to_lowercase());
        if let Some(answer) = api.command(&format!("{path}/erase"), &json!({})).await? {
            self.tell(&answer);
        }
        Ok(Some(reader))
    }

    /// Everybody who ever signed up, in the log's order; `None`: the database is away.
    pub(crate) async fn readers(&self) -> Option<Vec<Uuid>> {
        let client = self.store.log().pool().get().await.ok()?;
        let sql = "select stream_id from publishing_events where type = 'subscriber.SignedUp' order by position";
        let rows = client.query(sql, &[]).await.ok()?;
        let readers: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        (!readers.is_empty()).then_some(readers)
    }

    /// Closes circuits, as an operator does who has mended what was wrong: left alone they would be tried in minutes.
    pub(crate) async fn mend_channels(&self, api: &Api) -> Result<(), Away> {
        let channels: Vec<Uuid> = self.known().channels.values().copied().collect();
        for id in channels {
            let path = format!("/api/v1/channels/{id}");
            let open = |it: &Value| it["circuit"] != json!("closed");
            if api.query(&path).await?.is_some_and(|it| open(&it)) {
                let answer = api.command(&format!("{path}/enable"), &json!({})).await?;
                self.tell(&answer.expect("a channel may be enabled"));
            }
        }
        Ok(())
    }

    /// Waits until everything is planned, and attempted once; false: everything is settled.
    async fn until_put_off(&self, api: &Api, id: Uuid) -> Result<bool, Away> {
        loop {
            self.mend_channels(api).await?;
            let put_off = tokio::time::timeout(MENDED_EVERY, self.put_off(api, id)).await;
            if let Ok(put_off) = put_off {
                return put_off;
            }
        }
    }

    async fn put_off(&self, api: &Api, id: Uuid) -> Result<bool, Away> {
        let publication = format!("/api/v1/publications/{id}");
        let planned = |it: &Value| {
            let state = it["state"].as_str().unwrap_or_default();
            ["planned", "cancelled", "completed"].contains(&state)
        };
        let found = api.await_answer(&publication, planned).await?;
        if found["state"] == json!("completed") {
            return Ok(false);
        }
        // Until then the view of deliveries has not seen all of them.
        let accounting = format!("{publication}/accounting");
        let counted = |it: &Value| {
            let count = |key: &str| it[key].as_i64();
            count("not_planned").map(|left_out| count("planned").unwrap_or(0) + left_out)
                == count("deliveries")
        };
        api.await_answer(&accounting, counted).await?;
        let pending = format!("{publication}/deliveries?class=pending&limit=1000");
        let put_off = |page: &Value| {
            let mut pending = page["items"].as_array().unwrap().iter();
            pending.all(is_put_off)
        };
        api.await_answer(&pending, put_off).await?;
        Ok(true)
    }

    /// What the receivers put off is tried again in half an hour: then it is cancelled, so that the
    /// publication ends.
    pub(crate) async fn see_to_its_end(&self, api: &Api, id: Uuid) -> Result<(), Away> {
        if !self.until_put_off(api, id).await? {
            return Ok(());
        }
        let publication = format!("/api/v1/publications/{id}");
        let accounting = format!("{publication}/accounting");
        let path = format!("{publication}/cancel");
        // Refused if it has completed meanwhile.
        if let Some(answer) = api.command(&path, &json!({})).await? {
            self.tell(&answer);
        }
        let over = |it: &Value| {
            let nothing_left = it["pending"] == json!(0);
            nothing_left && ["completed", "cancelled"].contains(&it["state"].as_str().unwrap_or(""))
        };
        api.await_answer(&accounting, over).await?;
        Ok(())
    }

    /// Ends the committer's session, as an administrator may.
    async fn lose_session(&self) {
        let end = "select pg_terminate_backend(pid) from pg_stat_activity \
                   where application_name = 'tidings committer' and datname = current_database()";
        if let Ok(client) = self.store.log().pool().get().await {
            // The database may be away as well.
            drop(client.query(end, &[]).await);
        }
    }
}

/// Whether nothing will become of a pending delivery that a round waits for.
fn is_put_off(delivery: &Value) -> bool {
    match delivery["status"].as_str() {
        Some("deferred") => true,
        Some("in_doubt") => {
            let due = delivery["due_at"].as_str().expect("it is sent once more");
            let due = OffsetDateTime::parse(due, &Rfc3339).unwrap();
            due > Clock::system().now() + RESENT_WITHIN
        }
        _ => false,
    }
}
