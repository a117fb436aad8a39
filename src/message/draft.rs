//! A message that is written in its buffer and then sent.

use super::envelope::{Header, Message, said_by_the_sender};
use super::mail_error::MailError;
use crate::region::ParticipantId;
use crate::region::channel::{Refusal, Room, Way};
use crate::region::mailbox::{CHUNK, Chunk};
use crate::region::patience::Patience;
use crate::sync::{Cell, Deadline};
use core::fmt;
use core::marker::PhantomData;
#[cfg(not(loom))]
use core::ops::{Deref, DerefMut};
use core::time::Duration;

/// A buffer of a mailbox, to be filled in place and sent, or a place for a [long body](super::PortOptions::long_bodies). One that is
/// dropped sends nothing and gives it back.
///
/// It is a slice of bytes to be written to as one likes (but not in the model build, in which every access is a step: there it is
/// [written](Self::write) as a whole). It holds an earlier message, or zeros. It cannot be sent to another thread; one that is
/// forgotten comes home when its thread ends. A forked child can neither send nor give back what it inherited.
///
/// ```
/// use selvedge::Region;
/// use selvedge::message::{Capacity, PortOptions};
///
/// let region = Region::anonymous()?;
/// let port = region.port("frames", &PortOptions::new(Capacity::Bounded(4)).body(1000))?;
/// let mailbox = port.claim()?;
/// let mut draft = port.draft()?.kind(7);
/// draft.write(b"frame");
/// draft.send(5)?;
/// let letter = mailbox.recv()?;
/// assert_eq!((letter.kind(), letter.to_vec()), (7, b"frame".to_vec()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a draft that is dropped sends nothing"]
pub struct Draft<'a> {
    way: &'a dyn Way<Chunk>,
    buffer: usize,
    pub(super) header: Header,
    first: &'a Cell<Chunk>,
    body: &'a [Cell<Chunk>],
    not_send: PhantomData<*mut ()>,
}

impl<'a> Draft<'a> {
    /// With room for so many bytes.
    pub(super) fn of(way: &'a dyn Way<Chunk>, room: usize, patience: Patience) -> Result<Self, Refusal> {
        let buffer = way.lend(patience)?;
        let Some((first, body)) = way.cells(buffer).ok().and_then(<[_]>::split_first) else {
            way.take_back(buffer);
            return Err(Refusal::Corrupt);
        };
        let mut draft = Self { way, buffer, header: Header::default(), first, body, not_send: PhantomData };
        if room > draft.longest() {
            let annex = way.annex(buffer, patience)?;
            draft.header.annex = Some(annex);
            draft.body = way.annex_cells(buffer, annex)?;
        }
        Ok(draft)
    }

    said_by_the_sender!();

    /// Bytes of the longest body.
    fn longest(&self) -> usize {
        self.body.len() * CHUNK
    }

    /// Sends its first `length` bytes, waiting as [`Port::send`](super::Port::send) does.
    ///
    /// # Errors
    /// `Closed`, `TooLong`, `Corrupt`, `TooManyThreads`, `Unusable`: it is dropped.
    pub fn send(self, length: usize) -> Result<(), MailError> {
        self.pass(length, Patience::Forever)
    }

    /// Sends its first `length` bytes if it can be sent now; never waits.
    ///
    /// # Errors
    /// [`MailError`], except `TimedOut`: it is dropped.
    pub fn try_send(self, length: usize) -> Result<(), MailError> {
        self.pass(length, Patience::None)
    }

    /// Sends its first `length` bytes, waiting for `timeout` at most.
    ///
    /// # Errors
    /// [`MailError`], except `Full`: it is dropped.
    pub fn send_timeout(self, length: usize, timeout: Duration) -> Result<(), MailError> {
        self.pass(length, Patience::Until(Deadline::after(timeout)))
    }

