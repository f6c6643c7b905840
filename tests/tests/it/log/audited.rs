//! Invariant 8 where no hash tells: what an owner of the database has rewritten and hashed anew must still fit the
//! incarnations and the time of the log; and a log of more pages than one is read to its end.

use tidings_event_store::audit::{Defect, Finding, verify};
use tidings_tests::{Platform, forger};
use uuid::Uuid;

use super::tampered::{Victim, at, within};

/// What is found once the batches are hashed anew after this.
async fn forged(victim: &Victim, sql: &str) -> Option<Finding> {
    victim.client.batch_execute(sql).await.unwrap();
    forger::rehash(&victim.platform).await;
    let found = victim.verified().await.finding;
    victim.put_back().await;
    found
}

#[tokio::test]
async fn a_batch_of_an_incarnation_that_had_ended_is_found() {
    let victim = Victim::new().await;
    let restored = "insert into publishing_incarnations \
         select md5('second')::uuid, 2, 1, clock_timestamp(), 1;";
    let of_second =
        "update publishing_batches set incarnation = md5('second')::uuid where first_position";
    let gone_on = format!("{restored} {of_second} >= 2");
    assert_eq!(forged(&victim, &gone_on).await, None);
    let back_again = format!("{restored} {of_second} = 2");
    let expected = within(72, 76, Defect::IncarnationWrong);
    assert_eq!(forged(&victim, &back_again).await, Some(expected));
}

#[tokio::test]
async fn time_that_goes_backwards_by_a_microsecond_is_found() {
    let victim = Victim::new().await;
    let earlier = |than: &str| {
        format!(
            "update publishing_batches set committed_at = \
                 (select committed_at from publishing_batches where first_position = 2) {than} \
             where first_position = 72; \
             update publishing_events set recorded_at = \
                 (select committed_at from publishing_batches where first_position = 72) \
             where position >= 72"
        )
    };
    assert_eq!(forged(&victim, &earlier("")).await, None);
    let found = forged(&victim, &earlier("- interval '1 microsecond'")).await;
    assert_eq!(found, Some(within(72, 76, Defect::TimeBackwards)));
}

/// Versions are read in pages of 200,000 by stream: the end of the last stream stands on the second one.
#[tokio::test]
async fn a_log_of_two_pages_is_read_to_its_end() {
    let platform = Platform::start().await;
    let streams: Vec<Uuid> = (0..7).map(|_| platform.ids.next()).collect();
    for commit in 0..201 {
        let events = (0..1_000).map(|n| platform.counted(streams[n % 7], commit));
        platform.commit(Vec::new(), events.collect()).await.unwrap();
    }
    let verified = verify(&platform.pool, 2, &mut |_| ()).await.unwrap();
    assert_eq!((verified.finding, verified.events), (None, 201_000));
    let client = platform.pool.get().await.unwrap();
    let last = "update publishing_events set version = version + 1 where position = \
         (select position from publishing_events order by stream_id desc, version desc limit 1) \
         returning position";
    let position: i64 = client.query_one(last, &[]).await.unwrap().get(0);
    let verified = verify(&platform.pool, 2, &mut |_| ()).await.unwrap();
    let expected = at(position, Defect::VersionNotContiguous);
    assert_eq!(verified.finding, Some(expected));
}
