//! What does not work for a while is said when it begins, and when it works again; not at every try.

/// Different things that are said of one outage; whatever else goes wrong meanwhile is not.
const REASONS_MAX: usize = 8;

/// Something that is tried over and over, and whether it works.
#[derive(Debug, Default)]
pub struct Outage {
    reasons: Vec<String>,
}

impl Outage {
    /// It does not work, for this reason. True: that is news, since it has not been said of this outage yet.
    #[must_use]
    pub fn is_news(&mut self, reason: &str) -> bool {
        let is_news =
            self.reasons.len() < REASONS_MAX && !self.reasons.iter().any(|it| it == reason);
        if is_news {
            self.reasons.push(reason.to_owned());
        }
        is_news
    }

    /// It works. True: it did not before, which was said.
    #[must_use]
    pub fn is_over(&mut self) -> bool {
        let is_over = !self.reasons.is_empty();
        self.reasons.clear();
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_of_an_outage_is_news_once_and_so_is_its_end() {
        let mut outage = Outage::default();
        assert!(!outage.is_over(), "nothing has begun");
        assert!(outage.is_news("refused"));
        assert!(!outage.is_news("refused"));
        assert!(outage.is_news("no disk"), "another reason");
        assert!(!outage.is_news("refused"), "it came and went");
        assert!(outage.is_over());
        assert!(!outage.is_over());
        assert!(outage.is_news("refused"), "of another outage");
    }

    #[test]
    fn reasons_that_never_repeat_do_not_flood_either() {
        let mut outage = Outage::default();
        let told = (0..1_000).filter(|n| outage.is_news(&n.to_string()));
        assert_eq!(told.count(), REASONS_MAX);
    }
}
