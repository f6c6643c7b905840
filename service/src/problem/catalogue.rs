//! Every kind of problem we answer with: the pages behind the `type` links.

/// One kind of problem. `slug` is the last segment of its `type`, `/problems/<slug>`.
#[derive(Debug, PartialEq, Eq)]
pub struct ProblemType {
    /// Last path segment of `type`; never changes once published.
    pub slug: &'static str,
    /// HTTP status code.
    pub status: u16,
    /// Short, the same for every occurrence.
    pub title: &'static str,
    /// What it means and what the caller can do, for the documentation page.
    pub doc: &'static str,
}

macro_rules! catalogue {
    ($($name:ident = $status:literal $slug:literal, $title:literal, $doc:literal;)*) => {
        $(#[doc = $doc] pub const $name: &ProblemType =
            &ProblemType { slug: $slug, status: $status, title: $title, doc: $doc };)*

        /// All kinds, in the order of their status.
        #[must_use]
        pub fn catalogue() -> &'static [&'static ProblemType] {
            &[$($name),*]
        }
    };
}

catalogue! {
    BAD_REQUEST = 400 "bad-request", "The request cannot be read",
        "The body is not valid JSON, or a path segment, query parameter or header is malformed. The detail says where; correct the request.";
    UNAUTHORIZED = 401 "unauthorized", "A valid token is needed",
        "Send `Authorization: Bearer <token>` with a token that is signed, unexpired and made for this server, or with an API key. `tidings token` makes the one, `tidings api-keys create` the other. `roles` says which roles would do, `scope` which scope an API key needs; without one, no key will do.";
    FORBIDDEN = 403 "forbidden", "This token or API key does not allow this",
        "The detail names the roles that do, or the scope that the key lacks. Ask an administrator for a token or a key with it.";
    UNVERIFIED = 403 "unverified", "The sender could not be verified",
        "What comes in through a hook is taken only with a valid signature of a sender that the configuration names. The detail says what is missing.";
    NOT_FOUND = 404 "not-found", "There is nothing here",
        "The path is unknown, or what it names does not exist. A resource just created may not have reached this view yet: pass its Log-Position as `at_least`.";
    METHOD_NOT_ALLOWED = 405 "method-not-allowed", "This path does not take that method",
        "The path exists. `Allow` lists its methods.";
    REQUEST_TIMEOUT = 408 "request-timeout", "The body took too long to arrive",
        "The server waits a bounded time for a request's body. Send it again over a better connection.";
    CONFLICT = 409 "conflict", "The resource's state does not allow this",
        "The command contradicts what has happened since, or the same request is still being processed. Read the resource again and decide anew.";
    GONE = 410 "gone", "This no longer exists",
        "It existed and was removed for good, such as an erased subscriber.";
    PRECONDITION_FAILED = 412 "precondition-failed", "The resource has changed",
        "`If-Match` names another version than the present one. Read the resource again and repeat with its new ETag.";
    PAYLOAD_TOO_LARGE = 413 "payload-too-large", "The body is too large",
        "The detail names the limit. Send less, or split it.";
    UNSUPPORTED_MEDIA_TYPE = 415 "unsupported-media-type", "The body has the wrong content type",
        "The detail names the content type expected in `Content-Type`.";
    VALIDATION_FAILED = 422 "validation-failed", "Some values are not acceptable",
        "`errors` lists each value by JSON pointer with what is wrong with it. Nothing was changed.";
    IDEMPOTENCY_KEY_REUSED = 422 "idempotency-key-reused", "The Idempotency-Key was used for another request",
        "The same key came before with another body. Use a new key for a new request.";
    TOO_MANY_REQUESTS = 429 "too-many-requests", "Too many requests",
        "Wait as long as `Retry-After` says. `RateLimit-Policy` and `RateLimit` tell what is allowed and what is left, on every answer that is counted.";
    INTERNAL = 500 "internal", "Something went wrong on our side",
        "The cause is in the server's log under the correlation id in `instance`. Repeating the request with the same Idempotency-Key is safe.";
    UNAVAILABLE = 503 "unavailable", "Not available at the moment",
        "The log or a view cannot answer now. Wait as long as `Retry-After` says; `View-Position` tells how far a lagging view has come.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn slugs_are_unique_url_segments_and_statuses_are_errors() {
        let slugs: BTreeSet<&str> = catalogue().iter().map(|kind| kind.slug).collect();
        assert_eq!(slugs.len(), catalogue().len());
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        assert!(slugs.iter().all(|slug| slug.bytes().all(allowed)));
        assert!(
            catalogue()
                .iter()
                .all(|kind| (400..600).contains(&kind.status))
        );
    }
}
