//! What a column's name asks for: typed attributes, tags, and whether somebody agreed.

use super::*;
use crate::imports::own;

/// Their attributes with the kind of each, as they come to be recorded.
fn attributes(said: &Said) -> serde_json::Value {
    let Said::Person {
        attributes,
        carried,
        ..
    } = said
    else {
        panic!("{said:?}")
    };
    let carried = carried.as_ref().and_then(|it| it.attributes.as_deref());
    let (sign_up, noted) = own::attributes(attributes.as_deref(), carried).unwrap();
    let sign_up = sign_up.unwrap_or_default();
    let all = sign_up.typed().chain(noted);
    let all = all.map(|(key, value)| (key.to_string(), value.to_typed()));
    serde_json::Value::Object(all.collect())
}

#[test]
fn a_column_says_what_its_cells_are() {
    let file = b"email,age:number,born:date,member:boolean,zip,note:text\n\
        a@example.org,36,1990-02-01,yes,01234,7\n\
        b@example.org,12345678901234567890.5,,FALSE,,\n\
        c@example.org,old,,,,\n\
        d@example.org,,01.02.1990,,,\n\
        e@example.org,,,perhaps,,\n\
        f@example.org,'-3,,,,\n";
    let rows = rows(file);
    let all = serde_json::json!({
        "age": { "number": "36" }, "born": { "date": "1990-02-01" }, "member": { "yes_no": true },
        "zip": { "text": "01234" }, "note": { "text": "7" },
    });
    assert_eq!(attributes(&rows[0].said), all);
    let exact = serde_json::json!({
        "age": { "number": "12345678901234567890.5" }, "member": { "yes_no": false },
    });
    assert_eq!(attributes(&rows[1].said), exact);
    for (row, reason, column) in [
        (&rows[2], "not_a_number", "age:number"),
        (&rows[3], "not_a_date", "born:date"),
        (&rows[4], "not_a_boolean", "member:boolean"),
    ] {
        let Said::Nothing {
            reason: why,
            column: told,
            record,
        } = &row.said
        else {
            panic!("{row:?}")
        };
        assert_eq!((why.as_str(), told.as_deref()), (reason, Some(column)));
        assert!(record.is_some(), "whoever sent it sees which value");
    }
    let guarded = serde_json::json!({ "age": { "number": "-3" } });
    assert_eq!(attributes(&rows[5].said), guarded, "a guarded cell");
}

#[test]
fn a_plain_no_in_any_file_keeps_somebody_out_and_says_which_column_did() {
    for (column, cell, reason) in [
        ("subscribed", "no", "unsubscribed"),
        ("Subscribed", "FALSE", "unsubscribed"),
        ("opt_in", "false", "unsubscribed"),
        ("Opt-In", "0", "unsubscribed"),
        ("optin", "n", "unsubscribed"),
        ("consent", "withdrawn", "unsubscribed"),
        ("Accepts Marketing", "no", "unsubscribed"),
        ("Accepts Email Marketing", "no", "unsubscribed"),
        ("Email Marketing Consent", "UNSUBSCRIBED", "unsubscribed"),
        ("email_marketing", "bounced", "hard_bounce"),
        ("subscription_status", "opted out", "unsubscribed"),
        ("status", "blocked", "import"),
        ("opt_in:boolean", "no", "unsubscribed"),
    ] {
        let file = format!("email,{column}\na@example.org,{cell}\n");
        let expected = unwanted(2, "a@example.org", reason, column);
        assert_eq!(rows(file.as_bytes()), [expected], "{column}: {cell}");
    }
    for (column, cell) in [
        ("status", "inactive"),
        ("status", "Non-Subscribed"),
        ("status", "nonsubscribed"),
        ("Email Marketing Consent", "NEVER_SUBSCRIBED"),
        ("subscribed", "pending"),
    ] {
        let file = format!("email,{column}\na@example.org,{cell}\n");
        let expected = unconfirmed(2, "a@example.org", column);
        assert_eq!(rows(file.as_bytes()), [expected], "{column}: {cell}");
    }
}

