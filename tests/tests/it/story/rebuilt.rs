//! Every view of the product, rebuilt from the log of a story: the rows that were folded live, whatever
//! is sealed, computed by the database, or deleted on the way.

use tidings_dispatcher::queue::DispatchQueue;
use tidings_event_store::view::{Bounds, RebuildMode, RebuildOptions};
use tidings_projector::{Registered, VIEWS, rebuild};
use tidings_tests::house::House;

const MARKDOWN: &str = "# The ferry\n\nIt runs **again**.\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_view_is_rebuilt_as_it_was_folded() {
    let house = House::start().await;
    for n in 0..25 {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let channels = [
        house.email_channel().await,
        house.slack_channel("news").await,
    ];
    house.publish("The ferry", MARKDOWN, &channels).await;
    house.platform.settle().await;
    let mut views = VIEWS.to_vec();
    views.push(Registered::of::<DispatchQueue>());
    for (readers, memory) in [(1, 1 << 28), (2, 1)] {
        for mode in [
            RebuildMode::Verify,
            RebuildMode::Replace,
            RebuildMode::Verify,
        ] {
            let options = RebuildOptions {
                readers,
                bounds: Bounds {
                    range: 17,
                    memory,
                    stage_every: 1_000_000,
                },
                ..RebuildOptions::new(mode)
            };
            let rebuilt = rebuild(&house.platform.store, &views, &options, &mut |_| ()).await;
            for view in rebuilt.unwrap() {
                assert_eq!(view.differences, 0, "{} {options:?}", view.view);
            }
        }
    }
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select (select count(*) from publishing_subscriber_profile where email is not null), \
               (select count(*) from publishing_delivery_log), (select count(*) from publishing_dispatch_queue)";
    let row = client.query_one(sql, &[]).await.unwrap();
    let counts: [i64; 3] = [0, 1, 2].map(|n| row.get(n));
    assert_eq!(counts, [25, 26, 0]);
}
