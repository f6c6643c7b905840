//! Whom a mail server says nobody is, and how far that is believed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use uuid::Uuid;

/// So many receivers in a row may be unknown, and so many of one domain. A relay that knows nobody any more says the same of
/// each, and so does one that has lost the table of a domain.
const UNKNOWN_MAX: u32 = 3;
/// Domains that are remembered at the most; nobody of any other is believed to be unknown.
const DOMAINS_MAX: usize = 10_000;

/// Receivers whom nobody is said to be.
#[derive(Default)]
pub(super) struct Unknown {
    /// In a row, since the last message that was taken.
    in_a_row: u32,
    /// In a row of each domain, since the last message that was taken there.
    of_domains: HashMap<Uuid, u32>,
}

impl Unknown {
    /// Mail for somebody of this domain was taken.
    pub(super) fn is_known(&mut self, domain_id: Uuid) {
        self.in_a_row = 0;
        self.of_domains.remove(&domain_id);
    }

    /// Counts one; whether it is believed.
    pub(super) fn is_one_more(&mut self, domain_id: Uuid) -> bool {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let has_room = self.of_domains.len() < DOMAINS_MAX;
        let of_domain = match self.of_domains.entry(domain_id) {
            Entry::Vacant(_) if !has_room => return false,
            counted => counted.or_default(),
        };
        *of_domain = of_domain.saturating_add(1);
        self.in_a_row <= UNKNOWN_MAX && *of_domain <= UNKNOWN_MAX
    }
}
