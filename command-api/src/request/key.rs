//! What a request with an Idempotency-Key leads to is derived from it, so that a repeat meets its own event.

use tidings_domain::id::IdKey;
use tidings_domain::stream_id::KeyedRequest;
use uuid::Uuid;

/// One request that may come again: who asks for what, under which key.
#[derive(Clone, Debug)]
pub(super) struct Repeatable {
    /// The actor string of the caller.
    pub(super) actor: String,
    /// In capitals.
    pub(super) method: String,
    /// The route with canonical uuids, without a query.
    pub(super) path: String,
    /// The key, unquoted.
    pub(super) key: String,
}

impl Repeatable {
    /// Id of the first event the request leads to.
    pub(super) fn intent(&self, id_key: &IdKey) -> Uuid {
        self.keyed().intent(id_key)
    }

    /// Id of the one new stream of a kind that the request makes.
    pub(super) fn stream(&self, id_key: &IdKey, noun: &str) -> Uuid {
        self.keyed().stream(id_key, noun, 0)
    }

    fn keyed(&self) -> KeyedRequest<'_> {
        KeyedRequest {
            actor: &self.actor,
            method: &self.method,
            path: &self.path,
            key: &self.key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeatable(key: &str) -> Repeatable {
        Repeatable {
            actor: "user:0192f3a4-0000-8000-8000-000000000001".to_owned(),
            method: "POST".to_owned(),
            path: "/api/v1/publications".to_owned(),
            key: key.to_owned(),
        }
    }

    #[test]
    fn known_answers_never_change() {
        let id_key = IdKey::new([7; 32]);
        let request = repeatable("k1");
        let derived = [
            request.intent(&id_key),
            request.stream(&id_key, "publication"),
            request.stream(&id_key, "channel"),
        ];
        insta::assert_snapshot!(derived.map(|id| id.to_string()).join("\n"), @"
        67aa1158-b504-8a5e-b196-d41b1f1c934c
        f3edfb20-7ef7-8a98-aefd-4541879a7ab1
        17c69db5-a7cf-8c77-b516-4bb2e99e5802
        ");
    }

    #[test]
    fn another_key_actor_method_or_path_is_another_request() {
        let id_key = IdKey::new([7; 32]);
        let base = repeatable("k1");
        let others = [
            repeatable("k2"),
            Repeatable {
                actor: "cli".to_owned(),
                ..base.clone()
            },
            Repeatable {
                method: "PUT".to_owned(),
                ..base.clone()
            },
            Repeatable {
                path: "/api/v1/channels".to_owned(),
                ..base.clone()
            },
        ];
        for other in others {
            assert_ne!(base.intent(&id_key), other.intent(&id_key));
            assert_ne!(base.stream(&id_key, "x"), other.stream(&id_key, "x"));
        }
        assert_ne!(base.stream(&id_key, "x"), base.stream(&id_key, "y"));
    }
}
