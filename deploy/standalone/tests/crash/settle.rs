//! Lets a run come to its end, whatever was done to it, and checks all of it.

use std::time::Duration;

use uuid::Uuid;

use crate::world::World;

/// Restarts, doubts and retries within this, or it counts as never.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);
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
            self.stream_is_complete().await;
        };
        let settled = tokio::time::timeout(SETTLED_WITHIN, settling).await;
        assert!(
            settled.is_ok(),
            "a run of {} never settled; the program's last words:\n{}",
            self.seed,
            self.program.said()
        );
        self.check_settled().await;
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

    /// The ids that a question to the log finds.
    pub(crate) async fn of_log(&self, sql: &str) -> Vec<Uuid> {
        loop {
            // Connections that a crash broke are found broken one by one.
            if let Ok(client) = self.store.log().pool().get().await
                && let Ok(rows) = client.query(sql, &[]).await
            {
                return rows.iter().map(|row| row.get(0)).collect();
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
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