#[test]
fn who_agreed_is_signed_up_and_of_whom_it_can_not_be_told_is_not() {
    let said = |column: &str, cell: &str| {
        let file = format!("email,{column},opted_out\na@example.org,{cell},\n");
        rows(file.as_bytes()).remove(0)
    };
    for (column, cell) in [
        ("subscribed", "yes"),
        ("opt_in", "TRUE"),
        ("optin", " 1 "),
        ("consent", "2020-01-02 03:04:05"),
        ("consent", "2020-01-02"),
        ("consent", "2020-01-02T03:04:05.6+01:00"),
        ("isSubscribed", "yes"),
        ("E-mail opt in?", "yes"),
        ("status", "Active"),
        ("status", "subscribed"),
        ("Email Marketing Consent", "SUBSCRIBED"),
    ] {
        let row = said(column, cell);
        let kept = attributes(&row.said);
        assert_eq!(kept[column]["text"], cell, "it is kept: {row:?}");
    }
    for (column, cell) in [
        ("subscribed", ""),
        ("opt_in", "NULL"),
        ("consent", "Newsletter"),
        ("consent", "2023-05-01 withdrawn"),
        ("consent", "2021-03-04 (opted out)"),
        ("consent", "0000-00-00"),
        ("consent", "1970-01-01T00:00:00Z"),
        ("status", "gold"),
        ("status", "abgemeldet"),
        ("accepts_marketing", "?"),
    ] {
        let record = format!("a@example.org,{cell},");
        let expected = nothing_for(2, "unclear_consent", Some(&record), Some(column));
        assert_eq!(said(column, cell), expected, "{column}: {cell}");
    }
    // A no in another column is one all the same.
    let file = b"email,status,opted_out\na@example.org,gold,yes\n";
    let left = unwanted(2, "a@example.org", "unsubscribed", "opted_out");
    assert_eq!(rows(file), [left]);
}

/// Nobody knows all words of all products: what sounds as if it kept somebody out is asked about, and nobody is signed up by it.
#[test]
fn a_column_that_only_sounds_like_it_signs_up_nobody_of_whom_it_leaves_a_doubt() {
    let said = |column: &str, cell: &str| {
        let file = format!("email,{column}\na@example.org,{cell}\n");
        rows(file.as_bytes()).remove(0)
    };
    for (column, cell) in [
        ("is_unsubscribed", "yes"),
        ("Unsubscribed On", "2024-05-01"),
        ("Unsub", "x"),
        ("blacklisted", "1"),
        ("bounce_date", "01/02/2024"),
        ("Complained", "true"),
        ("abgemeldet_am", "1.2.2024"),
        ("Double Opt-In", "no"),
        ("Newsletter Consent", ""),
        ("Einwilligung", "nein"),
        ("active", "no"),
        ("enabled", "0"),
        ("email_status", "unsubscribed"),
        ("List Status", "pending"),
        ("Permission", "opted out"),
        ("State", "Unsubscribed"),
        ("note", "bounced"),
        ("labels", "vip; unsubscribed"),
        ("Désinscrit le", "2023-05-01"),
        ("De\u{301}sabonné", "oui"),
        ("Anmeldestatus", "abgemeldet"),
        ("Mailstatus", "abgemeldet"),
        ("angemeldet", "nein"),
        ("Subscriber type", "désinscrit"),
        ("Marketing contact status", "Non-marketing contact"),
        ("Email status", "Awaiting confirmation"),
        ("List status", "opted out of all"),
        ("newsletter", "0"),
        ("Newsletter", "não"),
        ("Accepts email", "no"),
        ("mailing", "no"),
    ] {
        let record = format!("a@example.org,{cell}");
        let expected = nothing_for(2, "unclear_consent", Some(&record), Some(column));
        assert_eq!(said(column, cell), expected, "{column}: {cell}");
    }
    for (column, cell) in [
        ("is_unsubscribed", "no"),
        ("bounce_rate", "0"),
        ("Double Opt-In", "2024-05-01 10:00:00"),
        ("Newsletter Consent", "yes"),
        ("active", "yes"),
        ("newsletter", "weekly"),
        ("Newsletter", "1"),
        ("Anmeldestatus", "angemeldet"),
        ("Désinscrit", "non"),
        ("Email status", "subscribed"),
        ("Subscription plan", "gold"),
        ("Subscriber since", "01/02/2020"),
        ("permissions", ""),
        ("State", "CA"),
        ("note", "she unsubscribed from the other list"),
    ] {
        let row = said(column, cell);
        assert!(matches!(row.said, Said::Person { .. }), "{column}: {row:?}");
    }
}

