//! What each writer may take of a limit that all share: as much as it wants, or its fair share.
//!
//! In goes what each writer's templates want, out comes what each may have. A writer that wants less than its share leaves
//! the rest to the others (max-min fairness); one that wants more is given its most frequent templates first, since what
//! is said once teaches nothing. What is not limited is given whole, so that nothing depends on limits that are not met.

use std::cmp::Reverse;

use crate::correlate::text::hash::NumberMap;

/// Pairs and classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) pairs: usize,
    pub(crate) classes: usize,
}

impl Amount {
    fn fits(self, room: Amount) -> bool {
        self.pairs <= room.pairs && self.classes <= room.classes
    }

    fn plus(self, other: Amount) -> Amount {
        Amount { pairs: self.pairs + other.pairs, classes: self.classes + other.classes }
    }

    fn less(self, other: Amount) -> Amount {
        Amount { pairs: self.pairs - other.pairs, classes: self.classes - other.classes }
    }

    fn at_most(self, other: Amount) -> Amount {
        Amount { pairs: self.pairs.min(other.pairs), classes: self.classes.min(other.classes) }
    }
}

/// Whose lines, and of which template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claimant {
    pub(crate) writer: u32,
    pub(crate) template: u32,
    /// Lines of the template.
    pub(crate) lines: u32,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shares {
    /// Of writers that want more than their share: what is left for a template. Others take what they want.
    of_templates: NumberMap<u32, NumberMap<u32, Amount>>,
    /// What there is for all.
    limit: Amount,
    taken: Amount,
    /// What was claimed so far, by whom.
    claimed: Vec<(Claimant, Amount)>,
    /// Lines that were refused.
    pub(crate) refused: Vec<u32>,
}

impl Shares {
    /// Who comes first takes what it wants.
    pub(crate) fn of(limit: Amount) -> Shares {
        let (of_templates, taken, claimed, refused) = Default::default();
        Shares { of_templates, limit, taken, claimed, refused }
    }

    /// A line claims its part: whether it may have it. `unseen`: the classes among it that no line has claimed yet.
    pub(crate) fn claim(&mut self, line: u32, claimant: Claimant, part: Amount, unseen: usize) -> bool {
        let counted = Amount { classes: unseen, ..part };
        match self.claimed.last_mut() {
            Some((last, amount)) if *last == claimant => *amount = amount.plus(counted),
            _ => self.claimed.push((claimant, counted)),
        }
        let is_given = match self.of_templates.get_mut(&claimant.writer) {
            None => self.taken.plus(part).fits(self.limit),
            Some(templates) => templates.get_mut(&claimant.template).is_some_and(|room| {
                let fits = part.fits(*room);
                if fits {
                    *room = room.less(part);
                }
                fits
            }),
        };
        match is_given {
            true => self.taken = self.taken.plus(part),
            false => self.refused.push(line),
        }
        is_given
    }

    /// Shares by which all that was claimed here is divided fairly; `None` if nothing was refused.
    pub(crate) fn fair(&self) -> Option<Shares> {
        if self.refused.is_empty() {
            return None;
        }
        let mut of_writers: NumberMap<u32, Amount> = NumberMap::default();
        for (claimant, amount) in &self.claimed {
            let all = of_writers.entry(claimant.writer).or_default();
            *all = all.plus(*amount);
        }
        let pairs = largest_share(of_writers.values().map(|amount| amount.pairs), self.limit.pairs);
        let classes = largest_share(of_writers.values().map(|amount| amount.classes), self.limit.classes);
        let share = Amount { pairs, classes };
        let is_over = |claimant: &Claimant| of_writers.get(&claimant.writer).is_some_and(|amount| !amount.fits(share));
        let mut over: Vec<(Claimant, Amount)> =
            self.claimed.iter().filter(|(claimant, _)| is_over(claimant)).copied().collect();
        over.sort_by_key(|(claimant, _)| (claimant.writer, Reverse(claimant.lines), claimant.template));
        // What a writer that has less claims may be what one that has more was counted for.
        let mut shares = Shares::of(self.limit.plus(self.limit));
        for of_writer in over.chunk_by(|(a, _), (b, _)| a.writer == b.writer) {
            let mut left = share;
            let templates = shares.of_templates.entry(of_writer[0].0.writer).or_default();
            for (claimant, amount) in of_writer {
                let part = amount.at_most(left);
                left = left.less(part);
                let room = templates.entry(claimant.template).or_default();
                *room = room.plus(part);
            }
        }
        Some(shares)
    }
}

/// The most that each may have of `room`, so that who wants less has all of it and nothing is left over.
fn largest_share(wanted: impl Iterator<Item = usize>, mut room: usize) -> usize {
    let mut wanted: Vec<usize> = wanted.collect();
    wanted.sort_unstable();
    let count = wanted.len();
    for (at, amount) in wanted.into_iter().enumerate() {
        let share = room / (count - at);
        if amount > share {
            return share;
        }
        room -= amount;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIRS_MAX: usize = 100_000;
    const CLASSES_MAX: usize = 1 << 12;

    fn shares() -> Shares {
        Shares::of(Amount { pairs: PAIRS_MAX, classes: CLASSES_MAX })
    }

    fn claim(shares: &mut Shares, line: u32, writer: u32, lines: u32, pairs: usize) -> bool {
        shares.claim(line, Claimant { writer, template: line, lines }, Amount { pairs, classes: 1 }, 1)
    }

    #[test]
    fn who_wants_less_than_a_share_has_all_of_it() {
        assert_eq!(largest_share([10, 20, 30].into_iter(), 60), usize::MAX);
        assert_eq!(largest_share([10, 20, 31].into_iter(), 60), 30);
        assert_eq!(largest_share([1, 100, 100].into_iter(), 60), 29);
        assert_eq!(largest_share([100].into_iter(), 60), 60);
        assert_eq!(largest_share([].into_iter(), 60), usize::MAX);
    }

    #[test]
    fn nothing_is_divided_that_is_enough() {
        let mut shares = shares();
        assert!(claim(&mut shares, 0, 0, 1, PAIRS_MAX) && shares.fair().is_none());
        assert!(!claim(&mut shares, 1, 1, 1, 1));
        assert_eq!(shares.refused, [1]);
        assert!(shares.fair().is_some());
    }

    #[test]
    fn one_writer_does_not_take_what_others_need() {
        let mut shares = shares();
        let shapes = 2 * CLASSES_MAX as u32;
        let all_claim = |shares: &mut Shares| {
            let noisy = (0..shapes).filter(|at| claim(shares, *at, 7, 1 + u32::from(*at == shapes - 1), 3)).count();
            let quiet = (shapes..shapes + 100).filter(|at| claim(shares, *at, 8, 1, 5)).count();
            (noisy, quiet)
        };
        assert_eq!(all_claim(&mut shares), (CLASSES_MAX, 0));
        let mut fair = shares.fair().unwrap();
        assert_eq!(all_claim(&mut fair), (CLASSES_MAX - 100, 100));
        assert_eq!(fair.refused.len(), shapes as usize + 100 - CLASSES_MAX);
        assert!(!fair.refused.contains(&(shapes - 1)), "the most frequent template comes first");
    }
}
