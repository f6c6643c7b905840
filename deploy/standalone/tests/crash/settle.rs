//! Lets a run come to its end, whatever was done to it, and checks all of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_tests::checker::deliveries::Deliveries;
use tidings_tests::program::{Api, Away};
use uuid::Uuid;

use crate::world::{LATER, NEVER, World};

/// Restarts, doubts and retries within this, or it counts as never.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);
/// Editions of which one must reach everybody.
const EDITIONS_MAX: u32 = 5;
/// Whoever answers at all answers within this.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Asks the log for publications that were published, or will be by themselves, and neither completed nor cancelled before
/// anybody was to get them.
pub(crate) const UNFINISHED: &str = "select stream_id from publishing_events p where type in ('publication.Published', 'publication.Scheduled') \
     and not exists (select from publishing_events e where e.stream_id = p.stream_id \
     and e.type = 'publication.Completed' \
     and e.version > coalesce((select max(r.version) from publishing_events r \
     where r.stream_id = p.stream_id \
     and r.type = 'publication.RetryRequested'), 0)) \
     and (not exists (select from publishing_events e where e.stream_id = p.stream_id \
     and e.type = 'publication.Cancelled') \
     or exists (select from publishing_events e where e.stream_id = p.stream_id \
     and e.type = 'publication.AudienceFrozen')) order by position";

impl World {
    /// Starts the program if need be, sees every publication to its end, and checks every invariant.
    pub(crate) async fn settle(&mut self) {
        self.ensure_up().await;
        let settling = async {
            self.all_ended().await;
            self.everybody_is_served().await;
            self.all_ended().await;
            while !self.open_notices().await.is_empty() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            self.stream_is_complete().await;
        };
        if tokio::time::timeout(SETTLED_WITHIN, settling)
            .await
            .is_err()
        {
            let (seed, open) = (self.seed, self.what_is_open().await);
            let said = self.program.said();
            panic!("a run of {seed} never settled: {open}; the program's last words:\n{said}");
        }
        self.check_settled().await;
    }

    /// What has not come to its end, for the message of a failed test.
    async fn what_is_open(&self) -> String {
        let (publications, imports) = (self.unfinished().await, self.unfinished_imports().await);
        let notices = self.open_notices().await;
        let head = self.store.log().head().await.map(|head| head.position);
        let stream = tokio::time::timeout(LOOK_WITHIN, self.last_sequence()).await;
        let mut open = format!(
            "{publications:?}, {imports:?}, the notices {notices:?}, the log at {head:?}, its stream at {stream:?}"
        );
        let api = self.program.api();
        for id in publications {
            let publication = format!("/api/v1/publications/{id}");
            let deliveries = format!("{publication}/deliveries?class=pending&limit=3");
            for path in [format!("{publication}/accounting"), deliveries] {
                open += &format!("\n{:?}", api.query(&path).await);
            }
        }
        open + &format!("\n{:?}", api.query("/api/v1/views").await)
    }

    /// Whatever was done to everything, an edition that nothing is done to reaches everybody whose mail server takes it. A
    /// connection that broke unnoticed may put one off: then the next one must.
    async fn everybody_is_served(&self) {
        let mut missed = BTreeMap::new();
        for _ in 0..EDITIONS_MAX {
            let edition = self.one_more().await;
            missed = self.missed_by(edition).await;
            if missed.is_empty() {
                return;
            }
        }
        panic!(
            "a run of {} leaves readers out: {missed:?}; the program's last words:\n{}",
            self.seed,
            self.program.said()
        );
    }

