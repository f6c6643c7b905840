//! Whose address a suppression is about: known only while a subscriber has it, for neither list nor log holds it.

use std::collections::HashMap;

use tidings_service::Problem;
use uuid::Uuid;

use super::Suppression;
use crate::reader::Reader;
use crate::subscriber_profile::masked;

/// The addresses that subscribers have, by the streams of their suppressions; by an index, which a test sees to.
pub const HOLDERS: &str = "select s.address_suppression_id, s.email from publishing_subscriber_profile s \
     where s.address_suppression_id = any($1) and s.holds_address and s.email is not null";

/// Fills in the addresses that somebody has, masked as in the list of subscribers.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn tell(reader: &Reader, page: &mut [Suppression]) -> Result<(), Problem> {
    let ids: Vec<Uuid> = page.iter().map(|it| it.id).collect();
    let rows = reader.rows(HOLDERS, &[&ids]).await?;
    let masks = rows
        .iter()
        .map(|row| (row.get(0), masked(&row.get::<_, String>(1))));
    let mut masks: HashMap<Uuid, String> = masks.collect();
    for suppression in page {
        suppression.address = masks.remove(&suppression.id);
    }
    Ok(())
}
