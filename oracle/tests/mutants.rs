//! Every clause of the axioms matters: for each mutant, a program with an outcome on which it and RC11 disagree.
#![cfg(not(loom))]

use rc11_oracle::litmus::{Column, PROBES, SHAPES};
use rc11_oracle::mutant::Mutant;
use rc11_oracle::random::{Generator, Profile};
use rc11_oracle::{Model, Outcome, Outcomes, Program, ProgramError, outcomes, outcomes_of_mutant};

/// A program of the litmus data and the outcome that it is about.
enum Pin {
    Shape(&'static str, Column),
    Probe(&'static str),
}

/// The program that pins each mutant, and whether the mutant allows its outcome. RC11 decides the other way.
fn pin(mutant: Mutant) -> (Pin, bool) {
    use Column::{Fenced, Relaxed, ReleaseAcquire, SeqCst};
    match mutant {
        Mutant::ThinAir => (Pin::Shape("LB", Relaxed), true),
        Mutant::Incoherent => (Pin::Shape("CoRR", Relaxed), true),
        Mutant::TornReadModifyWrite => (Pin::Probe("two fetch_adds read the same write"), true),
        Mutant::NoPsc => (Pin::Shape("W+RWC", Fenced), true),
        Mutant::NoSynchronisation => (Pin::Shape("MP", ReleaseAcquire), true),
        Mutant::NoReleaseFence => (Pin::Probe("MP with a release fence"), true),
        Mutant::NoAcquireFence => (Pin::Probe("MP with an acquire fence"), true),
        Mutant::NoReleaseSequence => (Pin::Probe("release sequence through a foreign read-modify-write"), true),
        Mutant::Cxx11ReleaseSequence => {
            (Pin::Probe("release sequence through the releasing thread's own store"), false)
        }
        Mutant::ScbWithoutSb | Mutant::ScbWithoutRb => (Pin::Shape("SB", SeqCst), true),
        Mutant::ScbWithoutDetour => (Pin::Probe("W+RWC with a release/acquire hop"), true),
        Mutant::ScbWithFreeDetour => (Pin::Probe("Z6.U"), false),
        Mutant::ScbWithoutHbLoc => (Pin::Shape("IRIW", SeqCst), true),
        Mutant::ScbWithoutMo => (Pin::Shape("2+2W", SeqCst), true),
        Mutant::NoFenceBeforeScb | Mutant::NoFenceAfterScb => {
            (Pin::Probe("SB with a fence in one thread and SeqCst accesses in the other"), true)
        }
        Mutant::NoPscFence => (Pin::Shape("IRIW", Fenced), true),
        Mutant::WeakFencesInPsc => {
            (Pin::Probe("SB with a SeqCst fence in one thread and an AcqRel fence in the other"), false)
        }
        Mutant::FailureWithSuccessOrder => {
            (Pin::Probe("SB with failing compare-exchanges of relaxed failure as reads"), false)
        }
        Mutant::FailureRelaxed => (Pin::Probe("SB with failing SeqCst compare-exchanges as reads"), true),
    }
}

impl Pin {
    fn program(&self) -> Result<Program, ProgramError> {
        match *self {
            Self::Shape(name, column) => find(SHAPES, name, |shape| shape.name).program(column),
            Self::Probe(name) => find(PROBES, name, |probe| probe.name).program(),
        }
    }

    fn is_about(&self, outcome: &Outcome) -> bool {
        match *self {
            Self::Shape(name, _) => find(SHAPES, name, |shape| shape.name).is_weak(outcome),
            Self::Probe(name) => find(PROBES, name, |probe| probe.name).matches(outcome),
        }
    }

    fn shows(&self, found: &Outcomes) -> bool {
        found.set.iter().any(|outcome| self.is_about(outcome))
    }
}

fn find<T>(all: &'static [T], name: &str, name_of: impl Fn(&T) -> &'static str) -> &'static T {
    all.iter().find(|item| name_of(item) == name).unwrap_or_else(|| panic!("nothing is called {name}"))
}

#[test]
fn a_named_program_tells_each_mutant_from_rc11() -> Result<(), ProgramError> {
    for mutant in Mutant::ALL {
        let (pin, allowed) = pin(mutant);
        let program = pin.program()?;
        assert_eq!(pin.shows(&outcomes_of_mutant(&program, mutant)), allowed, "{mutant:?}\n{program}");
        assert_eq!(pin.shows(&outcomes(&program, Model::Rc11)), !allowed, "RC11, against {mutant:?}\n{program}");
    }
    Ok(())
}

/// The published figures that tell the two psc axioms in use apart.
#[test]
fn z6_u_has_24_graphs_and_22_with_the_stronger_psc() -> Result<(), ProgramError> {
    let program = Pin::Probe("Z6.U").program()?;
    assert_eq!(outcomes(&program, Model::Rc11).graphs, 24);
    assert_eq!(outcomes_of_mutant(&program, Mutant::ScbWithFreeDetour).graphs, 22);
    Ok(())
}

/// Mutants that lack a clause allow at least what RC11 allows; those that add one, at most.
#[test]
fn mutants_are_weaker_or_stronger_throughout() -> Result<(), ProgramError> {
    let profile = Profile { accesses: 7, ..Profile::new(3, 4, 2) };
    let mut generator = Generator::new(31, profile);
    for _ in 0..100 {
        let program = generator.program()?;
        let rc11 = outcomes(&program, Model::Rc11);
        for mutant in Mutant::ALL {
            let changed = outcomes_of_mutant(&program, mutant);
            let (small, large) = if pin(mutant).1 { (&rc11, &changed) } else { (&changed, &rc11) };
            assert!(small.set.is_subset(&large.set) && small.graphs <= large.graphs, "{mutant:?}\n{program}");
        }
    }
    Ok(())
}

/// What the fence-heavy mix is for: the SC axiom, and `psc_F` by itself, decide many of its programs.
#[test]
fn fence_heavy_programs_exercise_psc() -> Result<(), ProgramError> {
    let profile = Profile { accesses: 8, ..Profile::new(4, 4, 2) }.fence_heavy();
    let mut generator = Generator::new(32, profile);
    let (mut by_psc, mut by_psc_fence) = (0, 0);
    for _ in 0..500 {
        let program = generator.program()?;
        let rc11 = outcomes(&program, Model::Rc11);
        by_psc += u32::from(outcomes_of_mutant(&program, Mutant::NoPsc) != rc11);
        by_psc_fence += u32::from(outcomes_of_mutant(&program, Mutant::NoPscFence) != rc11);
    }
    assert!(by_psc >= 50 && by_psc_fence >= 15, "psc decides {by_psc} of 500 programs, psc_F {by_psc_fence}");
    Ok(())
}
