//! Rows of a view: a struct, its columns, and how two of one key merge.

use std::fmt::Debug;
use std::hash::Hash;

use serde_json::Value;
use tokio_postgres::types::{FromSqlOwned, ToSql, Type};

/// A column of a view's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its SQL type.
    pub sql_type: &'static str,
}

/// A row of a view, or a change to one: what the events up to some position say about one key.
/// Declared with [`view_row!`](crate::view_row).
pub trait Row: Clone + PartialEq + Debug + Send + Sync + 'static {
    /// What identifies it.
    type Key: Key;
    /// Every column, the key's first.
    const COLUMNS: &'static [Column];
    /// How many of them are the key.
    const KEY_COLUMNS: usize;

    /// The row's key.
    fn key(&self) -> Self::Key;

    /// The row with all columns in order.
    fn read(row: &tokio_postgres::Row) -> Self;

    /// One array for each column.
    fn arrays(rows: &[Self]) -> Vec<Box<dyn ToSql + Sync + Send>>;

    /// The value of each column.
    fn values(&self) -> Vec<&(dyn ToSql + Sync)>;

    /// The type of each column.
    fn types() -> Vec<Type>;

    /// Bytes that its values take besides the row itself, at the least.
    fn heap_bytes(&self) -> usize;

    /// Makes every value one that PostgreSQL takes.
    fn make_storable(&mut self);

    /// One array for each key column.
    fn key_arrays(keys: &[Self::Key]) -> Vec<Box<dyn ToSql + Sync + Send>> {
        Key::arrays(keys)
    }
}

/// A tuple of key columns.
pub trait Key: Clone + Eq + Hash + Ord + Debug + Send + Sync + 'static {
    /// One array for each column.
    fn arrays(keys: &[Self]) -> Vec<Box<dyn ToSql + Sync + Send>>;
}

macro_rules! keys {
    ($($column:ident $index:tt),+) => {
        impl<$($column: SqlType + Clone + Eq + Hash + Ord + Debug + 'static),+> Key for ($($column,)+) {
            fn arrays(keys: &[Self]) -> Vec<Box<dyn ToSql + Sync + Send>> {
                vec![$(Box::new(keys.iter().map(|key| key.$index.clone()).collect::<Vec<$column>>())),+]
            }
        }
    };
}

keys!(A 0);
keys!(A 0, B 1);
keys!(A 0, B 1, C 2);
keys!(A 0, B 1, C 2, D 3);

/// How rows of one key merge. Associative: (a ∘ b) ∘ c = a ∘ (b ∘ c).
pub trait Merge: Row {
    /// What both say together; `self` is the earlier one.
    fn merge(self, later: Self) -> Self;

    /// Nothing is left to keep: the row is deleted from the table.
    fn is_gone(&self) -> bool {
        false
    }
}

/// A Rust type as a column.
pub trait SqlType: ToSql + FromSqlOwned + Sync + Send {
    /// The SQL type's name.
    const NAME: &'static str;
    /// The SQL type.
    const TYPE: Type;

    /// Bytes that the value takes besides itself, at the least.
    fn heap_bytes(&self) -> usize {
        0
    }

    /// Makes it one that PostgreSQL takes: no text of its has the character U+0000, which stands as U+FFFD instead. Without
    /// it, one event that has it would hold up its view for ever.
    fn make_storable(&mut self) {}
}

macro_rules! sql_types {
    ($($rust:ty => $sql:literal $type:ident $($heap:path $(, $storable:path)?)?);* $(;)?) => {
        $(impl SqlType for $rust {
            const NAME: &'static str = $sql;
            const TYPE: Type = Type::$type;

            $(fn heap_bytes(&self) -> usize {
                $heap(self)
            }

            $(fn make_storable(&mut self) {
                $storable(self);
            })?)?
        })*
    };
}

sql_types! {
    uuid::Uuid => "uuid" UUID;
    String => "text" TEXT String::len, without_nul;
    i64 => "bigint" INT8;
    i32 => "integer" INT4;
    bool => "boolean" BOOL;
    time::OffsetDateTime => "timestamptz" TIMESTAMPTZ;
    Vec<u8> => "bytea" BYTEA Vec::len;
    Value => "jsonb" JSONB json_bytes, json_without_nul;
}

impl<T: SqlType> SqlType for Option<T> {
    const NAME: &'static str = T::NAME;
    const TYPE: Type = T::TYPE;

    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, T::heap_bytes)
    }

    fn make_storable(&mut self) {
        if let Some(value) = self {
            value.make_storable();
        }
    }
}

fn without_nul(text: &mut String) {
    if text.contains('\0') {
        *text = text.replace('\0', "\u{fffd}");
    }
}

