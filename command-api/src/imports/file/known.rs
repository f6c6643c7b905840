//! What a record says of somebody besides their address and name, as it is collected column by column.

use serde_json::{Map, Value};
use tidings_domain::value::{AttributeValue, Attributes};

use super::Wrong;
use crate::imports::layout::{self, Column, Kind, tags};
use crate::imports::own::Carried;

/// All of it so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Texts, and what a JSON object of another product says.
    plain: Map<String, Value>,
    /// Of kinds that the header asks for, as requests write them.
    typed: Map<String, Value>,
    /// The longest cell of these: its bytes, and its column.
    longest: (usize, Option<usize>),
    /// The column of the JSON object.
    object: Option<usize>,
    /// What a sign-up has no place for.
    pub(super) carried: Carried,
}

impl Known {
    /// Takes a cell that is not empty. `name`: what the header calls its column.
    ///
    /// # Errors
    /// When it is not what the column holds.
    pub(super) fn take(
        &mut self,
        at: usize,
        name: &str,
        column: &Column,
        cell: &str,
    ) -> Result<(), Wrong> {
        if cell.len() > self.longest.0 {
            self.longest = (cell.len(), Some(at));
        }
        if let Some(attribute) = column.attribute() {
            let value = attribute.kind.read(cell).map_err(Wrong::in_column(at))?;
            let into = match attribute.kind {
                Kind::Text => &mut self.plain,
                Kind::Number | Kind::Boolean | Kind::Date => &mut self.typed,
            };
            into.insert(attribute.key.clone(), value.to_json());
        }
        match column {
            Column::Attributes => {
                let invalid = || Wrong::in_column(at)("invalid_attributes");
                self.object = Some(at);
                self.plain
                    .extend(layout::attributes(cell).ok_or_else(invalid)?);
            }
            Column::Tags => {
                let (tags, others) = tags::read(cell);
                self.carried.tags = tags;
                if !others.is_empty() {
                    let others = AttributeValue::Text(others.join(", "));
                    self.plain.insert(name.to_owned(), others.to_json());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What goes into the sign-up, and what is carried besides.
    ///
    /// # Errors
    /// When it is more than may be known of somebody, or the JSON object is none of attributes.
    pub(super) fn all(self) -> Result<(Attributes, Carried), Wrong> {
        let count = self.plain.len() + self.typed.len();
        if count > Attributes::COUNT_MAX {
            return Err("too_many_attributes".into());
        }
        let mut carried = self.carried;
        if !self.typed.is_empty() {
            carried.attributes = Some(Value::Object(self.typed).to_string());
        }
        let plain = Value::Object(self.plain);
        let is_long = plain.to_string().len() > Attributes::SIZE_BYTES_MAX;
        let attributes = Attributes::parse(plain).map_err(|_| match is_long {
            true => Wrong {
                code: "attributes_too_long",
                at: self.longest.1,
            },
            false => Wrong {
                code: "invalid_attributes",
                at: self.object,
            },
        })?;
        Ok((attributes, carried))
    }
}
