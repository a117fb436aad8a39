//! A queue is a sequence of messages that is never longer than its capacity, and a work queue has besides those that came back.
//! Each message, each loan and whatever somebody has in hand takes a buffer; what a thread has when it ends is free again, or
//! comes back.
//!
//! Several threads may wait at once. Which of them gets the next message or place is not promised, so that those who wait for
//! different things, or for buffers, do not wait at once.

use crate::support::driven::{Driven, LONGER, Stage, rest};
use crate::support::patience::patience;
use crate::{driven, region_of_threads, sleep_on};
use proptest::prelude::*;
use selvedge::Region;
use selvedge::region::{Lease, Queue, QueueLoan, QueueMessage, QueueRecvError, QueueSendError, WorkQueue};
use std::collections::VecDeque;
use std::time::Duration;

const NAME: &str = "messages";
const THREADS: usize = 3;
/// Buffers beyond the capacity: one for each thread of the region's processes.
const SPARE: usize = 16;
/// So many loans are taken at once, to use up the buffers.
const MANY: usize = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Try,
    Timeout,
    /// Waits, if it has to.
    Wait,
}

impl Call {
    /// Why nothing came of it.
    fn failed(self) -> Why {
        if self == Self::Try { Why::WouldBlock } else { Why::TimedOut }
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Send(u64, Call),
    Loan(u64, Call),
    ManyLoans,
    SendLoan(usize, Call),
    DropLoan(usize),
    ForgetLoan(usize),
    Recv(Call),
    /// What it has received and not put away.
    Look(usize),
    Finish(usize),
    /// Of a work queue: puts it back.
    Drop(usize),
    Forget(usize),
    /// The thread ends with all that it has; another takes its place.
    End,
}

fn operation() -> impl Strategy<Value = Operation> {
    let call = || prop_oneof![2 => Just(Call::Try), 1 => Just(Call::Timeout), 3 => Just(Call::Wait)];
    let which = || 0..8_usize;
    prop_oneof![
        6 => (any::<u64>(), call()).prop_map(|(message, call)| Operation::Send(message, call)),
        2 => (any::<u64>(), call()).prop_map(|(message, call)| Operation::Loan(message, call)),
        1 => Just(Operation::ManyLoans),
        3 => (which(), call()).prop_map(|(index, call)| Operation::SendLoan(index, call)),
        1 => which().prop_map(Operation::DropLoan),
        1 => which().prop_map(Operation::ForgetLoan),
        8 => call().prop_map(Operation::Recv),
        1 => which().prop_map(Operation::Look),
        5 => which().prop_map(Operation::Finish),
        2 => which().prop_map(Operation::Drop),
        1 => which().prop_map(Operation::Forget),
        1 => Just(Operation::End),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    WouldBlock,
    TimedOut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Done,
    /// So many.
    Loans(usize),
    /// The message comes back, or what is in the loan.
    NotSent(u64, Why),
    NoLoan(Why),
    /// And whether it had been received before.
    Received(u64, bool),
    NotReceived(Why),
    Holds(u64),
    /// It has nothing to do that with.
    Nothing,
}

/// Both kinds of queue.
trait Kind: Clone + Send + 'static {
    const COMES_BACK: bool;
    type Taken<'a>: std::ops::Deref<Target = u64>;
    fn obtain(region: &Region, capacity: usize) -> Self;
    fn send(&self, message: u64, call: Call) -> Result<(), QueueSendError<u64>>;
    fn loan(&self, call: Call) -> Result<QueueLoan<'_, u64>, QueueSendError<()>>;
    fn recv(&self, call: Call) -> Result<Self::Taken<'_>, QueueRecvError>;
    fn redelivered(taken: &Self::Taken<'_>) -> bool;
    fn finish(taken: Self::Taken<'_>);
    fn len(&self) -> usize;
}

macro_rules! kind {
    (
        $queue:ident, $taken:ident, $obtain:ident, $comes_back:literal;
        $recv:ident, $try_recv:ident, $recv_timeout:ident; $redelivered:expr, $finish:expr
    ) => {
        impl Kind for $queue<u64> {
            const COMES_BACK: bool = $comes_back;
            type Taken<'a> = $taken<'a, u64>;
            fn obtain(region: &Region, capacity: usize) -> Self {
                region.$obtain(NAME, capacity).unwrap()
            }
            fn send(&self, message: u64, call: Call) -> Result<(), QueueSendError<u64>> {
                match call {
                    Call::Try => self.try_send(message),
                    Call::Timeout => self.send_timeout(message, Duration::ZERO),
                    Call::Wait => self.send_timeout(message, LONGER),
                }
            }
            fn loan(&self, call: Call) -> Result<QueueLoan<'_, u64>, QueueSendError<()>> {
                if call == Call::Wait { self.loan() } else { self.try_loan() }
            }
            fn recv(&self, call: Call) -> Result<$taken<'_, u64>, QueueRecvError> {
                match call {
                    Call::Try => self.$try_recv(),
                    Call::Timeout => self.$recv_timeout(Duration::ZERO),
                    Call::Wait => self.$recv_timeout(LONGER),
                }
            }
            fn redelivered(taken: &$taken<'_, u64>) -> bool {
                $redelivered(taken)
            }
            fn finish(taken: $taken<'_, u64>) {
                $finish(taken)
            }
            fn len(&self) -> usize {
                $queue::len(self)
            }
        }
    };
}

kind!(
    Queue, QueueMessage, queue, false; recv_in_place, try_recv_in_place, recv_in_place_timeout;
    |_taken: &QueueMessage<'_, u64>| false, drop
);
kind!(WorkQueue, Lease, work_queue, true; recv, try_recv, recv_timeout; Lease::redelivered, Lease::ack);

fn refused<T>(error: &QueueSendError<T>) -> Why {
    match error {
        QueueSendError::Full(_) => Why::WouldBlock,
        QueueSendError::TimedOut(_) => Why::TimedOut,
        error => panic!("{error}"),
    }
}

/// One of those at `index`, if there are any.
fn pick<T>(all: &mut Vec<T>, index: usize) -> Option<T> {
    (!all.is_empty()).then(|| all.swap_remove(index % all.len()))
}

fn perform<'a, K: Kind>(
    queue: &'a K,
    (loans, taken): (&mut Vec<QueueLoan<'a, u64>>, &mut Vec<K::Taken<'a>>),
    operation: Operation,
) -> Answer {
    let done = |what: Option<()>| what.map_or(Answer::Nothing, |()| Answer::Done);
    match operation {
        Operation::Send(message, call) => match queue.send(message, call) {
            Ok(()) => Answer::Done,
            Err(error) => {
                let why = refused(&error);
                Answer::NotSent(error.into_message(), why)
            }
        },
        Operation::Loan(message, call) => match queue.loan(call) {
            Ok(mut loan) => {
                *loan = message;
                loans.push(loan);
                Answer::Loans(1)
            }
            Err(error) => Answer::NoLoan(refused(&error)),
        },
        Operation::ManyLoans => {
            let before = loans.len();
            loans.extend(std::iter::from_fn(|| queue.loan(Call::Try).ok()).take(MANY).map(|mut loan| {
                *loan = 0;
                loan
            }));
            Answer::Loans(loans.len() - before)
        }
        Operation::SendLoan(index, call) => {
            let Some(loan) = pick(loans, index) else { return Answer::Nothing };
            let sent = match call {
                Call::Try => loan.try_send(),
                Call::Timeout => loan.send_timeout(Duration::ZERO),
                Call::Wait => loan.send_timeout(LONGER),
            };
            match sent {
                Ok(()) => Answer::Done,
                Err(error) => {
                    let why = refused(&error);
                    let loan = error.into_message();
                    let message = *loan;
                    loans.push(loan);
                    Answer::NotSent(message, why)
                }
            }
        }
        Operation::DropLoan(index) => done(pick(loans, index).map(drop)),
        Operation::ForgetLoan(index) => done(pick(loans, index).map(std::mem::forget)),
        Operation::Recv(call) => match queue.recv(call) {
            Ok(found) => {
                let answer = Answer::Received(*found, K::redelivered(&found));
                taken.push(found);
                answer
            }
            Err(QueueRecvError::Empty) => Answer::NotReceived(Why::WouldBlock),
            Err(QueueRecvError::TimedOut) => Answer::NotReceived(Why::TimedOut),
            Err(error) => panic!("{error}"),
        },
        Operation::Look(_) if taken.is_empty() => Answer::Nothing,
        Operation::Look(index) => Answer::Holds(*taken[index % taken.len()]),
        Operation::Finish(index) => done(pick(taken, index).map(K::finish)),
        Operation::Drop(index) => done(pick(taken, index).map(drop)),
        Operation::Forget(index) => done(pick(taken, index).map(std::mem::forget)),
        Operation::End => unreachable!("the thread ends instead"),
    }
}