/// As Salesforce, Zoho and HubSpot call it, among others.
#[test]
fn who_opted_out_is_kept_out_however_the_column_is_written() {
    for column in [
        "Email Opt Out",
        "HasOptedOutOfEmail",
        "has_opted_out_of_email",
        "Unsubscribed from all email",
        "unsubscribedAt",
        "Do not contact",
        "do-not-email",
    ] {
        let file = format!("email,{column}\na@example.org,true\nb@example.org,false\n");
        let [left, stays] = &rows(file.as_bytes())[..] else {
            panic!("two lines");
        };
        assert_eq!(*left, unwanted(2, "a@example.org", "unsubscribed", column));
        assert!(matches!(stays.said, Said::Person { .. }), "{column}");
    }
}

#[test]
fn a_line_with_too_much_says_which_column_and_the_others_are_taken() {
    let header: Vec<String> = (0..60).map(|n| format!("c{n}")).collect();
    let cells = |filled: usize| "x,".repeat(filled) + &",".repeat(60 - filled);
    let line =
        |name: &str, cells: &str| format!("{name}@example.org,{}\n", &cells[..cells.len() - 1]);
    let file = format!(
        "email,{}\n{}{}",
        header.join(","),
        line("a", &cells(50)),
        line("b", &cells(51)),
    );
    let rows_of = rows(file.as_bytes());
    assert!(matches!(rows_of[0].said, Said::Person { .. }));
    let Said::Nothing { reason, column, .. } = &rows_of[1].said else {
        panic!("51 attributes")
    };
    assert_eq!((reason.as_str(), column), ("too_many_attributes", &None));
    let long = "x".repeat(Attributes::SIZE_BYTES_MAX);
    let file = format!("email,city,NOTES\na@example.org,Porto,{long}\nb@example.org,Porto,\n");
    let rows_of = rows(file.as_bytes());
    let Said::Nothing { reason, column, .. } = &rows_of[0].said else {
        panic!("8 KiB")
    };
    assert_eq!(
        (reason.as_str(), column.as_deref()),
        ("attributes_too_long", Some("NOTES"))
    );
    assert!(matches!(rows_of[1].said, Said::Person { .. }));
}

#[test]
fn tags_of_mailchimp_are_tags_and_what_can_be_none_stays_known() {
    let file = "Email Address,MEMBER_RATING,LEID,Tags\n\
        a@example.org,2,7,\"\"\"Early Bird\"\",\"\"Zürich\"\"\"\n\
        b@example.org,2,7,\n";
    let rows = rows(file.as_bytes());
    let zurich = serde_json::json!({ "Tags": { "text": "Zürich" } });
    assert_eq!(attributes(&rows[0].said), zurich);
    let Said::Person { carried, .. } = &rows[0].said else {
        panic!("signed up")
    };
    assert_eq!(carried.as_ref().unwrap().tags, ["early_bird"]);
    assert_eq!(rows[1], person(3, "b@example.org", None, None));
}

#[test]
fn a_name_is_told_no_longer_than_it_may_stand_with_each_line() {
    let name = "ä".repeat(60);
    let file = format!("email,{name}:number\na@example.org,x\n");
    let Said::Nothing { column, .. } = rows(file.as_bytes()).remove(0).said else {
        panic!("no number")
    };
    assert_eq!(column, Some("ä".repeat(32)));
}
