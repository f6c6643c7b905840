//! What `tidings doctor` says of a platform on which something stands still.

use std::path::Path;

use serde_json::json;
use tidings_tests::program::Program;

use super::erased::Database;

/// As the views would have it that follow a log in which these have stopped half way.
const STANDS_STILL: &str = "
insert into publishing_engagement_periods (period, opens, clicks) values ('2020-01', 1, 0), ('2020-02', 1, 0);
update publishing_engagement_periods set shredded_at = '2021-03-01Z' where period = '2020-01';
insert into publishing_publication_status (publication_id, state, published_at, retries, version, position) values
    ('00000000-0000-8000-8000-000000000001', 'frozen', '2020-01-01Z', 0, 1, 1),
    ('00000000-0000-8000-8000-000000000002', 'frozen', clock_timestamp(), 0, 1, 1),
    ('00000000-0000-8000-8000-000000000003', 'frozen', '2020-01-01Z', 0, 1, 1),
    ('00000000-0000-8000-8000-000000000004', 'completed', '2020-01-01Z', 0, 1, 1);
insert into publishing_delivery_log (delivery_id, publication_id, class, status, attempts, planned_at, reopened, last_event, version, position)
    values ('00000000-0000-8000-8000-000000000003', '00000000-0000-8000-8000-000000000003', 'pending', 'planned', 0,
        clock_timestamp(), 0, 'planned', 1, 1)";

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_of_what_has_not_ended_and_of_what_stands_still() {
    let binary = env!("CARGO_BIN_EXE_tidings").into();
    let mut program = Program::new(binary, Path::new("/tmp"), Vec::new());
    assert!(program.up(None).await, "{}", program.said());
    let well = program.run(&["doctor"], None).stdout;
    let well = String::from_utf8(well).unwrap();
    for name in ["publications", "engagement"] {
        assert!(well.contains(&format!("ok    {name} ")), "{well}");
    }
    // Its servers go on, and nobody does anything about it.
    program.kill(false);
    Database::of(&program).await.change(STANDS_STILL).await;
    let said = program.refuses(&["doctor"]);
    let line = |name: &str| {
        let begins = format!("FAIL  {name} ");
        let line = said.lines().find(|line| line.starts_with(&begins));
        line.unwrap_or_else(|| panic!("{name} is well: {said}"))
    };
    let engagement = line("engagement");
    assert!(
        engagement.ends_with("the evidence of 2020-02 is there still"),
        "{said}"
    );
    let publications = line("publications");
    let named = "no delivery planned for 15 minutes: 00000000-0000-8000-8000-000000000001";
    assert!(publications.ends_with(named), "{said}");
}

/// The program's own settings count, whatever those are that the doctor was called with.
#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_asks_the_program_which_channels_can_not_be_used() {
    let binary = env!("CARGO_BIN_EXE_tidings").into();
    let mut program = Program::new(binary, Path::new("/tmp"), Vec::new());
    let loopback = |is_allowed: bool| {
        let name = "TIDINGS_OUTBOUND__ALLOW_LOOPBACK";
        vec![(name, is_allowed.to_string())]
    };
    program.set(loopback(true));
    assert!(program.up(None).await, "{}", program.said());
    let channel = json!({
        "kind": "webhook", "name": "Partners", "settings": { "url": "http://127.0.0.1:9/in" },
        "credentials": { "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" },
    });
    let made = program.api().post("/api/v1/channels", &channel).await;
    program.set(loopback(false));
    let well = program.run(&["doctor"], None).stdout;
    let well = String::from_utf8(well).unwrap();
    assert!(well.contains("ok    channels "), "{well}");
    program.end().await;
    assert!(program.up(None).await, "{}", program.said());
    program.set(loopback(true));
    let unusable = what_fails(&program);
    let why = " is unusable: It can not be used as it is set up (";
    assert!(
        unusable.starts_with("Partners (") && unusable.contains(why),
        "{unusable}"
    );
    let enabled = program.run(&["channels", "enable", made["id"].as_str().unwrap()], None);
    let enabled = String::from_utf8(enabled.stdout).unwrap();
    let said: Vec<&str> = enabled.lines().collect();
    assert!(
        said.len() == 2 && said[0] == "enabled" && said[1].starts_with("It can not be used"),
        "{enabled}"
    );
    // Whom the program does not let in does not say that all is well.
    program.set(vec![("TIDINGS_AUTH__ISSUER", "elsewhere".to_owned())]);
    let unknown = what_fails(&program);
    let why = "the platform that runs can not be asked how they are (";
    assert!(unknown.starts_with(why), "{unknown}");
    program.stop().await;
}

/// What the doctor finds wrong with channels.
fn what_fails(program: &Program) -> String {
    let said = program.refuses(&["doctor"]);
    let found = |line: &str| {
        line.strip_prefix("FAIL  channels ")
            .map(|it| it.trim().to_owned())
    };
    let line = said.lines().find_map(found);
    line.unwrap_or_else(|| panic!("{said}"))
}