type Thread = Driven<Operation, Answer>;

fn start<K: Kind>(queue: &K) -> Thread {
    let queue = queue.clone();
    Driven::start(move |stage: &Stage<Operation, Answer>| {
        let (mut loans, mut taken) = (Vec::new(), Vec::new());
        while let Some(operation) = stage.next() {
            stage.answer(perform(&queue, (&mut loans, &mut taken), operation));
        }
        std::mem::forget((loans, taken));
    })
}

/// What a thread has.
#[derive(Clone, Debug, Default)]
struct Hands {
    loans: Vec<u64>,
    forgotten_loans: usize,
    taken: Vec<u64>,
    forgotten: Vec<u64>,
    waits: Option<Operation>,
    /// It waits for space to send what it has put into a buffer.
    has_filled: Option<u64>,
}

impl Hands {
    fn buffers(&self) -> usize {
        let Self { loans, forgotten_loans, taken, forgotten, has_filled, .. } = self;
        loans.len() + forgotten_loans + taken.len() + forgotten.len() + usize::from(has_filled.is_some())
    }
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    Buffer,
    Space,
    Message,
}

/// What the queue must do.
#[derive(Clone, Debug)]
struct Model {
    capacity: usize,
    comes_back: bool,
    messages: VecDeque<u64>,
    returned: Vec<u64>,
    hands: [Hands; THREADS],
}