fn json_without_nul(value: &mut Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => without_nul(text),
        Value::Array(items) => items.iter_mut().for_each(json_without_nul),
        Value::Object(fields) => {
            fields.values_mut().for_each(json_without_nul);
            if fields.keys().any(|name| name.contains('\0')) {
                let named = std::mem::take(fields).into_iter();
                *fields = named
                    .map(|(mut name, value)| {
                        without_nul(&mut name);
                        (name, value)
                    })
                    .collect();
            }
        }
    }
}

fn json_bytes(value: &Value) -> usize {
    let inner = size_of::<Value>();
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| inner + json_bytes(item)).sum(),
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(name, value)| size_of::<String>() + name.len() + inner + json_bytes(value))
                .sum()
        }
    }
}

/// Declares a view's row: `view_row! { pub struct Name { key { id: Uuid } title: Option<String> } }`.
/// A `Merge` implementation stands beside it.
#[macro_export]
macro_rules! view_row {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            key { $( $(#[$key_meta:meta])* $key:ident : $key_type:ty ),+ $(,)? }
            $( $(#[$field_meta:meta])* $field:ident : $field_type:ty ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[$key_meta])* pub $key: $key_type, )+
            $( $(#[$field_meta])* pub $field: $field_type, )*
        }

        impl $crate::view::Row for $name {
            type Key = ($($key_type,)+);
            const COLUMNS: &'static [$crate::view::Column] = &[
                $( $crate::view::Column {
                    name: stringify!($key),
                    sql_type: <$key_type as $crate::view::SqlType>::NAME,
                }, )+
                $( $crate::view::Column {
                    name: stringify!($field),
                    sql_type: <$field_type as $crate::view::SqlType>::NAME,
                }, )*
            ];
            const KEY_COLUMNS: usize = [$(stringify!($key)),+].len();

            fn key(&self) -> Self::Key {
                ($(self.$key.clone(),)+)
            }

            fn read(row: &$crate::tokio_postgres::Row) -> Self {
                let mut column = 0..;
                let mut next = || column.next().expect("an endless range");
                Self {
                    $( $key: row.get(next()), )+
                    $( $field: row.get(next()), )*
                }
            }

            fn arrays(
                rows: &[Self],
            ) -> Vec<Box<dyn $crate::tokio_postgres::types::ToSql + Sync + Send>> {
                vec![
                    $( Box::new(rows.iter().map(|row| row.$key.clone()).collect::<Vec<$key_type>>()), )+
                    $( Box::new(rows.iter().map(|row| row.$field.clone()).collect::<Vec<$field_type>>()), )*
                ]
            }

            fn values(&self) -> Vec<&(dyn $crate::tokio_postgres::types::ToSql + Sync)> {
                vec![ $( &self.$key, )+ $( &self.$field, )* ]
            }

            fn types() -> Vec<$crate::tokio_postgres::types::Type> {
                vec![
                    $( <$key_type as $crate::view::SqlType>::TYPE, )+
                    $( <$field_type as $crate::view::SqlType>::TYPE, )*
                ]
            }

            fn heap_bytes(&self) -> usize {
                let of_each = [
                    $( <$key_type as $crate::view::SqlType>::heap_bytes(&self.$key), )+
                    $( <$field_type as $crate::view::SqlType>::heap_bytes(&self.$field), )*
                ];
                of_each.iter().sum()
            }

            fn make_storable(&mut self) {
                $( $crate::view::SqlType::make_storable(&mut self.$key); )+
                $( $crate::view::SqlType::make_storable(&mut self.$field); )*
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    crate::view_row! {
        #[expect(unreachable_pub, reason = "rows are public where they are declared")]
        pub struct Said {
            key { name: String }
            words: Option<Value>,
        }
    }

    #[test]
    fn a_row_has_nothing_that_postgres_takes_for_none_of_its_texts() {
        let mut said = Said {
            name: "a\0b".to_owned(),
            words: Some(json!({ "k\0": ["x\0", { "in\0ner": true }], "plain": "as it is" })),
        };
        said.make_storable();
        let expected = Said {
            name: "a\u{fffd}b".to_owned(),
            words: Some(
                json!({ "k\u{fffd}": ["x\u{fffd}", { "in\u{fffd}ner": true }], "plain": "as it is" }),
            ),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn texts_bytes_and_json_are_counted() {
        assert_eq!(7_i64.heap_bytes(), 0);
        assert_eq!("seven".to_owned().heap_bytes(), 5);
        assert_eq!(Some(vec![1_u8, 2, 3]).heap_bytes(), 3);
        assert_eq!(None::<String>.heap_bytes(), 0);
        let (value, text) = (size_of::<Value>(), size_of::<String>());
        assert_eq!(json!([1, "two", null]).heap_bytes(), 3 * value + 3);
        let nested = json!({ "a": { "bc": "def" } });
        assert_eq!(nested.heap_bytes(), 2 * (text + value) + 6);
    }
}
