//! Why a delivery is where it is: the codes of the contract, each with what it says to people.

/// Defines the codes: an enum with `ALL`, `as_str`, `parse` and `words`.
macro_rules! reasons {
    ($($variant:ident = $code:literal: $words:literal,)+) => {
        /// A reason of a delivery, or of a channel that takes nothing, as this version gives it. What is recorded in an
        /// event is [`Reason::as_str`]; earlier and later versions may have recorded others.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = concat!("`", $code, "`: ", $words)] $variant,)+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable code.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// The reason of that code; none for one that this version does not give.
            pub fn parse(code: &str) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// A clause that can stand behind a colon: no capital, no full stop.
            pub fn words(self) -> &'static str {
                match self {
                    $(Self::$variant => $words,)+
                }
            }
        }
    };
}

reasons! {
    // Nobody may send it, or wants to.
    AddressSuppressed = "address_suppressed": "nothing may be sent to their address",
    ChannelLeft = "channel_left": "they had left the channel",
    DomainSuppressed = "domain_suppressed": "nothing may be sent to their mail domain",
    Erased = "erased": "they were being erased",
    FrequencyCap = "frequency_cap": "they had as much as they want at the most",
    Moved = "moved": "whoever had the address has another by now",
    NotConfirmed = "not_confirmed": "they had not confirmed their sign-up",
    PublicationCancelled = "publication_cancelled": "the publication was cancelled",
    TopicLeft = "topic_left": "they had left its topics",
    Unsubscribed = "unsubscribed": "they had left",

    // The attempt was not made: nothing was sent.
    DomainSlowed = "domain_slowed": "the receiver's mail domain asks for fewer mails at the moment",
    NoFreeConnection = "no_free_connection": "no connection to the mail server was free",
    Paced = "paced": "the channel had reached the receiving side's rate limit",
    Preferences = "preferences": "the reader wants it later, as their quiet hours, days or cap have it",
    RecordUnknown = "record_unknown": "the database did not say in time that the attempt is on record",
    Stale = "stale": "too much time had passed before it could go out",

    // Nobody knows.
    ConnectionLost = "connection_lost": "the connection broke off",
    DeadlinePassed = "deadline_passed": "it took too long",
    ProcessDied = "process_died": "the program ended in the middle of it",
    ReplyTimeout = "reply_timeout": "no answer came in time",
    Restored = "restored": "the log was restored from a backup",
    UnexpectedReply = "unexpected_reply": "the answer was none that could be understood",

    // The way there, and whoever stands on it.
    AccountSuspended = "account_suspended": "the mail service has suspended the account",
    ApiNotFound = "api_not_found": "there is no such service at the address that is configured",
    AuthenticationNotOffered = "authentication_not_offered": "the mail server offers no way to log in that we know",
    AuthenticationRefused = "authentication_refused": "the other side does not accept our user name or key",
    AuthenticationRequired = "authentication_required": "the mail server wants a user name and password",
    CertificateRefused = "certificate_refused": "the mail server's certificate can not be trusted",
    ChannelArchived = "channel_archived": "the place it goes to is archived or locked there",
    ChannelNotFound = "channel_not_found": "the place it goes to does not exist there",
    ConfigurationSetNotFound = "configuration_set_not_found": "the mail service does not know the configuration set",
    ConnectFailed = "connect_failed": "the receiving side can not be connected to",
    DestinationNotAllowed = "destination_not_allowed": "its address leads to where nothing may be sent",
    EncryptionRequired = "encryption_required": "the mail server wants the connection to be encrypted first",
    Gone = "gone": "the receiver says that it wants no more of it, ever",
    NotAllowed = "not_allowed": "the receiving side does not let us post there",
    NotInChannel = "not_in_channel": "the bot is no member of the place it posts to",
    NotSigned = "not_signed": "the request to the mail service could not be signed with the keys that are configured",
    NotVerified = "not_verified": "the mail service does not know the sender as one of ours",
    NotWritable = "not_writable": "the file can not be written",
    Overloaded = "overloaded": "the receiving side is overloaded",
    ProtocolError = "protocol_error": "the mail server does not speak the protocol as it should",
    QuotaExceeded = "quota_exceeded": "the day's quota at the mail service is used up",
    RateLimited = "rate_limited": "the receiving side asks for fewer messages at the moment",
    Redirected = "redirected": "the receiving side points to another address, which nothing is sent to",
    RelayRefused = "relay_refused": "the mail server does not pass our mail on to others",
    SenderRefused = "sender_refused": "the mail server does not accept the sender",
    SendingPaused = "sending_paused": "sending is paused at the mail service",
    ServerError = "server_error": "the receiving side has trouble of its own",
    ServiceRefused = "service_refused": "the mail server turns us away",
    ServiceUnavailable = "service_unavailable": "the mail server is not available at the moment",
    ShutOut = "shut_out": "the receiving side has shut out this machine's address for a while",
    StarttlsNotOffered = "starttls_not_offered": "the mail server does not offer encryption",
    ThreadRequired = "thread_required": "the settings name no thread where one is needed, or one where there is none",
    Throttled = "throttled": "the mail service asks for fewer mails at the moment",
    Timeout = "timeout": "the receiving side did not answer in time",
    TokenRefused = "token_refused": "the bot's token is not accepted",
    WebhookNotFound = "webhook_not_found": "the webhook does not exist there",

    // This message or its receiver.
    BadAddress = "bad_address": "there is no such address, or it can not be written to",
    BadName = "bad_name": "the reader's name holds characters that no mail can bear",
    BadUnsubscribeUrl = "bad_unsubscribe_url": "the link to unsubscribe is no web address",
    EightbitmimeNotOffered = "eightbitmime_not_offered": "the mail server takes no letters but ASCII ones, which the mail has in its header",
    GaveUp = "gave_up": "it could not be delivered for so long that it is not tried any more",
    InvalidPayload = "invalid_payload": "the receiving side does not accept the form of the message",
    MailboxFull = "mailbox_full": "the mailbox is full",
    MessageTooLarge = "message_too_large": "it is larger than the receiving side takes",
    NameTaken = "name_taken": "a file of that name is there already, with something else in it",
    NoRecipient = "no_recipient": "there is no receiver",
    Rejected = "rejected": "the receiving side refused it",
    Smtputf8NotOffered = "smtputf8_not_offered": "the mail server takes no addresses with other than ASCII letters",
    TryLater = "try_later": "the receiving side asks to try it later",
    Unbuildable = "unbuildable": "no message can be made of its content",

    // What was said afterwards: of what came back, and of complaints.
    Abuse = "abuse": "nobody asked for it",
    ContentRejected = "content_rejected": "the receiving side does not like what is in it",
    Expired = "expired": "the receiving side tried for too long to pass it on",
    Fraud = "fraud": "it looks like fraud to them",
    HardBounce = "hard_bounce": "the address takes no mail",
    MailboxDisabled = "mailbox_disabled": "the mailbox is closed",
    NoSuchAddress = "no_such_address": "there is no such address",
    Other = "other": "nothing more is said",
    Policy = "policy": "the receiving side takes nothing of the kind, or nothing from us",
    SuppressedByProvider = "suppressed_by_provider": "the mail service does not send to that address",
    Virus = "virus": "it is harmful in their eyes",

    // Why a channel was switched off.
    Failing = "failing": "it had taken nothing for days",
    Refused = "refused": "the receiving side had refused us again and again",
    Requested = "requested": "somebody switched it off",
}

