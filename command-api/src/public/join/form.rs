//! What somebody who signs up says, by a form or as JSON.

use actix_web::web::{Bytes, Query};
use serde::Deserialize;
use tidings_domain::value::{DisplayName, EmailAddress};
use tidings_service::{Problem, problem};
use utoipa::ToSchema;

use crate::commands::SignUpForm;
use crate::refusal::Values;

/// Somebody who wants mail.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignUp {
    /// Where to.
    #[serde(default)]
    email: String,
    /// How to address them.
    name: Option<String>,
    /// The version of the words they agree to, as the page to sign up has it.
    #[serde(default)]
    consent: String,
    /// Where a form leads afterwards: one of `sign_up.return_pages`. Anything else is passed over.
    #[serde(rename = "return")]
    return_page: Option<String>,
    /// Leave it empty, and hide it from people: programs that fill in every field are not taken seriously.
    website: Option<String>,
}

impl SignUp {
    /// # Errors
    /// 400 or 422, when it is not of that shape.
    pub(super) fn read(body: &Bytes, json: bool) -> Result<Self, Problem> {
        if json {
            return problem::from_json(body);
        }
        let text = std::str::from_utf8(body).unwrap_or_default().trim();
        let fields = Query::<Vec<(String, String)>>::from_query(text);
        let fields = fields.map_err(|_| Problem::bad_request("The form can not be read."))?;
        let mut read = Self::default();
        // Other fields are the site's own.
        for (name, value) in fields.into_inner() {
            match name.as_str() {
                "email" => read.email = value,
                "name" => read.name = Some(value),
                "consent" => read.consent = value,
                "return" => read.return_page = Some(value),
                "website" => read.website = Some(value),
                _ => {}
            }
        }
        Ok(read)
    }

    /// Whether a field was filled in that people do not see.
    pub(super) fn is_trapped(&self) -> bool {
        self.website.as_ref().is_some_and(|it| !it.is_empty())
    }

    /// Where to lead them: only where the configuration says, so that nobody can make us lead elsewhere.
    pub(super) fn return_page(&self, form: &SignUpForm) -> Option<String> {
        let wanted = self.return_page.as_ref()?;
        form.return_pages.iter().find(|it| *it == wanted).cloned()
    }

    /// # Errors
    /// 422 with all that is wrong.
    pub(super) fn parse(
        self,
        form: &SignUpForm,
    ) -> Result<(EmailAddress, Option<DisplayName>), Problem> {
        let mut values = Values::default();
        let email = values.take("#/email", EmailAddress::parse(&self.email));
        let name = self.name.filter(|name| !name.trim().is_empty());
        let name = name.map(|name| values.take("#/name", DisplayName::parse(&name)));
        let name = name.map_or(Some(None), |name| name.map(Some));
        if self.consent != form.consent.version.as_str() {
            values.wrong(
                "#/consent",
                "this must be the version of the words to agree to, as the page to sign up has them",
            );
        }
        values.all(email.zip(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_domain::subscriber::Consent;
    use tidings_domain::value::{ConsentVersion, ConsentWording};

    const THANKS: &str = "https://example.org/thanks";

    fn site() -> SignUpForm {
        SignUpForm {
            organisation: "The Town Crier".to_owned(),
            consent: Consent::to(
                ConsentWording::parse("I want news.").unwrap(),
                ConsentVersion::parse("2").unwrap(),
            ),
            return_pages: vec![THANKS.to_owned()],
        }
    }

    fn read(form: &str) -> SignUp {
        SignUp::read(&Bytes::copy_from_slice(form.as_bytes()), false).unwrap()
    }

    #[test]
    fn a_form_is_read_whatever_else_it_holds() {
        let wish = read("email=ada%40example.org&name=Ada+L&consent=2&utm=x&website=");
        assert!(!wish.is_trapped());
        let (email, name) = wish.parse(&site()).unwrap();
        assert_eq!(email.as_str(), "ada@example.org");
        assert_eq!(name.unwrap().as_str(), "Ada L");
    }

    #[test]
    fn other_words_than_those_of_today_are_refused_with_all_else_that_is_wrong() {
        let problem = read("email=ada&consent=1&name=A%0AB")
            .parse(&site())
            .unwrap_err();
        let named = problem.errors().iter().map(|it| it.pointer.clone());
        assert_eq!(
            named.collect::<Vec<_>>(),
            ["#/email", "#/name", "#/consent"]
        );
    }

    #[test]
    fn a_form_leads_back_only_where_the_configuration_says() {
        let back = |page: &str| read(&format!("return={page}")).return_page(&site());
        assert_eq!(back(THANKS).as_deref(), Some(THANKS));
        for elsewhere in [
            "https://evil.example",
            "",
            "https://example.org/thanks/../x",
        ] {
            assert_eq!(back(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn a_hidden_field_that_is_filled_in_shows_a_program() {
        assert!(read("website=http%3A%2F%2Fspam.example").is_trapped());
    }
}
