//! Folds channel streams into one row each.

use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Merge, View};
use tidings_event_store::{UnderstandError, view_row};
use tidings_proto::Event;
use uuid::Uuid;

use crate::fields::{Fields, of_nouns};

/// The view `channel_list`.
pub struct ChannelList;

view_row! {
    /// A channel. Its credentials stay in the log.
    pub struct ChannelRow {
        key {
            /// The stream.
            channel_id: Uuid,
        }
        /// email, slack, discord, webhook, file.
        kind: Option<String>,
        /// What people call it.
        name: Option<String>,
        /// The kind's public settings.
        settings: Option<serde_json::Value>,
        /// Whether credentials are on record.
        has_credentials: Option<bool>,
        /// Whether anything goes out.
        enabled: Option<bool>,
        /// Why not.
        disabled_reason: Option<String>,
        /// Stream version.
        version: i32,
        /// Log position.
        position: i64,
    }
}

impl View for ChannelList {
    type Row = ChannelRow;
    const DEFINITION: Definition = Definition {
        name: "channel_list",
        sql: tidings_schema::views::CHANNEL_LIST,
    };
    const NOUNS: &'static [&'static str] = &["channel"];

    fn fold(
        item: &Item,
        _ring: &KeyRing,
        rows: &mut Vec<Self::Row>,
    ) -> Result<(), UnderstandError> {
        let Some(event) = of_nouns(item, Self::NOUNS)? else {
            return Ok(());
        };
        let fields = Fields::of(event);
        let row = ChannelRow::nothing(item);
        rows.push(match event {
            Event::ChannelConfigured(it) => ChannelRow {
                kind: Some(it.kind.clone()),
                name: Some(it.name.clone()),
                settings: Some(fields.json("settings_json", &it.settings_json)?),
                has_credentials: Some(it.credentials.is_some()),
                enabled: Some(true),
                ..row
            },
            Event::ChannelReconfigured(it) => ChannelRow {
                name: Some(it.name.clone()),
                settings: Some(fields.json("settings_json", &it.settings_json)?),
                // Absent credentials stay as they are.
                has_credentials: it.credentials.as_ref().map(|_| true),
                ..row
            },
            Event::ChannelEnabled(_) => ChannelRow {
                enabled: Some(true),
                ..row
            },
            Event::ChannelDisabled(it) => ChannelRow {
                enabled: Some(false),
                disabled_reason: Some(it.reason.clone()),
                ..row
            },
            _ => return Ok(()),
        });
        Ok(())
    }
}

impl ChannelRow {
    fn nothing(item: &Item) -> Self {
        Self {
            channel_id: item.recorded.stream_id,
            kind: None,
            name: None,
            settings: None,
            has_credentials: None,
            enabled: None,
            disabled_reason: None,
            version: item.recorded.version,
            position: item.position(),
        }
    }
}

impl Merge for ChannelRow {
    fn merge(self, later: Self) -> Self {
        // Whoever says that it is on or off also says why.
        let (enabled, disabled_reason) = match later.enabled {
            Some(enabled) => (Some(enabled), later.disabled_reason),
            None => (self.enabled, self.disabled_reason),
        };
        Self {
            channel_id: self.channel_id,
            kind: later.kind.or(self.kind),
            name: later.name.or(self.name),
            settings: later.settings.or(self.settings),
            has_credentials: later.has_credentials.or(self.has_credentials),
            enabled,
            disabled_reason,
            version: later.version,
            position: later.position,
        }
    }
}