impl Model {
    fn new<K: Kind>(capacity: usize) -> Self {
        let (messages, returned) = Default::default();
        Self { capacity, comes_back: K::COMES_BACK, messages, returned, hands: Default::default() }
    }

    fn free(&self) -> usize {
        let had = self.hands.iter().map(Hands::buffers).sum::<usize>();
        self.capacity + SPARE - self.messages.len() - self.returned.len() - had
    }

    /// Whether those who wait, this one included, leave a buffer to whoever gets them going again.
    fn leaves_a_buffer(&self, thread: usize) -> bool {
        let waits = |other: &usize| *other == thread || self.hands[*other].waits.is_some();
        let had: usize = (0..THREADS).filter(waits).map(|other| self.hands[other].buffers()).sum();
        had + THREADS < self.capacity + SPARE
    }

    fn has_space(&self) -> bool {
        self.messages.len() < self.capacity
    }

    /// What a call that waits would wait for.
    fn lacks(&self, thread: usize, operation: Operation) -> Option<Lack> {
        let hands = &self.hands[thread];
        let lack = match operation {
            Operation::Send(_, Call::Wait) if hands.has_filled.is_none() && self.free() == 0 => Lack::Buffer,
            Operation::Loan(_, Call::Wait) if self.free() == 0 => Lack::Buffer,
            Operation::Send(_, Call::Wait) if !self.has_space() => Lack::Space,
            Operation::SendLoan(_, Call::Wait) if !hands.loans.is_empty() && !self.has_space() => Lack::Space,
            Operation::Recv(Call::Wait) if self.messages.is_empty() && self.returned.is_empty() => Lack::Message,
            _ => return None,
        };
        Some(lack)
    }

    /// One that waits for space has taken a buffer before.
    fn goes_on(&mut self, thread: usize) {
        if let Some(Operation::Send(message, _)) = self.hands[thread].waits
            && self.hands[thread].has_filled.is_none()
            && self.free() > 0
        {
            self.hands[thread].has_filled = Some(message);
        }
    }

