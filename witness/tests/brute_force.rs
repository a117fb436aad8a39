//! The search agrees with one that tries every order, on small histories at random.
#![cfg(not(loom))]
#![allow(missing_docs)]

use proptest::prelude::*;
use selvedge_witness::specifications::{
    ChannelOperation, Event, EventOperation, Mutex, MutexOperation, Queue, QueueOperation, Rendezvous, Semaphore,
    SemaphoreOperation, Visited, VisitedOperation,
};
use selvedge_witness::{Call, End, History, Specification, Verdict, judge, minimise};
use std::cell::Cell;

type Of<S> = History<<S as Specification>::Operation, <S as Specification>::Outcome>;

/// Enough for every history here.
const LIMIT: u64 = 1_000_000;

/// Whether some order of all that returned, and of some of what is pending, explains the history. It grows all orders, step by
/// step, and looks at what is forbidden only then.
fn has_witness<S: Specification>(spec: &S, history: &Of<S>) -> bool {
    let count = history.entries().len();
    let pending: Vec<usize> = (0..count).filter(|index| history.entries()[*index].end == End::Pending).collect();
    (0..1_usize << pending.len()).any(|chosen| {
        let taken: Vec<usize> = (0..count)
            .filter(|index| match &history.entries()[*index].end {
                End::Returned(_) => true,
                End::Blocked => false,
                End::Pending => {
                    pending.iter().position(|other| other == index).is_some_and(|bit| chosen & (1 << bit) != 0)
                }
            })
            .collect();
        explains(spec, history, &taken, &mut Vec::new(), &spec.initial())
    })
}

/// One that has taken effect: its index, its result, and the number of its step.
type Effected<S> = (usize, <S as Specification>::Outcome, usize);

fn explains<S: Specification>(
    spec: &S,
    history: &Of<S>,
    taken: &[usize],
    so_far: &mut Vec<Effected<S>>,
    state: &S::State,
) -> bool {
    let call = |index: usize| {
        let entry = &history.entries()[index];
        Call { thread: entry.thread, operation: &entry.operation }
    };
    if so_far.len() == taken.len() {
        let blocked: Vec<usize> =
            (0..history.entries().len()).filter(|index| history.entries()[*index].end == End::Blocked).collect();
        let at_rest = blocked.iter().all(|one| {
            spec.apply(state, call(*one)).is_empty()
                && blocked
                    .iter()
                    .all(|other| one == other || spec.apply_both(state, call(*one), call(*other)).is_empty())
        });
        return at_rest && is_allowed(spec, history, so_far);
    }
    let step = so_far.last().map_or(0, |(_, _, step)| step + 1);
    let left: Vec<usize> =
        taken.iter().copied().filter(|index| so_far.iter().all(|(done, ..)| done != index)).collect();
    for &one in &left {
        for (outcome, next) in spec.apply(state, call(one)) {
            so_far.push((one, outcome, step));
            if explains(spec, history, taken, so_far, &next) {
                return true;
            }
            so_far.pop();
        }
        for &other in left.iter().filter(|other| **other != one) {
            for (outcome, others, next) in spec.apply_both(state, call(one), call(other)) {
                so_far.push((one, outcome, step));
                so_far.push((other, others, step));
                if explains(spec, history, taken, so_far, &next) {
                    return true;
                }
                so_far.truncate(so_far.len() - 2);
            }
        }
    }
    false
}

/// Whether results, order and publication are those of the history.
fn is_allowed<S: Specification>(spec: &S, history: &Of<S>, order: &[Effected<S>]) -> bool {
    let entries = history.entries();
    order.iter().all(|(later, outcome, at)| {
        let fits = match &entries[*later].end {
            End::Returned(returned) => returned == outcome,
            End::Pending => true,
            End::Blocked => false,
        };
        let ordered = order.iter().all(|(earlier, _, step)| !history.is_before(*earlier, *later) || step < at);
        let told =
            order.iter().filter(|(earlier, _, step)| earlier != later && step <= at).all(|(earlier, result, step)| {
                // Of what is pending nobody demands that others know of it, but of those it takes effect with.
                (matches!(entries[*earlier].end, End::Pending) && step < at)
                    || history.is_known(*earlier, *later)
                    || !spec.publishes((&entries[*earlier].operation, result), (&entries[*later].operation, outcome))
            });
        fits && ordered && told
    })
}

