//! Every mutant fails the model that is named for it, and the faithful copy passes the same model.
#![cfg(loom)]
#![allow(missing_docs)]

use selvedge_models::explore::Verdict;
use selvedge_models::ledger::Row;
use selvedge_models::mutants::{self, Mutant};
use selvedge_models::sweep::{Settings, prove};
use std::collections::{BTreeMap, BTreeSet};

fn named(name: &str) -> Mutant {
    mutants::all().into_iter().find(|mutant| mutant.name == name).expect("a mutant of that name")
}

/// Random schedules of each plan on shuttle, which is quick and looks at no ordering; what it does not notice is left to
/// loom, where a preemption bound may hide even a mutant that needs no more preemptions than that. treadle has to notice all.
const SCHEDULES: u64 = 4_000;

/// As far as is needed to notice every mutant; the originals are explored further.
fn treadle() -> Settings {
    Settings { at_most: Some(12), ..Settings::treadle() }
}

fn is_caught(name: &str) {
    is_caught_on(name, &[treadle()]);
    is_caught_on(name, &[Settings::shuttle(SCHEDULES), Settings::loom()]);
}

/// By one of these engines, each asked if those before it noticed nothing.
fn is_caught_on(name: &str, engines: &[Settings]) {
    let Mutant { bug, planted, fails_with, .. } = named(name);
    let mut passed_on = Vec::new();
    for &settings in engines {
        let report = prove(&planted, settings);
        let row = Row::new(&planted, settings, &report);
        match &report.verdict {
            Verdict::Fail(failure) => {
                let explanation = row.explanation().unwrap_or_default();
                assert!(
                    failure.message.contains(fails_with),
                    "`{name}` ({bug}) was to be caught as `{fails_with}`:\n{explanation}"
                );
                return;
            }
            Verdict::Pass => passed_on.push(row.engine),
            Verdict::Inconclusive(why) => panic!("`{name}` ({bug}): inconclusive ({why}), which is no catch"),
        }
    }
    panic!("`{name}` ({bug}) is not noticed by {} on {}", planted.name, passed_on.join(" and "));
}

macro_rules! mutants {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                is_caught(stringify!($name));
            }
        )*

        #[test]
        fn every_mutant_has_a_test() {
            let tested = BTreeSet::from([$(stringify!($name)),*]);
            let all: BTreeSet<&str> = mutants::all().iter().map(|mutant| mutant.name).collect();
            assert_eq!(tested, all);
        }
    };
}

mutants! {
    cleared_after_vain_wake,
    heir_drops_waiters,
    heir_stores_blindly,
    nobody_passes_on,
    orderings_swapped,
    semaphore_walk_wakes_nobody,
    sleeper_forgets_the_others,
    wake_is_robbed,
    unlockers_wake_is_lost,
    walk_on_the_keepers_mark,
    walk_wakes_nobody,
    woken_before_dead,
}

fn the_faithful_copies_pass_on(settings: Settings) {
    // The same model may be of two copies.
    let controls: BTreeMap<(&str, usize), _> = mutants::all()
        .into_iter()
        .map(|Mutant { control, .. }| ((control.name, control.build as usize), control))
        .collect();
    for ((name, _), control) in &controls {
        let start = std::time::Instant::now();
        let report = prove(control, settings);
        println!("{name}: {:.1?}", start.elapsed());
        let explanation = Row::new(control, settings, &report).explanation();
        assert!(explanation.is_none(), "{}", explanation.unwrap_or_default());
    }
}

#[test]
fn the_faithful_copies_pass_on_loom() {
    the_faithful_copies_pass_on(Settings::loom());
}

#[test]
fn the_faithful_copies_pass_on_treadle() {
    the_faithful_copies_pass_on(treadle());
}
