//! The end of every run: the key of one of its readers is shredded, and what it sealed is gone for everybody, while the
//! log, the stream and the journals stay what they were.

use tidings_domain::subscriber::Subscriber;
use tidings_service::Clock;
use tidings_tests::checker::sealed::opened;

use crate::world::World;

impl World {
    /// Everything settles, is checked, and one reader is erased as far as that goes today.
    pub(crate) async fn end(&mut self) {
        self.settle().await;
        self.erase_a_reader().await;
    }

    async fn erase_a_reader(&self) {
        let mut readers: Vec<_> = self.addresses().await.into_iter().collect();
        readers.sort_unstable();
        if readers.is_empty() {
            return; // It died too often to sign anybody up.
        }
        let chosen = self.dice("erased").below(readers.len());
        let (reader, address) = readers.swap_remove(chosen);
        let events = self.log_and_journals_are_settled().await;
        let sealed = opened(&self.fresh_vault(), &events, reader).await;
        assert!(sealed > 0, "something is sealed for {reader}");
        let vault = self.store.vault();
        vault.shred(&[reader], Clock::system().now()).await.unwrap();
        {
            let mut known = self.known();
            known.shredded.push(reader);
            known.erased.insert(reader, address.clone());
        }
        // With the keys of a process that has read them before, and in a view that is made anew.
        let loaded = self.store.load::<Subscriber>(reader).await.unwrap();
        let email = &loaded.state.profile().expect("they signed up").email;
        assert!(email.known().is_none(), "{reader} is still known");
        self.program
            .says(&["rebuild", "subscriber_profile", "--json"]);
        let path = format!("/api/v1/subscribers/{reader}");
        let shown = self.program.api().query(&path).await.unwrap();
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
