//! What an object says of itself to somebody who only looks: all that is known of each kind stands here.
//!
//! A new kind adds its arm to [`says`] and a function below; everything else (who the holders are and whether they live,
//! who waits, what is to be done) follows from what it returns.

mod mailbox;

use super::super::kind::Kind;
use super::super::memory::Memory;
use super::counters::Counter;
use crate::primitives::ends::End;
use crate::primitives::mutex::MutexSeen;
use crate::primitives::once::OnceSeen;
use crate::primitives::owned_semaphore::OwnedSemaphore;
use crate::primitives::pool::Pool;
use crate::primitives::queue::{HeldAs, Queue};
use crate::primitives::registry::Extent;
use crate::primitives::rendezvous::{Rendezvous, Seen};
use crate::primitives::ring::{CONSUMER, PRODUCER};
use crate::primitives::role::{Departure, Presence};
use crate::primitives::rwlock::RwLock;
use crate::primitives::unbounded::Unbounded;
use crate::primitives::{
    RawBarrier, RawChannel, RawCommit, RawCondvar, RawEnds, RawEvent, RawMutex, RawOnce, RawOwnedSemaphore, RawPool,
    RawQueue, RawRendezvous, RawRight, RawRing, RawRole, RawRwLock, RawSemaphore, RawUnbounded, ThreadSlot,
};
use crate::sync::AtomicU32;
use std::collections::HashSet;

/// What an object says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Says {
    /// Its state, in words.
    pub(super) state: String,
    /// How much is in it, or taken of it, and how much at most.
    pub(super) depth: Option<u64>,
    pub(super) capacity: Option<u64>,
    /// Which calls would wait now, and for what.
    pub(super) waits: Vec<String>,
    /// Who holds something of it, as what; `None` for somebody whom no region has.
    pub(super) held: Vec<(&'static str, Option<ThreadSlot>)>,
    /// What a repair does for a holder that has died.
    pub(super) repair: &'static str,
    /// Why it is of no use any more until its user resets it.
    pub(super) reset: Option<&'static str>,
    /// It holds what nobody writes.
    pub(super) is_damaged: bool,
    /// What has gone through it.
    pub(super) counters: Vec<Counter>,
}

impl Says {
    fn state(state: impl Into<String>) -> Self {
        Self { state: state.into(), ..Self::default() }
    }

    fn damaged() -> Self {
        Self { is_damaged: true, ..Self::state("damaged: it holds what nobody writes") }
    }

    fn holding(self, depth: u64, capacity: u64) -> Self {
        Self { depth: Some(depth), capacity: Some(capacity), ..self }
    }

    fn waiting(mut self, why: impl Into<String>) -> Self {
        self.waits.push(why.into());
        self
    }
}

