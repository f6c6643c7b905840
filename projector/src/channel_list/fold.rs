//! Folds channel streams into one row each.

use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Merge, View};
use tidings_event_store::{UnderstandError, view_row};
use tidings_proto::{Event, Reason};
use time::OffsetDateTime;
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
        /// email, ses, slack, discord, webhook, file.
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
        /// closed, open or probing.
        circuit: Option<String>,
        /// What opened it; empty once it is closed.
        circuit_reason: Option<String>,
        /// When it came to be so.
        circuit_since: Option<OffsetDateTime>,
        /// When one attempt may find out whether it works again.
        probe_at: Option<OffsetDateTime>,
        /// Where it was last said to work: its circuit was closed, or somebody set it up or enabled it.
        mended_position: Option<i64>,
        /// Where somebody last set it up or enabled it: whatever rest it took is over.
        woken_position: Option<i64>,
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
        let at = item.recorded.occurred_at;
        rows.push(match event {
            Event::ChannelConfigured(it) => ChannelRow {
                kind: Some(it.kind.clone()),
                name: Some(it.name.clone()),
                settings: Some(fields.json("settings_json", &it.settings_json)?),
                has_credentials: Some(it.credentials.is_some()),
                enabled: Some(true),
                ..row.woken(at)
            },
            Event::ChannelReconfigured(it) => ChannelRow {
                name: Some(it.name.clone()),
                settings: Some(fields.json("settings_json", &it.settings_json)?),
                // Absent credentials stay as they are.
                has_credentials: it.credentials.as_ref().map(|_| true),
                ..row.woken(at)
            },
            Event::ChannelEnabled(_) => ChannelRow {
                enabled: Some(true),
                ..row.woken(at)
            },
            Event::ChannelDisabled(it) => ChannelRow {
                enabled: Some(false),
                disabled_reason: Some(it.reason.clone()),
                ..row
            },
            Event::ChannelCircuitOpened(it) => ChannelRow {
                circuit_reason: told(&it.reason),
                probe_at: fields.instant("probe_at_us", it.probe_at_us)?,
                ..row.circuit("open", at)
            },
            Event::ChannelCircuitProbed(it) => ChannelRow {
                probe_at: fields.instant("deadline_at_us", it.deadline_at_us)?,
                ..row.circuit("probing", at)
            },
            Event::ChannelCircuitClosed(_) => row.closed(at),
            _ => return Ok(()),
        });
        Ok(())
    }
}

/// Why its circuit is open. What kept us from finding out whether it works again is no reason: the former one stands.
fn told(reason: &str) -> Option<String> {
    let is_ours = Reason::parse(reason).is_some_and(Reason::is_of_no_attempt);
    (!is_ours).then(|| reason.to_owned())
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
            circuit: None,
            circuit_reason: None,
            circuit_since: None,
            probe_at: None,
            mended_position: None,
            woken_position: None,
            version: item.recorded.version,
            position: item.position(),
        }
    }

    /// By somebody.
    fn woken(self, since: OffsetDateTime) -> Self {
        Self {
            woken_position: Some(self.position),
            ..self.closed(since)
        }
    }

    fn closed(self, since: OffsetDateTime) -> Self {
        Self {
            circuit_reason: Some(String::new()),
            mended_position: Some(self.position),
            ..self.circuit("closed", since)
        }
    }

    fn circuit(self, circuit: &str, since: OffsetDateTime) -> Self {
        Self {
            circuit: Some(circuit.to_owned()),
            circuit_since: Some(since),
            ..self
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
            circuit_reason: later.circuit_reason.or(self.circuit_reason),
            circuit_since: later.circuit_since.or(self.circuit_since),
            // Each says itself until when it lasts.
            probe_at: match later.circuit {
                None => self.probe_at,
                Some(_) => later.probe_at,
            },
            circuit: later.circuit.or(self.circuit),
            mended_position: later.mended_position.or(self.mended_position),
            woken_position: later.woken_position.or(self.woken_position),
            version: later.version,
            position: later.position,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circuit_stays_open_for_what_opened_it_when_nobody_could_find_out_more() {
        let row = |reason| ChannelRow {
            channel_id: Uuid::nil(),
            kind: None,
            name: None,
            settings: None,
            has_credentials: None,
            enabled: None,
            disabled_reason: None,
            circuit: Some("open".to_owned()),
            circuit_reason: told(reason),
            circuit_since: None,
            probe_at: None,
            mended_position: None,
            woken_position: None,
            version: 1,
            position: 1,
        };
        let after = |reason| {
            row("authentication_refused")
                .merge(row(reason))
                .circuit_reason
        };
        assert_eq!(
            after("no_free_connection").unwrap(),
            "authentication_refused"
        );
        assert_eq!(after("connect_failed").unwrap(), "connect_failed");
        assert_eq!(after("of_a_later_version").unwrap(), "of_a_later_version");
    }
}
