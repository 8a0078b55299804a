//! How many threads are enough, judged by how long their work takes.

use std::time::Duration;

/// Applications that compute take less per call; a database on the same machine, a disk or a
/// `sleep` takes more, and so does waiting for a client.
const LONG: Duration = Duration::from_micros(50);

/// Whether work is done sooner than another thread would be there for it.
///
/// Then as many threads as there are processors do it best: each more is a wake-up that comes too
/// late, takes a processor from another thread, and has its own part of the heap.
pub(super) struct Pace {
    long: u8,
    /// `false`: all work counts as long.
    measures: bool,
}

impl Pace {
    /// One long piece of work weighs as much as four short ones: some are short because a cache
    /// had the answer, and some are long because the processor was taken away.
    const WEIGHT: u8 = 4;
    const MOST: u8 = 8 * Self::WEIGHT;

    pub(super) const fn new(measures: bool) -> Self {
        Self { long: 0, measures }
    }

    pub(super) fn record(&mut self, took: Duration, steps: usize) {
        let steps = u32::try_from(steps.max(1)).unwrap_or(u32::MAX);
        if took / steps < LONG {
            self.long = self.long.saturating_sub(1);
        } else {
            self.long = self.long.saturating_add(Self::WEIGHT).min(Self::MOST);
        }
    }

    pub(super) fn is_quick(&self) -> bool {
        self.measures && self.long < 4 * Self::WEIGHT
    }
}

/// The jobs that run, by how often the watching thread has looked since they began.
///
/// No clock is asked: a job that ran at two looks has run for the time between them.
#[derive(Default)]
pub(super) struct RunningJobs {
    look: u64,
    begun: u64,
    /// Begun since the last look, or between the last two.
    young: [usize; 2],
    /// Begun before that.
    old: usize,
}

/// When a job began, for [`RunningJobs::end`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    look: u64,
}

/// What the watching thread has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// How many jobs began since the last look.
    pub(super) begun: u64,
    /// How many jobs have become old with this look.
    pub(super) aged: usize,
}

impl RunningJobs {
    pub(super) fn begin(&mut self) -> Begun {
        self.begun += 1;
        self.young[0] += 1;
        Begun { look: self.look }
    }

    pub(super) fn end(&mut self, begun: Begun) {
        let [new, seen] = &mut self.young;
        match self.look - begun.look {
            0 => *new -= 1,
            1 => *seen -= 1,
            _ => self.old -= 1,
        }
    }

    pub(super) fn look(&mut self) -> Seen {
        let [new, seen] = self.young;
        let aged = seen;
        self.old += seen;
        self.young = [0, new];
        self.look += 1;
        Seen {
            begun: std::mem::take(&mut self.begun),
            aged,
        }
    }

    pub(super) fn all(&self) -> usize {
        self.young() + self.old
    }

    pub(super) fn young(&self) -> usize {
        let [new, seen] = self.young;
        new + seen
    }

    /// The jobs that seem to block.
    pub(super) fn old(&self) -> usize {
        self.old
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_micros(10);
    const SLEEP: Duration = Duration::from_millis(1);

    fn pace(history: &[(Duration, usize)]) -> Pace {
        let mut pace = Pace::new(true);
        for (took, steps) in history {
            pace.record(*took, *steps);
        }
        pace
    }

    #[test]
    fn work_is_quick_until_four_of_a_few_were_long() {
        assert!(pace(&[]).is_quick());
        assert!(pace(&[(SHORT, 1); 100]).is_quick());
        assert!(pace(&[(SLEEP, 1); 3]).is_quick());
        assert!(!pace(&[(SLEEP, 1); 4]).is_quick());
    }

    #[test]
    fn it_is_quick_again_when_nothing_was_long_for_a_while() {
        let mut pace = pace(&[(SLEEP, 1); 1000]);
        let needed = (1..).find(|_| {
            pace.record(SHORT, 1);
            pace.is_quick()
        });
        assert_eq!(needed, Some(17));
    }

    #[test]
    fn one_in_four_keeps_it_slow_and_one_in_ten_does_not_make_it_so() {
        let mut often = pace(&[(SLEEP, 1); 8]);
        let mut rare = pace(&[]);
        for n in 0..1000 {
            often.record(if n % 4 == 0 { SLEEP } else { SHORT }, 1);
            rare.record(if n % 10 == 0 { SLEEP } else { SHORT }, 1);
            assert!(!often.is_quick() && rare.is_quick(), "{n}");
        }
    }

    #[test]
    fn a_long_turn_of_many_steps_is_quick() {
        assert!(pace(&[(SLEEP, 100); 10]).is_quick());
        assert!(!pace(&[(SLEEP, 2); 10]).is_quick());
        // Nothing at all was done, and that took long.
        assert!(!pace(&[(SLEEP, 0); 10]).is_quick());
    }

    #[test]
    fn without_measuring_nothing_is_quick() {
        let mut pace = Pace::new(false);
        pace.record(SHORT, 1);
        assert!(!pace.is_quick());
    }

    #[test]
    fn what_runs_at_two_looks_is_old() {
        let mut running = RunningJobs::default();
        let first = running.begin();
        assert_eq!((running.all(), running.old()), (1, 0));
        assert_eq!(running.look(), Seen { begun: 1, aged: 0 });
        let second = running.begin();
        assert_eq!(running.look(), Seen { begun: 1, aged: 1 });
        assert_eq!((running.all(), running.young(), running.old()), (2, 1, 1));
        assert_eq!(running.look(), Seen { begun: 0, aged: 1 });
        assert_eq!(running.old(), 2);
        running.end(first);
        let third = running.begin();
        running.end(second);
        assert_eq!((running.all(), running.old()), (1, 0));
        running.end(third);
        assert_eq!(running.all(), 0);
    }
}
