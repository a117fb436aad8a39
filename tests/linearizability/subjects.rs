//! The objects: what a process calls, and how operations and results are written into a log.

use crate::support::dice::Dice;
use selvedge::Region;
use selvedge::region::{
    AcquireError, Event as RegionEvent, EventError, LockError, Mutex as RegionMutex, MutexGuard, Queue, QueueRecvError,
    QueueSendError, Semaphore as RegionSemaphore, Unbounded as RegionUnbounded,
};
use selvedge_witness::specifications::{
    self as of, EventOperation, EventOutcome, MutexOperation, MutexOutcome, QueueOperation, QueueOutcome,
    SemaphoreOperation, SemaphoreOutcome,
};
use selvedge_witness::{End, Specification};
use std::time::Duration;

/// How long a call waits, where it does.
pub(crate) const TIME: Duration = Duration::from_millis(2);
pub(crate) const NAME: &str = "object";
/// Of the bounded queue.
const CAPACITY: usize = 2;
/// Of the semaphore.
const PERMITS: u32 = 1;

/// As a number other than zero.
pub(crate) trait Word: Copy {
    fn to_word(self) -> u64;
    fn from_word(word: u64) -> Self;
}

/// The operations of an object.
pub(crate) type Operation<S> = <<S as Subject>::Spec as Specification>::Operation;
/// Their results.
pub(crate) type Outcome<S> = <<S as Subject>::Spec as Specification>::Outcome;

/// What a process does with an object.
pub(crate) type Part<'a, O, R> = &'a mut dyn FnMut(&mut dyn Session<O, R>);

/// An object.
pub(crate) trait Subject {
    type Spec: Specification<Operation: Word, Outcome: Word>;
    const NAME: &'static str;
    /// A victim dies before one of so many of its steps, those with which it writes its log included.
    const STEPS: u64 = 160;
    fn specification() -> Self::Spec;
    /// Opens it, and lets `body` use it.
    fn with_session(region: &Region, body: Part<'_, Operation<Self>, Outcome<Self>>);
    /// Whether one could have the result of the other.
    fn are_alike(one: Operation<Self>, other: Operation<Self>) -> bool;
    /// What a call does that ends so, one after the other, if that is more than one thing.
    fn parts(operation: Operation<Self>, _end: &End<Outcome<Self>>) -> Vec<Operation<Self>> {
        vec![operation]
    }
    /// A result that some calls of a run must have, or it shows too little.
    fn telling() -> Option<Outcome<Self>> {
        None
    }
    /// What a death does, if others can tell.
    fn death() -> Option<(Operation<Self>, Outcome<Self>)> {
        None
    }
}

/// An object in the hands of one process.
pub(crate) trait Session<O, R> {
    /// What to call next.
    fn choose(&mut self, dice: &mut Dice, message: u32) -> O;
    /// Calls it; nothing has happened if its time was up.
    fn perform(&mut self, operation: O, dice: &mut Dice) -> Option<R>;
    /// What to call in the end, until there is nothing more.
    fn last(&mut self) -> Option<O> {
        None
    }
}

/// A semaphore that has one permit.
pub(crate) struct Semaphore;

impl Subject for Semaphore {
    type Spec = of::Semaphore;
    const NAME: &'static str = "semaphore";

    fn specification() -> of::Semaphore {
        of::Semaphore { permits: PERMITS }
    }

    fn with_session(region: &Region, body: Part<'_, SemaphoreOperation, SemaphoreOutcome>) {
        body(&mut region.semaphore(NAME, PERMITS).expect("a semaphore"));
    }

    fn are_alike(one: SemaphoreOperation, other: SemaphoreOperation) -> bool {
        use SemaphoreOperation::TryAcquire;
        matches!((one, other), (TryAcquire(_), TryAcquire(_)))
    }
}

impl Session<SemaphoreOperation, SemaphoreOutcome> for RegionSemaphore {
    fn choose(&mut self, dice: &mut Dice, _message: u32) -> SemaphoreOperation {
        use SemaphoreOperation::{Acquire, Release, TryAcquire};
        *dice.one_of(&[TryAcquire(1), TryAcquire(1), TryAcquire(2), Acquire(1), Acquire(2), Release(1), Release(1)])
    }

