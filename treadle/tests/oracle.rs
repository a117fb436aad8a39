//! Small programs, random and well-known, against the brute-force enumerator `rc11-oracle`, which shares no code with
//! the engine: the same outcomes, and as many executions as there are graphs, whatever the schedule.
#![cfg(not(loom))]

mod support;

use rc11_oracle::random::{Generator, Mix, Profile};
use rc11_oracle::{Model, outcomes};
use support::{run, schedules};
use treadle::MemoryModel;

fn compare(name: &str, profile: Profile, programs: usize, seed: u64) {
    let mut generator = Generator::new(seed, profile);
    let mut graphs = 0;
    for index in 0..programs {
        let program = generator.program().expect("the profile makes programs");
        for (model, engine) in [(Model::Rc11, MemoryModel::Rc11), (Model::Sc, MemoryModel::Sc)] {
            let truth = outcomes(&program, model);
            graphs += truth.graphs;
            for schedule in schedules() {
                let shown = run(&program, engine, schedule);
                let context = format!("{name} {index}, {engine:?}, {schedule:?}\n{program}");
                assert_eq!(shown.outcomes, truth.set, "outcomes of {context}");
                assert_eq!(shown.report.executions, truth.graphs, "executions of {context}");
                assert_eq!(shown.repeated, 0, "graphs seen twice in {context}");
            }
        }
    }
    println!("{name}: {programs} programs, {graphs} graphs");
}

#[test]
fn two_threads() {
    compare("2 × 3", Profile::new(2, 3, 2), 3_000, 1);
}

#[test]
fn two_long_threads() {
    compare("2 × 4", Profile::new(2, 4, 2), 2_000, 2);
}

#[test]
fn three_threads() {
    compare("3 × 2", Profile::new(3, 2, 2), 2_000, 3);
}

#[test]
fn three_threads_three_words() {
    compare("3 × 3", Profile::new(3, 3, 3), 1_000, 4);
}

#[test]
fn four_threads() {
    compare("4 × 2", Profile::new(4, 2, 2), 1_000, 5);
}

#[test]
fn fences() {
    compare("3 × 3 with fences", Profile::new(3, 3, 2).with_mix(Mix::FENCE_HEAVY), 1_000, 6);
}