/// What the object in this extent says; `None` if the extent is none that an object of its kind can have.
pub(super) fn says(memory: &Memory, extent: Extent) -> Option<Says> {
    let capacity = extent.shape.capacity;
    let Some(kind) = Kind::from_number(extent.shape.kind) else {
        return Some(Says::state("of a kind that this version does not know"));
    };
    Some(match kind {
        Kind::Mutex => mutex(memory.look::<RawMutex>(kind, extent)?.0.seen()),
        Kind::Semaphore => semaphore(memory.look::<RawSemaphore>(kind, extent)?.0),
        Kind::Ring => ring(memory.look::<RawRing>(kind, extent)?.0, capacity, "messages"),
        Kind::Stream => ring(memory.look::<RawRing>(kind, extent)?.0, capacity, "bytes"),
        Kind::Event => event(memory.look::<RawEvent>(kind, extent)?.0),
        Kind::Condvar => {
            memory.look::<RawCondvar>(kind, extent)?;
            Says::state("wakes who waits for it").waiting("`wait` waits until somebody notifies")
        }
        Kind::Barrier => {
            let (control, places) = memory.look::<RawBarrier>(kind, extent)?;
            barrier(control, places)
        }
        Kind::Once => once(memory.look::<RawOnce>(kind, extent)?.0),
        Kind::OwnedSemaphore => {
            let (control, ledger) = memory.look::<RawOwnedSemaphore>(kind, extent)?;
            owned_semaphore(control.with(ledger))
        }
        Kind::RwLock => {
            let (control, places) = memory.look::<RawRwLock>(kind, extent)?;
            rwlock(control.with(places))
        }
        Kind::Pool => {
            let (control, buffers) = memory.look::<RawPool>(kind, extent)?;
            pool(control.with(buffers))
        }
        Kind::Queue | Kind::WorkQueue => {
            let (control, words) = memory.look::<RawQueue>(kind, extent)?;
            queue(control.with(words), kind, capacity)
        }
        Kind::Unbounded => {
            let (control, words) = memory.look::<RawUnbounded>(kind, extent)?;
            unbounded(control.with(words), capacity)
        }
        Kind::Rendezvous => {
            let (control, buffers) = memory.look::<RawRendezvous>(kind, extent)?;
            rendezvous(control.with(buffers))
        }
        Kind::Channel => {
            let (control, words) = memory.look::<RawChannel<RawQueue>>(kind, extent)?;
            channel(queue(control.with(words).line(), kind, capacity), control.ends())
        }
        Kind::UnboundedChannel => {
            let (control, words) = memory.look::<RawChannel<RawUnbounded>>(kind, extent)?;
            channel(unbounded(control.with(words).line(), capacity), control.ends())
        }
        Kind::RendezvousChannel => {
            let (control, words) = memory.look::<RawChannel<RawRendezvous>>(kind, extent)?;
            channel(rendezvous(control.with(words).line()), control.ends())
        }
        Kind::Mailbox | Kind::UnboundedMailbox | Kind::RendezvousMailbox => mailbox::says(memory, kind, extent)?,
        Kind::ProcessName => mailbox::name(memory, memory.look::<RawRight>(kind, extent)?.0),
        Kind::Effects => commit(memory.look::<RawCommit>(kind, extent)?.0),
        Kind::Segment => Says::state("plain bytes, for which nobody waits"),
    })
}

/// A value in two copies; of who holds its mutex nobody is told when it dies.
fn commit(control: &RawCommit) -> Says {
    let changes = control.changes();
    let Says { state, held, .. } = mutex(control.seen());
    Says { held, ..Says::state(format!("changed {changes} times; {state}")) }
}

/// A mutex, or the lock of the registry.
pub(super) fn mutex(seen: MutexSeen) -> Says {
    match seen {
        MutexSeen::Unlocked => Says::state("unlocked"),
        MutexSeen::Held(owner) => Says {
            held: vec![("owner", owner)],
            repair: "the next to lock it is told that its owner died",
            ..Says::state("locked").waiting("`lock` waits until its owner unlocks it")
        },
        MutexSeen::OwnerDied => Says::state("its owner has died: the next to lock it gets it, and is told"),
        MutexSeen::NotRecoverable => Says {
            reset: Some("who inherited it from the dead gave it up without declaring its value consistent"),
            ..Says::state("not recoverable: every call is refused")
        },
    }
}

fn semaphore(control: &RawSemaphore) -> Says {
    match control.available() {
        0 => {
            Says::state("no permits").waiting("`acquire` waits until somebody releases permits, which belong to nobody")
        }
        1 => Says::state("1 permit"),
        permits => Says::state(format!("{permits} permits")),
    }
}

fn owned_semaphore(semaphore: OwnedSemaphore<'_>) -> Says {
    let (available, permits) = (semaphore.available(), semaphore.permits());
    let mut held = Vec::new();
    semaphore.for_each_holder(&mut |holder| held.push(("holder", Some(holder))));
    let says = Says {
        held,
        repair: "its permits come home",
        ..Says::state(format!("{available} of {permits} permits are there"))
    };
    let says = says.holding(u64::from(permits.saturating_sub(available)), permits.into());
    match available {
        0 => says.waiting("`acquire` waits until a holder gives permits back"),
        _ => says,
    }
}