    fn perform(&mut self, operation: SemaphoreOperation, _dice: &mut Dice) -> Option<SemaphoreOutcome> {
        let acquired = match operation {
            SemaphoreOperation::Acquire(n) => self.acquire_timeout(n, TIME),
            SemaphoreOperation::TryAcquire(n) => self.try_acquire(n),
            SemaphoreOperation::Release(n) => {
                self.release_many(n).expect("far from the maximum");
                Ok(())
            }
        };
        match acquired {
            Ok(()) => Some(SemaphoreOutcome::Done),
            Err(AcquireError::WouldBlock) => Some(SemaphoreOutcome::TooFew),
            Err(AcquireError::TimedOut) => None,
            Err(error) => panic!("{operation}: {error}"),
        }
    }
}

/// An event that has not happened.
pub(crate) struct Event;

impl Subject for Event {
    type Spec = of::Event;
    const NAME: &'static str = "event";

    fn specification() -> of::Event {
        of::Event { set: false }
    }

    fn with_session(region: &Region, body: Part<'_, EventOperation, EventOutcome>) {
        body(&mut region.event(NAME).expect("an event"));
    }

    fn are_alike(one: EventOperation, other: EventOperation) -> bool {
        one != EventOperation::Wait && other != EventOperation::Wait
    }
}

impl Session<EventOperation, EventOutcome> for RegionEvent {
    fn choose(&mut self, dice: &mut Dice, _message: u32) -> EventOperation {
        use EventOperation::{IsSet, Reset, Set, Wait};
        *dice.one_of(&[Set, Set, Reset, IsSet, Wait])
    }

    fn perform(&mut self, operation: EventOperation, _dice: &mut Dice) -> Option<EventOutcome> {
        let said = match operation {
            EventOperation::Set => self.set(),
            EventOperation::Reset => self.reset(),
            EventOperation::IsSet => self.is_set(),
            EventOperation::Wait => match self.wait_timeout(TIME) {
                Err(EventError::TimedOut) => return None,
                waited => {
                    waited.expect("a wait");
                    return Some(EventOutcome::Happened);
                }
            },
        };
        Some(EventOutcome::Said(said.expect("an event")))
    }
}

/// A queue of two messages.
pub(crate) struct Bounded;

impl Subject for Bounded {
    type Spec = of::Queue;
    const NAME: &'static str = "bounded queue";

    fn specification() -> of::Queue {
        of::Queue::bounded(CAPACITY)
    }

    fn with_session(region: &Region, body: Part<'_, QueueOperation, QueueOutcome>) {
        body(&mut region.queue::<u64>(NAME, CAPACITY).expect("a queue"));
    }

    fn are_alike(one: QueueOperation, other: QueueOperation) -> bool {
        are_alike(one, other)
    }
}

/// A queue of as many messages as there are.
pub(crate) struct Unbounded;

impl Subject for Unbounded {
    type Spec = of::Queue;
    const NAME: &'static str = "unbounded queue";

    fn specification() -> of::Queue {
        of::Queue::unbounded()
    }

    fn with_session(region: &Region, body: Part<'_, QueueOperation, QueueOutcome>) {
        // More than all processes together send, and one for each that is at it.
        body(&mut region.unbounded::<u64>(NAME, 64).expect("a queue"));
    }

    fn are_alike(one: QueueOperation, other: QueueOperation) -> bool {
        are_alike(one, other)
    }
}

pub(crate) fn are_alike(one: QueueOperation, other: QueueOperation) -> bool {
    use QueueOperation::{Receive, TryReceive};
    matches!((one, other), (Receive | TryReceive, Receive | TryReceive))
}

impl Session<QueueOperation, QueueOutcome> for Queue<u64> {
    fn choose(&mut self, dice: &mut Dice, message: u32) -> QueueOperation {
        use QueueOperation::{Receive, Send, TryReceive, TrySend};
        *dice.one_of(&[Send(message), TrySend(message), Receive, TryReceive])
    }

