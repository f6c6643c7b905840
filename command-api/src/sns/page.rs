//! Reads a page at SNS. Handed in, so that tests need none.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tidings_service::Outbound;

/// Gets the page at an `https` URL; a redirect is none.
pub type ReadPage =
    Arc<dyn Fn(String) -> BoxFuture<'static, Result<Vec<u8>, NoPage>> + Send + Sync>;

/// Why there is no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPage {
    /// No answer, or one that says nothing of the page: our own way there may be what is wrong.
    Away,
    /// There is none, as SNS itself says.
    Nothing,
}

/// Reads pages by the client for addresses that others chose.
#[must_use]
pub fn pages(outbound: Outbound) -> ReadPage {
    Arc::new(move |url| {
        let outbound = outbound.clone();
        Box::pin(async move {
            let answer = outbound.get(&url).await.map_err(|error| {
                tracing::warn!(error = %tidings_service::problem::chain(&error), "SNS gives no answer");
                NoPage::Away
            })?;
            match answer.status {
                200 if !answer.truncated => Ok(answer.body),
                404 => Err(NoPage::Nothing),
                status => {
                    tracing::warn!(status, "SNS gives no page");
                    Err(NoPage::Away)
                }
            }
        })
    })
}
