//! Rendezvous: a message passes from hand to hand, and never lies anywhere.
//!
//! **Purpose.** Capacity zero: a send returns when somebody has taken the message, not before. Whoever comes first,
//! sender or receiver, waits for the other. If either is killed or gives up in the middle, one word says for both
//! whether the message has passed.
//!
//! **Layout.** A `u64`, the word; four [gates](super::gate); a [pool](super::pool) of buffers for the messages.
//!
//! | bits | content |
//! |---|---|
//! | 0 to 2 | `IDLE`, `OFFERED`, `TAKEN`, `REQUESTED`, `GIVEN`; open offers and requests: see `rendezvous/open.rs` |
//! | 3 to 17 | thread slot + 1 of the receiver (`TAKEN`, `REQUESTED`, `GIVEN`) |
//! | 18 to 27 | index of the buffer (`OFFERED`, `TAKEN`, `GIVEN`) |
//! | 28 to 63 | turn: another one for each exchange |
//!
//! ```text
//!          sender first              receiver           anybody
//! IDLE(t) ──────────────► OFFERED(t) ────────► TAKEN(t) ─────────► IDLE(t+1)
//!    │                        └─ sender gives up, or has died ────►
//!    │     receiver first              sender              receiver
//!    └──────────────────► REQUESTED(t) ──────► GIVEN(t) ─────────► IDLE(t+1)
//!                             └─ receiver gives up, or has died ──►
//! ```
//!
//! **Protocol.**
//! 1. *send b*: `IDLE`: offer, and wait until the word is another. `REQUESTED`: give, and it has passed; unless the one
//!    who requests has died: withdraw the request. Else wait for one of these.
//! 2. *receive*: `OFFERED`: take, and it has passed. `IDLE`: request, and wait until the word is another: then
//!    something was given. Else wait for one of these.
//! 3. From the swing to `TAKEN` or `GIVEN` on the buffer is the receiver's: whoever comes by swings it to `HELD` by the
//!    receiver, and only then the word to `IDLE`.
//! 4. Who gives up swings its offer or request to `IDLE`; if that fails, the message has passed.
//! 5. *undertaker*: withdraws offers and requests of the dead; does step 3; what was given to the dead is over; frees the
//!    buffers of the dead; changes all gates.
//!
//! **Invariants.**
//! - I1: an offer is withdrawn by its sender or, after that one's death, by the undertaker: who sees its offer gone,
//!   and did not withdraw it, knows that it was taken. So with requests, which a sender may withdraw, too, after a
//!   death.
//! - I2: the word is not `IDLE` again before the buffer is `HELD` by whom it passed to.
//! - I3: where those wait who have offered or requested there is one whose word stands, and there may be others who have
//!   not looked since theirs was answered, or who only watch: all are woken.
//!
//! **Orderings.**
//!
//! | operation | ordering | pairs with | publishes |
//! |---|---|---|---|
//! | any swing of the word | Release | loads of it, Acquire, before every swing | the message; that it was taken; that the buffer is held |
//! | offer or request withdrawn by its own | Relaxed | | nothing |
//! | buffer to `HELD` | Relaxed | | nothing; whoever has it next, the receiver, knows that it has passed |
//! | load of the buffer's word before that | Acquire | what later owners wrote | that the message has passed: the look at the word sees it |
//!
//! **Death.** Of a sender before the message has passed: the offer is withdrawn, or somebody takes it first. Of a
//! receiver after that: the message is gone with it, and the sender was told that it was taken. Before a signal: the
//! undertaker changes all gates and wakes all whom a slot names.
//!
//! **Models.** `rendezvous/*`.
//!
//! **References.** Hoare, "Communicating sequential processes", CACM 1978; Scherer, Lea and Scott, "Scalable
//! synchronous queues", CACM 2009, for offers and requests that wait for their counterpart.

use super::gate::RawGate;
use super::participants::{Participants, ThreadSlot};
use super::pool::{Buffer, Pool, RawPool, State};
use super::waiting::{Caller, ObjectId};
use crate::sync::{AtomicU64, Deadline, Ordering};

mod exchange;
mod open;
mod repair;

pub use open::{Post, Posting, Side};

use exchange::{Exchange, What};

/// The control block of a rendezvous.
#[derive(Debug)]
#[repr(C)]
pub struct RawRendezvous {
    word: AtomicU64,
    /// Where senders wait that can neither offer nor give, and receivers that can neither take nor request.
    senders: RawGate,
    receivers: RawGate,
    /// Where the sender waits who offers, and the receiver who requests; and who would send or receive, and posts nothing.
    offer: RawGate,
    request: RawGate,
    pool: RawPool,
}

/// A rendezvous with its buffers.
#[derive(Clone, Copy, Debug)]
pub struct Rendezvous<'a> {
    control: &'a RawRendezvous,
    pool: Pool<'a>,
}

