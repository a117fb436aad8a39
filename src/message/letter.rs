//! A message that was received.

use super::envelope::{Header, deadline_of, destination_of};
use super::mail_error::MailError;
use crate::region::ParticipantId;
use crate::region::channel::{Refusal, Way};
use crate::region::mailbox::{CHUNK, Chunk, may_be_from};
use crate::sync::{Cell, Deadline};
use core::fmt;
use core::marker::PhantomData;
use zerocopy::FromBytes;

/// A message that was received, in its buffer still; dropping it gives the buffer back.
///
/// Where messages are delivered [at least once](super::PortOptions::delivery), [`ack`](Self::ack) ends it, and dropping it without
/// puts it back, as a panic does, and the death of the thread that has it: somebody receives it again.
///
/// It cannot be sent to another thread; the buffer of one that is forgotten comes home when its thread ends. In a forked child
/// dropping an inherited one does nothing.
///
/// **Trust.** Who sent it is what the library wrote when it was sent, in a place that the sender is not given to write to; a
/// process that scribbles over the region can write anything. That length and source can be is checked.
///
/// ```
/// use selvedge::Region;
/// use selvedge::message::{Capacity, Message, PortOptions};
///
/// let region = Region::anonymous()?;
/// let port = region.port("orders", &PortOptions::new(Capacity::Bounded(8)))?;
/// let mailbox = port.claim()?;
/// port.send(&Message::bytes(b"three of the red ones").kind(1).correlation(17))?;
///
/// let letter = mailbox.recv()?;
/// assert_eq!((letter.kind(), letter.correlation()), (1, 17));
/// assert_eq!(letter.source(), Some(region.participant_id()));
/// assert_eq!(letter.to_vec(), b"three of the red ones");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the message is received, and gone when this is dropped"]
pub struct Letter<'a> {
    way: &'a dyn Way<Chunk>,
    buffer: usize,
    header: Header,
    length: usize,
    body: &'a [Cell<Chunk>],
    /// What dropping it does.
    end: LetterEnd,
    not_send: PhantomData<*mut ()>,
}

/// What becomes of a message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LetterEnd {
    Finished,
    PutBack,
}

/// A body has another length than what was to be read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongLength {
    /// Bytes of the body.
    pub found: usize,
    /// Bytes of the type that was asked for.
    pub expected: usize,
}

impl fmt::Display for WrongLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a body of {} bytes is not a value of {}", self.found, self.expected)
    }
}

impl std::error::Error for WrongLength {}

impl<'a> Letter<'a> {
    /// The message in a buffer of the calling thread's; it is given back if it says of itself what cannot be.
    pub(super) fn in_buffer(way: &'a dyn Way<Chunk>, buffer: usize) -> Result<Self, MailError> {
        let refused = |refusal| MailError::of_receive(refusal, way.name());
        let Some((first, body)) = way.cells(buffer).ok().and_then(<[_]>::split_first) else {
            way.give_back(buffer);
            return Err(refused(Refusal::Corrupt));
        };
        // SAFETY: mapped and aligned, and the buffer is the calling thread's alone (pool, I1).
        let mut header = Header::from_chunk(first.with(|chunk| unsafe { *chunk }));
        let mut end = LetterEnd::Finished;
        if way.is_leased() {
            end = LetterEnd::PutBack;
            header.deliveries = header.deliveries.saturating_add(1);
            // SAFETY: as above.
            first.with_mut(|chunk| unsafe { *chunk = header.to_chunk() });
        }
        let body = header.annex.map_or(Ok(body), |annex| way.annex_cells(buffer, annex));
        match (body, usize::try_from(header.length)) {
            (Ok(body), Ok(length)) if length <= body.len() * CHUNK => {
                Ok(Self { way, buffer, header, length, body, end, not_send: PhantomData })
            }
            _ => {
                way.give_back(buffer);
                Err(refused(Refusal::Corrupt))
            }
        }
    }

    /// Of what type it is, as the sender says.
    #[must_use]
    pub fn kind(&self) -> u32 {
        self.header.kind
    }

    /// The process that sent it, alive or not; nothing, if it is none that there can have been.
    #[must_use]
    pub fn source(&self) -> Option<ParticipantId> {
        let source = ParticipantId::from_bits(self.header.source);
        may_be_from(self.way, source.claim()).then_some(source)
    }

    /// Whom it is for, if the sender said so.
    #[must_use]
    pub fn destination(&self) -> Option<ParticipantId> {
        destination_of(&self.header)
    }

