//! What a message says of itself, and a message to be sent.
//!
//! **The header**, a cache line in front of the body, in the machine's byte order:
//!
//! | word | content |
//! |---|---|
//! | 0 | type (low half), flags (high half) |
//! | 1 | source: the [`ParticipantId`] of the process that sent it, written by the library |
//! | 2 | destination: whom it is for, if that was said; else 0 |
//! | 3 | bytes of the body (48 bits); above them the number of the place in which it lies, counted from 1, if it is too long for the buffer |
//! | 4 | sequence: how many messages that process had begun to send to mailboxes of the region, written by the library; of a client, the number that it gave |
//! | 5 | correlation: what it answers, or by what an answer is to name it |
//! | 6 | deadline, in nanoseconds of `CLOCK_MONOTONIC`; 0 is none |
//! | 7 | low half: how often it was received, where it is received until somebody has finished it, written by the library; high half: by what its client is known, or 0 |

use crate::region::ParticipantId;
use crate::region::mailbox::Chunk;
use crate::sync::Deadline;
use core::fmt;
use std::borrow::Cow;
use zerocopy::{Immutable, IntoBytes};

/// What is in front of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) source: u64,
    pub(super) destination: u64,
    pub(super) length: u64,
    /// Where its body lies, if not behind the header.
    pub(super) annex: Option<usize>,
    pub(super) sequence: u64,
    pub(super) correlation: u64,
    pub(super) deadline: u64,
    pub(super) deliveries: u32,
    pub(super) client: u32,
}

const PLACE_SHIFT: u32 = 48;
const LENGTH: u64 = (1 << PLACE_SHIFT) - 1;

impl Header {
    pub(super) fn to_chunk(self) -> Chunk {
        let Self { kind, flags, source, destination, sequence, correlation, deadline, deliveries, client, .. } = self;
        let place = self.annex.map_or(0, |annex| annex as u64 + 1);
        let length = self.length & LENGTH | place << PLACE_SHIFT;
        let first = u64::from(kind) | u64::from(flags) << 32;
        let last = u64::from(deliveries) | u64::from(client) << 32;
        [first, source, destination, length, sequence, correlation, deadline, last]
    }

    pub(super) fn from_chunk(chunk: Chunk) -> Self {
        let [first, source, destination, length, sequence, correlation, deadline, last] = chunk;
        let halves = |word: u64| [word & u64::from(u32::MAX), word >> 32].map(|half| u32::try_from(half).unwrap_or(0));
        let ([kind, flags], [deliveries, client]) = (halves(first), halves(last));
        let place = usize::try_from(length >> PLACE_SHIFT).unwrap_or(usize::MAX);
        let (length, annex) = (length & LENGTH, place.checked_sub(1));
        Self { kind, flags, source, destination, length, annex, sequence, correlation, deadline, deliveries, client }
    }
}

/// What a sender says of a message, for one that is made and for one that is written in place.
macro_rules! said_by_the_sender {
    () => {
        /// Of what type it is: a number that means something to those who receive. Without this call 0.
        pub fn kind(mut self, kind: u32) -> Self {
            self.header.kind = kind;
            self
        }

        /// What it answers, or by what an answer is to name it. Without this call 0.
        pub fn correlation(mut self, correlation: u64) -> Self {
            self.header.correlation = correlation;
            self
        }

        /// From when on it is of no use: whoever receives it later [is told](super::Letter::is_late). Nothing is done about it by
        /// itself.
        pub fn deadline(mut self, deadline: $crate::sync::Deadline) -> Self {
            self.header.deadline = deadline.monotonic_ns();
            self
        }

        /// Bits that mean something to those who receive. Without this call 0.
        pub fn flags(mut self, flags: u32) -> Self {
            self.header.flags = flags;
            self
        }

        /// Of which client it is, and the number that this one gives it, from 1 up: by that it takes [effect](super::Effects) once,
        /// however often it is sent. The number is then its [sequence](super::Letter::sequence).
        ///
        /// A number of 0 is none.
        pub fn client(mut self, name: &str, number: u64) -> Self {
            self.header.client = if number == 0 { 0 } else { $crate::message::effects::hash_of(name.as_bytes()) };
            self.header.sequence = number;
            self
        }

        /// Whom it is for, of several who may receive it. It is delivered as any other; who receives it can tell.
        pub fn to(mut self, destination: $crate::region::ParticipantId) -> Self {
            self.header.destination = destination.to_bits();
            self
        }
    };
}

pub(super) use said_by_the_sender;

/// A message to be sent to a [`Port`](super::Port): a body, and what the sender says of it.
///
/// ```
/// use selvedge::message::Message;
///
/// let order = Message::bytes(b"three of the red ones").kind(1).correlation(17);
/// assert_eq!(order.body().len(), 21);
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use = "a message that is made is not sent"]
pub struct Message<'a> {
    pub(super) header: Header,
    body: Cow<'a, [u8]>,
}

impl<'a> Message<'a> {
    /// With these bytes as its body.
    pub fn bytes(body: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { header: Header::default(), body: Cow::Borrowed(body.as_ref()) }
    }

    /// With a value as its body: plain bytes without padding, which [`Letter::read`](super::Letter::read) gives back.
    ///
    /// ```
    /// use selvedge::Region;
    /// use selvedge::message::{Capacity, Message, PortOptions};
    ///
    /// let region = Region::anonymous()?;
    /// let port = region.port("orders", &PortOptions::new(Capacity::Bounded(8)))?;
    /// let mailbox = port.claim()?;
    /// port.send(&Message::of(&[7_u32, 9]))?;
    /// assert_eq!(mailbox.recv()?.read::<[u32; 2]>()?, [7, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of(value: &'a (impl IntoBytes + Immutable + ?Sized)) -> Self {
        Self { header: Header::default(), body: Cow::Borrowed(value.as_bytes()) }
    }

    /// With a value as its body, as [postcard](https://docs.rs/postcard) writes it; [`Letter::decode`](super::Letter::decode) reads it.
    ///
    /// # Errors
    /// The value does not let itself be written so: a sequence of unknown length, say.
    ///
    /// ```
    /// use selvedge::Region;
    /// use selvedge::message::{Capacity, Message, PortOptions};
    ///
    /// let region = Region::anonymous()?;
    /// let port = region.port("orders", &PortOptions::new(Capacity::Bounded(8)))?;
    /// let mailbox = port.claim()?;
    /// port.send(&Message::encode(&("red", vec![3_u8, 4]))?)?;
    /// assert_eq!(mailbox.recv()?.decode::<(String, Vec<u8>)>()?, ("red".to_owned(), vec![3, 4]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "serde")]
    pub fn encode<T: serde::Serialize + ?Sized>(value: &T) -> Result<Message<'static>, postcard::Error> {
        Ok(Message { header: Header::default(), body: Cow::Owned(postcard::to_allocvec(value)?) })
    }

    /// The same with a copy of its body, if that is somebody else's.
    pub fn into_owned(self) -> Message<'static> {
        Message { header: self.header, body: Cow::Owned(self.body.into_owned()) }
    }

    /// Its body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    said_by_the_sender!();
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("kind", &self.header.kind)
            .field("correlation", &self.header.correlation)
            .field("length", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What a deadline of a header means.
pub(super) fn deadline_of(header: &Header) -> Option<Deadline> {
    (header.deadline != 0).then(|| Deadline::at_monotonic_ns(header.deadline))
}

/// Whom a message is for, if that was said.
pub(super) fn destination_of(header: &Header) -> Option<ParticipantId> {
    (header.destination != 0).then(|| ParticipantId::from_bits(header.destination))
}
