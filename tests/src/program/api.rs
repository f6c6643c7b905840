//! The program's HTTP API, for an admin: for tests that expect an answer, and for those that kill whoever
//! would give it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;

use super::ASK_AGAIN;
use crate::checker::Told;

/// Longer than the program lets anybody wait for a log that is away.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// An answer that has not come whole by then counts as none.
const NONE_AFTER: Duration = Duration::from_secs(120);

/// Nobody was there to answer, or the answer was that something it needs is away.
#[derive(Debug, thiserror::Error)]
pub enum Away {
    /// The connection broke, or nothing came in time.
    #[error("nobody answered: {0}")]
    Silent(String),
    /// 503: the answer says what is away.
    #[error("the answer is 503: {0}")]
    Unavailable(String),
}

/// Each question has a connection of its own: a program that stood still closes those that were idle when it wakes, and a
/// question that was on its way over one would go unanswered.
#[allow(
    clippy::disallowed_methods,
    reason = "it speaks to the program under test only"
)]
pub(super) fn client() -> Client {
    let own = Client::builder().pool_max_idle_per_host(0);
    own.timeout(NONE_AFTER)
        .build()
        .expect("a client with nothing to read")
}

/// The program's HTTP API, for an admin.
pub struct Api {
    client: Client,
    url: String,
    token: String,
    /// What its answers to commands that must be accepted have said.
    told: Arc<Mutex<Vec<Told>>>,
}

impl Api {
    pub(super) fn new(url: &str, token: &str, told: Arc<Mutex<Vec<Told>>>) -> Self {
        Self {
            client: client(),
            url: url.to_owned(),
            token: token.to_owned(),
            told,
        }
    }

    /// A command; `None`: it was refused, as commands may be that come a second time.
    pub async fn command(&self, path: &str, body: &Value) -> Result<Option<Value>, Away> {
        self.ask(self.client.post(format!("{}{path}", self.url)).json(body))
            .await
    }

    /// A command that says all of something anew; `None`: it was refused.
    pub async fn replace(&self, path: &str, body: &Value) -> Result<Option<Value>, Away> {
        self.ask(self.client.put(format!("{}{path}", self.url)).json(body))
            .await
    }

    /// A change of some of it; `None`: it was refused.
    pub async fn change(&self, path: &str, body: &Value) -> Result<Option<Value>, Away> {
        self.ask(self.client.patch(format!("{}{path}", self.url)).json(body))
            .await
    }

    /// The same as [`Self::command`] with an `Idempotency-Key`: however often it is sent, it is carried out once.
    pub async fn command_once(
        &self,
        key: &str,
        path: &str,
        body: &Value,
    ) -> Result<Option<Value>, Away> {
        let request = self.client.post(format!("{}{path}", self.url)).json(body);
        self.ask(request.header("idempotency-key", key)).await
    }

    /// What the program answers to this at once; `None`: no such thing, or not yet.
    pub async fn query(&self, path: &str) -> Result<Option<Value>, Away> {
        self.ask(self.client.get(format!("{}{path}", self.url)))
            .await
    }

    /// Presses the button of a page that asks for no login; whether that was taken.
    pub async fn press(&self, path: &str) -> Result<bool, Away> {
        let away = |error: reqwest::Error| Away::Silent(error.to_string());
        let request = self.client.post(format!("{}{path}", self.url));
        let answer = request.timeout(ANSWER_WITHIN).send().await.map_err(away)?;
        let status = answer.status();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return Err(Away::Unavailable(path.to_owned()));
        }
        assert!(!status.is_server_error(), "{status}");
        Ok(status.is_success())
    }

    /// Fetches what asks for no login, as a mail program does; whether it was there.
    pub async fn fetch(&self, path: &str) -> Result<bool, Away> {
        let away = |error: reqwest::Error| Away::Silent(error.to_string());
        let request = self.client.get(format!("{}{path}", self.url));
        let answer = request.timeout(ANSWER_WITHIN).send().await.map_err(away)?;
        Ok(answer.status().is_success())
    }

    /// A file of subscribers.
    pub async fn file(&self, csv: String) -> Result<Option<Value>, Away> {
        let request = self.client.post(format!("{}/api/v1/imports", self.url));
        self.ask(request.header("content-type", "text/csv").body(csv))
            .await
    }

    /// Asks until the answer is as wanted, or nobody answers.
    pub async fn await_answer(
        &self,
        path: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Away> {
        loop {
            // What is written a moment ago may not be readable yet.
            if let Some(answer) = self.query(path).await?.filter(&wanted) {
                return Ok(answer);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Option<Value>, Away> {
        let away = |error: reqwest::Error| Away::Silent(error.to_string());
        let request = request.bearer_auth(&self.token).timeout(ANSWER_WITHIN);
        let answer = request.send().await.map_err(away)?;
        let status = answer.status();
        let body = answer.text().await.map_err(away)?;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return Err(Away::Unavailable(body));
        }
        // Whatever is away, no request may break the program.
        assert!(!status.is_server_error(), "{status}: {body}");
        let accepted = status.is_success();
        Ok(accepted.then(|| serde_json::from_str(&body).unwrap()))
    }

    /// A command, which must be accepted; gives the answer.
    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.url)).json(body);
        self.noted(self.answer(request).await)
    }

    /// A change, which must be accepted; gives the answer.
    pub async fn patch(&self, path: &str, body: &Value) -> Value {
        let request = self.client.patch(format!("{}{path}", self.url)).json(body);
        self.noted(self.answer(request).await)
    }

    /// A file of subscribers, which must be accepted; gives the answer.
    pub async fn post_csv(&self, path: &str, csv: String) -> Value {
        let request = self
            .client
            .post(format!("{}{path}", self.url))
            .header("content-type", "text/csv")
            .body(csv);
        self.noted(self.answer(request).await)
    }

    /// Notes where the answer says that something stands, if it says so.
    fn noted(&self, answer: Value) -> Value {
        let id = answer["id"].as_str().and_then(|id| id.parse().ok());
        if let (Some(stream_id), Some(position)) = (id, answer["position"].as_i64()) {
            self.told.lock().unwrap().push(Told {
                position,
                stream_id,
            });
        }
        answer
    }

    /// A query, which must be answered.
    pub async fn get(&self, path: &str) -> Value {
        self.answer(self.client.get(format!("{}{path}", self.url)))
            .await
    }

    /// Every item of a list.
    pub async fn all(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut page = self.get(path).await;
        loop {
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else {
                return items;
            };
            page = self.get(&format!("{path}&cursor={next}")).await;
        }
    }

    /// Asks until the answer is as wanted. What is written a moment ago may not be readable yet.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let request = self
                .client
                .get(format!("{}{path}", self.url))
                .bearer_auth(&self.token);
            let answer = request.send().await.unwrap();
            if answer.status().is_success() {
                let answer = answer.json().await.unwrap();
                if wanted(&answer) {
                    return answer;
                }
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    async fn answer(&self, request: RequestBuilder) -> Value {
        let answer = request.bearer_auth(&self.token).send().await.unwrap();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        assert!(status.is_success(), "{status}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}
