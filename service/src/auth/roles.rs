//! Who asks, and what they may do.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;

/// What a caller may do. `admin` may do everything.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Writes and sends publications.
    Editor,
    /// Runs the platform: views, channels, imports, the log's surroundings.
    Operator,
    /// Sees, exports and erases what is known of a subscriber; checks the log.
    Compliance,
    /// May do everything.
    Admin,
    /// Another program.
    Service,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [
        Self::Editor,
        Self::Operator,
        Self::Compliance,
        Self::Admin,
        Self::Service,
    ];

    /// The role's name in tokens.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Editor => "editor",
            Self::Operator => "operator",
            Self::Compliance => "compliance",
            Self::Admin => "admin",
            Self::Service => "service",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The caller, as its verified token tells; an actix extractor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The token's `iss`: two issuers may know the same subject.
    pub issuer: String,
    /// The token's `sub`, 1 to 255 bytes.
    pub subject: String,
    /// The token's roles that we know.
    pub roles: Vec<Role>,
}

impl Principal {
    /// Passes if the caller has one of `allowed`, or is an admin.
    ///
    /// # Errors
    /// 403 that names the roles.
    pub fn require(&self, allowed: &[Role]) -> Result<(), Problem> {
        let passes = |role: &Role| *role == Role::Admin || allowed.contains(role);
        if self.roles.iter().any(passes) {
            return Ok(());
        }
        let mut needed: Vec<&str> = allowed.iter().map(|role| role.as_str()).collect();
        if !allowed.contains(&Role::Admin) {
            needed.push(Role::Admin.as_str());
        }
        let detail = format!(
            "This takes one of the roles {}; {} has {}.",
            needed.join(", "),
            self.subject,
            if self.roles.is_empty() {
                "none".to_owned()
            } else {
                let have: Vec<&str> = self.roles.iter().map(|role| role.as_str()).collect();
                have.join(", ")
            }
        );
        Err(Problem::forbidden(detail).extension("roles", needed))
    }
}
