//! Faults planted in the engine itself: its tests notice each of them.
#![cfg(not(loom))]

mod support;

use rc11_oracle::random::{Generator, Mix, Profile};
use rc11_oracle::{Model, outcomes};
use support::run_with;
use treadle::Builder;

/// How many of some random programs show a difference when the engine has this fault.
fn differences(planted: u32) -> usize {
    let sequential = Mix { seq_cst: 20, read_modify_writes: 6, ..Mix::BALANCED };
    let profiles = [
        Profile::new(2, 3, 2),
        Profile::new(3, 2, 2),
        Profile::new(3, 3, 2).with_mix(Mix::FENCE_HEAVY),
        Profile::new(2, 4, 2).with_mix(sequential),
    ];
    let mut different = 0;
    for (seed, profile) in (1..).zip(profiles) {
        let mut generator = Generator::new(seed, profile);
        for _ in 0..100 {
            let program = generator.program().expect("the profile makes programs");
            let truth = outcomes(&program, Model::Rc11);
            let mut builder = Builder::new();
            builder.planted = planted;
            builder.max_runs = Some(10_000);
            let same = run_with(&program, &builder).is_ok_and(|shown| {
                shown.outcomes == truth.set && shown.report.executions == truth.graphs && shown.repeated == 0
            });
            different += usize::from(!same);
        }
    }
    different
}

#[test]
fn every_planted_fault_is_caught() {
    assert_eq!(differences(0), 0);
    let faults = [
        "a revisit is forgotten",
        "writes go to the end of coherence order only",
        "sequentially consistent events are not ordered",
        "revisits take away writes that are not the last of their location",
        "the second of two competing read-modify-writes revisits nothing",
        "a failed compare-exchange is no sequentially consistent event",
        "release sequences end with the first read-modify-write",
        "an acquire fence receives nothing",
    ];
    for (bit, fault) in faults.iter().enumerate() {
        let different = differences(1 << bit);
        println!("{fault}: {different} of 400 programs differ");
        assert!(different > 0, "not noticed: {fault}");
    }
}
