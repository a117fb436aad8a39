//! The ring of messages as its users hold it.

use super::error::{ObjectError, ObjectErrorKind, Unusable};
use super::handle::Region;
use super::kind::Kind;
use super::object::{ObjectName, Placed, Request, Shared, obtain};
use super::patience::Patience;
use super::side::{Obstacle, PeerGone, RoleError, Side};
use crate::primitives::RawRing;
use crate::primitives::registry::Mode;
use crate::primitives::ring::{CONSUMER, PRODUCER};
use crate::primitives::role::{Departure, IfGone, Predecessor};
use crate::primitives::waiting::Wait;
use crate::sync::{Cell, Deadline};
use core::fmt;
use core::time::Duration;

/// A bounded first-in first-out queue of messages between one sender and one receiver, of any processes.
///
/// Each end is a role: one thread at a time has it ([`sender`](Self::sender), [`receiver`](Self::receiver)), and when
/// that thread gives it up or dies another may take it and goes on where it stood. A message is seen whole or not at
/// all. What a dead sender had not sent is gone; what a dead receiver had looked at but not taken, its successor sees
/// again.
///
/// **Memory order.** What a sender did before it sent happens before what the receiver does with the message, and what
/// the receiver did happens before the slot is written again.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let orders = region.ring::<u64>("orders", 16)?;
/// let mut sender = orders.sender()?;
/// let mut receiver = orders.receiver()?;
/// sender.send(7)?;
/// assert_eq!(receiver.recv()?, 7);
/// drop(sender);
/// assert!(receiver.recv().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Ring<T: Shared> {
    placed: Placed<RawRing, Cell<T>>,
}

impl<T: Shared> fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

macro_rules! claims {
    ($one:ident, $try:ident, $timeout:ident, $deadline:ident, $end:ident, $what:literal) => {
        #[doc = concat!("Takes the ", $what, "'s end, waiting until nobody has it.")]
        ///
        /// # Errors
        /// [`RoleError`], except `Taken` and `TimedOut`.
        pub fn $one(&self) -> Result<$end<T>, RoleError> {
            Ok($end { side: Side::claim(&self.placed, Patience::Forever)? })
        }

        #[doc = concat!("Takes the ", $what, "'s end if nobody has it; never waits.")]
        ///
        /// # Errors
        /// [`RoleError`], except `TimedOut`.
        pub fn $try(&self) -> Result<$end<T>, RoleError> {
            Ok($end { side: Side::claim(&self.placed, Patience::None)? })
        }

        #[doc = concat!("Takes the ", $what, "'s end, waiting at most `timeout` until nobody has it.")]
        ///
        /// # Errors
        /// [`RoleError`], except `Taken`.
        pub fn $timeout(&self, timeout: Duration) -> Result<$end<T>, RoleError> {
            self.$deadline(Deadline::after(timeout))
        }

        #[doc = concat!("Takes the ", $what, "'s end, waiting until `deadline` at most until nobody has it.")]
        ///
        /// # Errors
        /// [`RoleError`], except `Taken`.
        pub fn $deadline(&self, deadline: Deadline) -> Result<$end<T>, RoleError> {
            Ok($end { side: Side::claim(&self.placed, Patience::Until(deadline))? })
        }
    };
}

impl<T: Shared> Ring<T> {
    claims!(sender, try_sender, sender_timeout, sender_deadline, Sender, "sender");
    claims!(receiver, try_receiver, receiver_timeout, receiver_deadline, Receiver, "receiver");

    /// How many messages it holds at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.placed.slots().len()
    }
}

/// Why a message was not sent; it comes back.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError<T> {
    /// The ring is full ([`try_send`](Sender::try_send) only).
    Full(T),
    /// The ring was full until the deadline (timed calls only).
    TimedOut(T),
    /// The ring is full and its receiver gone: closed, or dead.
    Disconnected(T, PeerGone),
    /// The shared memory of the ring of this name contradicts itself.
    Corrupt(T, ObjectName),
    /// The region of the ring of this name can be used no longer.
    Unusable(T, Unusable, ObjectName),
}

impl<T> SendError<T> {
    /// The message.
    pub fn into_message(self) -> T {
        match self {
            Self::Full(message)
            | Self::TimedOut(message)
            | Self::Disconnected(message, _)
            | Self::Corrupt(message, _)
            | Self::Unusable(message, ..) => message,
        }
    }

    /// How the receiver went, if that is the reason.
    #[must_use]
    pub fn departure(&self) -> Option<Departure> {
        if let Self::Disconnected(_, gone) = self { Some(gone.how) } else { None }
    }

