//! For verbs that go through the API: of the platform that runs over the data folder, or of one that is started for as
//! long as it takes and delivers nothing.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use tidings_service::auth::Role;

use super::token::make as make_token;
use super::{Api, CliError, Session};
use crate::platform::{Backing, Platform, Roles, StartError};

/// A token that only this command uses.
const TOKEN_TTL: Duration = Duration::from_secs(24 * 3_600);

/// Has `work` done by a caller with this role.
pub(super) async fn with_api<T>(
    session: &Session,
    role: Role,
    work: impl AsyncFnOnce(Api) -> Result<T, CliError>,
) -> Result<T, CliError> {
    match session.ground.home.running()? {
        Some(running) => work(caller(session, role, &running.url)?).await,
        None => alone(session, role, work).await,
    }
}

/// Whoever calls the platform at this address.
pub(super) fn caller(session: &Session, role: Role, url: &str) -> Result<Api, CliError> {
    let now = session.ground.clock.now();
    let token = make_token(&session.config.auth, "cli", &[role], TOKEN_TTL, now)?;
    Ok(Api::new(url, token)?)
}

async fn alone<T>(
    session: &Session,
    role: Role,
    work: impl AsyncFnOnce(Api) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let Session { config, ground } = session;
    let claim = ground.home.claim().await?;
    ground.home.is_whole()?;
    let address = (Ipv4Addr::LOCALHOST, 0);
    let listener = TcpListener::bind(address).map_err(|e| StartError::listen(address.into(), e))?;
    let backing = Backing::start(config, &ground.home).await?;
    let roles = Roles::WithoutDelivery;
    let started = Platform::start(config.clone(), ground.clone(), &backing, listener, roles).await;
    let done = match started {
        Ok(platform) => {
            let url = format!("http://{}", platform.address());
            let done = match caller(session, role, &url) {
                Ok(api) => work(api).await,
                Err(error) => Err(error),
            };
            platform.stop().await;
            done
        }
        Err(error) => Err(error.into()),
    };
    backing.stop().await?;
    drop(claim);
    done
}
