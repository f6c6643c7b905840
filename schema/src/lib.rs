//! All SQL DDL: numbered migrations, one definition file per view, and `current.sql`, the whole
//! database on one page. No other room writes DDL; only text lives here, nothing runs it.

/// A step of the schema, applied once, in order.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// 1, 2, 3, …
    pub number: i32,
    /// The file's name without its number.
    pub name: &'static str,
    /// What it runs.
    pub sql: &'static str,
}

/// Every migration, oldest first. A released file never changes.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "log",
        sql: include_str!("../migrations/0001_log.sql"),
    },
    Migration {
        number: 2,
        name: "commit",
        sql: include_str!("../migrations/0002_commit.sql"),
    },
    Migration {
        number: 3,
        name: "views",
        sql: include_str!("../migrations/0003_views.sql"),
    },
    Migration {
        number: 4,
        name: "imports",
        sql: include_str!("../migrations/0004_imports.sql"),
    },
];
