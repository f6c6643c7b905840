//! What somebody who signs up says, by a form or as JSON.

use actix_web::web::{Bytes, Query};
use serde::Deserialize;
use tidings_domain::value::{DisplayName, EmailAddress};
use tidings_service::{Problem, problem};
use utoipa::ToSchema;

use crate::commands::SignUpForm;
use crate::refusal::Values;

/// Where the words stand that are agreed to.
pub(super) const CONSENT: &str = "#/consent";
const OTHER_WORDS: &str = "must be the mark of the words to agree to as they are today: show them, and send what `GET /join/snippet` \
    has as the value of this field";

/// Somebody who wants mail.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignUp {
    /// Where to.
    #[serde(default)]
    email: String,
    /// How to address them.
    name: Option<String>,
    /// The mark of the words they agree to, as a form has it that shows them: `GET /join/snippet` is one.
    #[schema(example = "1.242d19b3f776b188")]
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
        // What goes on record are the words of today: whoever was shown others has not agreed to them.
        if form.consent.mark().as_ref() != Some(&self.consent) {
            values.wrong(CONSENT, OTHER_WORDS);
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
        site_with("I want news.")
    }

    fn site_with(wording: &str) -> SignUpForm {
        SignUpForm {
            organisation: "The Town Crier".to_owned(),
            consent: Consent::to(
                ConsentWording::parse(wording).unwrap(),
                ConsentVersion::parse("2").unwrap(),
            ),
            url: "https://news.example.org/join".to_owned(),
            return_pages: vec![THANKS.to_owned()],
        }
    }

    fn read(form: &str) -> SignUp {
        SignUp::read(&Bytes::copy_from_slice(form.as_bytes()), false).unwrap()
    }

    #[test]
    fn a_form_is_read_whatever_else_it_holds() {
        let mark = site().consent.mark().unwrap();
        let form = format!("email=ada%40example.org&name=Ada+L&consent={mark}&utm=x&website=");
        let wish = read(&form);
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
    fn words_that_were_changed_are_not_agreed_to_by_a_form_that_shows_others_of_the_same_version() {
        let mark = site().consent.mark().unwrap();
        let wrong = |form: &str, site: &SignUpForm| {
            let parsed = read(form).parse(site);
            parsed
                .err()
                .map(|problem| problem.errors()[0].pointer.clone())
        };
        let form = format!("email=ada%40example.org&consent={mark}");
        assert_eq!(wrong(&form, &site()), None);
        let changed = site_with("I want news, and offers.");
        assert_eq!(changed.consent.version, site().consent.version);
        assert_eq!(wrong(&form, &changed).as_deref(), Some(CONSENT));
        // Nor is a version alone any words, nor nothing.
        for form in [
            "email=ada%40example.org&consent=2",
            "email=ada%40example.org",
        ] {
            assert_eq!(wrong(form, &site()).as_deref(), Some(CONSENT), "{form}");
        }
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
