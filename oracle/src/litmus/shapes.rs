//! The shapes: two to four threads of plain loads and stores.

use super::Access::{self, Read, Write};
use super::Verdict::{Allowed, Forbidden, ForbiddenInRc11};
use super::{Condition, Shape, Verdict, X, Y, Z, last, read};

/// Shapes that sequentially consistent accesses or fences forbid, and nothing weaker.
const NEEDS_SEQ_CST: [Verdict; 4] = [Allowed, Allowed, Forbidden, Forbidden];
/// Shapes that release and acquire forbid.
const NEEDS_SYNCHRONISATION: [Verdict; 4] = [Allowed, Forbidden, Forbidden, Forbidden];
/// Shapes that coherence forbids, whatever the orderings.
const INCOHERENT: [Verdict; 4] = [Forbidden; 4];

const fn shape(
    name: &'static str,
    threads: &'static [&'static [Access]],
    weak: &'static [Condition],
    verdicts: [Verdict; 4],
) -> Shape {
    Shape { name, threads, weak, verdicts }
}

/// Every shape of the conformance matrix.
pub const SHAPES: &[Shape] = &[
    shape("SB", &[&[Write(X, 1), Read(Y)], &[Write(Y, 1), Read(X)]], &[read(0, 0, 0), read(1, 0, 0)], NEEDS_SEQ_CST),
    shape("R", &[&[Write(X, 1), Write(Y, 1)], &[Write(Y, 2), Read(X)]], &[read(1, 0, 0), last(Y, 2)], NEEDS_SEQ_CST),
    shape(
        "2+2W",
        &[&[Write(X, 1), Write(Y, 2)], &[Write(Y, 1), Write(X, 2)]],
        &[last(X, 1), last(Y, 1)],
        NEEDS_SEQ_CST,
    ),
    shape(
        "RWC",
        &[&[Write(X, 1)], &[Read(X), Read(Y)], &[Write(Y, 1), Read(X)]],
        &[read(1, 0, 1), read(1, 1, 0), read(2, 0, 0)],
        NEEDS_SEQ_CST,
    ),
    shape(
        "W+RWC",
        &[&[Write(X, 1), Write(Y, 1)], &[Read(Y), Read(Z)], &[Write(Z, 1), Read(X)]],
        &[read(1, 0, 1), read(1, 1, 0), read(2, 0, 0)],
        NEEDS_SEQ_CST,
    ),
    shape(
        "Z6.0",
        &[&[Write(X, 1), Write(Y, 1)], &[Read(Y), Write(Z, 1)], &[Write(Z, 2), Read(X)]],
        &[read(1, 0, 1), read(2, 0, 0), last(Z, 2)],
        NEEDS_SEQ_CST,
    ),
    shape(
        "IRIW",
        &[&[Write(X, 1)], &[Read(X), Read(Y)], &[Read(Y), Read(X)], &[Write(Y, 1)]],
        &[read(1, 0, 1), read(1, 1, 0), read(2, 0, 1), read(2, 1, 0)],
        NEEDS_SEQ_CST,
    ),
    shape(
        "MP",
        &[&[Write(X, 1), Write(Y, 1)], &[Read(Y), Read(X)]],
        &[read(1, 0, 1), read(1, 1, 0)],
        NEEDS_SYNCHRONISATION,
    ),
    shape(
        "S",
        &[&[Write(X, 2), Write(Y, 1)], &[Read(Y), Write(X, 1)]],
        &[read(1, 0, 1), last(X, 2)],
        NEEDS_SYNCHRONISATION,
    ),
    shape(
        "WRC",
        &[&[Write(X, 1)], &[Read(X), Write(Y, 1)], &[Read(Y), Read(X)]],
        &[read(1, 0, 1), read(2, 0, 1), read(2, 1, 0)],
        NEEDS_SYNCHRONISATION,
    ),
    shape(
        "ISA2",
        &[&[Write(X, 1), Write(Y, 1)], &[Read(Y), Write(Z, 1)], &[Read(Z), Read(X)]],
        &[read(1, 0, 1), read(2, 0, 1), read(2, 1, 0)],
        NEEDS_SYNCHRONISATION,
    ),
    shape(
        "LB",
        &[&[Read(X), Write(Y, 1)], &[Read(Y), Write(X, 1)]],
        &[read(0, 0, 1), read(1, 0, 1)],
        [ForbiddenInRc11, Forbidden, Forbidden, Forbidden],
    ),
    shape("CoRR", &[&[Write(X, 1)], &[Read(X), Read(X)]], &[read(1, 0, 1), read(1, 1, 0)], INCOHERENT),
    shape("CoRW", &[&[Write(X, 1)], &[Read(X), Write(X, 2)]], &[read(1, 0, 1), last(X, 1)], INCOHERENT),
    shape("CoWR", &[&[Write(X, 1), Read(X)], &[Write(X, 2)]], &[read(0, 0, 2), last(X, 1)], INCOHERENT),
    shape("CoWW", &[&[Write(X, 1), Write(X, 2)]], &[last(X, 1)], INCOHERENT),
];