    /// Sends its first `length` bytes, waiting until `deadline` at most.
    ///
    /// # Errors
    /// [`MailError`], except `Full`: it is dropped.
    pub fn send_deadline(self, length: usize, deadline: Deadline) -> Result<(), MailError> {
        self.pass(length, Patience::Until(deadline))
    }

    pub(super) fn pass(self, length: usize, patience: Patience) -> Result<(), MailError> {
        if length > self.longest() {
            return Err(MailError::TooLong { length, most: self.longest() });
        }
        // A forked child has inherited the memory, and nothing that is in it; and a thread without a place cannot send.
        self.way.ready().map_err(|refusal| MailError::of_send(refusal, self.way.name()))?;
        let header = stamped(self.header, self.way, length).to_chunk();
        // SAFETY: mapped and aligned, and the buffer is the calling thread's alone (pool, I1).
        self.first.with_mut(|chunk| unsafe { *chunk = header });
        self.way.label(self.buffer, self.header.kind);
        match self.way.send(self.buffer, patience) {
            Ok(()) => {
                // The buffer is not the thread's any more.
                core::mem::forget(self);
                Ok(())
            }
            Err(refusal) => Err(MailError::of_send(refusal, self.way.name())),
        }
    }

    /// Writes the beginning of the body; what does not fit is left out. What is behind it in the last 64 bytes is zero then.
    ///
    /// In a forked child it does nothing.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.way.core().attachment().is_original() {
            fill(self.body, bytes);
        }
    }
}

/// The header with what the library says of the message.
fn stamped(header: Header, way: &dyn Way<Chunk>, length: usize) -> Header {
    let core = way.core();
    let source = ParticipantId::of(core.attachment().claim()).to_bits();
    let sequence = if header.client == 0 { core.next_sequence() } else { header.sequence };
    Header { source, length: length as u64, sequence, ..header }
}

/// Writes a message where it goes, which is the calling thread's; returns of what type it is.
pub(super) fn put(room: Room<'_, Chunk>, way: &dyn Way<Chunk>, message: &Message<'_>) -> u32 {
    let kind = message.header.kind;
    let Some((first, body)) = room.cells.split_first() else { return kind };
    let (annex, body) = room.annex.map_or((None, body), |(annex, cells)| (Some(annex), cells));
    fill(body, message.body());
    let header = stamped(Header { annex, ..message.header }, way, message.body().len()).to_chunk();
    // SAFETY: as in fill.
    first.with_mut(|chunk| unsafe { *chunk = header });
    kind
}

/// Writes these bytes into cells that are the calling thread's, the rest of the last one zero.
pub(super) fn fill(cells: &[Cell<Chunk>], bytes: &[u8]) {
    for (cell, part) in cells.iter().zip(bytes.chunks(CHUNK)) {
        let mut chunk = [0; CHUNK];
        chunk.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
        let chunk: Chunk = zerocopy::transmute!(chunk);
        // SAFETY: mapped and aligned, and the buffer is the calling thread's alone (pool, I1).
        cell.with_mut(|place| unsafe { *place = chunk });
    }
}

#[cfg(not(loom))]
impl Deref for Draft<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the cells are mapped, one behind the other, every pattern of bits is a byte, and the buffer is this thread's alone
        // while `self` exists (pool, I1).
        unsafe { core::slice::from_raw_parts(self.body.as_ptr().cast::<u8>(), self.longest()) }
    }
}

#[cfg(not(loom))]
impl DerefMut for Draft<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        let first = self.body.as_ptr().cast_mut().cast::<u8>();
        // SAFETY: as in deref; what is behind a shared reference to cells may be written; and `&mut self` excludes other borrows
        // through this one.
        unsafe { core::slice::from_raw_parts_mut(first, self.longest()) }
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        self.way.take_back(self.buffer);
    }
}

impl fmt::Debug for Draft<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("kind", &self.header.kind)
            .field("correlation", &self.header.correlation)
            .field("longest", &self.longest())
            .finish_non_exhaustive()
    }
}
