//! Which part of a run goes to one of several servers.

/// The targets of a run that lead to one server: connections, or the rooms of players, go to the targets in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Of the run.
    targets: u64,
    /// Those that lead there, ascending, counted from 0.
    own: Vec<u64>,
}

impl Listing {
    /// Where all targets lead to the same server.
    pub(crate) fn alone() -> Self {
        Self { targets: 1, own: vec![0] }
    }

    /// `own` of so many targets.
    pub(crate) fn of(targets: u64, own: &[u64]) -> Self {
        Self { targets, own: own.to_vec() }
    }

    /// Whether other servers have a part.
    pub(crate) fn is_shared(&self) -> bool {
        self.own.len() as u64 != self.targets
    }

    /// Whether this number, counted from 0, goes there.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.own.contains(&(number % self.targets))
    }

    /// Of so many its part.
    pub(crate) fn part(&self, all: u64) -> u64 {
        let (rounds, rest) = (all / self.targets, all % self.targets);
        rounds * self.own.len() as u64 + self.own.iter().filter(|own| **own < rest).count() as u64
    }

    /// The most of which its part is no more than `own`.
    pub(crate) fn whole(&self, own: u64) -> u64 {
        let each = self.own.len().max(1);
        let (rounds, rest) = (own / each as u64, own % each as u64);
        let next = usize::try_from(rest).ok().and_then(|rest| self.own.get(rest)).copied().unwrap_or(0);
        rounds.saturating_mul(self.targets).saturating_add(next)
    }

    /// In words.
    pub(crate) fn named(&self) -> String {
        format!("{} of {} parts of the load go there", self.own.len(), self.targets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_goes_there_in_turn() {
        for (targets, own) in [(1, &[0][..]), (3, &[1, 2]), (3, &[0]), (4, &[0, 3]), (5, &[4])] {
            let listing = Listing::of(targets, own);
            for all in 0..40 {
                let part = (0..all).filter(|number| listing.has(*number)).count() as u64;
                assert_eq!(listing.part(all), part, "{listing:?} {all}");
                let whole = (0..400).filter(|all| listing.part(*all) <= part).max();
                assert_eq!(Some(listing.whole(part)), whole, "{listing:?} {part}");
            }
        }
        assert_eq!(Listing::alone().whole(u64::MAX), u64::MAX);
    }
}
