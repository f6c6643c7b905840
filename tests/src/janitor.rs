//! Removes the database and the stream of a platform once its test is over, so that a long run needs
//! no more disk than a short one. What is left at the process's end goes with the servers.

use std::sync::OnceLock;

use tidings_service::config::Secret;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_postgres::NoTls;

/// What a platform leaves behind on the shared servers.
pub(crate) struct Leftovers {
    pub(crate) database: String,
    pub(crate) stream: String,
}

/// Hands leftovers to the janitor's thread: the test's own runtime is about to end.
pub(crate) fn remove(leftovers: Leftovers) {
    static JANITOR: OnceLock<UnboundedSender<Leftovers>> = OnceLock::new();
    let janitor = JANITOR.get_or_init(|| {
        let (sender, receiver) = unbounded_channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(work(receiver));
        });
        sender
    });
    // A janitor that could not work is no reason to fail a test.
    drop(janitor.send(leftovers));
}

async fn work(mut leftovers: UnboundedReceiver<Leftovers>) {
    let servers = crate::servers::shared().await;
    let url = Secret::new(servers.nats_url());
    let nats = tidings_service::nats::connect(&url, "janitor").await;
    let jetstream = async_nats::jetstream::new(nats.unwrap());
    let (client, connection) = tokio_postgres::connect(servers.database_url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    while let Some(Leftovers { database, stream }) = leftovers.recv().await {
        // Not every test makes a stream.
        drop(jetstream.delete_stream(stream).await);
        let sql = format!("drop database {database} with (force)");
        client.batch_execute(&sql).await.unwrap();
    }
}
