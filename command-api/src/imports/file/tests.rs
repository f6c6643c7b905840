//! What files say, record by record.

mod columns;

use super::*;
use proptest::prelude::*;

fn rows(file: &[u8]) -> Vec<Row> {
    Chunks::open(file).unwrap().flatten().collect()
}

fn person(line: u64, email: &str, name: Option<&str>, attributes: Option<&str>) -> Row {
    let own = |text: Option<&str>| text.map(str::to_owned);
    let said = Said::Person {
        email: email.to_owned(),
        name: own(name),
        attributes: own(attributes),
        carried: None,
    };
    Row { line, said }
}

fn nothing(line: u64, reason: &str, record: Option<&str>) -> Row {
    nothing_for(line, reason, record, None)
}

fn nothing_for(line: u64, reason: &str, record: Option<&str>, column: Option<&str>) -> Row {
    let said = Said::Nothing {
        reason: reason.to_owned(),
        record: record.map(str::to_owned),
        column: column.map(str::to_owned),
    };
    Row { line, said }
}

#[test]
fn a_status_that_says_no_is_believed_in_any_file() {
    // Who left or never confirmed may sign up here; who was blocked may not.
    for (status, reason) in [
        ("Unsubscribed", "unsubscribed"),
        ("cleaned", "hard_bounce"),
        ("Bounced", "hard_bounce"),
        ("complained", "complaint"),
        ("blocked", "import"),
        ("disabled", "import"),
        ("blocklisted", "import"),
    ] {
        let file = format!("email,Status,plan\nada@example.org, {status},\n");
        let said = rows(file.as_bytes());
        assert_eq!(
            said,
            [unwanted(2, "ada@example.org", reason, "Status")],
            "{status}"
        );
    }
    let pending = |cells: &str| {
        rows(
            format!("email,Status,left\nada@example.org,{cells}\n")
                .replace("left", "opted_out")
                .as_bytes(),
        )
    };
    assert_eq!(
        pending(" Pending,no"),
        [unconfirmed(2, "ada@example.org", "Status")]
    );
    let left = unwanted(2, "ada@example.org", "unsubscribed", "opted_out");
    assert_eq!(pending("pending,yes"), [left], "that counts more");
    let file = b"email,Status,opted_out\nbob@example.org,active,\ncleo@example.org,bounced,yes\n";
    let attributes = Some(r#"{"Status":"active"}"#);
    let expected = [
        person(2, "bob@example.org", None, attributes),
        unwanted(3, "cleo@example.org", "hard_bounce", "Status"),
    ];
    assert_eq!(rows(file), expected);
}

#[test]
fn good_and_bad_lines_are_told_apart() {
    let file = b"Email,Name,city,plan\n\
        ada@example.org,Ada,London,\n\
        not an address,Bob,,\n\
        ADA@example.org,Ada again,,\n\
        c@example.org\n\
        d@example.org,\"open,,\n\
        e@example.org,\xff,,\n\
        f@example.org,,'=1+1,'quoted'\n";
    let expected = [
        person(
            2,
            "ada@example.org",
            Some("Ada"),
            Some(r#"{"city":"London"}"#),
        ),
        nothing(3, "invalid_email", Some("not an address,Bob,,")),
        nothing(4, "duplicate_in_file", None),
        nothing(5, "wrong_field_count", Some("c@example.org")),
        nothing(6, "malformed_quotes", Some("d@example.org,\"open,,")),
        nothing_for(
            7,
            "invalid_utf8",
            Some("e@example.org,\u{fffd},,"),
            Some("Name"),
        ),
        person(
            8,
            "f@example.org",
            None,
            Some(r#"{"city":"=1+1","plan":"'quoted'"}"#),
        ),
    ];
    assert_eq!(rows(file), expected);
}

const OWN: &str = "email,status,confirmed,suppressed,topics_left,topics_wanted,channels_left";

#[test]
fn an_own_file_without_all_that_keeps_mail_back_is_no_file_of_others() {
    let header = |names: &str| Chunks::open(format!("{names}\na\n").as_bytes()).err();
    assert_eq!(header(OWN), None);
    assert_eq!(header(&OWN.replace(',', ";")), None);
    for missing in [
        "email",
        "status",
        "confirmed",
        "suppressed",
        "topics_left",
        "channels_left",
    ] {
        let left: Vec<&str> = OWN.split(',').filter(|it| *it != missing).collect();
        assert_eq!(header(&left.join(",")), Some(NotTaken::OwnWithout(missing)));
    }
    for mark in [
        "confirmed",
        "Suppressed",
        "topics_left",
        "channels_left",
        "signed_up_at",
    ] {
        let why = header(&format!("email,status,{mark}"));
        assert!(matches!(why, Some(NotTaken::OwnWithout(_))), "{mark}");
    }
    let more = NotTaken::OwnWith("Paused".to_owned());
    assert_eq!(header(&format!("{OWN},Paused")), Some(more));
    // What is left of an own file without any of the marks.
    let file = b"email,status\na@example.org,pending\nb@example.org,active\n";
    let said = rows(file).into_iter().map(|row| row.said);
    let refused = said.map(|said| matches!(said, Said::Unwanted { .. }));
    assert_eq!(refused.collect::<Vec<_>>(), [true, false]);
}

#[test]
fn who_names_more_than_one_commit_holds_is_rejected_and_an_empty_cell_is_no_word() {
    let words = |count: usize, of: &str| {
        let words = (0..count).map(|n| format!("{of}{n}"));
        words.collect::<Vec<_>>().join(" ")
    };
    let channel = uuid::Uuid::nil();
    let said = |left: usize, wanted: usize| {
        let (left, wanted) = (words(left, "l"), words(wanted, "w"));
        let file = format!("{OWN}\na@example.org,active,true,,{left},{wanted},{channel}\n");
        rows(file.as_bytes()).remove(0).said
    };
    assert!(matches!(said(100, 99), Said::Person { .. }));
    let Said::Nothing { reason, .. } = said(100, 100) else {
        panic!("201 choices")
    };
    assert_eq!(reason, "too_many_choices");
    for cells in ["active,", ",true"] {
        let file = format!("{OWN}\na@example.org,{cells},,,,\n");
        let Said::Person { carried, .. } = rows(file.as_bytes()).remove(0).said else {
            panic!("{cells}")
        };
        assert!(carried.unwrap().unconfirmed, "{cells}");
    }
}

#[test]
fn a_chunk_of_long_records_stays_small_too() {
    let long = serde_json::json!({ "a": "x".repeat(300_000) }).to_string();
    let long = long.replace('"', "\"\"");
    let line = |n: usize| format!("a{n}@example.org,active,true,,,,,\"{long}\"\n");
    let lines: String = (0..100).map(line).collect();
    let file = format!("{OWN},attributes\n{lines}");
    let chunks: Vec<usize> = Chunks::open(file.as_bytes())
        .unwrap()
        .map(|chunk| chunk.len())
        .collect();
    assert_eq!(chunks, [56, 44]);
}

fn unwanted(line: u64, email: &str, reason: &str, column: &str) -> Row {
    let (email, reason) = (email.to_owned(), reason.to_owned());
    let said = Said::Unwanted {
        email,
        reason,
        unconfirmed: false,
        column: (!column.is_empty()).then(|| column.to_owned()),
    };
    Row { line, said }
}

fn unconfirmed(line: u64, email: &str, column: &str) -> Row {
    let said = Said::Unwanted {
        email: email.to_owned(),
        reason: "unsubscribed".to_owned(),
        unconfirmed: true,
        column: Some(column.to_owned()),
    };
    Row { line, said }
}

#[test]
fn a_row_that_an_earlier_version_stored_is_still_read() {
    let stored =
        r#"{"line":2,"said":{"Unwanted":{"email":"ada@example.org","reason":"unsubscribed"}}}"#;
    let row = unwanted(2, "ada@example.org", "unsubscribed", "");
    assert_eq!(serde_json::to_string(&row).unwrap(), stored);
    assert_eq!(serde_json::from_str::<Row>(stored).unwrap(), row);
}

#[test]
fn a_date_that_was_never_set_and_a_word_for_nothing_keep_nobody_out() {
    let refused = |cell: &str| {
        let file = format!("email,unsubscribed_at\na@example.org,{cell}\n");
        matches!(rows(file.as_bytes())[0].said, Said::Unwanted { .. })
    };
    for nothing in [
        "0000-00-00 00:00:00",
        "0000-00-00",
        "0000-00-00T00:00:00.000Z",
        "0001-01-01T00:00:00Z",
        "1970-01-01 00:00:00+00:00",
        "1970-01-01 00:00:00 UTC",
        "-",
        "N/A",
        "None",
        "never",
        "Off",
        " NULL ",
    ] {
        assert!(!refused(nothing), "{nothing}");
    }
    for left in [
        "2021-01-01",
        "2021-01-01 00:00:00",
        "1970-01-01 10:00:00",
        "0000-00-00 00:00:01",
        "1",
        "t",
        "on",
        "yes",
        "unsubscribed",
    ] {
        assert!(refused(left), "{left}");
    }
}

#[test]
fn an_export_of_listmonk_is_known_and_whom_it_blocks_gets_nothing() {
    let file = b"uuid,email,name,attributes,status,created_at,updated_at\n\
        1,ada@example.org,Ada,\"{\"\"city\"\": \"\"London\"\", \"\"age\"\": 36, \"\"x\"\": null, \"\"to\"\": [1]}\",enabled,2020,2021\n\
        2,bob@example.org,Bob,{},blocklisted,2020,2021\n\
        3,cleo@example.org,,{},disabled,2020,2021\n\
        4,dan@example.org,Dan,[],enabled,2020,2021\n\
        5,eve@example.org,Eve,{},paused,2020,2021\n\
        6,ada@example.org,,no json,blocklisted,2020,2021\n";
    let attributes = r#"{"age":36,"city":"London","to":"[1]"}"#;
    let expected = [
        person(2, "ada@example.org", Some("Ada"), Some(attributes)),
        unwanted(3, "bob@example.org", "import", "status"),
        unwanted(4, "cleo@example.org", "import", "status"),
        nothing_for(
            5,
            "invalid_attributes",
            Some("4,dan@example.org,Dan,[],enabled,2020,2021"),
            Some("attributes"),
        ),
        nothing_for(
            6,
            "unknown_status",
            Some("5,eve@example.org,Eve,{},paused,2020,2021"),
            Some("status"),
        ),
        unwanted(7, "ada@example.org", "import", "status"),
    ];
    assert_eq!(rows(file), expected);
}

#[test]
fn exports_of_mailchimp_are_known_by_their_columns() {
    let common = "Email Address,First Name,Last Name,Address,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,\
        CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION";
    let member = "ada@example.org,Ada,Lovelace,,2,2020-01-02 03:04:05,192.0.2.1,,,51.5,0,0,1,Europe/London,GB,";
    let read = |columns: &str, values: &str| {
        let file = format!(
            "{common},{columns},LEID,EUID,NOTES,TAGS\n{member},{values},1,2,,\"\"\"vip\"\"\"\n"
        );
        rows(file.as_bytes())
    };
    let attributes = r#"{"OPTIN_TIME":"2020-01-02 03:04:05"}"#;
    let subscribed = Said::Person {
        email: "ada@example.org".to_owned(),
        name: Some("Ada Lovelace".to_owned()),
        attributes: Some(attributes.to_owned()),
        carried: Some(Box::new(Carried {
            tags: vec!["vip".to_owned()],
            ..Carried::default()
        })),
    };
    assert_eq!(read("LAST_CHANGED", "2020-01-02")[0].said, subscribed);
    let left = "UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER";
    assert_eq!(
        read(left, "2021-01-01,News,7,NORMAL,"),
        [unwanted(2, "ada@example.org", "unsubscribed", "UNSUB_TIME")]
    );
    let cleaned = "CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID";
    assert_eq!(
        read(cleaned, "2021-01-01,News,7"),
        [unwanted(2, "ada@example.org", "hard_bounce", "CLEAN_TIME")]
    );
}

#[test]
fn who_left_mailchimp_stays_away_whatever_its_columns_are_called() {
    let left = |header: &str| {
        let line = "ada@example.org,2,192.0.2.1,2021-01-01,7";
        rows(format!("{header}\n{line}\n").as_bytes())
    };
    for header in [
        "Adresse e-mail,MEMBER_RATING,OPTIN_IP,UNSUB_TIME,LEID",
        "email,Member_Rating,optin_ip,unsub_time,leid",
        // Taken for no file of Mailchimp any more.
        "email,rating,OPTIN_IP,UNSUB_TIME,LEID",
    ] {
        let column = header.split(',').nth(3).unwrap();
        let unwanted = unwanted(2, "ada@example.org", "unsubscribed", column);
        assert_eq!(left(header), [unwanted], "{header}");
    }
    for header in [
        "Adresse e-mail,MEMBER_RATING,OPTIN_IP,CLEAN_TIME,LEID",
        "email,rating,OPTIN_IP,Clean_Time,LEID",
    ] {
        let column = header.split(',').nth(3).unwrap();
        let unwanted = unwanted(2, "ada@example.org", "hard_bounce", column);
        assert_eq!(left(header), [unwanted], "{header}");
    }
    // The address is not in the first column, and the owner has given names of their own.
    let file = b"Name,Email address,Adresse e-mail,MEMBER_RATING,LEID,OPTIN_IP,Unsubscribed\n\
        Ada,ada@example.org,,2,7,192.0.2.1,\n\
        Bob,bob@example.org,,2,7,192.0.2.1,yes\n";
    let ada = person(2, "ada@example.org", None, Some(r#"{"Name":"Ada"}"#));
    let left = unwanted(3, "bob@example.org", "unsubscribed", "Unsubscribed");
    let expected = [ada, left];
    assert_eq!(rows(file), expected);
}

#[test]
fn a_column_that_says_who_left_is_believed_in_any_file() {
    for (column, reason) in [
        ("UNSUB_TIME", "unsubscribed"),
        ("Clean_Time", "hard_bounce"),
        ("unsubscribed_at", "unsubscribed"),
        ("Unsubscribed", "unsubscribed"),
        ("Opted Out", "unsubscribed"),
        ("opt-out", "unsubscribed"),
    ] {
        let file = format!(
            "email,{column},unsubscribed\na@example.org,2021-01-01,\nb@example.org,,\nc@example.org,False,0\n\
            d@example.org,\u{20ac},\n"
        );
        let file = file.replace(",Unsubscribed,unsubscribed", ",Unsubscribed,city");
        let rows = rows(file.as_bytes());
        let [a, b, c, d] = &rows[..] else {
            panic!("{rows:?}")
        };
        assert_eq!(*a, unwanted(2, "a@example.org", reason, column));
        assert_eq!(*b, person(3, "b@example.org", None, None));
        assert!(matches!(c.said, Said::Person { .. }), "{c:?}");
        assert_eq!(*d, unwanted(5, "d@example.org", reason, column));
    }
    // Of an own file nobody knows what such a column means.
    let header = format!("{OWN},opted_out\na\n");
    let more = NotTaken::OwnWith("opted_out".to_owned());
    assert_eq!(Chunks::open(header.as_bytes()).err(), Some(more));
    let file = b"uuid,email,name,attributes,status,opted_out\n\
        1,a@example.org,,{},enabled,true\n\
        2,b@example.org,,{},blocklisted,true\n";
    let expected = [
        unwanted(2, "a@example.org", "unsubscribed", "opted_out"),
        unwanted(3, "b@example.org", "import", "status"),
    ];
    assert_eq!(rows(file), expected);
}

#[test]
fn semicolons_and_tabs_separate_too() {
    assert_eq!(
        rows(b"email;name\na@example.org;A, B"),
        [person(2, "a@example.org", Some("A, B"), None)]
    );
    assert_eq!(
        rows(b"name\temail\nA\ta@example.org"),
        [person(2, "a@example.org", Some("A"), None)]
    );
}

#[test]
fn a_file_that_can_not_be_taken_says_why() {
    let many = format!("email{}\na@example.org\n", ",x".repeat(1_000));
    let files: [&[u8]; 10] = [
        b"",
        b"email,name\n",
        b"mail,name\na@example.org,A\n",
        b"e\0m\0a\0i\0l\0\n\0",
        b"email,\xff\na@example.org,1\n",
        b"email,EMAIL\na@example.org,A\n",
        b"email,,\na@example.org,A,B\n",
        b"email,age,age:number\na@example.org,1,2\n",
        b"email;age:nubmer\na@example.org;1\n",
        many.as_bytes(),
    ];
    let said = files.map(|file| {
        Chunks::open(file)
            .err()
            .map_or("taken".to_owned(), |error| error.to_string())
    });
    insta::assert_snapshot!(said.join("\n"), @r#"
    The file is empty: it needs a header line and at least one record.
    The file is empty: it needs a header line and at least one record.
    The header line has no column "email"; it has: mail, name.
    The file is not CSV text in UTF-8; export it again as "CSV UTF-8".
    The file is not CSV text in UTF-8; export it again as "CSV UTF-8".
    The header line has the column "EMAIL" twice.
    Column 2 of the header line needs a name of 1 to 64 characters.
    The header line has the column "age:number" twice.
    The column "age:nubmer" of the header line asks for values of a kind that there is not: write :text, :number, :boolean or :date behind its name, or leave the colon out.
    The file has 1001 columns; at most 1000 are allowed.
    "#);
}

#[test]
fn a_chunk_of_rejected_records_stays_small() {
    let bad = |bytes: usize| format!("{}\n", "x".repeat(bytes)).repeat(CHUNK_RECORDS / 2);
    let (longest, longer) = (Rejected::RECORD_BYTES_MAX, 15_000);
    let file = format!("email\n{}{}", bad(longest), bad(longer));
    let chunk = Chunks::open(file.as_bytes()).unwrap().next().unwrap();
    let quoted: usize = chunk
        .iter()
        .map(|row| match &row.said {
            Said::Nothing { record, .. } => record.as_ref().map_or(0, String::len),
            Said::Person { .. } | Said::Unwanted { .. } => 0,
        })
        .sum();
    assert_eq!(quoted, CHUNK_RECORDS / 2 * longest);
}

proptest! {
    #[test]
    fn chunks_joined_again_are_the_records_of_the_file(
        people in proptest::collection::hash_set("[a-z]{1,8}", 1..1_300),
        cities in proptest::collection::vec("[A-Za-z ,\"\n']{0,6}", 1_300),
    ) {
        let mut writer = ::csv::Writer::from_writer(Vec::new());
        writer.write_record(["email", "city"]).unwrap();
        let mut expected = Vec::new();
        for (person, city) in people.iter().zip(&cities) {
            let email = format!("{person}@example.org");
            writer.write_record([&email, city]).unwrap();
            let city = Some(city).filter(|city| !city.trim().is_empty());
            expected.push((email, city.map(|city| serde_json::json!({ "city": city }).to_string())));
        }
        let file = writer.into_inner().unwrap();
        let chunks: Vec<Vec<Row>> = Chunks::open(&file).unwrap().collect();
        prop_assert!(chunks.iter().rev().skip(1).all(|chunk| chunk.len() == CHUNK_RECORDS));
        let joined: Vec<_> = chunks.into_iter().flatten().map(|row| match row.said {
            Said::Person { email, attributes, .. } => (email, attributes),
            Said::Nothing { reason, .. } | Said::Unwanted { reason, .. } => (reason, None),
        }).collect();
        prop_assert_eq!(joined, expected);
    }
}