/// Why nothing has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RendezvousError {
    /// Nobody waits on the other side (non-blocking calls only).
    WouldBlock,
    /// The deadline passed (timed calls only).
    TimedOut,
    /// What the caller was told not to wait for came about.
    Over,
}

/// Who waits at a rendezvous for a counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nobody.
    Nobody,
    /// A sender.
    Sender(Option<ThreadSlot>),
    /// A receiver, or one whose counterpart has just come.
    Receiver(Option<ThreadSlot>),
}

/// How a sender or receiver has begun.
enum Begun {
    /// The message in this buffer has passed.
    Passed(usize),
    /// It waits for this word to change.
    Waits(u64),
}

impl RawRendezvous {
    /// The most buffers that it can have.
    pub const MAX_BUFFERS: usize = Exchange::BUFFERS;

    /// A rendezvous at which nobody is.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self {
            word: AtomicU64::new(0),
            senders: RawGate::new(),
            receivers: RawGate::new(),
            offer: RawGate::new(),
            request: RawGate::new(),
            pool: RawPool::new(),
        }
    }

    /// The rendezvous with the words of its buffers; at most [`MAX_BUFFERS`](Self::MAX_BUFFERS) are used.
    #[must_use]
    pub fn with<'a>(&'a self, buffers: &'a [AtomicU64]) -> Rendezvous<'a> {
        let buffers = buffers.split_at(buffers.len().min(Self::MAX_BUFFERS)).0;
        Rendezvous { control: self, pool: self.pool.with(buffers) }
    }
}

