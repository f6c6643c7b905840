//! The end of every run: one of its readers is erased, and what was sealed for them is gone for everybody, while the log,
//! the stream and the journals stay what they were.

use serde_json::{Value, json};
use tidings_domain::subscriber::Subscriber;
use tidings_event_store::Store;
use tidings_tests::checker::sealed::opened;

use crate::world::World;

impl World {
    /// Everything settles, is checked, months of long ago have ended, and one reader is erased.
    pub(crate) async fn end(&mut self) {
        self.settle().await;
        #[cfg(debug_assertions)]
        self.months_end().await;
        self.erase_a_reader().await;
    }

    async fn erase_a_reader(&self) {
        let erased = self.known().erased.clone();
        let mut readers: Vec<_> = self.addresses().await.into_iter().collect();
        readers.retain(|(reader, _)| !erased.contains_key(reader));
        readers.sort_unstable();
        if readers.is_empty() {
            return; // It died too often to sign anybody up.
        }
        let chosen = self.dice("erased").below(readers.len());
        let (reader, address) = readers.swap_remove(chosen);
        let events = self.log_and_journals_are_settled().await;
        let sealed = opened(&self.fresh_vault(), &events, reader).await;
        assert!(sealed > 0, "something is sealed for {reader}");
        self.known().erased.insert(reader, address.clone());
        let api = self.program.api();
        let path = format!("/api/v1/subscribers/{reader}");
        let asked = api.command(&format!("{path}/erase"), &json!({})).await;
        self.tell(&asked.unwrap().expect("whoever there is may be erased"));
        let done = |it: &Value| it["signature"].is_string();
        let receipt = api.await_answer(&format!("{path}/erasure"), done).await;
        assert!(!receipt.unwrap().to_string().contains(&address));
        self.known().shredded.push(reader);
        // With the keys of a process that starts now, and in a view that is made anew.
        let store = Store::new(self.store.log().clone(), self.fresh_vault());
        let loaded = store.load::<Subscriber>(reader).await.unwrap();
        let email = &loaded.state.profile().expect("they signed up").email;
        assert!(email.known().is_none(), "{reader} is still known");
        self.program
            .says(&["rebuild", "subscriber_profile", "--json"]);
        let shown = api.query(&path).await.unwrap();
        let shown = shown.expect("their rows stay");
        assert!(shown["email"].is_null(), "{shown}");
        assert!(!shown.to_string().contains(&address), "{shown}");
        // It opens nothing and the rest is as it was.
        for event in self.log_and_journals_are_settled().await {
            let said = event.payload.windows(address.len());
            let said = said.into_iter().any(|it| it == address.as_bytes());
            assert!(!said, "{address} stands in the log, at {}", event.position);
        }
    }
}
