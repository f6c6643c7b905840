//! Suppressions: addresses and domains that nothing may be sent to. An address travels in bodies only, since paths stand in
//! logs.

pub(crate) mod add;
pub(crate) mod find;
pub(crate) mod lift;

use actix_web::web;
use serde::Deserialize;
use tidings_domain::id::IdKey;
use tidings_domain::stream_id;
use tidings_domain::suppression::Scope;
use tidings_domain::value::EmailAddress;
use tidings_service::Problem;
use tidings_service::access::serve;
use tidings_service::auth::Role;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::refusal::Values;

const COLLECTION: &str = "/api/v1/suppressions";

/// Who looks after them.
const ROLES: &[Role] = &[Role::Operator, Role::Compliance];

pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    serve(cfg, add::ROUTE, add::add);
    serve(cfg, find::ROUTE, find::find);
    serve(cfg, lift::ROUTE, lift::lift);
}

/// An address or a whole domain: one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "address": "ada@example.org" }))]
pub(crate) struct Whom {
    /// One address.
    address: Option<String>,
    /// Every address of a domain; not of those below it.
    #[schema(example = json!(null))]
    domain: Option<String>,
}

/// What is suppressed, understood.
struct Suppressed {
    id: Uuid,
    scope: Scope,
    /// The address, if it is one.
    address: Option<EmailAddress>,
    /// As it is compared: in lower case, its domain in ASCII.
    value: String,
}

impl Whom {
    /// # Errors
    /// 422 unless there is one of the two, and it is one.
    fn parse(&self, id_key: &IdKey) -> Result<Suppressed, Problem> {
        let mut values = Values::default();
        let parsed = match (&self.address, &self.domain) {
            (Some(address), None) => {
                let address = values.take("#/address", EmailAddress::parse(address));
                address.map(|address| Suppressed {
                    id: stream_id::address_suppression(id_key, &address),
                    scope: Scope::Address,
                    value: address.normalized().clone(),
                    address: Some(address),
                })
            }
            (None, Some(domain)) => {
                // What stands behind the @ of an address that can be written to.
                let address = EmailAddress::parse(&format!("postmaster@{}", domain.trim()));
                let address = values.take("#/domain", address);
                address.map(|address| Suppressed {
                    id: stream_id::domain_suppression(id_key, address.domain()),
                    scope: Scope::Domain,
                    address: None,
                    value: address.domain().to_owned(),
                })
            }
            _ => {
                values.wrong("#", "name either an address or a domain");
                None
            }
        };
        values.all(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(address: Option<&str>, domain: Option<&str>) -> Result<(Scope, String), Problem> {
        let whom = Whom {
            address: address.map(str::to_owned),
            domain: domain.map(str::to_owned),
        };
        let parsed = whom.parse(&IdKey::new([7; 32]))?;
        Ok((parsed.scope, parsed.value))
    }

    #[test]
    fn an_address_or_a_domain_in_any_writing_is_one() {
        let address = parse(Some("Ada@Example.ORG"), None).unwrap();
        assert_eq!(address, (Scope::Address, "ada@example.org".to_owned()));
        let domain = parse(None, Some(" B\u{fc}cher.example")).unwrap();
        assert_eq!(domain, (Scope::Domain, "xn--bcher-kva.example".to_owned()));
    }

    #[test]
    fn neither_both_and_what_is_none_are_refused() {
        for (address, domain) in [
            (None, None),
            (Some("ada@example.org"), Some("example.org")),
            (Some("ada"), None),
            (None, Some("a@b.example")),
        ] {
            assert!(parse(address, domain).is_err(), "{address:?} {domain:?}");
        }
    }
}
