//! What the threads of one execution called, when, and what came of it.

use super::object::{Object, Operation, Outcome};
use crate::scene::Notes;
use selvedge_witness::{End, History, Moment, Record};

/// One call.
#[derive(Debug)]
struct Call<O: Object> {
    operation: Operation<O>,
    called: Moment,
    answer: Option<(Outcome<O>, Moment)>,
}

/// The calls of a thread, and when it was killed.
#[derive(Debug)]
struct Lane<O: Object> {
    calls: Vec<Call<O>>,
    died: Option<Moment>,
}

/// The calls of one execution.
#[derive(Debug)]
pub(super) struct Log<O: Object>(Notes<Vec<Lane<O>>>);

/// Happens-before, as treadle keeps it. Threads of the model and lanes have different numbers.
fn now() -> Moment {
    let treadle::Moment { thread, seen } = treadle::moment();
    Moment { thread, seen }
}

impl<O: Object> Log<O> {
    pub(super) fn new(lanes: usize) -> Self {
        let log = Self(Notes::default());
        log.0.lock().extend((0..lanes).map(|_| Lane { calls: Vec::new(), died: None }));
        log
    }

    /// How many lanes there are.
    pub(super) fn lanes(&self) -> usize {
        self.0.lock().len()
    }

    /// A lane calls `operation`, which is carried out; unless it may not.
    pub(super) fn call(&self, lane: usize, operation: Operation<O>, perform: impl FnOnce() -> Outcome<O>) {
        let answered = |call: &Call<O>| call.answer.as_ref().map(|(outcome, _)| (call.operation, *outcome));
        let past: Vec<_> = self.0.lock()[lane].calls.iter().filter_map(answered).collect();
        if !O::may(&past, operation) {
            return;
        }
        self.0.lock()[lane].calls.push(Call { operation, called: now(), answer: None });
        let outcome = perform();
        if let Some(call) = self.0.lock()[lane].calls.last_mut() {
            call.answer = Some((outcome, now()));
        }
    }

    /// A lane has been killed.
    pub(super) fn dies(&self, lane: usize) {
        self.0.lock()[lane].died = Some(now());
    }

    /// The history, now that nothing more happens.
    pub(super) fn history(&self) -> History<Operation<O>, Outcome<O>> {
        let mut records = Vec::new();
        for (thread, lane) in self.0.lock().iter().enumerate() {
            for Call { operation, called, answer } in &lane.calls {
                let end = match (answer, &lane.died) {
                    (Some((outcome, _)), _) => End::Returned(*outcome),
                    (None, Some(_)) => End::Pending,
                    (None, None) => End::Blocked,
                };
                let returned = answer.as_ref().map(|(_, returned)| returned.clone());
                records.push(Record { thread, operation: *operation, called: called.clone(), end, returned });
            }
            if let (Some(called), Some((operation, outcome))) = (lane.died.clone(), O::death()) {
                // Nobody knows when the others could know.
                records.push(Record { thread, operation, called, end: End::Returned(outcome), returned: None });
            }
        }
        History::of(&records)
    }
}
