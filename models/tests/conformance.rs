//! The conformance matrix: what each engine shows of every litmus program, beside what RC11 allows.
//!
//! The programs are the shapes (each with all its accesses ordered in four ways) and probes of the brute-force oracle
//! (`rc11-oracle`), which also says which outcomes RC11 and sequential consistency allow. An outcome that RC11 allows
//! and an engine never shows is a blind spot: an error that needs it stays hidden. One that RC11 forbids and an engine
//! shows is a false alarm in waiting. All of it is pinned by a snapshot, down to the outcomes, so that no engine, no
//! version of one and no change of the model backend can gain or lose one unnoticed.
#![cfg(loom)]
#![allow(missing_docs)]

use rc11_oracle::litmus::{Column, PROBES, SHAPES, Verdict};
use rc11_oracle::{Model, Outcome, Program, outcomes};
use selvedge::sync::model::Plan;
use selvedge_models::explore::{Effort, Verdict as End};
use selvedge_models::litmus::run;
use selvedge_models::parallel;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Random schedules of a program on shuttle: more than its interleavings, several times over.
const SCHEDULES: u64 = 2_000;

/// Preemption bound on loom; `None` is none. Whatever RC11 allows of the larger programs shows below it.
fn bound(program: &Program) -> Option<usize> {
    let operations = program.threads().iter().flatten().count();
    match program.threads().len() {
        ..=2 if operations < 8 => None,
        ..=3 => Some(3),
        _ => Some(2),
    }
}

/// Who shows what a program can do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Engine {
    /// loom as it is.
    Bare,
    /// loom as the models use it: every access is preceded by one to a shadow word.
    Shadowed,
    Shuttle,
    Treadle,
}

impl Engine {
    const ALL: [Self; 4] = [Self::Bare, Self::Shadowed, Self::Shuttle, Self::Treadle];

    const fn name(self) -> &'static str {
        match self {
            Self::Bare => "loom, bare",
            Self::Shadowed => "loom, shadow words",
            Self::Shuttle => "shuttle",
            Self::Treadle => "treadle",
        }
    }

    /// Everything that it shows of `program`.
    fn show(self, program: &Program) -> BTreeSet<Outcome> {
        let effort = match self {
            Self::Bare | Self::Shadowed => Effort::loom(bound(program)),
            Self::Shuttle => Effort::shuttle(SCHEDULES, 0),
            Self::Treadle => Effort::treadle(),
        };
        let shown = run(program, Plan { shadow: self == Self::Shadowed, ..Plan::default() }, effort);
        assert!(matches!(shown.verdict, End::Pass), "{}: {:?}\n{program}", self.name(), shown.verdict);
        shown.outcomes
    }
}

/// A litmus program.
struct Case {
    name: String,
    program: Program,
    /// Whether the outcome that it is about is allowed.
    verdict: Verdict,
    /// Whether an outcome is that one.
    is_judged: Box<dyn Fn(&Outcome) -> bool + Sync>,
}

/// Every shape in every column, then every probe.
fn cases() -> Vec<Case> {
    let shapes = SHAPES.iter().flat_map(|shape| {
        Column::ALL.map(|column| Case {
            name: format!("{} {}", shape.name, column.name()),
            program: shape.program(column).expect("the shapes are valid programs"),
            verdict: shape.verdict(column),
            is_judged: Box::new(|outcome| shape.is_weak(outcome)),
        })
    });
    let probes = PROBES.iter().map(|probe| Case {
        name: probe.name.to_owned(),
        program: probe.program().expect("the probes are valid programs"),
        verdict: probe.verdict,
        is_judged: Box::new(|outcome| probe.matches(outcome)),
    });
    shapes.chain(probes).collect()
}

/// What is allowed of one program and what is shown.
struct Row<'a> {
    case: &'a Case,
    rc11: BTreeSet<Outcome>,
    sc: BTreeSet<Outcome>,
    /// By engine, as in [`Engine::ALL`].
    shown: [BTreeSet<Outcome>; 4],
}