    fn new(message: T, obstacle: Obstacle, ring: &ObjectName) -> Self {
        match obstacle {
            Obstacle::WouldBlock => Self::Full(message),
            Obstacle::TimedOut => Self::TimedOut(message),
            Obstacle::Disconnected(how) => Self::Disconnected(message, PeerGone { object: ring.clone(), how }),
            Obstacle::Corrupt => Self::Corrupt(message, ring.clone()),
            Obstacle::Unusable(why) => Self::Unusable(message, why, ring.clone()),
        }
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("Full(..)"),
            Self::TimedOut(_) => f.write_str("TimedOut(..)"),
            Self::Disconnected(_, gone) => write!(f, "Disconnected(.., {gone:?})"),
            Self::Corrupt(_, ring) => write!(f, "Corrupt(.., {ring:?})"),
            Self::Unusable(_, why, ring) => write!(f, "Unusable(.., {why:?}, {ring:?})"),
        }
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the ring is full"),
            Self::TimedOut(_) => f.write_str("the ring was full until the deadline"),
            Self::Disconnected(_, gone) => write!(f, "the receiver of ring {} {}", gone.object, gone.verb()),
            Self::Corrupt(_, ring) => write!(f, "the shared memory of ring {ring} contradicts itself"),
            Self::Unusable(_, why, ring) => write!(f, "ring {ring}: {why}"),
        }
    }
}

impl<T> std::error::Error for SendError<T> {}

/// Why no message was received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvError {
    /// The ring is empty ([`try_recv`](Receiver::try_recv) only).
    Empty,
    /// The ring was empty until the deadline (timed calls only).
    TimedOut,
    /// The ring is empty and its sender gone: closed, or dead. What was sent has been received.
    Disconnected(PeerGone),
    /// The shared memory of the ring of this name contradicts itself.
    Corrupt(ObjectName),
    /// The region of the ring of this name can be used no longer.
    Unusable(Unusable, ObjectName),
}

impl RecvError {
    /// How the sender went, if that is the reason.
    #[must_use]
    pub fn departure(&self) -> Option<Departure> {
        if let Self::Disconnected(gone) = self { Some(gone.how) } else { None }
    }

    fn new(obstacle: Obstacle, ring: &ObjectName) -> Self {
        match obstacle {
            Obstacle::WouldBlock => Self::Empty,
            Obstacle::TimedOut => Self::TimedOut,
            Obstacle::Disconnected(how) => Self::Disconnected(PeerGone { object: ring.clone(), how }),
            Obstacle::Corrupt => Self::Corrupt(ring.clone()),
            Obstacle::Unusable(why) => Self::Unusable(why, ring.clone()),
        }
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the ring is empty"),
            Self::TimedOut => f.write_str("the ring was empty until the deadline"),
            Self::Disconnected(gone) => write!(f, "the sender of ring {} {}", gone.object, gone.verb()),
            Self::Corrupt(ring) => write!(f, "the shared memory of ring {ring} contradicts itself"),
            Self::Unusable(why, ring) => write!(f, "ring {ring}: {why}"),
        }
    }
}

impl std::error::Error for RecvError {}

macro_rules! end_of_ring {
    ($end:ident, $side:expr, $peer:literal) => {
        impl<T: Shared> $end<T> {
            #[doc = concat!("Whether calls that would have to wait for a ", $peer, " that is gone fail (the default), or wait")]
            #[doc = concat!("for another ", $peer, ". They fail once for each death in any case, so that it can be noticed.")]
            #[must_use]
            pub fn if_gone(mut self, if_gone: IfGone) -> Self {
                self.side.if_gone = if_gone;
                self
            }

            /// Another way to wait.
            #[must_use]
            pub fn with_wait(mut self, wait: Wait) -> Self {
                self.side.wait = wait;
                self
            }

            /// From whom this end was taken over.
            #[must_use]
            pub fn predecessor(&self) -> Predecessor {
                self.side.predecessor
            }

            /// How many messages the ring holds at most.
            #[must_use]
            pub fn capacity(&self) -> usize {
                self.side.placed.slots().len()
            }
        }

        impl<T: Shared> fmt::Debug for $end<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($end)).field("side", &self.side).finish()
            }
        }
    };
}

/// The sending end of a [`Ring`]. Dropping it closes the end.
///
/// It belongs to the thread that took it and cannot be sent to another; send the [`Ring`].
///
/// ```compile_fail,E0277
/// fn to_another_thread(_: impl Send) {}
///
/// fn send(end: selvedge::region::Sender<u64>) {
///     to_another_thread(end);
/// }
/// ```
pub struct Sender<T: Shared> {
    side: Side<PRODUCER, T>,
}

