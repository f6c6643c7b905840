//! Whom all that is held about a subscriber may be sent to at their own word, and how long the link in that mail works. A mail
//! may have been passed on, and a mailbox may have changed hands: in doubt whoever answers such requests is to be asked.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Access, Notice, NoticeKind};
use crate::subscriber::{Profile, Standing, Subscriber};

/// Why nobody is sent, or given, all that is held about a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTheirs {
    /// There is nobody any more, or not yet: their word is still awaited.
    #[error("there is no such subscriber, or they have yet to confirm")]
    Nobody,
    /// The link went to an address that they have given up.
    #[error("the subscriber has another address than the one the link was sent to")]
    Moved,
    /// Others said where they are reached, a short while ago, and they have never said themselves that they are.
    #[error(
        "the subscriber's address was changed for them, and they never confirmed one by themselves"
    )]
    Unsure,
}

/// When the address of a subscriber was changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// The last time; none: never.
    pub last_at: Option<OffsetDateTime>,
    /// Whether that was since the link was issued.
    pub since_issued: bool,
}

/// How long it is not believed that a changed address is theirs.
const UNSURE_FOR: Duration = Duration::days(30);

/// Whether whoever has the mailbox with this `suppression` stream may ask for, and have, what is held about a subscriber.
///
/// # Errors
/// [`NotTheirs`].
pub fn theirs(
    subscriber: &Subscriber,
    address_suppression_id: Uuid,
    moves: Moves,
    now: OffsetDateTime,
) -> Result<&Profile, NotTheirs> {
    let profile = match subscriber.standing() {
        Standing::Active | Standing::Unsubscribed => subscriber.profile(),
        Standing::Pending | Standing::Erased => None,
    };
    let profile = profile.ok_or(NotTheirs::Nobody)?;
    if profile.has_another_than(address_suppression_id) || moves.since_issued {
        return Err(NotTheirs::Moved);
    }
    let moved_lately = moves.last_at.is_some_and(|at| now - at < UNSURE_FOR);
    if moved_lately && !profile.confirmed_by_link {
        return Err(NotTheirs::Unsure);
    }
    Ok(profile)
}

/// Why a link to somebody's data does not work, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefusal {
    /// The log does not know that it was sent: a restore may have lost it.
    #[error("no such link was sent")]
    Unknown,
    /// It has had its time.
    #[error("the link is older than {} days", Access::LINK_DAYS)]
    Expired,
    /// It was used as often as it may be.
    #[error("the link was used {} times", Access::DOWNLOADS_MAX)]
    UsedUp,
}

impl Access {
    /// How long a link to somebody's data works from when its notice was issued, in days: longer than a mail is tried.
    pub const LINK_DAYS: i64 = 7;
    /// How often it can be used: a download may break off.
    pub const DOWNLOADS_MAX: usize = 5;

    /// The notice that brought a link which still works.
    ///
    /// # Errors
    /// [`LinkRefusal`].
    pub fn working_link(
        &self,
        delivery_id: Uuid,
        now: OffsetDateTime,
    ) -> Result<&Notice, LinkRefusal> {
        let notice = self.notice(delivery_id);
        let notice = notice.filter(|it| it.kind.as_str() == NoticeKind::OwnData.as_str());
        let notice = notice.ok_or(LinkRefusal::Unknown)?;
        let used = self.by_link.iter().filter(|it| **it == delivery_id);
        match () {
            () if now >= notice.link_until() => Err(LinkRefusal::Expired),
            () if used.count() >= Self::DOWNLOADS_MAX => Err(LinkRefusal::UsedUp),
            () => Ok(notice),
        }
    }
}

impl Notice {
    /// When a link to somebody's data that it brings has had its time.
    pub fn link_until(&self) -> OffsetDateTime {
        self.issued_at + Duration::days(Access::LINK_DAYS)
    }
}
