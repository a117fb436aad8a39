//! Which rows of the conformance matrix hide something from an engine, and which of them a model touches.
//!
//! A row is touched if the model does what the row's program does: it has operations of those kinds. Whether an error is
//! hidden there in fact, the row does not say; that none is hidden elsewhere, `tests/conformance.rs` shows.

use selvedge::sync::Ordering;
use selvedge::sync::model::{Engine, Site, SiteKind, SiteRecord};
use std::collections::BTreeMap;

/// Something that an engine gets wrong.
#[derive(Clone, Copy)]
pub struct Blind {
    /// What the row is called in the matrix.
    pub row: &'static str,
    /// Who does not see it.
    pub engine: Engine,
    /// In a few words.
    pub what: &'static str,
    touches: fn(&Sites) -> bool,
}

impl core::fmt::Debug for Blind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Blind").field("row", &self.row).field("engine", &self.engine).finish_non_exhaustive()
    }
}

type Sites = BTreeMap<Site, SiteRecord>;

fn has(sites: &Sites, kinds: &[SiteKind]) -> bool {
    sites.keys().any(|site| kinds.contains(&site.kind))
}

const MOVED_WRITE: &str = "a plain write after a relaxed step of who is killed";
const NOTHING_MOVES: &str = "a thread is killed between two steps as they stand in the source: nothing has been moved";

/// Payload, and a step to whose other side an access to it may be moved.
fn may_move_a_write(sites: &Sites) -> bool {
    let relaxed = |(site, record): (&Site, &SiteRecord)| {
        matches!(site.kind, SiteKind::Store | SiteKind::Rmw | SiteKind::CompareExchange)
            && record.order == Ordering::Relaxed
    };
    has(sites, &[SiteKind::Cell]) && sites.iter().any(relaxed)
}

/// One for each kind of blind spot; the matrix has more rows of the same kinds.
pub const ALL: [Blind; 11] = [
    Blind {
        row: "LB relaxed",
        engine: Engine::Treadle,
        what: "load buffering, which C++20 allows and RC11 forbids",
        touches: has_relaxed_loads,
    },
    Blind {
        row: "2+2W relaxed",
        engine: Engine::Treadle,
        what: "stores to a word on which threads sleep are read-modify-writes to it",
        touches: |sites| has(sites, &[SiteKind::Wait]) && has(sites, &[SiteKind::Store]),
    },
    Blind {
        row: "SB with AcqRel fences, one look a sleeper's",
        engine: Engine::Treadle,
        what: "a sleeper's look at its word is a read-modify-write; loom's is a load, as the kernel's",
        touches: |sites| has(sites, &[SiteKind::Wait]) && has(sites, &[SiteKind::Fence]),
    },
    Blind { row: MOVED_WRITE, engine: Engine::Treadle, what: NOTHING_MOVES, touches: may_move_a_write },
    Blind {
        row: "LB relaxed",
        engine: Engine::Loom,
        what: "load buffering, which C++20 allows and RC11 forbids",
        touches: has_relaxed_loads,
    },
    Blind { row: MOVED_WRITE, engine: Engine::Loom, what: NOTHING_MOVES, touches: may_move_a_write },
    Blind {
        row: "failed compare-exchange reads an old value",
        engine: Engine::Loom,
        what: "a failing compare-exchange reads the newest value only",
        touches: |sites| has(sites, &[SiteKind::CompareExchange]),
    },
    Blind {
        row: "MP with fetch_add as the second read",
        engine: Engine::Loom,
        what: "a read-modify-write is never before a store that is there already",
        touches: |sites| has(sites, &[SiteKind::Rmw, SiteKind::CompareExchange]),
    },
    Blind {
        row: "a load older than the newest seven stores",
        engine: Engine::Loom,
        what: "loads reach back seven stores",
        touches: |sites| has(sites, &[SiteKind::Load]),
    },
    Blind {
        row: "a store between the halves of a swap",
        engine: Engine::Loom,
        what: "false alarms where a plain store meets a read-modify-write",
        touches: |sites| has(sites, &[SiteKind::Store]) && has(sites, &[SiteKind::Rmw]),
    },
    Blind {
        row: "SB relaxed",
        engine: Engine::Shuttle,
        what: "whatever is not sequentially consistent",
        touches: |sites| has(sites, &[SiteKind::Load, SiteKind::Store, SiteKind::Rmw, SiteKind::CompareExchange]),
    },
];

fn has_relaxed_loads(sites: &Sites) -> bool {
    sites.iter().any(|(site, record)| {
        matches!(site.kind, SiteKind::Load | SiteKind::Rmw | SiteKind::CompareExchange)
            && [Some(record.order), record.failure].contains(&Some(Ordering::Relaxed))
    })
}

/// The rows that operations of these kinds touch on that engine.
#[must_use]
pub fn touched(engine: Engine, sites: &BTreeMap<Site, SiteRecord>) -> Vec<&'static str> {
    let touched = ALL.iter().filter(|blind| blind.engine == engine && (blind.touches)(sites));
    touched.map(|blind| blind.row).collect()
}
