//! What a mail server says beside a mail it hands over.

use serde::Deserialize;
use utoipa::IntoParams;

/// What a mail server says beside a mail.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Beside {
    /// The address the mail came to, as its envelope has it. Needed for a report when no header of it names the address.
    recipient: Option<String>,
}

impl Beside {
    /// The address. A plus that was not escaped reads as a blank, which no address has.
    pub(super) fn recipient(&self) -> Option<String> {
        self.recipient.as_ref().map(|it| it.replace(' ', "+"))
    }
}
