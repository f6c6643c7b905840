//! Dedicated database sessions: the committer, the relay's LISTEN and advisory locks each need one.
//! How to connect (TLS or not) is handed in, since configuration is another room's business.

use std::future::poll_fn;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client, Connection};

/// A connection of its own. It ends when the client is dropped.
pub struct Session {
    /// To run statements.
    pub client: Client,
    /// Rings after any NOTIFY, once for however many came since the last look; closes when the
    /// connection is lost.
    pub notifications: mpsc::Receiver<()>,
}

impl Session {
    /// Drives a fresh connection in a task of its own.
    pub fn drive<S, T>(client: Client, mut connection: Connection<S, T>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, notifications) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    // Rung already, or nobody listens: both fine.
                    Ok(AsyncMessage::Notification(_)) => drop(sender.try_send(())),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, "database session lost");
                        break;
                    }
                }
            }
        });
        Self {
            client,
            notifications,
        }
    }
}

/// Opens a [`Session`].
pub type Connect =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Session, tokio_postgres::Error>> + Send + Sync>;

/// Sessions without TLS: unix sockets and loopback.
pub fn connect_plain(config: tokio_postgres::Config) -> Connect {
    Arc::new(move || {
        let config = config.clone();
        Box::pin(async move {
            let (client, connection) = config.connect(tokio_postgres::NoTls).await?;
            Ok(Session::drive(client, connection))
        })
    })
}
