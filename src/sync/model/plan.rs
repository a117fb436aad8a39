//! What is planned to happen in each execution of an exploration.

use super::trace::Site;
use crate::sync::Ordering;

/// In which order a wake takes the sleepers of a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WakeOrder {
    /// Longest asleep first, as the kernel does for equal priorities.
    #[default]
    Fifo,
    /// Last asleep first, as priorities can make it.
    Lifo,
}

/// Which ordering of a site is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderSlot {
    /// The ordering of the operation; of a compare-exchange, that of success.
    Main,
    /// The failure ordering of a compare-exchange.
    Failure,
}

/// A deliberate fault at one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Another ordering than the source says.
    Order(Site, OrderSlot, Ordering),
    /// The fence is not there.
    DropFence(Site),
    /// The wake is not there.
    DropWake(Site),
    /// The wake wakes one where it should wake all.
    WakeOne(Site),
    /// The wait does not look at what the word holds: it sleeps in any case.
    WaitBlindly(Site),
}

/// What happens in each execution of an exploration, apart from the interleaving.
#[derive(Clone, Debug)]
pub struct Plan {
    /// (lane, step): the lane is killed before that step.
    pub kills: Vec<(usize, u64)>,
    /// Lanes that may be killed before any of their steps (treadle).
    pub mortal: Vec<usize>,
    /// How many of them may be killed in one execution, those that repair after others included (treadle).
    pub deaths: usize,
    /// Whether whoever repairs after a mortal lane is mortal, too (treadle).
    pub undertakers_die: bool,
    /// Whether to note the [outcome](super::Run::outcomes) of each execution.
    pub outcomes: bool,
    /// (lane, step): the lane stops for good before that step, as if it were never scheduled again.
    pub freezes: Vec<(usize, u64)>,
    /// (lane, n): the lane's n-th timed wait, from 0, runs out as early as it can.
    pub timeouts: Vec<(usize, u32)>,
    /// (lane, n): the lane's n-th wait, from 0, returns without having been woken.
    pub spurious: Vec<(usize, u32)>,
    /// More steps than this by one lane are a failure to terminate.
    pub step_limit: u64,
    /// Which sleeper a wake takes.
    pub wake_order: WakeOrder,
    /// Whether a wake orders memory (it must not be relied upon; without the edge, models cost more).
    pub wake_edge: bool,
    /// Whether every access on loom is preceded by one to a shadow word, which makes up for its reduction.
    pub shadow: bool,
    /// Deliberate faults: none, one, or two at once.
    pub mutations: [Option<Mutation>; 2],
    /// Whether the sites that are reached are recorded.
    pub record_sites: bool,
    /// Whether the changes of words are recorded.
    pub record_changes: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            kills: Vec::new(),
            mortal: Vec::new(),
            deaths: 0,
            undertakers_die: false,
            outcomes: false,
            freezes: Vec::new(),
            timeouts: Vec::new(),
            spurious: Vec::new(),
            step_limit: 2_000,
            wake_order: WakeOrder::Fifo,
            wake_edge: true,
            shadow: true,
            mutations: [None; 2],
            record_sites: false,
            record_changes: false,
        }
    }
}
