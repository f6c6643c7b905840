//! What an API key needs for a route, by the route's own path and method: nobody keeps a list.

use std::collections::{BTreeMap, BTreeSet};

use super::{Access, Route};
use crate::auth::Role;

/// Where resources are.
const BASE: &str = "/api/v1/";
/// Whoever gets in with a key must not make itself another one.
const NEVER: [&str; 1] = ["api-keys"];
/// What a POST does that changes nothing, but has too much to say, or too private, for a URL.
const READS: [&str; 2] = ["find", "preview"];
/// What hands out all there is, by whatever method, and what can never be undone: whoever may look at one after the other, or
/// change them, need not be given that.
const OWN: [&str; 2] = ["export", "erase"];

/// The scope that lets an API key use a route: `<resource>:read`, `<resource>:write`, `<resource>:export` or `<resource>:erase`.
/// None: no key may.
#[must_use]
pub fn scope_of(method: &str, path: &str) -> Option<String> {
    let mut segments = path.strip_prefix(BASE)?.split('/');
    let resource = segments.next().filter(|it| !it.is_empty())?;
    if NEVER.contains(&resource) {
        return None;
    }
    let verb = match segments.next_back() {
        Some(last) if OWN.contains(&last) => last,
        Some(last) if READS.contains(&last) => "read",
        _ if method == "GET" => "read",
        _ => "write",
    };
    Some(format!("{resource}:{verb}"))
}

/// Every scope of these routes, with the roles that are let in to any of them, besides admin.
#[must_use]
pub fn scopes<'a>(routes: impl IntoIterator<Item = &'a Route>) -> BTreeMap<String, BTreeSet<Role>> {
    let mut scopes: BTreeMap<String, BTreeSet<Role>> = BTreeMap::new();
    for (method, path, access) in routes {
        let Access::Roles(roles) = access else {
            continue;
        };
        if let Some(scope) = scope_of(method, path) {
            scopes.entry(scope).or_default().extend(*roles);
        }
    }
    scopes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_names_its_scope() {
        let scope = |method, path| scope_of(method, path).unwrap_or_default();
        for (method, path, expected) in [
            ("GET", "/api/v1/publications", "publications:read"),
            (
                "GET",
                "/api/v1/publications/{id}/preview",
                "publications:read",
            ),
            ("POST", "/api/v1/publications", "publications:write"),
            ("PUT", "/api/v1/publications/{id}", "publications:write"),
            (
                "POST",
                "/api/v1/publications/{id}/test",
                "publications:write",
            ),
            ("POST", "/api/v1/subscribers/find", "subscribers:read"),
            (
                "POST",
                "/api/v1/subscribers/{id}/export",
                "subscribers:export",
            ),
            ("GET", "/api/v1/subscribers/export", "subscribers:export"),
            (
                "POST",
                "/api/v1/subscribers/{id}/erase",
                "subscribers:erase",
            ),
            ("DELETE", "/api/v1/topics/{id}", "topics:write"),
            ("GET", "/api/v1/api-keys", ""),
            ("POST", "/api/v1/api-keys/{id}/rotate", ""),
            ("GET", "/metrics", ""),
            ("POST", "/u/{token}", ""),
        ] {
            assert_eq!(scope(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn a_scope_has_the_roles_of_all_its_routes() {
        let routes: [Route; 4] = [
            ("GET", "/api/v1/topics", Access::Roles(&[Role::Editor])),
            (
                "GET",
                "/api/v1/topics/{id}",
                Access::Roles(&[Role::Service]),
            ),
            ("GET", "/api/v1/api-keys", Access::Roles(&[])),
            ("GET", "/join", Access::Public),
        ];
        let expected = [(
            "topics:read".to_owned(),
            [Role::Editor, Role::Service].into(),
        )];
        assert_eq!(scopes(&routes), expected.into());
    }
}
