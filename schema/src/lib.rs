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
    Migration {
        number: 5,
        name: "audience",
        sql: include_str!("../migrations/0005_audience.sql"),
    },
    Migration {
        number: 6,
        name: "keys",
        sql: include_str!("../migrations/0006_keys.sql"),
    },
    Migration {
        number: 7,
        name: "rebuilds",
        sql: include_str!("../migrations/0007_rebuilds.sql"),
    },
    Migration {
        number: 8,
        name: "parting",
        sql: include_str!("../migrations/0008_parting.sql"),
    },
    Migration {
        number: 9,
        name: "api_key_uses",
        sql: include_str!("../migrations/0009_api_key_uses.sql"),
    },
    Migration {
        number: 10,
        name: "audience_readings",
        sql: include_str!("../migrations/0010_audience_readings.sql"),
    },
];

/// One view each: the table its rows live in, with `{table}` where the table's name goes. Read by the
/// event store, which makes one table for each generation of a view.
pub mod views {
    macro_rules! views {
        ($($name:ident = $file:literal;)*) => {
            $(#[doc = concat!("`", $file, "`")] pub const $name: &str = include_str!(concat!("../views/", $file));)*
        };
    }

    views! {
        ACCESS_LOG = "access_log.sql";
        API_KEY_LIST = "api_key_list.sql";
        CHANNEL_LIST = "channel_list.sql";
        DISPATCH_QUEUE = "dispatch_queue.sql";
        DELIVERY_ENGAGEMENT = "delivery_engagement.sql";
        DELIVERY_LOG = "delivery_log.sql";
        ENGAGEMENT_PERIODS = "engagement_periods.sql";
        IMPORT_REJECTIONS = "import_rejections.sql";
        IMPORT_STATUS = "import_status.sql";
        PUBLICATION_ACCOUNTING = "publication_accounting.sql";
        PUBLICATION_ANALYTICS = "publication_analytics.sql";
        PUBLICATION_ENGAGEMENT = "publication_engagement.sql";
        PUBLICATION_STATUS = "publication_status.sql";
        SEGMENT_LIST = "segment_list.sql";
        SUBSCRIBER_PROFILE = "subscriber_profile.sql";
        SUPPRESSION_LIST = "suppression_list.sql";
        TOPIC_LIST = "topic_list.sql";
    }
}