impl Row<'_> {
    /// How many outcomes, a star if the judged one is among them, how many are missing and how many too much.
    fn cell(&self, shown: &BTreeSet<Outcome>) -> String {
        let star = if shown.iter().any(&self.case.is_judged) { "*" } else { " " };
        let mut cell = format!("{:2}{star}", shown.len());
        for (sign, count) in [('-', self.rc11.difference(shown).count()), ('+', shown.difference(&self.rc11).count())] {
            if count > 0 {
                let _ = write!(cell, " {sign}{count}");
            }
        }
        cell
    }

    /// The outcomes on which loom and RC11 differ, one a line.
    fn differences(&self) -> String {
        let mut text = String::new();
        let engines = Engine::ALL.iter().zip(&self.shown);
        for (engine, shown) in engines.filter(|(engine, _)| **engine != Engine::Shuttle) {
            for outcome in self.rc11.difference(shown) {
                let _ = writeln!(text, "  - {outcome}  ({})", engine.name());
            }
            for outcome in shown.difference(&self.rc11) {
                let _ = writeln!(text, "  + {outcome}  ({})", engine.name());
            }
        }
        text
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allowed => "allowed",
        Verdict::Forbidden => "forbidden",
        Verdict::ForbiddenInRc11 => "C++20 only",
    }
}

fn table(rows: &[Row<'_>]) -> String {
    let widest = rows.iter().map(|row| row.case.name.chars().count()).max().unwrap_or(0);
    let [bare, shadowed, shuttle, treadle] = Engine::ALL.map(Engine::name);
    let mut text = String::from(
        "Outcomes of each program: how many RC11 and SC allow, how many each engine shows; * the judged one is among them,\n\
         -n allowed by RC11 and not shown, +n shown and forbidden by RC11. On loom, programs of more than two threads or\n\
         seven operations have a preemption bound of 3, of four threads 2.\n\n",
    );
    let _ = writeln!(text, "{:widest$}  judged      RC11  SC   {bare:12}{shadowed:20}{shuttle:14}{treadle}", "program");
    for row in rows {
        let [bare, shadowed, shuttle, treadle] = [0, 1, 2, 3].map(|engine| row.cell(&row.shown[engine]));
        let (rc11, sc) = (row.cell(&row.rc11), row.sc.len());
        let verdict = word(row.case.verdict);
        let line = format!(
            "{:widest$}  {verdict:12}{rc11:6}{sc:2}   {bare:12}{shadowed:20}{shuttle:14}{treadle}",
            row.case.name
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push_str("\nWhere loom differs from RC11:\n\n");
    for row in rows {
        let differences = row.differences();
        if !differences.is_empty() {
            let _ = writeln!(text, "{}\n{differences}", row.case.name);
        }
    }
    text
}

/// Runs every program on every engine.
fn measure(cases: &[Case]) -> Vec<Row<'_>> {
    let jobs: Vec<(usize, Engine)> =
        (0..cases.len()).flat_map(|index| Engine::ALL.map(|engine| (index, engine))).collect();
    let show = |&(index, engine): &(usize, Engine)| engine.show(&cases[index].program);
    let mut shown = parallel::map(&jobs, parallel::cores(), show, |_, _| {}).into_iter();
    let rows = cases.iter().map(|case| {
        let allowed = |model| outcomes(&case.program, model).set;
        let shown = Engine::ALL.map(|_| shown.next().expect("a result for each job"));
        Row { case, rc11: allowed(Model::Rc11), sc: allowed(Model::Sc), shown }
    });
    rows.collect()
}

#[test]
fn engines_show_what_they_showed_before() {
    let cases = cases();
    let rows = measure(&cases);
    for row in &rows {
        let [_, _, shuttle, treadle] = &row.shown;
        assert_eq!(shuttle, &row.sc, "shuttle is sequentially consistent: {}", row.case.name);
        assert_eq!(treadle, &row.rc11, "treadle has no blind spot: {}", row.case.name);
    }
    insta::assert_snapshot!("matrix", table(&rows));
}
