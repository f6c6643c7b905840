//! The codes that a subscriber's events hold.

use crate::value::code_enum;

code_enum! {
    /// How consent came.
    Source {
        /// Through the API:
        Api = "api",
        /// With a file:
        Import = "import",
        /// They filled in the public form, or somebody else did with their address:
        Form = "form",
    }
}

code_enum! {
    /// How a subscriber left.
    UnsubscribeMethod {
        /// By the mail program's own button (RFC 8058):
        OneClick = "one_click",
        /// By a mail to the address in the header (RFC 2369):
        Mail = "mail",
        /// On the page behind the link:
        Page = "page",
        /// Through the API:
        Api = "api",
        /// They stand in a file that says so, and whoever imports it answers for that:
        Import = "import",
        /// The witness says so; how was lost when the log was restored:
        Restored = "restored",
    }
}

code_enum! {
    /// How somebody said that they want mail.
    ConfirmMethod {
        /// By the button behind the link they were sent:
        Link = "link",
        /// Whoever signs them up through the API says so:
        Api = "api",
        /// They stand in a file, and whoever imports it says so:
        Import = "import",
    }
}

code_enum! {
    /// How a subscriber came back.
    ResubscribeMethod {
        /// On the page behind the link:
        Page = "page",
        /// Through the API:
        Api = "api",
        /// They stand in a file that says so, and whoever imports it answers for that:
        Import = "import",
        /// The witness says so; how was lost when the log was restored:
        Restored = "restored",
    }
}

code_enum! {
    /// How a subscriber said how they want to get what they get.
    PreferencesMethod {
        /// On the page behind the link:
        Page = "page",
        /// Through the API:
        Api = "api",
    }
}

code_enum! {
    /// How somebody's address was changed.
    ContactMethod {
        /// Through the API:
        Api = "api",
    }
}

code_enum! {
    /// Why somebody's data are to be destroyed.
    ErasureBasis {
        /// They asked for it:
        Request = "request",
        /// Whoever runs the platform decided so:
        Operator = "operator",
        /// The witness says so; why was lost when the log was restored:
        Restored = "restored",
    }
}

code_enum! {
    /// What a key sealed that was destroyed for an erasure.
    Shreddable {
        /// Their own: address, name, attributes, evidence, what mail servers said of them:
        Subscriber = "subscriber",
        /// Of an import that rejected a record which quotes their address:
        Import = "import",
    }
}

code_enum! {
    /// What an erasure leaves.
    Remains {
        /// Random or derived ids, times, counts and codes:
        Ids = "ids",
        /// The keyed hash of the address, so that nothing is sent to it and no file brings it back:
        AddressHash = "address_hash",
        /// Which topics and channels they left or asked for, and when a message was to reach them:
        Choices = "choices",
        /// Whether segments picked them for a publication:
        Segments = "segments",
        /// Which links of their mails were followed, under the key of each month, until that is destroyed:
        Links = "links",
        /// What was sealed, with no key to open it:
        SealedBytes = "sealed_bytes",
        /// Pages and write-ahead log of the database, until they are written over:
        Storage = "storage",
        /// Backups and standbys from before, until they expire; a restore erases again:
        Backups = "backups",
        /// Mails in the operator's folder for returned mail that were not understood:
        MailFolder = "mail_folder",
        /// What was delivered lies with whoever received and carried it:
        DeliveredMessages = "delivered_messages",
    }
}

code_enum! {
    /// Whether a subscriber may get mail.
    Standing {
        /// Yes:
        Active = "active",
        /// Not before they confirmed:
        Pending = "pending",
        /// They left:
        Unsubscribed = "unsubscribed",
        /// Their data is gone:
        Erased = "erased",
    }
}
