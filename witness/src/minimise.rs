//! What is left of a failing history when all is taken away that it does not need to fail.
//!
//! Leaving an operation out is not always a simplification: without its send, a receive that was right looks wrong. So
//! nothing is left out that could explain the rest. In this order:
//!
//! 1. *Forget*: an operation becomes pending, so that it may have had any result, or no effect. That only allows more orders;
//!    if there is still no witness, its result does not matter. Whole threads first, then single operations, the last first.
//! 2. *Leave out*: what is pending now, or never was known, goes if nothing that is left needs it: whichever of the known
//!    results were forgotten, there would be a witness without it.
//! 3. *Loosen*: of what came after what only that is kept without which there would be a witness.
//!
//! In the result each known result is needed: forget one, and there is a witness (or the limit is reached).

use crate::history::{End, History};
use crate::search::{Verdict, judge};
use crate::set::Set;
use crate::specification::Specification;
use std::collections::BTreeSet;

type Of<S> = History<<S as Specification>::Operation, <S as Specification>::Outcome>;

/// Reduces a history that has no witness; one that has comes back as it is.
///
/// Each of the judgements that this takes is given up after `limit`, as [`judge`] does; what it was about stays as it was. Long
/// histories of which little is known cost most.
#[must_use]
pub fn minimise<S: Specification>(spec: &S, history: &Of<S>, limit: u64) -> Of<S> {
    let fails = |history: &Of<S>| judge(spec, history, limit) == Verdict::NotLinearizable;
    let passes = |history: &Of<S>| matches!(judge(spec, history, limit), Verdict::Linearizable(_));
    if passes(history) {
        return history.clone();
    }
    let forgotten = forget(history, &fails);
    loosen(&leave_out(&forgotten, &passes), &fails)
}

/// The operations of which something is known.
fn known<O, R>(history: &History<O, R>) -> Set {
    history.such(|end| !matches!(end, End::Pending))
}

fn forget<O: Clone, R: Clone>(history: &History<O, R>, fails: &impl Fn(&History<O, R>) -> bool) -> History<O, R> {
    let mut singles: Vec<usize> = known(history).iter().collect();
    // Later ones first: of a history that fails early there is less to read.
    singles.reverse();
    let thread = |index: usize| history.entries()[index].thread;
    let threads: BTreeSet<usize> = singles.iter().map(|index| thread(*index)).collect();
    let of = |wanted: usize| singles.iter().copied().filter(|index| thread(*index) == wanted).collect();
    let mut groups: Vec<Vec<usize>> = threads.into_iter().map(of).collect();
    groups.extend(singles.iter().map(|index| vec![*index]));
    let mut reduced = history.clone();
    for group in groups {
        let weaker = forgetting(&reduced, &group);
        if fails(&weaker) {
            reduced = weaker;
        }
    }
    reduced
}

fn forgetting<O: Clone, R: Clone>(history: &History<O, R>, group: &[usize]) -> History<O, R> {
    let mut weaker = history.clone();
    group.iter().for_each(|index| weaker.set_end(*index, End::Pending));
    weaker
}

fn leave_out<O: Clone, R: Clone>(history: &History<O, R>, passes: &impl Fn(&History<O, R>) -> bool) -> History<O, R> {
    let mut reduced = history.clone();
    for index in (0..history.entries().len()).rev() {
        if !matches!(reduced.entries()[index].end, End::Pending) {
            continue;
        }
        let smaller = reduced.without(Set::EMPTY.with(index));
        if known(&smaller).iter().all(|needed| passes(&forgetting(&smaller, &[needed]))) {
            reduced = smaller;
        }
    }
    reduced
}

fn loosen<O: Clone, R: Clone>(history: &History<O, R>, fails: &impl Fn(&History<O, R>) -> bool) -> History<O, R> {
    let mut reduced = history.clone();
    let all = || 0..history.entries().len();
    let thread = |index: usize| history.entries()[index].thread;
    for (earlier, later) in all().flat_map(|later| all().map(move |earlier| (earlier, later))) {
        let looser = [
            (reduced.is_before(earlier, later) && thread(earlier) != thread(later))
                .then(|| reduced.without_order(earlier, later)),
            (!reduced.is_known(earlier, later)).then(|| reduced.with_knowledge(earlier, later)),
        ];
        for looser in looser.into_iter().flatten().filter(|looser| fails(looser)) {
            reduced = looser;
        }
    }
    reduced
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specifications::QueueOperation::{Receive, Send, TryReceive};
    use crate::specifications::QueueOutcome::{Got, Sent, WouldBlock};
    use crate::specifications::{Queue, QueueOperation, QueueOutcome};

    fn shown(history: &History<QueueOperation, QueueOutcome>) -> Vec<String> {
        let shown = |entry: &crate::Entry<QueueOperation, QueueOutcome>| match &entry.end {
            End::Returned(outcome) => format!("{}: {} -> {outcome}", entry.thread, entry.operation),
            End::Pending => format!("{}: {} ?", entry.thread, entry.operation),
            End::Blocked => format!("{}: {} !", entry.thread, entry.operation),
        };
        history.entries().iter().map(shown).collect()
    }

    #[test]
    fn what_explains_the_rest_stays() {
        let mut history = History::new();
        history.add(0, Send(1), End::Returned(Sent));
        history.add(0, Send(2), End::Returned(Sent));
        history.add(0, Send(3), End::Returned(Sent));
        history.add(1, TryReceive, End::Returned(WouldBlock));
        history.add(1, Receive, End::Returned(Got(2)));
        history.add(1, Receive, End::Returned(Got(1)));
        history.add(2, Receive, End::Returned(Got(3)));
        let least = minimise(&Queue::unbounded(), &history, 10_000);
        assert_eq!(shown(&least), ["0: send 1 ?", "0: send 2 ?", "1: receive -> got 2", "1: receive -> got 1"]);
    }

    #[test]
    fn one_that_has_a_witness_comes_back() {
        let mut history = History::new();
        history.add(0, Send(1), End::Returned(Sent));
        history.add(1, Receive, End::Blocked);
        history.add(2, Receive, End::Returned(Got(1)));
        assert_eq!(minimise(&Queue::unbounded(), &history, 10_000), history);
    }
}
