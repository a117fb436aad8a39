//! An exploration split over several OS threads is the same exploration.
#![cfg(not(loom))]

mod support;

use std::collections::BTreeSet;
use support::clients::{buffer, mpmc, mutex, store_buffering};
use treadle::{Builder, Problem, Report};

/// The graphs that so many workers explore, and what they report.
fn graphs(workers: usize, client: fn()) -> (BTreeSet<u128>, Report) {
    let mut builder = Builder::new();
    builder.workers = workers;
    let (mut seen, mut twice) = (BTreeSet::new(), 0);
    let report = builder.explore_graphs(client, |graph| twice += u32::from(!seen.insert(graph)));
    assert_eq!(twice, 0, "graphs seen twice by {workers} workers");
    (seen, report.expect("it is right"))
}

#[test]
fn every_graph_is_explored_once_by_somebody() {
    for (name, client) in [
        ("mutex", (|| mutex(2, 2)) as fn()),
        ("mutex of three", || mutex(3, 1)),
        ("queue", || mpmc(2, 1, 2)),
        ("buffer", || buffer(2)),
    ] {
        let (alone, of_one) = graphs(1, client);
        for workers in [2, 3, 5] {
            let (together, report) = graphs(workers, client);
            // As sets, and in numbers: events and steps depend on who explored what, the rest does not.
            assert_eq!(together, alone, "{name}, {workers} workers");
            assert_eq!(report.executions, of_one.executions, "{name}, {workers} workers");
            assert_eq!(report.blocked, of_one.blocked, "{name}, {workers} workers");
            assert!(report.complete && of_one.complete);
        }
    }
}

#[test]
fn splitting_costs_little_more_than_the_work() {
    // Steps are what the time goes to; unlike time they are the same on a busy machine.
    let (_, alone) = graphs(1, || buffer(2));
    let (_, together) = graphs(2, || buffer(2));
    assert!(together.steps * 100 <= alone.steps * 115, "{} steps alone, {} by two", alone.steps, together.steps);
}

#[test]
fn several_workers_find_what_one_finds() {
    for workers in [1, 2, 4] {
        let mut builder = Builder::new();
        builder.workers = workers;
        let failure = builder.explore(|| store_buffering(false)).expect_err("it is allowed");
        assert_eq!(failure.problem, Problem::Panic, "{workers} workers");
        builder.max_runs = Some(100);
        let report = builder.explore(|| mutex(2, 2)).expect("it is right");
        assert!(report.inconclusive.is_some() && !report.complete, "{workers} workers");
    }
}