    async fn one_more(&self) -> Uuid {
        let api = self.program.api();
        let number = self.next_round();
        loop {
            // Whoever was away a moment ago may still be finding back: then it is asked again.
            if let Ok(id) = self.edition(&api, number).await
                && self.see_to_its_end(&api, id).await.is_ok()
            {
                return id;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn edition(&self, api: &Api, number: usize) -> Result<Uuid, Away> {
        let channels = self.channels(api).await?;
        let id = self
            .draft(api, number, "All is well again.", &channels, &[])
            .await?;
        let path = format!("/api/v1/publications/{id}/publish");
        // Refused if it was heard before, and only the answer was lost.
        if let Some(answer) = api.command(&path, &json!({})).await? {
            self.tell(&answer);
        }
        Ok(id)
    }

    /// Whom an edition should have reached and has not, with what became of it.
    async fn missed_by(&self, edition: Uuid) -> BTreeMap<String, Value> {
        let path = format!("/api/v1/publications/{edition}/deliveries?limit=200");
        let deliveries = self.program.api().all(&path).await;
        let addresses = self.addresses().await;
        let mut missed = BTreeMap::new();
        for delivery in deliveries {
            let reader = delivery["subscriber_id"].as_str();
            let reader = reader.map(|id| addresses[&id.parse().unwrap()].clone());
            let reader = reader.unwrap_or_else(|| delivery["channel_id"].to_string());
            let takes_mail = !reader.ends_with(LATER) && !reader.ends_with(NEVER);
            // Whoever has left the channel is in the audience all the same; that they did is checked elsewhere.
            let served = ["sent", "suppressed"].contains(&delivery["class"].as_str().unwrap());
            if takes_mail && !served {
                missed.insert(reader, delivery);
            }
        }
        missed
    }

    pub(crate) async fn all_ended(&self) {
        while !self.unfinished_imports().await.is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        loop {
            let unfinished = self.unfinished().await;
            let Some(id) = unfinished.first() else { return };
            // Whoever was away a moment ago may still be finding back: then it is asked again.
            drop(self.see_to_its_end(&self.program.api(), *id).await);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Publications that were published, or will be by themselves, and neither completed nor cancelled before anybody was to get them.
    async fn unfinished(&self) -> Vec<Uuid> {
        self.of_log(UNFINISHED).await
    }

    /// Files that are still worked off: whoever is in them comes late.
    async fn unfinished_imports(&self) -> Vec<Uuid> {
        self.of_log(
            "select stream_id from publishing_events s where type = 'subscriber_import.Started' \
             and not exists (select from publishing_events e where e.stream_id = s.stream_id \
                             and e.type = 'subscriber_import.Completed')",
        )
        .await
    }

    /// Notices that may go out yet, as those do that somebody's mail server has put off.
    async fn open_notices(&self) -> Vec<Uuid> {
        let log = self.store.log();
        let events = once_it_answers(async || {
            let head = log.head().await.ok()?;
            log.page_after(0, head.position).await.ok()
        });
        Deliveries::of(&events.await).open_notices().collect()
    }

    /// Waits until nobody's erasure is under way any more.
    pub(crate) async fn erasures_end(&self) {
        let ended = async {
            while !self.unfinished_erasures().await.is_empty() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let ended = tokio::time::timeout(SETTLED_WITHIN, ended).await;
        assert!(
            ended.is_ok(),
            "an erasure never ends:\n{}",
            self.program.said()
        );
    }

    async fn unfinished_erasures(&self) -> Vec<Uuid> {
        self.of_log(
            "select stream_id from publishing_events s where type = 'subscriber.ErasureRequested' \
             and not exists (select from publishing_events e where e.stream_id = s.stream_id \
                             and e.type = 'subscriber.Erased')",
        )
        .await
    }

    /// The ids that a question to the log finds.
    pub(crate) async fn of_log(&self, sql: &str) -> Vec<Uuid> {
        let rows = once_it_answers(async || {
            let client = self.store.log().pool().get().await.ok()?;
            client.query(sql, &[]).await.ok()
        });
        rows.await.iter().map(|row| row.get(0)).collect()
    }

    pub(crate) async fn stream_is_complete(&self) {
        let name = self.stream().await.expect("a log");
        let jetstream = async_nats::jetstream::new(self.nats.clone());
        loop {
            let head = self.store.log().head().await.unwrap().position;
            if let Ok(mut stream) = jetstream.get_stream(&name.stream).await
                && let Ok(info) = stream.info().await
                && info.state.last_sequence as i64 == head
            {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// What a question is answered with: connections that a crash broke are found broken one by one.
async fn once_it_answers<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
