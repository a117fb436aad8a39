//! Searches that do not look at everything.
#![cfg(not(loom))]

mod support;

use rc11_oracle::random::{Generator, Profile};
use rc11_oracle::{Model, outcomes};
use std::time::Duration;
use support::clients::{mutex, store_buffering};
use support::run_with;
use treadle::{Builder, Problem, Report, Search};

fn searched(search: Search) -> Builder {
    let mut builder = Builder::new();
    builder.search = search;
    builder
}

#[test]
fn more_deviations_show_more_until_nothing_is_cut() {
    let count =
        |most: u32| -> Report { searched(Search::Deviations(most)).explore(|| mutex(2, 2)).expect("it is right") };
    let reports: Vec<Report> = (0..).map(count).take_while(|report| report.cut > 0).collect();
    assert_eq!(reports[0].executions, 1, "the plain one");
    assert!(reports.windows(2).all(|pair| pair[0].executions <= pair[1].executions));
    assert!(reports.iter().all(|report| !report.complete));
    let all = count(u32::try_from(reports.len()).expect("few"));
    assert!(all.complete && all.cut == 0);
    assert_eq!(all.executions, 258);
}

#[test]
fn one_deviation_is_enough_for_store_buffering() {
    let found = |most| searched(Search::Deviations(most)).explore(|| store_buffering(false));
    assert!(found(0).is_ok());
    assert_eq!(found(1).expect_err("one outdated read").problem, Problem::Panic);
}

#[test]
fn random_executions_are_executions_and_the_same_for_one_seed() {
    let mut generator = Generator::new(9, Profile::new(3, 3, 2));
    let (mut shown, mut all) = (0, 0);
    for _ in 0..100 {
        let program = generator.program().expect("the profile makes programs");
        let truth = outcomes(&program, Model::Rc11);
        let draw = |seed| {
            let builder = searched(Search::Random { runs: 200, seed });
            let drawn = run_with(&program, &builder).expect("programs do not fail");
            assert_eq!(drawn.report.executions, 200);
            assert!(!drawn.report.complete);
            assert!(drawn.outcomes.is_subset(&truth.set), "not an execution of\n{program}");
            drawn.outcomes
        };
        assert_eq!(draw(1), draw(1));
        shown += draw(1).len();
        all += truth.set.len();
    }
    // More than half of what there is is drawn.
    assert!(shown * 2 > all, "{shown} of {all} outcomes were drawn");
}

#[test]
fn random_executions_find_what_is_common() {
    let builder = searched(Search::Random { runs: 1_000, seed: 1 });
    let failure = builder.explore(|| store_buffering(false)).expect_err("it is likely");
    assert_eq!(failure.problem, Problem::Panic);
    assert!(builder.explore(|| store_buffering(true)).expect("it is forbidden").executions == 1_000);
}

#[test]
fn limits_make_a_check_inconclusive() {
    let mut builder = Builder::new();
    builder.max_runs = Some(100);
    let report = builder.explore(|| mutex(2, 2)).expect("it is right");
    assert!(!report.complete && report.inconclusive.is_some_and(|why| why.contains("100 runs")));
    let mut builder = Builder::new();
    builder.max_duration = Some(Duration::ZERO);
    let report = builder.explore(|| mutex(2, 2)).expect("it is right");
    assert!(!report.complete && report.inconclusive.is_some());
    assert!(Builder::new().explore(|| mutex(2, 1)).expect("it is right").complete);
}