end_of_ring!(Sender, PRODUCER, "receiver");

impl<T: Shared> Sender<T> {
    /// Sends, waiting while the ring is full.
    ///
    /// # Errors
    /// `Disconnected` if it is full and the receiver gone; `Corrupt`, `Unusable`.
    #[inline]
    pub fn send(&mut self, message: T) -> Result<(), SendError<T>> {
        self.put(message, Patience::Forever)
    }

    /// Sends if the ring is not full; never waits.
    ///
    /// # Errors
    /// [`SendError`], except `TimedOut`.
    #[inline]
    pub fn try_send(&mut self, message: T) -> Result<(), SendError<T>> {
        self.put(message, Patience::None)
    }

    /// Sends, waiting at most `timeout` while the ring is full.
    ///
    /// # Errors
    /// [`SendError`], except `Full`.
    pub fn send_timeout(&mut self, message: T, timeout: Duration) -> Result<(), SendError<T>> {
        self.put(message, Patience::Until(Deadline::after(timeout)))
    }

    /// Sends, waiting until `deadline` at most while the ring is full.
    ///
    /// # Errors
    /// [`SendError`], except `Full`.
    pub fn send_deadline(&mut self, message: T, deadline: Deadline) -> Result<(), SendError<T>> {
        self.put(message, Patience::Until(deadline))
    }

    #[inline]
    fn put(&mut self, message: T, patience: Patience) -> Result<(), SendError<T>> {
        let mut put = || {
            self.side.reserve(1, patience)?;
            let slot = self.side.slot(0).ok_or(Obstacle::Corrupt)?;
            // SAFETY: a reserved slot is this end's alone until it is committed (ring, I1).
            slot.with_mut(|slot| unsafe { slot.write(message) });
            self.side.commit(1)
        };
        let sent = put();
        sent.map_err(|obstacle| SendError::new(message, obstacle, self.side.placed.name()))
    }

    /// Borrows up to `most` free slots, at least one, waiting for the first: messages are written in place and sent as
    /// one batch by [`Loan::send`]. A loan that is dropped sends nothing.
    ///
    /// # Errors
    /// [`SendError`], except `Full` and `TimedOut`.
    pub fn loan(&mut self, most: usize) -> Result<Loan<'_, T>, SendError<()>> {
        let most = u32::try_from(most).unwrap_or(u32::MAX).max(1);
        match self.side.reserve_some(1, most, Patience::Forever) {
            Ok(count) => Ok(Loan { side: &mut self.side, count }),
            Err(obstacle) => Err(SendError::new((), obstacle, self.side.placed.name())),
        }
    }
}

/// Free slots of a ring in the hands of its sender.
#[derive(Debug)]
#[must_use = "a loan that is dropped sends nothing"]
pub struct Loan<'a, T: Shared> {
    side: &'a mut Side<PRODUCER, T>,
    count: u32,
}

impl<T: Shared> Loan<'_, T> {
    /// How many slots were borrowed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Never: a loan has at least one slot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The message in the slot at `index`, to be overwritten or changed; it holds an earlier message, or zeros. `None`
    /// beyond the slots that were borrowed.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let index = u32::try_from(index).ok().filter(|index| *index < self.count)?;
        let slot = self.side.slot(index)?.with_mut(|slot| slot);
        // SAFETY: reserved slots are this end's alone until they are committed (ring, I1); every pattern of bits is a
        // `T`; `&mut self` excludes other borrows.
        Some(unsafe { &mut *slot })
    }

    /// Sends the first `count` slots as one batch: the receiver sees all of them or none.
    ///
    /// # Errors
    /// `Corrupt` if that many were not borrowed; nothing is sent then.
    pub fn send(self, count: usize) -> Result<(), SendError<()>> {
        let count = u32::try_from(count).ok().filter(|count| *count <= self.count);
        let sent = count.ok_or(Obstacle::Corrupt).and_then(|count| self.side.commit(count));
        sent.map_err(|obstacle| SendError::new((), obstacle, self.side.placed.name()))
    }
}

/// The receiving end of a [`Ring`]. Dropping it closes the end.
///
/// It belongs to the thread that took it and cannot be sent to another; send the [`Ring`].
///
/// ```compile_fail,E0277
/// fn to_another_thread(_: impl Send) {}
///
/// fn send(end: selvedge::region::Receiver<u64>) {
///     to_another_thread(end);
/// }
/// ```
pub struct Receiver<T: Shared> {
    side: Side<CONSUMER, T>,
}

end_of_ring!(Receiver, CONSUMER, "sender");

