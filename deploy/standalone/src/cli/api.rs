//! The platform's HTTP API as a program uses it: a base URL, a token, and problems turned into sentences.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;
use tidings_service::look::LOOK_REASON;

/// A view that is behind is asked again for this long.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(60);
/// A file of many events is made first.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Takes a piece of a file: the bytes, how many have come with them, and how many there are.
type TakePiece<'a> = dyn FnMut(&[u8], u64, u64) -> std::io::Result<()> + 'a;

/// A caller of one platform.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
    base: String,
    token: String,
}

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// `Log-Position` of a command, `View-Position` of a read; 0 without one.
    pub(crate) position: i64,
    /// The body; null if it is no JSON.
    pub(crate) body: Value,
    /// The body as it came.
    pub(crate) raw: String,
}

/// Why a request did not get what it asked for.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what is wrong")]
pub enum ApiError {
    #[error("no answer from the platform at {base}: see whether it runs, with `tidings doctor`")]
    Unreachable {
        base: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{method} {path} was refused ({status}): {detail}")]
    Refused {
        method: Method,
        path: String,
        status: StatusCode,
        detail: String,
    },
    #[error("the answer to {method} {path} lacks {what}: another version may be running")]
    Strange {
        method: Method,
        path: String,
        what: &'static str,
    },
    #[error("the answer to {path} has ended half way: run it again")]
    Broken {
        path: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("an HTTP client cannot be set up")]
    Setup(#[source] reqwest::Error),
}

impl Api {
    /// A caller of the platform at `base`, such as `http://127.0.0.1:8080`, with this token.
    pub(crate) fn new(base: &str, token: String) -> Result<Self, ApiError> {
        // It speaks to our own platform only, wherever a proxy may be configured.
        let client = Client::builder().no_proxy().timeout(TIMEOUT);
        Ok(Self {
            client: client.build().map_err(ApiError::Setup)?,
            base: base.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// A command with a JSON body, safe to repeat under `key`.
    pub(crate) async fn command(
        &self,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Result<Answer, ApiError> {
        let request = self.request(&Method::POST, path).json(body);
        let request = request.header("Idempotency-Key", key);
        self.send(Method::POST, path, request).await
    }

    /// A command without a body, safe to repeat under `key`.
    pub(crate) async fn act(&self, path: &str, key: &str) -> Result<Answer, ApiError> {
        let request = self.request(&Method::POST, path);
        let request = request.header("Idempotency-Key", key);
        self.send(Method::POST, path, request).await
    }

    /// Asks who somebody is, and says why.
    pub(crate) async fn find(
        &self,
        path: &str,
        body: &Value,
        reason: Option<&str>,
    ) -> Result<Answer, ApiError> {
        let mut request = self.request(&Method::POST, path).json(body);
        if let Some(reason) = reason {
            request = request.header(LOOK_REASON.as_str(), reason.as_bytes());
        }
        self.send(Method::POST, path, request).await
    }

    /// Downloads a file, and says why; what `take` refuses with ends the download. Without an error it has come as a whole.
    pub(crate) async fn download(
        &self,
        (method, path): (Method, &str),
        reason: &str,
        take: &mut TakePiece<'_>,
    ) -> Result<std::io::Result<()>, ApiError> {
        let request = self.request(&method, path);
        let request = request
            .header(LOOK_REASON.as_str(), reason.as_bytes())
            .timeout(DOWNLOAD_TIMEOUT);
        let unreachable = |source| self.unreachable(source);
        let mut response = request.send().await.map_err(unreachable)?;
        if !response.status().is_success() {
            let answered = self.answered(method, path, response).await;
            return answered.map(|_| Ok(()));
        }
        let of = response.content_length().unwrap_or_default();
        let mut so_far = 0;
        let broken = |source| ApiError::Broken {
            path: path.to_owned(),
            source,
        };
        while let Some(bytes) = response.chunk().await.map_err(broken)? {
            so_far += bytes.len() as u64;
            if let Err(refused) = take(&bytes, so_far, of) {
                return Ok(Err(refused));
            }
        }
        Ok(Ok(()))
    }

    /// Uploads a file; safe to repeat under `key`, if there is one.
    pub(crate) async fn upload(
        &self,
        path: &str,
        key: Option<&str>,
        media_type: &'static str,
        bytes: Vec<u8>,
    ) -> Result<Answer, ApiError> {
        let mut request = self.request(&Method::POST, path);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let request = request.header(CONTENT_TYPE, media_type).body(bytes);
        self.send(Method::POST, path, request).await
    }

    /// Puts a file in the place of what a resource has said so far.
    pub(crate) async fn replace(
        &self,
        path: &str,
        media_type: &'static str,
        bytes: Vec<u8>,
    ) -> Result<Answer, ApiError> {
        let request = self.request(&Method::PUT, path);
        let request = request.header(CONTENT_TYPE, media_type).body(bytes);
        self.send(Method::PUT, path, request).await
    }

    /// Changes a part of what a resource says.
    pub(crate) async fn change(&self, path: &str, body: &Value) -> Result<Answer, ApiError> {
        let request = self.request(&Method::PATCH, path).json(body);
        self.send(Method::PATCH, path, request).await
    }

    /// Reads; a view that is behind is waited for.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, ApiError> {
        self.read(path, &|request| request).await
    }

    /// Reads somebody's data, and says why.
    pub(crate) async fn look(&self, path: &str, reason: &str) -> Result<Answer, ApiError> {
        let why = |request: RequestBuilder| request.header(LOOK_REASON.as_str(), reason.as_bytes());
        self.read(path, &why).await
    }

    /// Reads a list, by these of its parameters that are given.
    pub(crate) async fn list(
        &self,
        path: &str,
        query: &[(&str, Option<&String>)],
    ) -> Result<Answer, ApiError> {
        self.get(&with_query(path, query)?).await
    }

    async fn read(
        &self,
        path: &str,
        with: &dyn Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, ApiError> {
        let mut waited = Duration::ZERO;
        loop {
            let request = with(self.request(&Method::GET, path));
            match self.send(Method::GET, path, request).await {
                Err(ApiError::Refused { status, .. })
                    if status == StatusCode::SERVICE_UNAVAILABLE && waited < PATIENCE =>
                {
                    tokio::time::sleep(PAUSE).await;
                    waited += PAUSE;
                }
                answer => return answer,
            }
        }
    }

    /// Reads; whatever is said counts.
    pub(crate) async fn get_once(&self, path: &str) -> Result<Answer, ApiError> {
        let request = self.request(&Method::GET, path);
        self.send(Method::GET, path, request).await
    }

    /// Posts to an absolute URL as a mail program does: without a token.
    pub(crate) async fn one_click(&self, url: &str) -> Result<StatusCode, ApiError> {
        let body = "List-Unsubscribe=One-Click";
        let form = "application/x-www-form-urlencoded";
        let request = self.client.post(url).header(CONTENT_TYPE, form).body(body);
        let answer = request.send().await;
        Ok(answer.map_err(|source| self.unreachable(source))?.status())
    }

    fn request(&self, method: &Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base);
        self.client
            .request(method.clone(), url)
            .bearer_auth(&self.token)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        request: RequestBuilder,
    ) -> Result<Answer, ApiError> {
        let response = request
            .send()
            .await
            .map_err(|source| self.unreachable(source))?;
        self.answered(method, path, response).await
    }

    async fn answered(
        &self,
        method: Method,
        path: &str,
        response: Response,
    ) -> Result<Answer, ApiError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response
            .text()
            .await
            .map_err(|source| self.unreachable(source))?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            let position = position(&headers);
            return Ok(Answer {
                position,
                body,
                raw: text,
            });
        }
        Err(ApiError::Refused {
            method,
            path: path.to_owned(),
            status,
            detail: detail(&body, &headers),
        })
    }

    fn unreachable(&self, source: reqwest::Error) -> ApiError {
        ApiError::Unreachable {
            base: self.base.clone(),
            source,
        }
    }
}

impl ApiError {
    /// Whether what the caller said can not be taken, whatever the platform's state: asked again, it is refused again.
    pub(crate) fn is_a_wrong_argument(&self) -> bool {
        let wrong = [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY];
        matches!(self, Self::Refused { status, .. } if wrong.contains(status))
    }
}

impl Answer {
    /// A text of the body.
    pub(crate) fn text(&self, key: &'static str) -> Result<&str, ApiError> {
        self.body[key].as_str().ok_or(ApiError::Strange {
            method: Method::GET,
            path: String::new(),
            what: key,
        })
    }

    /// A number of the body; 0 where there is none.
    pub(crate) fn count(&self, key: &str) -> u64 {
        self.body[key].as_u64().unwrap_or_default()
    }
}

/// A path with these of its parameters that are given.
pub(crate) fn with_query(
    path: &str,
    query: &[(&str, Option<&String>)],
) -> Result<String, ApiError> {
    let given = query
        .iter()
        .filter_map(|(name, value)| value.map(|it| (name, it)));
    let url = Url::parse_with_params("http://any", given);
    let url = url.map_err(|_| ApiError::Strange {
        method: Method::GET,
        path: path.to_owned(),
        what: "a query",
    })?;
    Ok(format!("{path}?{}", url.query().unwrap_or_default()))
}

fn position(headers: &HeaderMap) -> i64 {
    ["log-position", "view-position"]
        .into_iter()
        .find_map(|name| headers.get(name)?.to_str().ok()?.parse().ok())
        .unwrap_or_default()
}

/// What a problem says, with each value at fault.
fn detail(problem: &Value, headers: &HeaderMap) -> String {
    let mut text = ["detail", "title"]
        .into_iter()
        .find_map(|key| problem[key].as_str())
        .unwrap_or("no reason was given")
        .to_owned();
    for error in problem["errors"].as_array().into_iter().flatten() {
        let (pointer, detail) = (&error["pointer"], &error["detail"]);
        if let (Some(pointer), Some(detail)) = (pointer.as_str(), detail.as_str()) {
            text.push_str(&format!("; {pointer}: {detail}"));
        }
    }
    if let Some(seconds) = headers.get(RETRY_AFTER).and_then(|it| it.to_str().ok()) {
        text.push_str(&format!(" (try again in {seconds} s)"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_problem_is_told_with_the_values_at_fault() {
        let problem = json!({
            "title": "Validation failed",
            "errors": [{ "pointer": "#/title", "detail": "must not be empty" }],
        });
        let told = detail(&problem, &HeaderMap::new());
        assert_eq!(told, "Validation failed; #/title: must not be empty");
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, 5.into());
        assert_eq!(
            detail(&Value::Null, &headers),
            "no reason was given (try again in 5 s)"
        );
    }
}