    /// How many messages its process had begun to send to mailboxes of this region, with this one: none has the same source and
    /// sequence. Those of one thread ascend; there may be gaps. Of a message of a [client](super::Message::client): the number that
    /// this one gave it.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.header.sequence
    }

    /// By what its client is known, and the number that it gave, if it is of one.
    pub(super) fn client(&self) -> Option<(u32, u64)> {
        (self.header.client != 0 && self.header.sequence != 0).then_some((self.header.client, self.header.sequence))
    }

    /// What it answers, or by what an answer is to name it, as the sender says.
    #[must_use]
    pub fn correlation(&self) -> u64 {
        self.header.correlation
    }

    /// From when on it is of no use, if the sender said so.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        deadline_of(&self.header)
    }

    /// Whether its deadline has passed.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.deadline().is_some_and(Deadline::has_passed)
    }

    /// Bits that the sender set.
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.header.flags
    }

    /// How often it was received, with this time: more than once if somebody had it before, and died or dropped it without
    /// [`ack`](Self::ack). What was to be done with it may be half done, or done and not acknowledged. A message that ends whoever
    /// receives it comes back for ever: look at this.
    ///
    /// Where messages are delivered at most once it is 1.
    #[must_use]
    pub fn deliveries(&self) -> u64 {
        self.header.deliveries.max(1).into()
    }

    /// It is finished with: nobody receives it again. Never waits. Where messages are delivered at most once it is the same as to
    /// drop it.
    pub fn ack(mut self) {
        self.end = LetterEnd::Finished;
    }

    /// Puts it back, for whoever receives next, in its place before all that were behind it. Never waits.
    ///
    /// In a mailbox of capacity zero nothing lies: there it is gone.
    ///
    /// ```
    /// use selvedge::Region;
    /// use selvedge::message::{Capacity, Message, PortOptions};
    ///
    /// let region = Region::anonymous()?;
    /// let port = region.port("orders", &PortOptions::new(Capacity::Bounded(8)))?;
    /// let mailbox = port.claim()?;
    /// port.send(&Message::bytes(b"first"))?;
    /// port.send(&Message::bytes(b"second"))?;
    /// let letter = mailbox.recv()?;
    /// println!("the next has {} bytes", letter.len());
    /// letter.put_back();
    /// assert_eq!(mailbox.recv()?.to_vec(), b"first");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_back(mut self) {
        self.end = LetterEnd::PutBack;
    }

    /// Bytes of its body.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether its body has no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Its body, where it lies. (Not in the model build, in which every access is a step: copy it there.)
    #[cfg(not(loom))]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the cells are mapped, one behind the other, every pattern of bits is a byte, `length` is at most theirs, and the
        // buffer is this thread's alone while `self` exists (pool, I1).
        unsafe { core::slice::from_raw_parts(self.body.as_ptr().cast::<u8>(), self.length) }
    }

    /// A copy of its body.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length);
        for chunk in self.body.iter().take(self.length.div_ceil(CHUNK)) {
            // SAFETY: as in in_buffer.
            let chunk: Chunk = chunk.with(|chunk| unsafe { *chunk });
            bytes.extend(chunk.iter().flat_map(|word| word.to_ne_bytes()));
        }
        bytes.truncate(self.length);
        bytes
    }

    #[cfg(not(loom))]
    fn with_bytes<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        f(self.bytes())
    }

    #[cfg(loom)]
    fn with_bytes<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        f(&self.to_vec())
    }

    /// Its body as a value: plain bytes, as [`Message::of`](super::Message::of) has them.
    ///
    /// # Errors
    /// The value has another size.
    pub fn read<T: FromBytes>(&self) -> Result<T, WrongLength> {
        let wrong = WrongLength { found: self.length, expected: size_of::<T>() };
        self.with_bytes(|bytes| T::read_from_bytes(bytes).map_err(|_| wrong))
    }

    /// Its body as a value, as [`Message::encode`](super::Message::encode) writes it.
    ///
    /// # Errors
    /// The body is none of such a value, or there is something behind it.
    #[cfg(feature = "serde")]
    pub fn decode<T: serde::de::DeserializeOwned>(&self) -> Result<T, postcard::Error> {
        self.with_bytes(|bytes| match postcard::take_from_bytes(bytes)? {
            (value, []) => Ok(value),
            _ => Err(postcard::Error::DeserializeBadEncoding),
        })
    }
}

impl Drop for Letter<'_> {
    fn drop(&mut self) {
        match self.end {
            LetterEnd::Finished => self.way.give_back(self.buffer),
            LetterEnd::PutBack => self.way.put_back(self.buffer),
        }
    }
}

impl fmt::Debug for Letter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter")
            .field("kind", &self.kind())
            .field("source", &self.source())
            .field("sequence", &self.sequence())
            .field("correlation", &self.correlation())
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
