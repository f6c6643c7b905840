//! The subscribers: signed up as an import does it, a chunk of independent commits at a time.

use std::ops::Range;
use std::time::Duration;

use futures_util::future::try_join_all;
use tidings_domain::address::{self, Address};
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::stream_id;
use tidings_domain::subscriber::{self, Source, Subscriber};
use tidings_domain::value::{DisplayName, EmailAddress};
use tidings_event_store::Loaded;
use tidings_event_store::view::position;
use uuid::Uuid;

use crate::Error;
use crate::platform::Platform;

const CHUNK: usize = 500;
/// The view an audience is read from.
const VIEW: &str = "subscriber_profile";
/// Between two looks at the view.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Signs up the subscribers of these numbers, and waits until the view of subscribers knows them all.
pub(super) async fn sign_up(platform: &Platform, numbers: Range<usize>) -> Result<(), Error> {
    let numbers: Vec<usize> = numbers.collect();
    for chunk in numbers.chunks(CHUNK) {
        let people: Vec<(Uuid, usize)> = chunk
            .iter()
            .map(|number| (platform.ids.next(), *number))
            .collect();
        let ids: Vec<Uuid> = people.iter().map(|(id, _)| *id).collect();
        let now = platform.clock.now();
        platform.store.vault().ensure(&ids, now).await?;
        let all = people
            .iter()
            .map(|(id, number)| one(platform, *id, *number));
        try_join_all(all).await?;
    }
    let head = platform.store.log().head().await?.position;
    while position(&platform.database.pool, VIEW).await?.unwrap_or(0) < head {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn one(platform: &Platform, id: Uuid, number: usize) -> Result<(), Error> {
    let email = EmailAddress::parse(&format!("reader{number}@mail{}.example", number % 40))?;
    let address_id = stream_id::address(&platform.id_key, &email);
    let command = subscriber::Command::SignUp {
        name: Some(DisplayName::parse(&format!("Reader {number}"))?),
        attributes: None,
        address_id,
        address_suppression_id: stream_id::address_suppression(&platform.id_key, &email),
        domain_suppression_id: stream_id::domain_suppression(&platform.id_key, email.domain()),
        source: Source::Import,
        import_id: None,
        confirm: false,
        consent: None,
        evidence: None,
        email,
    };
    let signed_up = Subscriber::default().decide(command)?;
    let claimed = Address::default().decide(address::Command::Claim { subscriber_id: id })?;
    let context = platform.context();
    let mut draft = platform.store.draft(&context);
    draft.append_for(
        Loaded::known(id, Subscriber::default(), 0),
        signed_up,
        id,
        Some(id),
    );
    draft.append(Loaded::known(address_id, Address::default(), 0), claimed);
    draft.commit().await?;
    Ok(())
}