fn rwlock(lock: RwLock<'_>) -> Says {
    let mut held = Vec::new();
    lock.for_each_reader(&mut |reader| held.push(("reader", Some(reader))));
    let readers = held.len();
    let worth = if lock.is_inconsistent() { "; a writer died writing: all are told until one mends it" } else { "" };
    match lock.turn() {
        MutexSeen::Held(writer) => {
            held.push(("writer", writer));
            let state = if readers == 0 {
                format!("somebody writes{worth}")
            } else {
                format!("{readers} read, somebody waits to write{worth}")
            };
            let says =
                Says { held, repair: "a dead reader counts no longer, a dead writer is told of", ..Says::state(state) };
            says.waiting("`read` and `write` wait until the writer has stopped")
        }
        MutexSeen::OwnerDied => {
            Says { held, ..Says::state(format!("its writer has died: the next to come is told{worth}")) }
        }
        MutexSeen::Unlocked | MutexSeen::NotRecoverable if readers == 0 => Says::state(format!("unlocked{worth}")),
        MutexSeen::Unlocked | MutexSeen::NotRecoverable => {
            let says = Says {
                held,
                repair: "a dead reader counts no longer",
                ..Says::state(format!("{readers} read{worth}"))
            };
            says.waiting("`write` waits until the readers have stopped")
        }
    }
}

fn pool(pool: Pool<'_>) -> Says {
    let (mut held, buffers) = (Vec::new(), pool.buffers());
    (0..buffers).filter_map(|index| pool.owner(index)).for_each(|owner| hold(&mut held, "holder", owner));
    let in_use = pool.in_use();
    let state = format!("{in_use} of {buffers} buffers are taken");
    let says = Says { held, repair: "its buffers come home", ..Says::state(state) };
    let says = says.holding(in_use as u64, buffers as u64);
    if in_use < buffers { says } else { says.waiting("`take` waits until a holder gives a buffer back") }
}

