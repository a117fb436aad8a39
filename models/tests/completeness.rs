//! What loom sees of random small programs, with and without shadow words, against brute force; and treadle, which sees
//! everything.
//!
//! The oracle (`rc11-oracle`) enumerates every execution that RC11 allows. For each program the set of outcomes (what
//! each read returned) is compared: an outcome that loom does not reach is *missed*, one that RC11 forbids is *extra*.
//! loom's reduction skips interleavings (tokio-rs/loom issues 166 and 392); shadow words make up for that. What is left
//! are loom's own blind spots: a failed compare-exchange reads the newest value only, sequentially consistent accesses
//! count as acquire-release, so programs with those are left out of the comparison.
//!
//! The bounds that are asserted are what was measured; they may only fall.
#![cfg(loom)]

use rc11_oracle::random::{Generator, Mix, Profile};
use rc11_oracle::{Model, outcomes};
use selvedge::sync::model::Plan;
use selvedge_models::explore::{Effort, Verdict};
use selvedge_models::litmus::run;
use std::sync::{Mutex, PoisonError};

/// How many programs of a class showed a difference.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    programs: usize,
    /// Too many executions for the budget: counted apart, never as agreement.
    inconclusive: usize,
    missed_without: usize,
    missed_with: usize,
    extra: usize,
    /// Programs of which treadle shows something else than RC11 allows; all programs count.
    differs_on_treadle: usize,
}

/// Threads that map stacks for their executions hinder each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn compare(name: &str, profile: Profile, programs: usize, seed: u64) -> Tally {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut tally = Tally { programs, ..Tally::default() };
    let mut generator = Generator::new(seed, profile);
    for _ in 0..programs {
        let program = generator.program().expect("the profile makes programs");
        let truth = outcomes(&program, Model::Rc11).set;
        let exact = run(&program, Plan::default(), Effort::treadle());
        assert!(matches!(exact.verdict, Verdict::Pass), "{:?}", exact.verdict);
        tally.differs_on_treadle += usize::from(exact.outcomes != truth);
        let effort = Effort { executions: 20_000, ..Effort::loom(None) };
        let with = run(&program, Plan::default(), effort);
        let without = run(&program, Plan { shadow: false, ..Plan::default() }, effort);
        if !matches!((&with.verdict, &without.verdict), (Verdict::Pass, Verdict::Pass)) {
            tally.inconclusive += 1;
            continue;
        }
        tally.missed_with += usize::from(!truth.is_subset(&with.outcomes));
        tally.missed_without += usize::from(!truth.is_subset(&without.outcomes));
        tally.extra += usize::from(!with.outcomes.is_subset(&truth));
    }
    println!("{name}: {tally:?}");
    assert_eq!(tally.differs_on_treadle, 0, "{name}");
    assert!(tally.inconclusive * 4 <= programs, "too many were given up: {tally:?}");
    tally
}

/// No sequentially consistent access (loom takes it for acquire-release).
const MIX: Mix = Mix { seq_cst: 0, ..Mix::BALANCED };

#[test]
fn shadow_words_bring_back_what_the_reduction_skips() {
    let accesses = Mix { read_modify_writes: 0, ..MIX };
    let small = compare("2 × 2 loads and stores", Profile::new(2, 2, 2).with_mix(accesses), 500, 1);
    let large = compare("2 × 3 loads and stores", Profile::new(2, 3, 2).with_mix(accesses), 240, 2);
    let largest = compare("2 × 4 loads and stores", Profile::new(2, 4, 2).with_mix(accesses), 20, 8);
    let three = compare("3 × 2 loads and stores", Profile::new(3, 2, 2).with_mix(accesses), 40, 3);
    let without: usize = [&small, &large, &largest, &three].map(|tally| tally.missed_without).iter().sum();
    assert!(without > 0, "loom's own reduction misses nothing any more: shadow words can go");
    for tally in [small, large, largest, three] {
        assert!(tally.missed_with == 0 && tally.extra <= 1, "{tally:?}");
    }
}

#[test]
fn fences_synchronise_no_more_than_they_should() {
    let mix = Mix { seq_cst: 0, read_modify_writes: 0, ..Mix::FENCE_HEAVY };
    let small = compare("2 × 2 with fences", Profile::new(2, 2, 2).with_mix(mix), 300, 4);
    let large = compare("2 × 3 with fences", Profile::new(2, 3, 2).with_mix(mix), 60, 6);
    let largest = compare("2 × 4 with fences", Profile::new(2, 4, 2).with_mix(mix), 20, 9);
    let three = compare("3 × 2 with fences", Profile::new(3, 2, 2).with_mix(mix), 16, 7);
    for tally in [small, large, largest, three] {
        assert!(tally.missed_with == 0 && tally.extra == 0, "{tally:?}");
    }
}

#[test]
fn read_modify_writes_have_blind_spots() {
    let tally = compare("2 × 2 with read-modify-writes", Profile::new(2, 2, 2).with_mix(MIX), 150, 5);
    // Outcomes that RC11 forbids: a store races a read-modify-write (tokio-rs/loom 254), and 282.
    assert!(tally.missed_with == 0 && tally.extra <= 29, "{tally:?}");
}
