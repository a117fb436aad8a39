//! The search for a witness: Wing and Gong's, with Lowe's memory.
//!
//! An operation can be next if all that were over before it began, and have to take effect, have done so. The search puts one,
//! or two at once, after the other, as far as the specification gives the results that are known, and goes back where it
//! cannot go on. Which operations have taken effect, and in which state the object is: what was tried once is not tried again.
//!
//! **Invariant.** S1: whether the rest can be put in order depends on that pair alone. So nothing that is asked later, of
//! publication for instance, may depend on what result was chosen for an operation that is pending.

use crate::history::{End, History};
use crate::set::Set;
use crate::specification::{Call, Specification};
use std::collections::HashSet;

/// One step of a witness: an operation by its index with its result, or two at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<R>(pub Vec<(usize, R)>);

/// An order that explains a history. Pending operations that are not in it have not taken effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness<R> {
    /// What takes effect, in order.
    pub steps: Vec<Step<R>>,
}

/// What the search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<R> {
    /// There is a witness.
    Linearizable(Witness<R>),
    /// There is none.
    NotLinearizable,
    /// The limit was reached before either was known.
    Undecided,
}

/// Looks for a witness, and gives up after having tried `limit` pairs of operations done and state.
#[must_use]
pub fn judge<S: Specification>(
    spec: &S,
    history: &History<S::Operation, S::Outcome>,
    limit: u64,
) -> Verdict<S::Outcome> {
    let mut search = Search {
        spec,
        history,
        required: history.such(|end| matches!(end, End::Returned(_))),
        blocked: history.such(|end| matches!(end, End::Blocked)),
        tried: HashSet::new(),
        steps: Vec::new(),
        left: limit,
    };
    match search.go_on(Set::EMPTY, &spec.initial()) {
        Found::Witness => Verdict::Linearizable(Witness { steps: search.steps }),
        Found::Nothing => Verdict::NotLinearizable,
        Found::Limit => Verdict::Undecided,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Witness,
    Nothing,
    Limit,
}

/// What takes effect in one step, with its results.
type Taken<S> = Vec<(usize, <S as Specification>::Outcome)>;

struct Search<'a, S: Specification> {
    spec: &'a S,
    history: &'a History<S::Operation, S::Outcome>,
    required: Set,
    blocked: Set,
    tried: HashSet<(Set, S::State)>,
    steps: Vec<Step<S::Outcome>>,
    left: u64,
}

impl<S: Specification> Search<'_, S> {
    fn go_on(&mut self, done: Set, state: &S::State) -> Found {
        if done.contains(self.required) && self.is_at_rest(state) {
            return Found::Witness;
        }
        if !self.tried.insert((done, state.clone())) {
            return Found::Nothing;
        }
        let Some(left) = self.left.checked_sub(1) else { return Found::Limit };
        self.left = left;
        for (step, next) in self.next(done, state) {
            let after = step.iter().fold(done, |done, (index, _)| done.with(*index));
            self.steps.push(Step(step));
            let found = self.go_on(after, &next);
            if found != Found::Nothing {
                return found;
            }
            self.steps.pop();
        }
        Found::Nothing
    }

    /// What can take effect next, with the state after it.
    fn next(&self, done: Set, state: &S::State) -> Vec<(Taken<S>, S::State)> {
        let mut next = Vec::new();
        let ready = self.ready(done);
        for one in ready.iter() {
            let alone = self.spec.apply(state, self.call(one)).into_iter();
            let alone = alone.map(|(outcome, after)| (vec![(one, outcome)], after));
            next.extend(alone.filter(|(step, _)| self.is_possible(done, step)));
            // What is pending and over before the other is none of those that take effect with it.
            for other in ready.iter().filter(|other| *other != one && !self.are_ordered(one, *other)) {
                let both = self.spec.apply_both(state, self.call(one), self.call(other)).into_iter();
                let both = both.map(|(outcome, others, after)| (vec![(one, outcome), (other, others)], after));
                next.extend(both.filter(|(step, _)| self.is_possible(done, step)));
            }
        }
        next
    }

    /// Whether the results are those that are known, and each knows what those before it, or with it, published.
    fn is_possible(&self, done: Set, step: &Taken<S>) -> bool {
        step.iter().all(|(index, outcome)| {
            let mut others = step.iter().filter(|(other, _)| other != index);
            self.fits(*index, outcome)
                && self.is_told(done, *index, outcome)
                && others.all(|(other, result)| self.is_told_by(*other, result, *index, outcome))
        })
    }

    fn call(&self, index: usize) -> Call<'_, S::Operation> {
        let entry = &self.history.entries()[index];
        Call { thread: entry.thread, operation: &entry.operation }
    }

    /// What can be next: all that has to come before has taken effect, and nothing that has comes after.
    fn ready(&self, done: Set) -> Set {
        let all = Set::below(self.history.entries().len());
        // Pending operations before what has taken effect have not, and never will.
        let passed = done.iter().fold(Set::EMPTY, |passed, index| passed.or(self.history.before(index)));
        let open = all.minus(done).minus(self.blocked).minus(passed);
        let is_ready = |index: &usize| done.contains(self.history.before(*index).and(self.required));
        open.iter().filter(is_ready).fold(Set::EMPTY, Set::with)
    }

    fn are_ordered(&self, one: usize, other: usize) -> bool {
        self.history.is_before(one, other) || self.history.is_before(other, one)
    }

    fn fits(&self, index: usize, outcome: &S::Outcome) -> bool {
        match &self.history.entries()[index].end {
            End::Returned(returned) => returned == outcome,
            End::Pending => true,
            End::Blocked => false,
        }
    }

    /// Whether an operation with this result knows what those that have taken effect published.
    fn is_told(&self, done: Set, later: usize, outcome: &S::Outcome) -> bool {
        done.iter().all(|earlier| match &self.history.entries()[earlier].end {
            End::Returned(result) => self.is_told_by(earlier, result, later, outcome),
            // S1: what it published depends on its result.
            End::Pending | End::Blocked => true,
        })
    }

    fn is_told_by(&self, earlier: usize, result: &S::Outcome, later: usize, outcome: &S::Outcome) -> bool {
        if self.history.is_known(earlier, later) {
            return true;
        }
        let operation = |index: usize| &self.history.entries()[index].operation;
        !self.spec.publishes((operation(earlier), result), (operation(later), outcome))
    }

    /// Whether no operation that waits for ever could take effect, alone or with another one of them.
    fn is_at_rest(&self, state: &S::State) -> bool {
        self.blocked.iter().all(|one| {
            let alone = self.spec.apply(state, self.call(one)).is_empty();
            let mut others = self.blocked.iter().filter(|other| *other != one);
            alone && others.all(|other| self.spec.apply_both(state, self.call(one), self.call(other)).is_empty())
        })
    }
}
