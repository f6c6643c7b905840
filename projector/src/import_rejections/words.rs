//! What a reason that a line was not taken for says, in words.

/// A sentence or two for whoever sent the file. `column`: what its header calls the column at fault. None: no such reason is
/// known.
pub(crate) fn words(reason: &str, column: Option<&str>) -> Option<String> {
    let it = match column {
        Some(name) => format!("The column {name:?}"),
        None => "A column".to_owned(),
    };
    Some(match reason {
        "invalid_email" => "The address is none; addresses must be ASCII.".to_owned(),
        "duplicate_in_file" => "Another line has the same address.".to_owned(),
        "wrong_field_count" => "The line has more or fewer fields than the header.".to_owned(),
        "malformed_quotes" => {
            "A field begins with a quote that does not end as CSV asks for.".to_owned()
        }
        "record_too_long" => "The line is longer than a record may be.".to_owned(),
        "invalid_utf8" => format!("{it} holds something that is not UTF-8."),
        "invalid_name" => "The name is too long, or has characters that a name has not.".to_owned(),
        "invalid_attributes" => format!("{it} holds no JSON object of attributes."),
        "attributes_too_long" => {
            format!(
                "Together the attributes are longer than 8 KiB; the longest is in the column {}.",
                quoted(column)
            )
        }
        "too_many_attributes" => "The line has more than 50 attributes.".to_owned(),
        "not_a_number" => {
            format!("{it} asks for a number in plain digits, such as 36 or -12.5.")
        }
        "not_a_boolean" => format!("{it} asks for true or false, yes or no, 1 or 0."),
        "not_a_date" => format!("{it} asks for a date as YYYY-MM-DD."),
        "unclear_consent" => format!(
            "{it} leaves it open whether they may get mail. Call it \"subscribed\" and write yes or no there, or call it \
             something else if it is about something else."
        ),
        "unknown_status" => format!("{it} holds a status that is not known."),
        "invalid_tags" => format!("{it} holds a tag that can be none."),
        "invalid_topics" => format!("{it} holds what is no slug of a topic."),
        "invalid_channels" => format!("{it} holds what is no id of a channel."),
        "too_many_choices" => "The line names more than 200 topics and channels.".to_owned(),
        "erased" => "Whoever had the address was erased.".to_owned(),
        "moved" => "Whoever had the address has another by now.".to_owned(),
        "too_much" => "It is more than may be known of somebody.".to_owned(),
        "invalid_record" => "The line can not be used by this version; import it again.".to_owned(),
        _ => return None,
    })
}

fn quoted(column: Option<&str>) -> String {
    column.map_or_else(
        || "that is the longest".to_owned(),
        |name| format!("{name:?}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_sent_the_file_is_told_what_to_do() {
        let said = words("not_a_number", Some("age:number")).unwrap();
        insta::assert_snapshot!(said, @r#"The column "age:number" asks for a number in plain digits, such as 36 or -12.5."#);
        let said = words("unclear_consent", Some("status")).unwrap();
        insta::assert_snapshot!(said, @r#"The column "status" leaves it open whether they may get mail. Call it "subscribed" and write yes or no there, or call it something else if it is about something else."#);
        let said = words("attributes_too_long", Some("NOTES")).unwrap();
        insta::assert_snapshot!(said, @r#"Together the attributes are longer than 8 KiB; the longest is in the column "NOTES"."#);
        assert_eq!(words("of_a_later_version", None), None);
    }
}
