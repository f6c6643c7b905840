//! The publications: whether what was published is on its way.

use tidings_event_store::tokio_postgres::{Client, Error};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Finding;

const NAME: &str = "publications";
/// Who gets a publication is settled within seconds.
const UNFROZEN_MAX: Duration = Duration::minutes(5);
/// Each of its deliveries is planned soon after the one before, however many there are and whatever keeps them from going out.
const UNPLANNED_MAX: Duration = Duration::minutes(15);
const RIGHTS: &str = "check the rights of the database user";

const WAITING: &str = "select publication_id from publishing_publication_status \
     where state = 'published' and published_at < $1 order by created_position";
const HALF_PLANNED: &str = "select s.publication_id from publishing_publication_status s \
     where s.state = 'frozen' and s.published_at < $1 and not exists (\
         select from publishing_delivery_log d where d.publication_id = s.publication_id and d.planned_at >= $1) \
     order by s.created_position";

/// Whether what was published is on its way.
pub(super) async fn publications(client: &Client, now: OffsetDateTime) -> Finding {
    // Before a platform has run there are no views.
    let there = "select to_regclass('publishing_publication_status') is not null \
                    and to_regclass('publishing_delivery_log') is not null";
    let looked = async {
        if !client.query_one(there, &[]).await?.get::<_, bool>(0) {
            return Ok((Vec::new(), Vec::new()));
        }
        let waiting = ids(client, WAITING, now - UNFROZEN_MAX).await?;
        let half_planned = ids(client, HALF_PLANNED, now - UNPLANNED_MAX).await?;
        Ok::<_, Error>((waiting, half_planned))
    };
    match looked.await {
        Ok((waiting, half_planned)) => judge(&waiting, &half_planned),
        Err(error) => Finding::failed(NAME, &error, RIGHTS),
    }
}

async fn ids(client: &Client, sql: &str, before: OffsetDateTime) -> Result<Vec<Uuid>, Error> {
    let rows = client.query(sql, &[&before]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn judge(waiting: &[Uuid], half_planned: &[Uuid]) -> Finding {
    let named = |what: &str, ids: &[Uuid]| {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        (!ids.is_empty()).then(|| format!("{what}: {}", ids.join(", ")))
    };
    let found: Vec<String> = [
        named("published, and to nobody so far", waiting),
        named(
            "frozen, and no delivery planned for 15 minutes",
            half_planned,
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    if found.is_empty() {
        return Finding::well(NAME, "none waits to be sent off");
    }
    let remedy = "see whether a platform runs (`tidings up`); if one does, `tidings publications audience ID` says what \
                  keeps one that goes to nobody, and the log of the platform what keeps one that is frozen";
    Finding::ill(NAME, found.join("; "), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publication_that_stands_still_is_named_with_what_it_waits_for() {
        assert!(judge(&[], &[]).well);
        let [one, other] = [1, 2].map(Uuid::from_u128);
        let nobody = format!("published, and to nobody so far: {one}");
        let frozen = format!("frozen, and no delivery planned for 15 minutes: {other}");
        assert_eq!(judge(&[one], &[]).found, nobody);
        assert_eq!(judge(&[], &[other]).found, frozen);
        let both = judge(&[one], &[other]);
        assert_eq!(
            (both.well, both.found),
            (false, format!("{nobody}; {frozen}"))
        );
    }
}