    /// What the answer must be, given what it was: of those that came back any may be the next.
    fn perform(&mut self, thread: usize, operation: Operation, answer: Answer) -> Answer {
        let (free, has_space) = (self.free(), self.has_space());
        let hands = &mut self.hands[thread];
        let done = |what: bool| if what { Answer::Done } else { Answer::Nothing };
        match operation {
            Operation::Send(message, call) => {
                let has_buffer = hands.has_filled.take().is_some() || free > 0;
                if !has_buffer || !has_space {
                    return Answer::NotSent(message, call.failed());
                }
                self.messages.push_back(message);
                Answer::Done
            }
            // Loans are tried, or waited for.
            Operation::Loan(..) if free == 0 => Answer::NoLoan(Why::WouldBlock),
            Operation::Loan(message, _) => {
                hands.loans.push(message);
                Answer::Loans(1)
            }
            Operation::ManyLoans => {
                let count = free.min(MANY);
                hands.loans.extend(std::iter::repeat_n(0, count));
                Answer::Loans(count)
            }
            Operation::SendLoan(index, call) => match pick(&mut hands.loans, index) {
                None => Answer::Nothing,
                Some(message) if !has_space => {
                    hands.loans.push(message);
                    Answer::NotSent(message, call.failed())
                }
                Some(message) => {
                    self.messages.push_back(message);
                    Answer::Done
                }
            },
            Operation::DropLoan(index) => done(pick(&mut hands.loans, index).is_some()),
            Operation::ForgetLoan(index) => {
                let is_there = pick(&mut hands.loans, index).is_some();
                hands.forgotten_loans += usize::from(is_there);
                done(is_there)
            }
            Operation::Recv(call) => self.receive(thread, call, answer),
            Operation::Look(_) if hands.taken.is_empty() => Answer::Nothing,
            Operation::Look(index) => Answer::Holds(hands.taken[index % hands.taken.len()]),
            Operation::Finish(index) => done(pick(&mut hands.taken, index).is_some()),
            Operation::Drop(index) => {
                let dropped = pick(&mut hands.taken, index);
                if self.comes_back {
                    self.returned.extend(dropped);
                }
                done(dropped.is_some())
            }
            Operation::Forget(index) => {
                let forgotten = pick(&mut hands.taken, index);
                hands.forgotten.extend(forgotten);
                done(forgotten.is_some())
            }
            Operation::End => unreachable!("the thread ends instead"),
        }
    }

    fn receive(&mut self, thread: usize, call: Call, answer: Answer) -> Answer {
        let hands = &mut self.hands[thread];
        if let Some(last) = self.returned.last().copied() {
            let Answer::Received(message, true) = answer else { return Answer::Received(last, true) };
            let Some(index) = self.returned.iter().position(|returned| *returned == message) else {
                return Answer::Received(last, true);
            };
            hands.taken.push(self.returned.swap_remove(index));
            return answer;
        }
        let Some(first) = self.messages.pop_front() else { return Answer::NotReceived(call.failed()) };
        hands.taken.push(first);
        Answer::Received(first, false)
    }

    fn end(&mut self, thread: usize) {
        let Hands { taken, forgotten, .. } = std::mem::take(&mut self.hands[thread]);
        if self.comes_back {
            self.returned.extend(taken.into_iter().chain(forgotten));
        }
    }

    /// What those who wait lack.
    fn waiting(&self) -> impl Iterator<Item = (usize, Option<Lack>)> + '_ {
        (0..THREADS).filter_map(|thread| Some((thread, self.lacks(thread, self.hands[thread].waits?))))
    }
}

/// Those who wait are let go, as far as what they wait for is there.
fn settle(model: &mut Model, threads: &[Thread], region: &Region) -> Result<(), TestCaseError> {
    let deadline = patience();
    loop {
        (0..THREADS).for_each(|thread| model.goes_on(thread));
        if model.waiting().all(|(_, lack)| lack.is_some()) {
            break;
        }
        for (thread, driven) in threads.iter().enumerate() {
            let Some(operation) = model.hands[thread].waits else { continue };
            if let Some(answer) = driven.heard() {
                model.hands[thread].waits = None;
                let expected = model.perform(thread, operation, answer);
                prop_assert_eq!(answer, expected, "thread {} waited: {:?}", thread, operation);
            }
        }
        prop_assert!(!deadline.has_passed(), "somebody waits for what is there: {:?}", model);
        rest();
    }
    sleep_on(region, NAME, threads, |thread| model.hands[thread].waits.is_some())
}

