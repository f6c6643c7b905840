//! What kind of program fetched a picture or followed a link, by what it says of itself. That is all a single request tells; whoever
//! looks at many may say more.

use crate::value::code_enum;

/// The edition of these rules. It is written beside each judgement: a change of the rules raises it.
pub const RULES: u32 = 1;

code_enum! {
    /// A kind of program.
    Agent {
        /// A browser or mail program.
        Reader = "reader",
        /// A mail provider's own, which fetches pictures when the mail is opened.
        Proxy = "proxy",
        /// One that fetches whether or not anybody opens the mail.
        Prefetch = "prefetch",
        /// One that looks at what mails link to.
        Scanner = "scanner",
        /// It says nothing of itself.
        Unknown = "unknown",
    }
}

/// Gmail's and Yahoo's fetch a picture when their reader opens the mail, and hide where the reader is.
const PROXIES: [&str; 2] = ["googleimageproxy", "yahoomailproxy"];
/// Apple's Mail Privacy Protection names itself by this alone.
const APPLE_PREFETCH: &str = "Mozilla/5.0";
/// Parts of the names of programs that no human sits before, in lower case.
const SCANNERS: [&str; 18] = [
    "bot",
    "crawler",
    "spider",
    "scanner",
    "preview",
    "urlscan",
    "safelinks",
    "barracuda",
    "mimecast",
    "proofpoint",
    "python-requests",
    "python-urllib",
    "curl/",
    "wget/",
    "go-http-client",
    "okhttp",
    "java/",
    "headlesschrome",
];

impl Agent {
    /// Judges a request by its `User-Agent`, and by what `Purpose` or `Sec-Purpose` says it is for.
    pub fn judge(user_agent: Option<&str>, purpose: Option<&str>) -> Self {
        let purpose = purpose.unwrap_or_default().to_ascii_lowercase();
        if purpose.contains("prefetch") || purpose.contains("preview") {
            return Self::Prefetch;
        }
        let Some(said) = user_agent.map(str::trim).filter(|said| !said.is_empty()) else {
            return Self::Unknown;
        };
        let name = said.to_ascii_lowercase();
        // A make of phones.
        let name = name.replace("cubot", "");
        let holds = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        match () {
            () if said == APPLE_PREFETCH => Self::Prefetch,
            () if holds(&PROXIES) => Self::Proxy,
            () if holds(&SCANNERS) => Self::Scanner,
            () => Self::Reader,
        }
    }

    /// Whether no human did it, as far as that tells.
    pub fn is_machine(self) -> bool {
        // What people use names itself.
        matches!(self, Self::Prefetch | Self::Scanner | Self::Unknown)
    }
}
