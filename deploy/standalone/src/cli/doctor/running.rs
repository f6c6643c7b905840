//! What the platform that runs over the data folder says of itself.

use std::time::Duration;

use tidings_service::health::Readiness;
use tidings_service::limits;

use super::Finding;
use crate::cli::Session;

const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// One finding that says whether a platform runs, and one for each part of it that is not ready.
pub(super) async fn readiness(session: &Session) -> Vec<Finding> {
    let name = "platform";
    let running = match session.ground.home.running() {
        Ok(Some(running)) => running,
        Ok(None) => return vec![Finding::well(name, "none runs over this folder now")],
        Err(error) => {
            return vec![Finding::failed(
                name,
                &error,
                "check the rights of this user",
            )];
        }
    };
    let remedy = "see its log; if it hangs, end it and start it again: nothing is lost";
    match ask(&running.url).await {
        Ok(readiness) => judge(&running.url, &readiness),
        Err(error) => vec![Finding::failed(name, &error, remedy)],
    }
}

async fn ask(url: &str) -> Result<Readiness, reqwest::Error> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(ANSWERS_WITHIN)
        .build()?;
    client
        .get(format!("{url}/readyz"))
        .send()
        .await?
        .json()
        .await
}

fn judge(url: &str, readiness: &Readiness) -> Vec<Finding> {
    let mut findings = Vec::new();
    for component in readiness
        .components
        .iter()
        .filter(|component| !component.ready)
    {
        let why = component.detail.clone().unwrap_or_default();
        let remedy = "see the platform's log for the first error of this part";
        findings.push(Finding::ill(
            &format!("part {}", component.name),
            why,
            remedy,
        ));
    }
    let all_ready = findings.is_empty();
    // What holds sending back is said where the database is examined.
    let limits = readiness
        .components
        .iter()
        .find(|it| it.name == limits::HEALTH);
    if let Some(remark) = limits.and_then(|it| it.detail.clone().filter(|_| it.ready)) {
        let remedy = "set it in the configuration, and start the platform again";
        findings.push(Finding::ill(limits::HEALTH, remark, remedy));
    }
    if all_ready {
        let parts = readiness.components.len();
        let found = format!("runs at {url}, all {parts} parts ready");
        findings.push(Finding::well("platform", found));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_service::health::Component;

    #[test]
    fn a_proxy_that_is_not_counted_is_told_of_beside_what_is_well() {
        let remark = |name: &str| Component {
            name: name.to_owned(),
            ready: true,
            detail: Some("something to know".to_owned()),
        };
        let readiness = Readiness {
            ready: true,
            components: vec![remark("dispatch"), remark(limits::HEALTH)],
        };
        let findings = judge("http://127.0.0.1:8080", &readiness);
        let found = findings.iter().map(|it| (it.name.as_str(), it.well));
        assert_eq!(
            found.collect::<Vec<_>>(),
            [(limits::HEALTH, false), ("platform", true)]
        );
    }

    #[test]
    fn each_part_that_is_not_ready_is_named() {
        let component = |name: &str, ready| Component {
            name: name.to_owned(),
            ready,
            detail: (!ready).then(|| "it panicked".to_owned()),
        };
        let readiness = Readiness {
            ready: false,
            components: vec![component("postgres", true), component("relay", false)],
        };
        let findings = judge("http://127.0.0.1:8080", &readiness);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            (findings[0].name.as_str(), findings[0].well),
            ("part relay", false)
        );
    }
}