fn play<K: Kind>(region: &Region, capacity: usize, operations: Vec<(usize, Operation)>) -> Result<(), TestCaseError> {
    let queue = K::obtain(region, capacity);
    let mut model = Model::new::<K>(capacity);
    let mut threads: Vec<_> = (0..THREADS).map(|_| start(&queue)).collect();
    for (thread, operation) in operations {
        if model.hands[thread].waits.is_some() {
            continue;
        }
        match (operation, model.lacks(thread, operation)) {
            (Operation::End, _) => {
                std::mem::replace(&mut threads[thread], start(&queue)).end();
                model.end(thread);
            }
            (_, Some(lack)) => {
                let is_one_of_them = |(_, other)| other == Some(lack) && lack != Lack::Buffer;
                // Somebody is left who can do something, and gets the queue going again.
                let is_last = model.waiting().count() + 1 == THREADS;
                if is_last || !model.leaves_a_buffer(thread) || !model.waiting().all(is_one_of_them) {
                    continue;
                }
                threads[thread].begin(operation);
                model.hands[thread].waits = Some(operation);
            }
            (_, None) => {
                let answer = threads[thread].perform(operation);
                let expected = model.perform(thread, operation, answer);
                prop_assert_eq!(answer, expected, "{:?} on thread {}", operation, thread);
            }
        }
        settle(&mut model, &threads, region)?;
        prop_assert_eq!(queue.len(), model.messages.len(), "after {:?} on thread {}", operation, thread);
    }
    finish(region, &queue, model, threads)
}

/// Those who do not wait end; then all who wait are let go; then all that is left is received.
fn finish<K: Kind>(
    region: &Region,
    queue: &K,
    mut model: Model,
    mut threads: Vec<Thread>,
) -> Result<(), TestCaseError> {
    for thread in 0..THREADS {
        if model.hands[thread].waits.is_none() {
            std::mem::replace(&mut threads[thread], start(queue)).end();
            model.end(thread);
            settle(&mut model, &threads, region)?;
        }
    }
    loop {
        let waiting = model.waiting().next();
        let Some((thread, _)) = waiting else { break };
        let helper = (0..THREADS).find(|thread| model.hands[*thread].waits.is_none()).expect("never do all wait");
        let operation = match model.lacks(thread, model.hands[thread].waits.expect("it waits")) {
            Some(Lack::Message) => Operation::Send(7, Call::Try),
            _ => Operation::Recv(Call::Try),
        };
        for operation in [operation, Operation::Finish(0)] {
            let answer = threads[helper].perform(operation);
            let expected = model.perform(helper, operation, answer);
            prop_assert_eq!(answer, expected, "{:?} in the end", operation);
            settle(&mut model, &threads, region)?;
        }
    }
    threads.into_iter().for_each(Thread::end);
    (0..THREADS).for_each(|thread| model.end(thread));
    let mut loans = Vec::new();
    while model.free() > 0 {
        loans.push(queue.loan(Call::Try).map_err(|error| TestCaseError::fail(format!("a buffer is lost: {error}")))?);
        model.hands[0].forgotten_loans += 1;
    }
    prop_assert!(queue.loan(Call::Try).is_err(), "there is a buffer too many");
    loop {
        let mut taken = Vec::new();
        let answer = perform(queue, (&mut loans, &mut taken), Operation::Recv(Call::Try));
        prop_assert_eq!(answer, model.receive(0, Call::Try, answer));
        let Some(found) = taken.pop() else { return Ok(()) };
        K::finish(found);
    }
}

proptest! {
    #![proptest_config(driven(200))]

    #[test]
    fn a_message_is_received_once(
        capacity in 1..4_usize,
        operations in prop::collection::vec((0..THREADS, operation()), 0..60),
    ) {
        play::<Queue<u64>>(&region_of_threads(), capacity, operations)?;
    }

    #[test]
    fn a_message_is_received_until_it_is_finished(
        capacity in 1..4_usize,
        operations in prop::collection::vec((0..THREADS, operation()), 0..60),
    ) {
        play::<WorkQueue<u64>>(&region_of_threads(), capacity, operations)?;
    }
}
