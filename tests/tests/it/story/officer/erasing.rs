//! An export that an erasure overtakes is given up: it would be half a file that looks whole.

use tidings_proto::Event;
use tidings_service::look::{Look, Seen};
use tokio::sync::{Notify, mpsc};

use super::*;

impl Office {
    fn recorder(&self) -> RecordLook {
        recorder(Arc::new(house_commands(&self.house)))
    }

    /// Exports, while somebody does something before it is on record; gives the status and the answer.
    async fn export_while(&self, id: Uuid, looks: RecordLook) -> (u16, Bytes) {
        let request = TestRequest::post().uri(&format!("/api/v1/subscribers/{id}/export"));
        self.ask_with(request, Some(looks)).await
    }

    async fn asks_for_erasure(&self, id: Uuid) {
        let request = TestRequest::post().uri(&format!("/api/v1/subscribers/{id}/erase"));
        assert_eq!(self.ask_with(request, None).await.0, 202);
    }

    /// How often it was put on record that a file was handed out.
    async fn handed_out(&self) -> usize {
        let log = self.house.platform.store.log();
        let events = log.page_after(0, 10_000).await.unwrap();
        let exported = events
            .iter()
            .filter(|it| it.event_type == "access.Exported");
        exported.count()
    }
}

/// An export that is made, and waits with its look until whoever holds the other ends lets it go on.
fn waits(record: RecordLook) -> (RecordLook, mpsc::Receiver<()>, Arc<Notify>) {
    let (made, is_made) = mpsc::channel(1);
    let goes_on = Arc::new(Notify::new());
    let wait = goes_on.clone();
    let looks: RecordLook = Arc::new(move |look: Look| {
        let (record, made, wait) = (record.clone(), made.clone(), wait.clone());
        Box::pin(async move {
            assert!(matches!(look.seen, Seen::Export(_)));
            made.send(()).await.unwrap();
            wait.notified().await;
            record(look).await
        })
    });
    (looks, is_made, goes_on)
}

#[actix_web::test]
async fn an_export_that_an_erasure_overtakes_is_given_up_and_afterwards_there_is_what_is_left() {
    let office = Office::open().await;
    for is_done in [false, true] {
        let ada = office
            .house
            .subscriber(&format!("canary.{is_done}@example.org"))
            .await;
        office.settle().await;
        let (looks, mut is_made, goes_on) = waits(office.recorder());
        let erased = async {
            is_made.recv().await.unwrap();
            match is_done {
                true => office.erase(ada).await,
                false => office.asks_for_erasure(ada).await,
            }
            goes_on.notify_one();
        };
        let (answer, ()) = tokio::join!(office.export_while(ada, looks), erased);
        let (status, body) = answer;
        let problem: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, 409, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("erasure of this subscriber"), "{detail}");
        office.settle().await;
        let zip = office.export(ada).await;
        checked(&zip, Some(office.key().await)).unwrap();
        assert!(!holds(&unpacked(&zip), "canary"));
    }
    assert_eq!(office.handed_out().await, 2);
}

/// Once an export is made, puts it on record again and again until that is refused: one of these meets the erasure.
fn insists(record: RecordLook) -> (RecordLook, mpsc::Receiver<()>) {
    let (made, is_made) = mpsc::channel(1);
    let looks: RecordLook = Arc::new(move |look: Look| {
        let (record, made) = (record.clone(), made.clone());
        Box::pin(async move {
            made.send(()).await.unwrap();
            let mut recorded = record(look.clone()).await;
            while recorded.is_ok() {
                recorded = record(look.clone()).await;
            }
            recorded
        })
    });
    (looks, is_made)
}

/// Whichever of both comes first: nothing is handed out once an erasure is on record.
#[actix_web::test]
async fn no_export_is_on_record_behind_the_erasure_that_raced_it() {
    let office = Office::open().await;
    let mut ids = Vec::new();
    for n in 0..12 {
        let reader = format!("reader{n}@example.org");
        ids.push(office.house.subscriber(&reader).await);
    }
    office.settle().await;
    for id in ids {
        let (looks, mut is_made) = insists(office.recorder());
        let erased = async {
            is_made.recv().await.unwrap();
            office.asks_for_erasure(id).await;
        };
        let ((status, _), ()) = tokio::join!(office.export_while(id, looks), erased);
        assert_eq!(status, 409);
    }
    let log = office.house.platform.store.log();
    let events = log.page_after(0, 10_000).await.unwrap();
    let mut asked = Vec::new();
    for event in &events {
        match event.decode().unwrap() {
            Event::SubscriberErasureRequested(_) => asked.push(event.stream_id),
            Event::AccessExported(it) => {
                let of = Uuid::from_slice(&it.subscriber_id).unwrap();
                assert!(!asked.contains(&of), "position {}", event.position);
            }
            _ => {}
        }
    }
    assert_eq!(asked.len(), 12);
}