impl<T: Shared> Receiver<T> {
    /// Receives, waiting while the ring is empty.
    ///
    /// # Errors
    /// `Disconnected` if it is empty and the sender gone; `Corrupt`, `Unusable`.
    #[inline]
    pub fn recv(&mut self) -> Result<T, RecvError> {
        self.take(Patience::Forever)
    }

    /// Receives if the ring is not empty; never waits.
    ///
    /// # Errors
    /// [`RecvError`], except `TimedOut`.
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, RecvError> {
        self.take(Patience::None)
    }

    /// Receives, waiting at most `timeout` while the ring is empty.
    ///
    /// # Errors
    /// [`RecvError`], except `Empty`.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvError> {
        self.take(Patience::Until(Deadline::after(timeout)))
    }

    /// Receives, waiting until `deadline` at most while the ring is empty.
    ///
    /// # Errors
    /// [`RecvError`], except `Empty`.
    pub fn recv_deadline(&mut self, deadline: Deadline) -> Result<T, RecvError> {
        self.take(Patience::Until(deadline))
    }

    #[inline]
    fn take(&mut self, patience: Patience) -> Result<T, RecvError> {
        let mut take = || {
            self.side.reserve(1, patience)?;
            let slot = self.side.slot(0).ok_or(Obstacle::Corrupt)?;
            // SAFETY: a reserved slot is not written by anybody until it is committed (ring, I1), and holds a message.
            let message = slot.with(|slot| unsafe { slot.read() });
            self.side.commit(1)?;
            Ok(message)
        };
        let taken = take();
        taken.map_err(|obstacle| RecvError::new(obstacle, self.side.placed.name()))
    }

    /// Looks at up to `most` messages, at least one, in place, waiting for the first. They stay in the ring until
    /// [`Batch::release`]; who takes over from this end sees them again.
    ///
    /// # Errors
    /// [`RecvError`], except `Empty` and `TimedOut`.
    pub fn batch(&mut self, most: usize) -> Result<Batch<'_, T>, RecvError> {
        let most = u32::try_from(most).unwrap_or(u32::MAX).max(1);
        match self.side.reserve_some(1, most, Patience::Forever) {
            Ok(count) => Ok(Batch { side: &mut self.side, count }),
            Err(obstacle) => Err(RecvError::new(obstacle, self.side.placed.name())),
        }
    }

    /// Messages until the sender is gone.
    pub fn iter(&mut self) -> impl Iterator<Item = T> + '_ {
        core::iter::from_fn(move || self.recv().ok())
    }
}

/// Messages of a ring in the hands of its receiver.
#[derive(Debug)]
pub struct Batch<'a, T: Shared> {
    side: &'a mut Side<CONSUMER, T>,
    count: u32,
}

impl<T: Shared> Batch<'_, T> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Never: a batch has at least one message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The message at `index`, oldest first.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&T> {
        let index = u32::try_from(index).ok().filter(|index| *index < self.count)?;
        let slot = self.side.slot(index)?.with(|slot| slot);
        // SAFETY: reserved slots are written by nobody until they are committed (ring, I1), and hold messages.
        Some(unsafe { &*slot })
    }

    /// Takes the first `count` messages out of the ring, in one step.
    ///
    /// # Errors
    /// `Corrupt` if there are not that many; nothing is taken then.
    pub fn release(self, count: usize) -> Result<(), RecvError> {
        let count = u32::try_from(count).ok().filter(|count| *count <= self.count);
        let released = count.ok_or(Obstacle::Corrupt).and_then(|count| self.side.commit(count));
        released.map_err(|obstacle| RecvError::new(obstacle, self.side.placed.name()))
    }
}

impl Region {
    /// The ring `name` of up to `capacity` messages, made if there is none.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind, type or capacity; a capacity that no ring can have; no memory; too many
    /// objects.
    pub fn ring<T: Shared>(&self, name: &str, capacity: usize) -> Result<Ring<T>, ObjectError> {
        check_capacity(name, capacity)?;
        let mode = Mode::OpenOrCreate;
        let request = Request { name, kind: Kind::Ring, capacity, tag: T::TAG.0, mode, deadline: None };
        let (placed, _) = obtain(self.core(), &request, RawRing::new, |_| Cell::new(T::new_zeroed()))?;
        Ok(Ring { placed })
    }
}

pub(super) fn check_capacity(name: &str, capacity: usize) -> Result<(), ObjectError> {
    let most = RawRing::MAX_CAPACITY;
    if u32::try_from(capacity).is_ok_and(|capacity| (1..=most).contains(&capacity)) {
        return Ok(());
    }
    let kind = ObjectErrorKind::BadCapacity { given: capacity as u64, most: most.into() };
    Err(ObjectError::new(name, kind))
}
