//! The conformance matrix: each verdict of the litmus data against the axioms, and the published graph counts.
#![cfg(not(loom))]

use rc11_oracle::litmus::{Column, PROBES, SHAPES, Shape, Verdict};
use rc11_oracle::mutant::Mutant;
use rc11_oracle::{Model, Op, Order, Outcomes, Program, ProgramError, outcomes, outcomes_of_mutant};

fn shape(name: &str) -> &'static Shape {
    SHAPES.iter().find(|shape| shape.name == name).unwrap_or_else(|| panic!("no shape {name}"))
}

fn shows(shape: &Shape, outcomes: &Outcomes) -> bool {
    outcomes.set.iter().any(|outcome| shape.is_weak(outcome))
}

#[test]
fn every_cell_of_the_matrix() -> Result<(), ProgramError> {
    for shape in SHAPES {
        for column in Column::ALL {
            let program = shape.program(column)?;
            let found = outcomes(&program, Model::Rc11);
            let verdict = shape.verdict(column);
            assert_eq!(shows(shape, &found), verdict.in_rc11(), "{} {}\n{program}{found}", shape.name, column.name());
        }
    }
    Ok(())
}

#[test]
fn the_matrix_is_the_published_one() {
    use Verdict::{Allowed, Forbidden, ForbiddenInRc11};
    let rows = |verdicts: [Verdict; 4]| {
        SHAPES.iter().filter(|shape| shape.verdicts == verdicts).map(|shape| shape.name).collect::<Vec<_>>()
    };
    let needs_seq_cst = rows([Allowed, Allowed, Forbidden, Forbidden]);
    assert_eq!(needs_seq_cst, ["SB", "R", "2+2W", "RWC", "W+RWC", "Z6.0", "IRIW"]);
    assert_eq!(rows([Allowed, Forbidden, Forbidden, Forbidden]), ["MP", "S", "WRC", "ISA2"]);
    assert_eq!(rows([ForbiddenInRc11, Forbidden, Forbidden, Forbidden]), ["LB"]);
    assert_eq!(rows([Forbidden; 4]), ["CoRR", "CoRW", "CoWR", "CoWW"]);
    assert_eq!(SHAPES.len(), 16);
}

/// C++20 differs from RC11 in load buffering alone: what only RC11 forbids is exactly what no-thin-air forbids.
#[test]
fn cpp20_verdicts_are_those_without_no_thin_air() -> Result<(), ProgramError> {
    for shape in SHAPES {
        for column in Column::ALL {
            let found = outcomes_of_mutant(&shape.program(column)?, Mutant::ThinAir);
            let in_cpp20 = shape.verdict(column) != Verdict::Forbidden;
            assert_eq!(shows(shape, &found), in_cpp20, "{} {}", shape.name, column.name());
        }
    }
    Ok(())
}

#[test]
fn sequential_consistency_forbids_every_weak_outcome() -> Result<(), ProgramError> {
    for shape in SHAPES {
        for column in Column::ALL {
            let found = outcomes(&shape.program(column)?, Model::Sc);
            assert!(!shows(shape, &found) && found.graphs > 0, "{} {}", shape.name, column.name());
        }
    }
    Ok(())
}

#[test]
fn every_probe() -> Result<(), ProgramError> {
    for probe in PROBES {
        let program = probe.program()?;
        let found = outcomes(&program, Model::Rc11);
        let shown = found.set.iter().any(|outcome| probe.matches(outcome));
        assert_eq!(shown, probe.verdict.in_rc11(), "{}\n{program}{found}", probe.name);
    }
    Ok(())
}

/// The numbers of complete executions that GenMC and the literature report.
#[test]
fn published_graph_counts() -> Result<(), ProgramError> {
    use Column::{Fenced, Relaxed, ReleaseAcquire, SeqCst};
    let counts = [
        ("SB", Relaxed, 4),
        ("SB", SeqCst, 3),
        ("SB", Fenced, 3),
        ("MP", Relaxed, 4),
        ("MP", ReleaseAcquire, 3),
        ("LB", Relaxed, 3),
        ("2+2W", Relaxed, 4),
        ("2+2W", Fenced, 3),
    ];
    for (name, column, graphs) in counts {
        let found = outcomes(&shape(name).program(column)?, Model::Rc11);
        assert_eq!(found.graphs, graphs, "{name} {}\n{found}", column.name());
    }
    Ok(())
}

#[test]
fn published_graph_counts_of_probes() -> Result<(), ProgramError> {
    for (name, graphs) in [("IRIW with SeqCst stores and acquire loads", 16), ("Z6.U", 24)] {
        let probe = PROBES.iter().find(|probe| probe.name == name).unwrap_or_else(|| panic!("no probe {name}"));
        assert_eq!(outcomes(&probe.program()?, Model::Rc11).graphs, graphs, "{name}");
    }
    Ok(())
}

/// `readers(n)`: one store, n loads. `ainc(n)`: n atomic increments. Both are in the usual benchmark sets.
#[test]
fn families_with_known_counts() -> Result<(), ProgramError> {
    for (n, readers, increments) in [(1, 2, 1), (2, 4, 2), (3, 8, 6), (4, 16, 24), (5, 32, 120)] {
        let mut threads = vec![vec![Op::load(0, Order::Relaxed)]; n];
        threads.push(vec![Op::store(0, 1, Order::Relaxed)]);
        assert_eq!(outcomes(&Program::new(1, threads)?, Model::Rc11).graphs, readers, "readers({n})");
        let threads = vec![vec![Op::fetch_add(0, 1, Order::Relaxed)]; n];
        assert_eq!(outcomes(&Program::new(1, threads)?, Model::Rc11).graphs, increments, "ainc({n})");
    }
    Ok(())
}

#[test]
fn an_empty_program_has_one_execution() -> Result<(), ProgramError> {
    for program in [Program::new(0, vec![])?, Program::new(2, vec![vec![], vec![Op::fence(Order::SeqCst)]])?] {
        for model in [Model::Rc11, Model::Sc] {
            let found = outcomes(&program, model);
            assert_eq!((found.graphs, found.set.len()), (1, 1));
        }
    }
    Ok(())
}
