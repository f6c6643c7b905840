//! The connection that commits, cut in the middle of it: what callers are told is what became of it, once.

use tidings_tests::link::Way;

use super::{Fault, survives_all};
use crate::world::World;

impl World {
    /// The session ends while somebody leaves: before the database has heard of it, or after it is committed and before
    /// anybody was told. They are told the truth all the same: that they have left.
    pub(super) async fn cut_a_commit(&self, way: Way) {
        let leaving = self.somebody_leaves_in_time();
        tokio::join!(leaving, self.links.database.end_a_commit(way));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_cut_off_in_mid_send_is_told_as_it_is() {
    let cuts = [Way::Unasked, Way::Unheard];
    survives_all(&cuts.map(Fault::CommitCut)).await;
}