/// What an operation of a random history is like.
#[derive(Clone, Debug)]
struct Draft {
    thread: usize,
    letter: usize,
    /// How it ends: as the specification says if it comes now, by one of the results seen so far, pending, blocked.
    end: u8,
    /// Which earlier ones were over when it began, and of which it knows nothing.
    after: u8,
    hidden: u8,
}

fn drafts() -> impl Strategy<Value = Vec<Draft>> {
    let draft = (0..3_usize, 0..64_usize, 0..12_u8, any::<u8>(), any::<u8>(), 0..6_u8);
    let draft = draft.prop_map(|(thread, letter, end, after, hidden, rarely)| Draft {
        thread,
        letter,
        end,
        after,
        hidden: if rarely == 0 { hidden } else { 0 },
    });
    prop::collection::vec(draft, 1..7)
}

/// A history from drafts, mostly one that is as if they had come one after the other.
fn history<S: Specification>(spec: &S, letters: &[S::Operation], wrong: &[S::Outcome], drafts: &[Draft]) -> Of<S> {
    let mut history = History::new();
    let mut state = spec.initial();
    let mut stopped = [false; 3];
    let mut order: Vec<Vec<usize>> = Vec::new();
    for Draft { thread, letter, end, after, hidden } in drafts.iter().filter(|draft| draft.after != 255) {
        if stopped[*thread] {
            continue;
        }
        let operation = letters[letter % letters.len()].clone();
        let effect = spec.apply(&state, Call { thread: *thread, operation: &operation }).into_iter().next();
        let end = match (end, effect) {
            (0, _) => End::Pending,
            (1 | 2, _) => End::Returned(wrong[letter / letters.len() % wrong.len()].clone()),
            (3, _) | (_, None) => End::Blocked,
            (_, Some((outcome, next))) => {
                state = next;
                End::Returned(outcome)
            }
        };
        // After what is pending comes what the death does.
        stopped[*thread] = end == End::Blocked;
        let index = history.add(*thread, operation, end);
        let mut before: Vec<usize> =
            (0..index).filter(|earlier| history.is_before(*earlier, index) || after & (1 << earlier) != 0).collect();
        // Only what has returned is over; and the order is transitive.
        before.retain(|earlier| matches!(history.entries()[*earlier].end, End::Returned(_)));
        let through: Vec<usize> = before.iter().flat_map(|earlier| order[*earlier].clone()).collect();
        before.extend(through);
        before.iter().for_each(|earlier| history.precede(*earlier, index));
        (0..index).filter(|earlier| hidden & (1 << earlier) != 0).for_each(|earlier| history.hide(earlier, index));
        order.push(before);
    }
    history
}

