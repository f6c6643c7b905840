//! `relay.*`: from the log into JetStream, against publishing the same messages plainly.

mod added;
mod backlog;
mod live;

use crate::report::Report;
use crate::site::Site;
use crate::{Error, Wanted};

/// Runs the rows of this family that were asked for.
pub(crate) async fn rows(site: &Site, wanted: &Wanted, report: &mut Report) -> Result<(), Error> {
    if wanted.row(backlog::NAME) {
        report.add(backlog::row(site).await?);
    }
    if wanted.row(live::NAME) {
        report.add(live::row(site).await?);
    }
    if wanted.row(added::NAME) {
        report.add(added::row(site).await?);
    }
    Ok(())
}
