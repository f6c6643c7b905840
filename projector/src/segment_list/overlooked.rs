//! Whom a condition overlooks because an attribute is a text with them: what asks for a number, a date, or yes or no is never
//! met by a text, whatever stands in it.

use serde::Serialize;
use tidings_event_store::picking;
use tidings_event_store::view::Condition;
use tidings_service::Problem;
use utoipa::ToSchema;

use crate::reader::Reader;

/// An attribute that is a text with some, and something else in the conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Overlooked {
    /// Which.
    #[schema(example = "age")]
    pub attribute: String,
    /// What the conditions ask for: number, date or boolean.
    #[schema(example = "number")]
    pub kind: String,
    /// How many subscribers have it as a text.
    #[schema(example = 12)]
    pub subscribers: i64,
    /// The same in words, and what to do about it.
    #[schema(
        example = "12 subscribers have “age” as a text, not as a number: no comparison picks them, so excluding whom it picks lets them through. Import files with the column “age:number”, or change the attribute."
    )]
    pub explanation: String,
}

/// All that a condition overlooks now, in the order of the attributes.
pub(super) async fn overlooked(
    reader: &Reader,
    condition: &Condition,
) -> Result<Vec<Overlooked>, Problem> {
    let asked = picking::compared(condition);
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = picking::Values::new();
    let counts = asked.iter().map(|(key, _)| {
        values.push(Box::new(key.clone()));
        let place = values.len();
        format!("count(*) filter (where s.attributes -> ${place}::text ->> 'text' is not null)")
    });
    let counts: Vec<String> = counts.collect();
    let sql = format!(
        "select {} from publishing_subscriber_profile s where s.signed_up_at is not null and s.attributes is not null",
        counts.join(", ")
    );
    let rows = reader.rows_once(&sql, &picking::borrowed(&values)).await?;
    let Some(row) = rows.first() else {
        return Ok(Vec::new());
    };
    let each = asked.into_iter().enumerate();
    let each = each.map(|(at, (attribute, kind))| of(attribute, kind, row.get(at)));
    Ok(each.filter(|it| it.subscribers > 0).collect())
}

fn of(attribute: String, kind: &str, subscribers: i64) -> Overlooked {
    let (who, them) = match subscribers {
        1 => ("1 subscriber has".to_owned(), "this one"),
        more => (format!("{more} subscribers have"), "them"),
    };
    let explanation = format!(
        "{who} “{attribute}” as a text, not as a {kind}: no comparison picks {them}, so excluding whom it picks lets {them} \
         through. Import files with the column “{attribute}:{kind}”, or change the attribute."
    );
    Overlooked {
        attribute,
        kind: kind.to_owned(),
        subscribers,
        explanation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_in_words() {
        insta::assert_snapshot!(of("age".to_owned(), "number", 1).explanation, @"1 subscriber has “age” as a text, not as a number: no comparison picks this one, so excluding whom it picks lets this one through. Import files with the column “age:number”, or change the attribute.");
    }
}