impl Reason {
    /// Whether it is said of the way there, of the receiving side as a whole, or of our credentials and settings there: once
    /// others get through, whatever was put off for it may be tried again. What may be one receiver's or message's own is
    /// none of them, and neither is what asks us for fewer messages or to come back later.
    pub fn is_of_the_way(self) -> bool {
        matches!(
            self,
            Self::AccountSuspended
                | Self::ApiNotFound
                | Self::AuthenticationNotOffered
                | Self::AuthenticationRefused
                | Self::AuthenticationRequired
                | Self::CertificateRefused
                | Self::ChannelArchived
                | Self::ChannelNotFound
                | Self::ConfigurationSetNotFound
                | Self::ConnectFailed
                | Self::ConnectionLost
                | Self::DestinationNotAllowed
                | Self::EncryptionRequired
                | Self::Gone
                | Self::NotAllowed
                | Self::NotInChannel
                | Self::NotSigned
                | Self::NotVerified
                | Self::NotWritable
                | Self::Overloaded
                | Self::ProtocolError
                | Self::QuotaExceeded
                | Self::Redirected
                | Self::RelayRefused
                | Self::SenderRefused
                | Self::SendingPaused
                | Self::ServerError
                | Self::ServiceRefused
                | Self::ServiceUnavailable
                | Self::ShutOut
                | Self::StarttlsNotOffered
                | Self::ThreadRequired
                | Self::Timeout
                | Self::TokenRefused
                | Self::WebhookNotFound
        )
    }

    /// Whether it is said of an attempt that was not made: it tells nothing of the receiving side.
    pub fn is_of_no_attempt(self) -> bool {
        matches!(
            self,
            Self::DomainSlowed
                | Self::NoFreeConnection
                | Self::Paced
                | Self::Preferences
                | Self::RecordUnknown
                | Self::Stale
        )
    }

    /// Whether the receiving side asks by it for fewer messages of the channel as a whole: the channel rests for a while, and what
    /// waits for it meanwhile waits for that.
    pub fn asks_for_fewer(self) -> bool {
        matches!(self, Self::RateLimited | Self::Throttled)
    }
}

/// What a recorded code says, as [`Reason::words`] does. One that this version does not give (an operator's own, or another
/// version's) says it itself.
pub fn words(code: &str) -> String {
    match Reason::parse(code) {
        Some(reason) => reason.words().to_owned(),
        None => format!("“{}”", code.replace('_', " ")),
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_says_something_that_a_code_does_not() {
        for reason in Reason::ALL {
            let (code, words) = (reason.as_str(), reason.words());
            assert_eq!(Reason::parse(code), Some(*reason));
            assert!(words.contains(' ') && words.len() > 10, "{code}: {words}");
            assert!(!words.ends_with('.') && !words.contains('_'), "{code}");
            assert!(words.starts_with(char::is_lowercase), "{code}");
            assert_ne!(words, code.replace('_', " "), "{code}");
        }
        assert_eq!(words("ran_out_of_ink"), "“ran out of ink”");
    }

    #[test]
    fn what_may_be_one_receivers_own_or_asks_for_patience_is_not_of_the_way() {
        let own = [
            Reason::BadAddress,
            Reason::DomainSlowed,
            Reason::MailboxFull,
            Reason::Preferences,
            Reason::RateLimited,
            Reason::Rejected,
            Reason::Throttled,
            Reason::TryLater,
        ];
        assert!(own.iter().all(|it| !it.is_of_the_way()));
        let ways = Reason::ALL.iter().filter(|it| it.is_of_the_way());
        assert_eq!(ways.count(), 35);
        let both = |it: &&Reason| it.is_of_the_way() && it.asks_for_fewer();
        assert_eq!(Reason::ALL.iter().find(both), None);
    }

    #[test]
    fn no_two_reasons_say_the_same() {
        let mut words: Vec<_> = Reason::ALL.iter().map(|it| it.words()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Reason::ALL.len());
    }
}