    fn perform(&mut self, operation: QueueOperation, _dice: &mut Dice) -> Option<QueueOutcome> {
        match operation {
            QueueOperation::Send(message) => sent(self.send_timeout(message.into(), TIME)),
            QueueOperation::TrySend(message) => sent(self.try_send(message.into())),
            QueueOperation::Receive => got(self.recv_timeout(TIME)),
            QueueOperation::TryReceive => got(self.try_recv()),
        }
    }
}

impl Session<QueueOperation, QueueOutcome> for RegionUnbounded<u64> {
    fn choose(&mut self, dice: &mut Dice, message: u32) -> QueueOperation {
        use QueueOperation::{Receive, Send, TryReceive};
        *dice.one_of(&[Send(message), Send(message), Receive, TryReceive])
    }

    fn perform(&mut self, operation: QueueOperation, _dice: &mut Dice) -> Option<QueueOutcome> {
        match operation {
            QueueOperation::Send(message) | QueueOperation::TrySend(message) => sent(self.send(message.into())),
            QueueOperation::Receive => got(self.recv_timeout(TIME)),
            QueueOperation::TryReceive => got(self.try_recv()),
        }
    }
}

fn sent(sent: Result<(), QueueSendError<u64>>) -> Option<QueueOutcome> {
    match sent {
        Ok(()) => Some(QueueOutcome::Sent),
        Err(QueueSendError::Full(_)) => Some(QueueOutcome::WouldBlock),
        Err(QueueSendError::TimedOut(_)) => None,
        Err(error) => panic!("a send: {error}"),
    }
}

fn got(got: Result<u64, QueueRecvError>) -> Option<QueueOutcome> {
    match got {
        Ok(message) => Some(QueueOutcome::Got(u32::try_from(message).expect("a message that was sent"))),
        Err(QueueRecvError::Empty) => Some(QueueOutcome::WouldBlock),
        Err(QueueRecvError::TimedOut) => None,
        Err(error) => panic!("a receive: {error}"),
    }
}

/// A mutex, with what it guards.
pub(crate) struct Mutex;

impl Subject for Mutex {
    type Spec = of::Mutex;
    const NAME: &'static str = "mutex";

    fn specification() -> of::Mutex {
        of::Mutex
    }

    fn with_session(region: &Region, body: Part<'_, MutexOperation, MutexOutcome>) {
        let mutex = region.mutex(NAME, 0_u64).expect("a mutex");
        body(&mut Holder { mutex: &mutex, held: None });
    }

    fn are_alike(one: MutexOperation, other: MutexOperation) -> bool {
        use MutexOperation::{Lock, TryLock};
        matches!((one, other), (Lock | TryLock, Lock | TryLock))
    }

    /// A reset takes the mutex and unlocks it.
    fn parts(operation: MutexOperation, end: &End<MutexOutcome>) -> Vec<MutexOperation> {
        match (operation, end) {
            (MutexOperation::Reset, End::Returned(MutexOutcome::Done) | End::Pending) => {
                vec![operation, MutexOperation::Unlock]
            }
            _ => vec![operation],
        }
    }

    fn death() -> Option<(MutexOperation, MutexOutcome)> {
        Some((MutexOperation::Die, MutexOutcome::Done))
    }
}

/// A process with the mutex in its hands, or without; whether it inherited it from the dead.
struct Holder<'a> {
    mutex: &'a RegionMutex<u64>,
    held: Option<(MutexGuard<'a, u64>, bool)>,
}

impl Session<MutexOperation, MutexOutcome> for Holder<'_> {
    fn choose(&mut self, dice: &mut Dice, _message: u32) -> MutexOperation {
        use MutexOperation::{GiveUp, Lock, Reset, TryLock, Unlock};
        match self.held {
            Some((_, true)) => *dice.one_of(&[Unlock, Unlock, GiveUp]),
            Some((_, false)) => *dice.one_of(&[Unlock, Unlock, Unlock, TryLock]),
            None => *dice.one_of(&[Lock, Lock, TryLock, TryLock, Reset]),
        }
    }