/// Compares on many histories, and sees that neither verdict is rare.
fn compare<S: Specification>(spec: &S, letters: &[S::Operation], wrong: &[S::Outcome]) {
    let (yes, no) = (Cell::new(0), Cell::new(0));
    let config = ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() };
    let result = proptest::test_runner::TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    )
    .run(&drafts(), |drafts| {
        let history = history(spec, letters, wrong, &drafts);
        let found = judge(spec, &history, LIMIT);
        let expected = has_witness(spec, &history);
        prop_assert_eq!(matches!(found, Verdict::Linearizable(_)), expected, "{:?}", &history);
        prop_assert_eq!(found == Verdict::NotLinearizable, !expected);
        if let Verdict::Linearizable(witness) = found {
            yes.set(yes.get() + 1);
            let effected: Vec<Effected<S>> = witness
                .steps
                .into_iter()
                .enumerate()
                .flat_map(|(step, taken)| taken.0.into_iter().map(move |(index, outcome)| (index, outcome, step)))
                .collect();
            prop_assert!(is_allowed(spec, &history, &effected));
        } else {
            no.set(no.get() + 1);
            let least = minimise(spec, &history, LIMIT);
            prop_assert!(!has_witness(spec, &least), "what is left has a witness");
            for index in 0..least.entries().len() {
                let mut weaker = least.clone();
                weaker.set_end(index, End::Pending);
                let needed = least.entries()[index].end != End::Pending;
                prop_assert!(!needed || has_witness(spec, &weaker), "{index} of {:?} is not needed", least);
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(yes.get() > 300 && no.get() > 300, "{} with a witness, {} without", yes.get(), no.get());
}

#[test]
fn semaphore() {
    use SemaphoreOperation::{Acquire, Release, TryAcquire};
    use selvedge_witness::specifications::SemaphoreOutcome::{Done, TooFew};
    let letters = [Acquire(1), Acquire(2), TryAcquire(1), Release(1), Release(2)];
    compare(&Semaphore { permits: 1 }, &letters, &[Done, TooFew]);
}

#[test]
fn event() {
    use EventOperation::{IsSet, Reset, Set, Wait};
    use selvedge_witness::specifications::EventOutcome::Said;
    compare(&Event { set: false }, &[Set, Reset, IsSet, Wait], &[Said(true), Said(false)]);
}

#[test]
fn mutex() {
    use MutexOperation::{Die, GiveUp, Lock, Reset, TryLock, Unlock};
    use selvedge_witness::specifications::MutexOutcome::{Done, OwnerDied, Refused, WouldBlock};
    compare(&Mutex, &[Lock, TryLock, Unlock, GiveUp, Reset, Die], &[Done, OwnerDied, Refused, WouldBlock]);
}

/// Letters of a queue, with messages that can be told apart.
const MESSAGES: [QueueOperation; 8] = [
    QueueOperation::Send(1),
    QueueOperation::Receive,
    QueueOperation::Send(2),
    QueueOperation::TryReceive,
    QueueOperation::TrySend(3),
    QueueOperation::Receive,
    QueueOperation::Send(4),
    QueueOperation::TryReceive,
];

#[test]
fn queues() {
    use selvedge_witness::specifications::QueueOutcome::{Got, Sent, WouldBlock};
    for queue in [Queue::bounded(1), Queue::bounded(2), Queue::unbounded()] {
        compare(&queue, &MESSAGES, &[Sent, Got(1), Got(2), Got(3), WouldBlock]);
    }
}

#[test]
fn rendezvous() {
    use selvedge_witness::specifications::QueueOutcome::{Got, Sent, WouldBlock};
    // Whatever comes alone there blocks: the results that matter are the wrong ones.
    compare(&Rendezvous, &MESSAGES, &[Sent, Got(1), Got(2), Sent, WouldBlock]);
}

#[test]
fn channels() {
    use ChannelOperation::{Die, JoinSenders, LeaveReceivers, LeaveSenders, Pass};
    use VisitedOperation::{Channel, JoinReceivers};
    use selvedge_witness::specifications::ChannelOutcome::{Disconnected, Done, Line};
    use selvedge_witness::specifications::QueueOutcome::{Got, Sent, WouldBlock};
    let passed = MESSAGES.map(|operation| Channel(Pass(operation)));
    let rest = [JoinSenders, LeaveSenders, LeaveReceivers, Die].map(Channel);
    let letters: Vec<_> = passed.into_iter().chain(rest).chain([JoinReceivers]).collect();
    let wrong = [Line(Sent), Line(Got(1)), Line(Got(3)), Line(WouldBlock), Disconnected, Done];
    compare(&Visited::over(Queue::bounded(1)), &letters, &wrong);
    compare(&Visited::over(Rendezvous), &letters, &wrong);
}
