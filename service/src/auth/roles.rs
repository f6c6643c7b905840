//! Who asks, and what they may do.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::{self, Problem};

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

/// The caller, as its verified token or API key tells; an actix extractor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The token's `iss`: two issuers may know the same subject. Of an API key [`KEY_ISSUER`].
    pub issuer: String,
    /// The token's `sub`, 1 to 255 bytes. Of an API key its id.
    pub subject: String,
    /// The roles that we know.
    pub roles: Vec<Role>,
    /// The API key they have come with; none: a token.
    pub key: Option<KeyGrant>,
}

/// What stands for the issuer of API keys; no issuer of tokens may have it.
pub const KEY_ISSUER: &str = "tidings:api-key";

/// What is said of an API key besides its roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyGrant {
    /// What whoever made it calls it.
    pub name: String,
    /// What it may do, within its roles: scopes such as `publications:write`.
    pub scopes: Vec<String>,
}

impl Principal {
    /// How people know the caller.
    #[must_use]
    pub fn label(&self) -> Cow<'_, str> {
        match &self.key {
            Some(key) => Cow::Owned(format!("{} (API key {})", key.name, self.subject)),
            None => Cow::Borrowed(&self.subject),
        }
    }

    /// Passes if the caller has one of `allowed`, or is an admin; and, with an API key, its `scope`. Without a scope no
    /// key passes.
    ///
    /// # Errors
    /// 403 that names the roles, and the scope.
    pub fn permit(&self, allowed: &[Role], scope: Option<&str>) -> Result<(), Problem> {
        let Some(key) = &self.key else {
            return self.require(allowed);
        };
        let Some(scope) = scope else {
            let detail = format!(
                "No API key may do this. Use a token with {}.",
                one_of(&needed(allowed))
            );
            return Err(Problem::forbidden(detail).extension("roles", needed(allowed)));
        };
        self.require(allowed)
            .map_err(|problem| problem.extension("scope", scope))?;
        if key.scopes.iter().any(|it| it == scope) {
            return Ok(());
        }
        let detail = format!(
            "This takes the scope {scope}; {} has {}. Have a key made with it.",
            self.label(),
            listed(key.scopes.iter().map(String::as_str)),
        );
        Err(Problem::lacks_scope(scope, detail))
    }

    /// Passes if the caller has one of `allowed`, or is an admin: behind a gate that has asked for the scope.
    ///
    /// # Errors
    /// 403 that names the roles.
    pub fn require(&self, allowed: &[Role]) -> Result<(), Problem> {
        let passes = |role: &Role| *role == Role::Admin || allowed.contains(role);
        if self.roles.iter().any(passes) {
            return Ok(());
        }
        let needed = needed(allowed);
        let detail = format!(
            "This takes {}; {} has {}.",
            one_of(&needed),
            self.label(),
            listed(self.roles.iter().map(|role| role.as_str())),
        );
        Err(Problem::forbidden(detail).extension("roles", needed))
    }
}

impl Problem {
    /// Says what whoever is not known yet needs to have; of a problem that is another it says nothing.
    pub(crate) fn for_want_of(self, allowed: &[Role], scope: Option<&str>) -> Self {
        if self.kind() != problem::UNAUTHORIZED {
            return self;
        }
        let problem = self.extension("roles", needed(allowed));
        match scope {
            Some(scope) => problem.extension("scope", scope),
            None => problem,
        }
    }
}

fn needed(allowed: &[Role]) -> Vec<&'static str> {
    let others = allowed.iter().filter(|role| **role != Role::Admin);
    let others = others.map(|role| role.as_str());
    others.chain([Role::Admin.as_str()]).collect()
}

fn one_of(roles: &[&str]) -> String {
    match roles {
        [role] => format!("the role {role}"),
        _ => format!("one of the roles {}", roles.join(", ")),
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}
