//! Publications that are done stay in their view for good, and the dispatcher asks it several times a second.

use tidings_dispatcher::ASKED_OFTEN;
use tidings_tests::house::House;

/// Of every state that is final, and as many that are on their way as there ever are at once.
const MANY: &str = "insert into publishing_publication_status \
     (publication_id, state, created_position, retries, version, position, deliveries, completed_position, under_way_since) \
     select gen_random_uuid(), case when n % 10000 = 0 then 'planned' else (array['draft', 'completed', 'cancelled'])[n % 3 + 1] end, \
         -n, 0, 1, 0, 1, 2, 1 from generate_series(1, 50000) n";

#[actix_web::test]
async fn what_is_open_is_found_without_looking_through_all_publications_there_ever_were() {
    let house = House::start_without_delivery().await;
    house.platform.settle().await;
    let client = house.platform.pool.get().await.unwrap();
    client.batch_execute(MANY).await.unwrap();
    for analysed in [false, true] {
        if analysed {
            let generation =
                "select generation from publishing_views where view = 'publication_status'";
            let row = client.query_one(generation, &[]).await.unwrap();
            let generation: i32 = row.get(0);
            let table = format!("publishing_publication_status_g{generation}");
            client
                .batch_execute(&format!("analyze {table}"))
                .await
                .unwrap();
        }
        for sql in ASKED_OFTEN {
            let sql = format!("explain (analyze, costs off, timing off) {sql}");
            let plan = client.query(&sql, &[]).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
            let plan = plan.join("\n");
            assert!(
                plan.contains("_open") && !plan.contains("Seq Scan"),
                "analysed: {analysed}\n{sql}\n{plan}"
            );
        }
    }
}
