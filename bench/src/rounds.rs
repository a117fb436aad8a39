//! Contestants that take turns.

use crate::report::Sample;
use std::time::Instant;

/// How many rounds there are.
pub const ROUNDS: usize = 200;
/// How long a contestant's turn is to take, roughly: far less than a scheduler's time slice, so that the turns in which
/// something else had the processor are few and the median does not see them.
const TURN_NS: f64 = 300_000.0;

/// Something that can be done any number of times.
pub struct Contestant<'a> {
    name: String,
    run: Box<dyn FnMut(u32) + 'a>,
}

impl core::fmt::Debug for Contestant<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Contestant").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<'a> Contestant<'a> {
    /// A contestant that does `once`. The loop is compiled for it alone.
    pub fn new(name: &str, mut once: impl FnMut() + 'a) -> Self {
        let run = move |times| {
            for _ in 0..times {
                once();
            }
        };
        Self { name: name.to_owned(), run: Box::new(run) }
    }

    fn turn(&mut self, times: u32) -> f64 {
        let start = Instant::now();
        (self.run)(times);
        start.elapsed().as_secs_f64() * 1e9 / f64::from(times)
    }

    /// How often it can be done in a turn.
    fn times(&mut self) -> u32 {
        let mut times = 1;
        loop {
            let each = self.turn(times);
            if each * f64::from(times) > TURN_NS || times >= 1 << 24 {
                return times;
            }
            times *= 2;
        }
    }
}

/// Lets all contestants take turns; each begins as many rounds as any other.
pub fn compete(mut contestants: Vec<Contestant<'_>>) -> Vec<Sample> {
    let times: Vec<u32> = contestants.iter_mut().map(Contestant::times).collect();
    let mut samples: Vec<Sample> = contestants.iter().map(|one| Sample::new(&one.name)).collect();
    let count = contestants.len();
    for round in 0..ROUNDS {
        for place in 0..count {
            let index = (round + place) % count;
            let each = contestants[index].turn(times[index]);
            samples[index].add(each);
        }
    }
    samples
}
