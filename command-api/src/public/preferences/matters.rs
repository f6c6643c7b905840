//! How much a topic matters to a reader, as the page says it: three steps for the eleven weights there are.

use tidings_domain::preferences::Preferences;

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matters {
    /// Other topics go first.
    Less,
    /// Neither it nor they do.
    AsUsual,
    /// It goes first.
    More,
}

impl Matters {
    pub(super) const ALL: [Self; 3] = [Self::Less, Self::AsUsual, Self::More];

    /// The step of a weight; none: they have not weighed it.
    pub(super) fn of(weight: Option<u8>) -> Self {
        match weight {
            Some(weight) if weight < Preferences::WEIGHT_UNSAID => Self::Less,
            Some(weight) if weight > Preferences::WEIGHT_UNSAID => Self::More,
            _ => Self::AsUsual,
        }
    }

    /// The weight of somebody who is at this step: the one they had, if that is there already, so that what was said more
    /// precisely elsewhere is not lost by saving the page.
    pub(super) fn weight(self, had: Option<u8>) -> Option<u8> {
        match self {
            _ if Self::of(had) == self => had,
            Self::Less => Some(2),
            Self::AsUsual => None,
            Self::More => Some(8),
        }
    }

    /// Its value in the form.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Less => "less",
            Self::AsUsual => "usual",
            Self::More => "more",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == text)
    }

    /// As readers see it.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Less => "less than other topics",
            Self::AsUsual => "as much as other topics",
            Self::More => "more than other topics",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_has_its_step_and_keeps_to_it() {
        for had in (0..=Preferences::WEIGHT_MAX).map(Some).chain([None]) {
            let step = Matters::of(had);
            assert_eq!(step.weight(had), had);
            for other in Matters::ALL {
                assert_eq!(Matters::of(other.weight(had)), other, "{had:?}");
                assert_eq!(Matters::parse(other.as_str()), Some(other));
            }
        }
        assert_eq!(Matters::parse("explode"), None);
    }
}