    fn perform(&mut self, operation: MutexOperation, dice: &mut Dice) -> Option<MutexOutcome> {
        let locked = match operation {
            MutexOperation::Lock => self.mutex.lock_timeout(TIME),
            MutexOperation::TryLock => self.mutex.try_lock(),
            MutexOperation::Reset => {
                let reset = self.mutex.reset(dice.throw()).expect("a region in use");
                return Some(if reset { MutexOutcome::Done } else { MutexOutcome::Refused });
            }
            MutexOperation::Unlock | MutexOperation::GiveUp => {
                let (mut guard, _) = self.held.take().expect("it is chosen by who holds it");
                *guard += 1;
                if operation == MutexOperation::Unlock {
                    guard.mark_consistent();
                }
                return Some(MutexOutcome::Done);
            }
            MutexOperation::Die => unreachable!("nobody calls it"),
        };
        let (guard, outcome) = match locked {
            Ok(guard) => ((guard, false), MutexOutcome::Done),
            Err(LockError::OwnerDied(guard)) => ((guard, true), MutexOutcome::OwnerDied),
            Err(LockError::WouldBlock) => return Some(MutexOutcome::WouldBlock),
            Err(LockError::NotRecoverable) => return Some(MutexOutcome::Refused),
            Err(LockError::TimedOut) => return None,
            Err(error) => panic!("{operation}: {error}"),
        };
        self.held = Some(guard);
        Some(outcome)
    }

    /// Whoever ends with it leaves it as one that has died.
    fn last(&mut self) -> Option<MutexOperation> {
        self.held.is_some().then_some(MutexOperation::Unlock)
    }
}

/// As kind and number.
pub(crate) fn word(kind: u64, number: u32) -> u64 {
    kind << 32 | u64::from(number)
}

fn number(word: u64) -> u32 {
    u32::try_from(word & 0xffff_ffff).expect("a half of it")
}

/// Which one of a list it is, as it was counted from 1.
pub(crate) fn index(counted: u64) -> usize {
    usize::try_from(counted).expect("small") - 1
}

impl Word for SemaphoreOperation {
    fn to_word(self) -> u64 {
        match self {
            Self::Acquire(n) => word(1, n),
            Self::TryAcquire(n) => word(2, n),
            Self::Release(n) => word(3, n),
        }
    }

    fn from_word(word: u64) -> Self {
        [Self::Acquire, Self::TryAcquire, Self::Release][index(word >> 32)](number(word))
    }
}

impl Word for QueueOperation {
    fn to_word(self) -> u64 {
        match self {
            Self::Send(message) => word(1, message),
            Self::TrySend(message) => word(2, message),
            Self::Receive => word(3, 0),
            Self::TryReceive => word(4, 0),
        }
    }

    fn from_word(word: u64) -> Self {
        let message = number(word);
        [Self::Send(message), Self::TrySend(message), Self::Receive, Self::TryReceive][index(word >> 32)]
    }
}

impl Word for QueueOutcome {
    fn to_word(self) -> u64 {
        match self {
            Self::Sent => word(1, 0),
            Self::Got(message) => word(2, message),
            Self::WouldBlock => word(3, 0),
        }
    }

    fn from_word(word: u64) -> Self {
        [Self::Sent, Self::Got(number(word)), Self::WouldBlock][index(word >> 32)]
    }
}

/// By the place in a list of all.
macro_rules! words {
    ($($type:ty: $list:expr;)*) => {
        $(impl Word for $type {
            fn to_word(self) -> u64 {
                $list.iter().position(|known| *known == self).expect("all are there") as u64 + 1
            }

            fn from_word(word: u64) -> Self {
                $list[index(word)]
            }
        })*
    };
}

words! {
    SemaphoreOutcome: [SemaphoreOutcome::Done, SemaphoreOutcome::TooFew];
    EventOperation: [EventOperation::Set, EventOperation::Reset, EventOperation::IsSet, EventOperation::Wait];
    EventOutcome: [EventOutcome::Said(false), EventOutcome::Said(true), EventOutcome::Happened];
    MutexOperation: [
        MutexOperation::Lock,
        MutexOperation::TryLock,
        MutexOperation::Unlock,
        MutexOperation::GiveUp,
        MutexOperation::Reset,
    ];
    MutexOutcome: [
        MutexOutcome::Done,
        MutexOutcome::OwnerDied,
        MutexOutcome::WouldBlock,
        MutexOutcome::Relocked,
        MutexOutcome::Refused,
    ];
}