/// A holder is named once, whatever number of things it holds.
fn hold(held: &mut Vec<(&'static str, Option<ThreadSlot>)>, role: &'static str, who: ThreadSlot) {
    let holder = (role, Some(who));
    if !held.contains(&holder) {
        held.push(holder);
    }
}

fn unbounded(queue: Unbounded<'_>, quota: u64) -> Says {
    // The list begins with a node whose message has been received.
    let in_use = queue.pool().in_use().saturating_sub(1);
    let says = Says {
        repair: "its memory is free again",
        ..Says::state(format!("memory for {in_use} of {quota} messages is in use"))
    };
    let says = says.holding(queue.len() as u64, quota);
    if queue.is_empty() { says.waiting("Who receives waits until somebody sends") } else { says }
}

fn rendezvous(rendezvous: Rendezvous<'_>) -> Says {
    let mut held = Vec::new();
    let waiting = rendezvous.seen();
    let says = match waiting {
        Seen::Nobody => {
            Says::state("nobody waits at it").waiting("`send` waits for a receiver, and `recv` for a sender")
        }
        Seen::Sender(sender) => {
            sender.into_iter().for_each(|sender| held.push(("sender", Some(sender))));
            let says = Says { held, repair: "its offer is withdrawn", ..Says::state("a sender waits") };
            says.waiting("`send` waits for its turn and for a receiver")
        }
        Seen::Receiver(receiver) => {
            receiver.into_iter().for_each(|receiver| held.push(("receiver", Some(receiver))));
            let says = Says { held, repair: "its request is withdrawn", ..Says::state("a receiver waits") };
            says.waiting("`recv` waits for its turn and for a sender")
        }
    };
    says.holding(0, 0)
}

fn queue(queue: Queue<'_>, kind: Kind, capacity: u64) -> Says {
    if queue.capacity() as u64 != capacity {
        return Says::damaged();
    }
    // A buffer bears its sender's name until its message is taken.
    let (mut held, mut on_their_way) = (Vec::new(), HashSet::new());
    queue.for_each_on_its_way(&mut |buffer, taker| {
        on_their_way.insert(buffer);
        taker.into_iter().for_each(|taker| hold(&mut held, "receiver", taker));
    });
    queue.for_each_holder(&mut |buffer, holder, role| match role {
        HeldAs::Receiver => hold(&mut held, "receiver", holder),
        HeldAs::Sender if on_their_way.contains(&buffer) => {}
        HeldAs::Sender => hold(&mut held, "sender", holder),
    });
    let (length, returned) = (queue.len(), queue.returned().count());
    let (is_full, is_empty) = (length as u64 == capacity, length + returned == 0);
    let came_back = if returned == 0 { String::new() } else { format!("; {returned} came back from who had them") };
    let repair = match kind {
        Kind::WorkQueue => "what it was sending is gone, and what it had received comes back",
        _ => "what it was sending or had received is gone, and its buffers come home",
    };
    let says = Says { held, repair, ..Says::state(format!("{length} of {capacity} messages{came_back}")) };
    let says = says.holding((length + returned) as u64, capacity);
    let says = match queue.pool().in_use() < queue.pool().buffers() {
        _ if is_full => says.waiting("Who sends waits until somebody receives"),
        true => says,
        false => says.waiting("Who sends waits until somebody gives a buffer back"),
    };
    if is_empty { says.waiting("Who receives waits until somebody sends") } else { says }
}

/// What a line says, and who stands at its ends.
fn channel(line: Says, ends: &RawEnds) -> Says {
    if line.is_damaged {
        return line;
    }
    let standing = |end, what: &str| match (ends.present(end).count(), ends.gone(end)) {
        (0, None) => format!("nobody has come to {what}"),
        (0, Some(_)) => format!("nobody is left to {what}"),
        (1, _) => format!("1 process can {what}"),
        (count, _) => format!("{count} processes can {what}"),
    };
    let state = format!("{}; {}; {}", line.state, standing(End::Senders, "send"), standing(End::Receivers, "receive"));
    Says { state, ..line }
}

fn event(control: &RawEvent) -> Says {
    if control.is_set() {
        Says::state("set")
    } else {
        Says::state("not set").waiting("`wait` waits until somebody sets it")
    }
}

fn barrier(control: &RawBarrier, places: &[AtomicU32]) -> Says {
    let barrier = control.with(places);
    let (mut held, mut dead) = (Vec::new(), 0_usize);
    barrier.for_each_member(&mut |member, has_died| match has_died {
        true => dead += 1,
        false => held.push(("member", member)),
    });
    let (arrived, members) = (barrier.arrived(), places.len());
    if barrier.is_broken() {
        let state = format!("broken: {dead} of its {members} members died, and all are told");
        return Says { held, reset: Some("a member has died"), ..Says::state(state) };
    }
    let joined = held.len();
    let state = format!("{arrived} of {members} have arrived, {joined} are members");
    let waits = format!("`wait` waits until all {members} have arrived");
    let says = Says::state(state).waiting(waits).holding(arrived.into(), members as u64);
    Says { held, repair: "the barrier breaks, and the other members are told", ..says }
}

fn once(control: &RawOnce) -> Says {
    let (state, turn) = control.seen();
    let making = |state: &str| match turn {
        MutexSeen::Held(maker) => Says {
            held: vec![("maker", maker)],
            repair: "the next to come makes the value",
            ..Says::state("being made").waiting("`get_or_init` waits until its maker has made it")
        },
        _ => Says::state(state),
    };
    match state {
        OnceSeen::Done => Says::state("made"),
        OnceSeen::Fresh => making("not made: the next to come makes it"),
        OnceSeen::Begun => making("not made, though somebody began: the next to come makes it"),
        OnceSeen::Corrupt => Says::damaged(),
    }
}

fn ring(control: &RawRing, capacity: u64, what: &str) -> Says {
    // Sent and received while it is looked at: the next look is as good.
    let filled = u32::try_from(capacity).ok().and_then(|capacity| {
        let mut looks = core::iter::repeat_with(|| control.filled(capacity)).take(LOOKS);
        looks.find_map(|filled| filled)
    });
    let Some(filled) = filled else { return Says::damaged() };
    let mut says = Says {
        repair: "the role becomes vacant, and the other side is told",
        ..Says::state(format!("{filled} of {capacity} {what}")).holding(filled.into(), capacity)
    };
    for (role, name) in [(control.role::<PRODUCER>(), "sender"), (control.role::<CONSUMER>(), "receiver")] {
        side(&mut says, role, name);
    }
    match u64::from(filled) {
        0 => says.waiting("Who receives waits until the sender sends"),
        full if full == capacity => says.waiting("Who sends waits until the receiver receives"),
        _ => says,
    }
}

/// How often something is looked at that changes meanwhile.
const LOOKS: usize = 100;

/// One side of a ring.
fn side(says: &mut Says, role: &RawRole, name: &'static str) {
    match role.presence() {
        Presence::NeverOpened => says.state.push_str(&format!("; no {name} yet")),
        Presence::Held(holder) => says.held.push((name, holder)),
        Presence::Gone(Departure::Closed) => says.state.push_str(&format!("; its {name} has left")),
        Presence::Gone(Departure::Died) => says.state.push_str(&format!("; its {name} has died")),
    }
}