impl Default for RawRendezvous {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Rendezvous<'a> {
    /// The pool of its buffers. A sender takes one, fills it, and sends it or gives it back; a receiver gives it back.
    #[must_use]
    pub fn pool(&self) -> Pool<'a> {
        self.pool
    }

    /// Gives the message in a buffer that the caller has filled to a receiver who waits. Never blocks.
    ///
    /// # Errors
    /// `WouldBlock`: nobody waits, and the caller has the buffer still.
    pub fn try_send(&self, table: Participants<'_>, buffer: usize) -> Result<(), RendezvousError> {
        self.try_send_above(table, buffer, None)
    }

    /// As [`try_send`](Self::try_send), but not to one who has requests elsewhere, too, unless its slot is above this one.
    ///
    /// # Errors
    /// `WouldBlock`.
    pub fn try_send_above(
        &self,
        table: Participants<'_>,
        buffer: usize,
        above: Option<ThreadSlot>,
    ) -> Result<(), RendezvousError> {
        match self.begin_to_send(table, buffer, false, above) {
            Some(_) => Ok(()),
            None => Err(RendezvousError::WouldBlock),
        }
    }

    /// Passes the message in a buffer that the caller has filled to a receiver, waiting for one as long as it takes or until
    /// `deadline`.
    ///
    /// # Errors
    /// `TimedOut`: nobody has taken it, and the caller has the buffer still.
    pub fn send(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        buffer: usize,
        deadline: Option<Deadline>,
    ) -> Result<(), RendezvousError> {
        self.send_unless(caller, object, buffer, deadline, || false)
    }

    /// As [`send`](Self::send), and waits no longer once it is `over`: whatever makes it so tells all who wait.
    ///
    /// # Errors
    /// `TimedOut`, `Over`: nobody has taken it, and the caller has the buffer still.
    pub fn send_unless(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        buffer: usize,
        deadline: Option<Deadline>,
        over: impl Fn() -> bool,
    ) -> Result<(), RendezvousError> {
        let begin = || self.begin_to_send(caller.table, buffer, true, None);
        let more = || self.is_for_senders();
        match begun(&self.control.senders, caller, object, deadline, begin, &over, more)? {
            Begun::Passed(_) => Ok(()),
            // I1.
            Begun::Waits(offer) => self.answer(&self.control.offer, offer, caller, object, deadline, &over).map(drop),
        }
    }

    fn begin_to_send(
        &self,
        table: Participants<'_>,
        buffer: usize,
        may_wait: bool,
        above: Option<ThreadSlot>,
    ) -> Option<Begun> {
        loop {
            let (found, now) = self.look();
            match now.what {
                // The look at the word comes before: whoever has the slot has requested, or the word is another by now.
                What::Requested if now.party.is_some_and(|slot| table.has_stopped(slot)) => {
                    if self.swing(found, now.over()) {
                        // Those who wait for their turn need not wait for the undertaker, who tells them in any case.
                        // dead here: that one does.
                        self.tell_all();
                    }
                }
                What::Requested => {
                    let given = now.next(What::Given, now.party, buffer);
                    if self.swing(found, given) {
                        // dead here: it has passed; the receiver, or the undertaker, does the rest.
                        self.hold(given);
                        self.control.request.signal_all();
                        return Some(Begun::Passed(buffer));
                    }
                }
                What::Idle if may_wait => {
                    let offered = now.next(What::Offered, None, buffer);
                    if self.swing(found, offered) {
                        self.tell_of_a_post(Side::Send(buffer));
                        return Some(Begun::Waits(offered.to_bits()));
                    }
                }
                What::OpenRequest | What::OpenOffer => {
                    let Some(standing) = self.standing(&table, found, now) else { continue };
                    if now.what == What::OpenOffer || !standing.is_above(above) {
                        return None;
                    }
                    if let Some(given) = self.choose(&standing, found, now, number(buffer)) {
                        self.hold(given);
                        self.control.request.signal_all();
                        return Some(Begun::Passed(buffer));
                    }
                }
                What::Taken => self.end(now),
                What::Idle | What::Offered | What::Given => return None,
            }
        }
    }

    /// Takes the message of a sender who waits, in its buffer. Never blocks.
    ///
    /// # Errors
    /// `WouldBlock`: nobody waits.
    pub fn try_receive(&self, table: Participants<'_>, slot: ThreadSlot) -> Result<usize, RendezvousError> {
        self.try_receive_above(table, slot, None)
    }

    /// As [`try_receive`](Self::try_receive), but not from one who has offers elsewhere, too, unless its slot is above this one.
    ///
    /// # Errors
    /// `WouldBlock`.
    pub fn try_receive_above(
        &self,
        table: Participants<'_>,
        slot: ThreadSlot,
        above: Option<ThreadSlot>,
    ) -> Result<usize, RendezvousError> {
        match self.begin_to_receive(table, slot, false, above) {
            Some(Begun::Passed(buffer)) => Ok(buffer),
            Some(Begun::Waits(_)) | None => Err(RendezvousError::WouldBlock),
        }
    }

    /// Receives a message, in its buffer, waiting for a sender as long as it takes or until `deadline`.
    ///
    /// # Errors
    /// `TimedOut`.
    pub fn receive(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
    ) -> Result<usize, RendezvousError> {
        self.receive_unless(caller, object, deadline, || false)
    }

    /// As [`receive`](Self::receive), and waits no longer once it is `over`: whatever makes it so tells all who wait.
    ///
    /// # Errors
    /// `TimedOut`, `Over`.
    pub fn receive_unless(
        &self,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        over: impl Fn() -> bool,
    ) -> Result<usize, RendezvousError> {
        let begin = || self.begin_to_receive(caller.table, caller.slot, true, None);
        let more = || self.is_for_receivers();
        let request = match begun(&self.control.receivers, caller, object, deadline, begin, &over, more)? {
            Begun::Passed(buffer) => return Ok(buffer),
            Begun::Waits(request) => request,
        };
        // I1: it is what was given to us.
        let given = self.answer(&self.control.request, request, caller, object, deadline, &over)?;
        let given = Exchange::from_bits(given);
        self.end(given);
        self.tell_all();
        Ok(given.buffer)
    }

    fn begin_to_receive(
        &self,
        table: Participants<'_>,
        slot: ThreadSlot,
        may_wait: bool,
        above: Option<ThreadSlot>,
    ) -> Option<Begun> {
        loop {
            let (found, now) = self.look();
            match now.what {
                What::Offered => {
                    let taken = now.next(What::Taken, Some(slot), now.buffer);
                    if self.swing(found, taken) {
                        // dead here: it has passed; whoever comes next, or the undertaker, does the rest.
                        self.end(taken);
                        self.control.offer.signal_all();
                        self.tell_all();
                        return Some(Begun::Passed(now.buffer));
                    }
                }
                What::Idle if may_wait => {
                    let requested = now.next(What::Requested, Some(slot), 0);
                    if self.swing(found, requested) {
                        self.tell_of_a_post(Side::Receive);
                        return Some(Begun::Waits(requested.to_bits()));
                    }
                }
                What::OpenOffer | What::OpenRequest => {
                    let Some(standing) = self.standing(&table, found, now) else { continue };
                    if now.what == What::OpenRequest || !standing.is_above(above) {
                        return None;
                    }
                    if let Some(taken) = self.choose(&standing, found, now, slot.0) {
                        self.end(taken);
                        self.control.offer.signal_all();
                        self.tell_all();
                        return Some(Begun::Passed(now.buffer));
                    }
                }
                What::Taken => self.end(now),
                What::Idle | What::Requested | What::Given => return None,
            }
        }
    }

    /// Waits until the word is another than `posted`, and returns it; or withdraws that.
    fn answer(
        &self,
        gate: &RawGate,
        posted: u64,
        caller: &Caller<'_>,
        object: ObjectId,
        deadline: Option<Deadline>,
        over: &impl Fn() -> bool,
    ) -> Result<u64, RendezvousError> {
        let answered = || {
            // Acquire: as in look.
            let found = self.control.word.load(Ordering::Acquire);
            if found != posted { Some(Ok(found)) } else { over().then_some(Err(RendezvousError::Over)) }
        };
        let answer = answered().or_else(|| gate.wait(caller, object, deadline, answered, || false));
        let why = match answer {
            Some(Ok(found)) => return Ok(found),
            Some(Err(why)) => why,
            None => RendezvousError::TimedOut,
        };
        let nothing = Exchange::from_bits(posted).over().to_bits();
        // Relaxed: nothing has come about. Acquire, of a failure: as in look.
        match self.control.word.compare_exchange(posted, nothing, Ordering::Relaxed, Ordering::Acquire) {
            Ok(_) => {
                self.tell_all();
                Err(why)
            }
            Err(newer) => Ok(newer),
        }
    }

    fn look(&self) -> (u64, Exchange) {
        // Acquire: pairs with swing; the message, and whose the buffer is, are seen.
        let found = self.control.word.load(Ordering::Acquire);
        (found, Exchange::from_bits(found))
    }

    fn swing(&self, from: u64, to: Exchange) -> bool {
        // Release: publishes the message, or that it was taken, and what came before; what is replaced was seen by an Acquire, and
        // is there once, by its turn. Relaxed, of a failure: it looks again.
        self.control.word.compare_exchange(from, to.to_bits(), Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Makes the buffer of a message that has passed the receiver's.
    fn hold(&self, passed: Exchange) {
        let Some(word) = self.pool.word(passed.buffer) else { return };
        loop {
            // Acquire: pairs with what came after, so that the next load sees it.
            let seen = word.load(Ordering::Acquire);
            // Relaxed: whoever has gone on has named the receiver in the buffer, which is to see itself there, and does so by
            // the fence of the signal that follows.
            if self.control.word.load(Ordering::Relaxed) != passed.to_bits() {
                return;
            }
            let buffer = Buffer::from_bits(seen);
            if buffer.state != State::Fill {
                return;
            }
            let held = buffer.next(State::Held, passed.party).to_bits();
            // Relaxed: it says nothing that the receiver does not know. A failure: it looks again.
            if word.compare_exchange(seen, held, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return;
            }
        }
    }

    /// Ends an exchange in which the message has passed (I2).
    fn end(&self, passed: Exchange) {
        self.hold(passed);
        // dead here: whoever comes next ends it, or the undertaker.
        self.swing(passed.to_bits(), passed.over());
    }

    /// Where senders wait, for their turn and for an answer, and where receivers do.
    pub(super) fn gates(&self) -> [&'a RawGate; 4] {
        let control = self.control;
        [&control.senders, &control.offer, &control.receivers, &control.request]
    }

    /// Tells those of the other side that something was offered or requested: one who waits for its turn, and all who only
    /// watch.
    fn tell_of_a_post(&self, side: Side) {
        // dead here: the undertaker changes all gates.
        self.turn_gate(side.other()).signal();
        self.post_gate(side.other()).signal_all();
    }

    /// Tells those who wait for their turn.
    fn tell_all(&self) {
        self.control.senders.signal();
        self.control.receivers.signal();
    }

    fn is_for_senders(&self) -> bool {
        matches!(self.look().1.what, What::Idle | What::Requested | What::OpenRequest | What::Taken)
    }

    fn is_for_receivers(&self) -> bool {
        matches!(self.look().1.what, What::Idle | What::Offered | What::OpenOffer | What::Taken)
    }

    /// Who waits for a counterpart, as of a moment ago; for people and tests.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let now = Exchange::from_bits(self.control.word.peek());
        match now.what {
            What::Idle => Seen::Nobody,
            What::Offered | What::OpenOffer => Seen::Sender(self.pool.owner(now.buffer)),
            What::Taken | What::Requested | What::OpenRequest | What::Given => Seen::Receiver(now.party),
        }
    }
}

fn number(buffer: usize) -> u16 {
    u16::try_from(buffer).unwrap_or(u16::MAX)
}

/// How a sender or receiver has begun, after having waited for its turn, unless it is over before.
fn begun(
    gate: &RawGate,
    caller: &Caller<'_>,
    object: ObjectId,
    deadline: Option<Deadline>,
    begin: impl Fn() -> Option<Begun>,
    over: &impl Fn() -> bool,
    more: impl Fn() -> bool,
) -> Result<Begun, RendezvousError> {
    let attempt = || match begin() {
        Some(begun) => Some(Ok(begun)),
        None => over().then_some(Err(RendezvousError::Over)),
    };
    let waited = || gate.wait(caller, object, deadline, attempt, more);
    attempt().or_else(waited).unwrap_or(Err(RendezvousError::TimedOut))
}
