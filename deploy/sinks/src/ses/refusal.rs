//! What SES says when it takes no mail: a status, the error's type in a header, and words in the body.
//!
//! <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors>,
//! <https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html>,
//! <https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html>.

use std::borrow::Cow;

use actix_web::HttpResponse;
use serde_json::json;

use crate::web::Rule;
use crate::web::answer;

/// Where SES puts the type. A namespace follows it behind a colon.
const TYPE_HEADER: &str = "x-amzn-errortype";
const NAMESPACE: &str = "http://internal.amazon.com/coral/com.amazonaws.services.sesv2/";

/// One refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: u16,
    kind: &'static str,
    words: Cow<'static, str>,
}

impl Refusal {
    /// More mails in a second than the account may send.
    pub const RATE_EXCEEDED: Self = Self::new(
        429,
        "TooManyRequestsException",
        "Maximum sending rate exceeded.",
    );
    /// More mails in a day than the account may send.
    pub const QUOTA_EXCEEDED: Self = Self::new(
        429,
        "TooManyRequestsException",
        "Daily message quota exceeded.",
    );
    /// The account may send no more, ever.
    pub const ACCOUNT_SUSPENDED: Self = Self::new(
        400,
        "AccountSuspendedException",
        "Sending suspended for this account. For more information, please check the inbox of the email address associated with your AWS account.",
    );
    /// Somebody has paused the account, or the configuration set.
    pub const SENDING_PAUSED: Self = Self::new(
        400,
        "SendingPausedException",
        "Email sending is disabled for this account.",
    );
    /// There is no such configuration set.
    pub const CONFIGURATION_SET_UNKNOWN: Self = Self::new(
        404,
        "NotFoundException",
        "The configuration set does not exist.",
    );
    /// The MAIL FROM domain's records are not there.
    pub const MAIL_FROM_NOT_VERIFIED: Self = Self::new(
        400,
        "MailFromDomainNotVerifiedException",
        "The MAIL FROM domain is not verified.",
    );
    /// The sender is nobody this account may write for.
    pub const NOT_VERIFIED: Self = Self::new(
        400,
        "MessageRejected",
        "Email address is not verified. The following identities failed the check in region EU-WEST-1: news@example.org",
    );
    /// Something in the mail.
    pub const REJECTED: Self = Self::new(
        400,
        "MessageRejected",
        "Transaction failed: Attachment name not specified.",
    );
    /// The request is malformed.
    pub const BAD_REQUEST: Self = Self::new(400, "BadRequestException", "Missing final '@domain'");
    /// The mail is too large.
    pub const TOO_LARGE: Self = Self::new(
        400,
        "BadRequestException",
        "Message length is more than 41943040 bytes long.",
    );
    /// The signature is not that of the key.
    pub const SIGNATURE_WRONG: Self = Self::new(
        403,
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    );
    /// It was signed long ago, or will be.
    pub const SIGNATURE_EXPIRED: Self = Self::new(
        403,
        "InvalidSignatureException",
        "Signature expired or not yet current.",
    );
    /// Nobody has that key.
    pub const KEY_UNKNOWN: Self = Self::new(
        403,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    );
    /// The session is over.
    pub const TOKEN_EXPIRED: Self = Self::new(
        403,
        "ExpiredTokenException",
        "The security token included in the request is expired",
    );
    /// Not signed at all.
    pub const NOT_SIGNED: Self = Self::new(
        403,
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    );
    /// The key's owner may not send.
    pub const ACCESS_DENIED: Self = Self::new(
        403,
        "AccessDeniedException",
        "User is not authorized to perform `ses:SendEmail'",
    );
    /// There is nothing here.
    pub const UNKNOWN_OPERATION: Self = Self::new(
        404,
        "UnknownOperationException",
        "The requested operation is not recognized by the service.",
    );
    /// SES is in trouble.
    pub const INTERNAL: Self = Self::new(
        500,
        "InternalFailure",
        "The request processing has failed because of an unknown error.",
    );
    /// SES is away.
    pub const UNAVAILABLE: Self = Self::new(
        503,
        "ServiceUnavailable",
        "The request has failed due to a temporary failure of the server.",
    );

    const fn new(status: u16, kind: &'static str, words: &'static str) -> Self {
        Self {
            status,
            kind,
            words: Cow::Borrowed(words),
        }
    }

    /// The same in these words.
    #[must_use]
    pub fn saying(mut self, words: impl Into<Cow<'static, str>>) -> Self {
        self.words = words.into();
        self
    }

    /// The words.
    #[must_use]
    pub fn words(&self) -> &str {
        &self.words
    }

    /// A rule that answers with it.
    #[must_use]
    pub fn rule(&self) -> Rule {
        Rule::reply(self.status, self.body()).header(TYPE_HEADER, &self.typed())
    }

    pub(super) fn answer(&self) -> HttpResponse {
        let mut response = answer::text(self.status, &self.body());
        let headers = response.headers_mut();
        if let Ok(value) = self.typed().parse() {
            headers.insert(
                actix_web::http::header::HeaderName::from_static(TYPE_HEADER),
                value,
            );
        }
        response
    }

    fn typed(&self) -> String {
        format!("{}:{NAMESPACE}", self.kind)
    }

    fn body(&self) -> String {
        json!({ "message": self.words }).to_string()
    }
}
