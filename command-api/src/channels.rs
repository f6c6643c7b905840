//! Channels: the ways out of the house.

pub(crate) mod configure;
pub(crate) mod disable;
pub(crate) mod enable;
pub(crate) mod reconfigure;
pub(crate) mod replay;

use actix_web::web;
use serde_json::Value;
use tidings_domain::value::{Credentials, Settings};

use crate::Commands;
use crate::refusal::Values;
use tidings_service::access::serve;

const COLLECTION: &str = "/api/v1/channels";

pub(crate) fn routes(cfg: &mut web::ServiceConfig) {
    serve(cfg, configure::ROUTE, configure::configure);
    serve(cfg, reconfigure::ROUTE, reconfigure::reconfigure);
    serve(cfg, enable::ROUTE, enable::enable);
    serve(cfg, disable::ROUTE, disable::disable);
    serve(cfg, replay::ROUTE, replay::replay);
}

/// Parses settings and credentials, by their shape here and by the rules of their kind.
/// `kept`: credentials that stay, when the request brings none.
fn judge(
    commands: &Commands,
    values: &mut Values,
    kind: &str,
    settings: Value,
    credentials: Option<Value>,
    kept: Option<&Credentials>,
) -> Option<(Settings, Option<Credentials>)> {
    let settings = values.take("#/settings", Settings::parse(settings));
    let credentials = match credentials {
        Some(credentials) => values
            .take("#/credentials", Credentials::parse(credentials))
            .map(Some),
        None => Some(None),
    };
    let (settings, credentials) = settings.zip(credentials)?;
    let in_use = credentials.as_ref().or(kept).map(Credentials::expose_json);
    if let Err(wrong) = (commands.check_channel)(kind, &settings.to_value(), in_use) {
        for error in wrong {
            values.wrong(&error.pointer, &error.detail);
        }
        return None;
    }
    Some((settings, credentials))
}
