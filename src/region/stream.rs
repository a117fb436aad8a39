//! The ring of bytes as its users hold it: a pipe between two processes.

use super::error::{ObjectError, Unusable};
use super::handle::Region;
use super::kind::Kind;
use super::object::{ObjectName, Placed, Request, obtain};
use super::patience::Patience;
use super::ring::check_capacity;
use super::side::{Obstacle, PeerGone, RoleError, Side};
use crate::primitives::RawRing;
use crate::primitives::registry::Mode;
use crate::primitives::ring::{CONSUMER, PRODUCER};
use crate::primitives::role::{Departure, IfGone, Predecessor, Presence};
use crate::sync::{Cell, Deadline};
use core::fmt;
use core::time::Duration;
use std::io;

/// A stream of bytes between one writer and one reader, of any processes: a pipe that survives both.
///
/// Each end is a role, as in a [`Ring`](super::Ring): when its holder gives it up or dies, another may take it and goes
/// on where it stood. Bytes become visible in batches: one call's bytes, as far as they fit, are seen together.
///
/// [`ByteWriter`] and [`ByteReader`] are [`io::Write`] and [`io::Read`]. A writer that closed its end is the end of the
/// file to the reader; one that died is an error, told once.
///
/// ```
/// use selvedge::Region;
/// use std::io::{Read, Write};
///
/// let region = Region::anonymous()?;
/// let stream = region.stream("log", 4096)?;
/// let mut writer = stream.writer()?;
/// let mut reader = stream.reader()?;
/// writer.write_all(b"hello")?;
/// drop(writer);
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ByteStream {
    placed: Placed<RawRing, Cell<u8>>,
}

impl ByteStream {
    /// Takes the writer's end, waiting until nobody has it.
    ///
    /// # Errors
    /// [`RoleError`], except `Taken` and `TimedOut`.
    pub fn writer(&self) -> Result<ByteWriter, RoleError> {
        Ok(ByteWriter { end: End::claim(&self.placed, Patience::Forever)? })
    }

    /// Takes the writer's end if nobody has it; never waits.
    ///
    /// # Errors
    /// [`RoleError`], except `TimedOut`.
    pub fn try_writer(&self) -> Result<ByteWriter, RoleError> {
        Ok(ByteWriter { end: End::claim(&self.placed, Patience::None)? })
    }

    /// Takes the writer's end, waiting at most `timeout` until nobody has it.
    ///
    /// # Errors
    /// [`RoleError`], except `Taken`.
    pub fn writer_timeout(&self, timeout: Duration) -> Result<ByteWriter, RoleError> {
        Ok(ByteWriter { end: End::claim(&self.placed, Patience::Until(Deadline::after(timeout)))? })
    }

    /// Takes the reader's end, waiting until nobody has it.
    ///
    /// # Errors
    /// [`RoleError`], except `Taken` and `TimedOut`.
    pub fn reader(&self) -> Result<ByteReader, RoleError> {
        Ok(ByteReader { end: End::claim(&self.placed, Patience::Forever)? })
    }

    /// Takes the reader's end if nobody has it; never waits.
    ///
    /// # Errors
    /// [`RoleError`], except `TimedOut`.
    pub fn try_reader(&self) -> Result<ByteReader, RoleError> {
        Ok(ByteReader { end: End::claim(&self.placed, Patience::None)? })
    }

    /// Takes the reader's end, waiting at most `timeout` until nobody has it.
    ///
    /// # Errors
    /// [`RoleError`], except `Taken`.
    pub fn reader_timeout(&self, timeout: Duration) -> Result<ByteReader, RoleError> {
        Ok(ByteReader { end: End::claim(&self.placed, Patience::Until(Deadline::after(timeout)))? })
    }

    /// How many bytes it holds at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.placed.slots().len()
    }
}

/// One end, with how long its calls wait.
struct End<const SIDE: bool> {
    side: Side<SIDE, u8>,
    patience: Patience,
}

impl<const SIDE: bool> End<SIDE> {
    fn claim(placed: &Placed<RawRing, Cell<u8>>, patience: Patience) -> Result<Self, RoleError> {
        Ok(Self { side: Side::claim(placed, patience)?, patience: Patience::Forever })
    }

    /// Bytes of this end's own, at most `most`, waiting for `least`.
    fn reserve(&mut self, least: u32, most: usize) -> Result<usize, Obstacle> {
        let most = u32::try_from(most).unwrap_or(u32::MAX).max(least);
        self.side.reserve_some(least, most, self.patience).map(|count| count as usize)
    }

    /// All bytes of this end's own, as of now.
    fn known_now(&mut self) -> Result<usize, Obstacle> {
        self.side.reserve_some(0, u32::MAX, Patience::None).map(|count| count as usize)
    }

    /// The first `count` own slots, in two runs.
    fn runs(&self, count: usize) -> Option<[&[Cell<u8>]; 2]> {
        let [first, second] = self.side.cursor()?.runs(u32::try_from(count).ok()?);
        let slots = self.side.placed.slots();
        Some([slots.get(first)?, slots.get(second)?])
    }

    fn commit(&mut self, count: usize) -> Result<(), Obstacle> {
        self.side.commit(u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn error(&self, obstacle: Obstacle) -> io::Error {
        io_error(obstacle, self.side.placed.name())
    }
}

impl<const SIDE: bool> fmt::Debug for End<SIDE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.side.fmt(f)
    }
}

/// What the other end of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Nobody has taken it yet.
    NotYet,
    /// Somebody has it.
    There,
    /// Somebody had it, and nobody has it now.
    Gone(Departure),
}

/// Why a stream cannot go on, as an error of `std::io`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamError {
    /// The holder of the other end closed it, or died.
    Disconnected(PeerGone),
    /// The shared memory of the stream of this name contradicts itself.
    Corrupt(ObjectName),
    /// More bytes were to be written as one than the stream holds.
    TooLong {
        /// The stream.
        stream: ObjectName,
        /// How many.
        length: usize,
        /// How many fit.
        most: usize,
    },
    /// The region of the stream of this name can be used no longer.
    Unusable(Unusable, ObjectName),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(gone) => write!(f, "the peer of stream {} {}", gone.object, gone.verb()),
            Self::Corrupt(stream) => write!(f, "the shared memory of stream {stream} contradicts itself"),
            Self::TooLong { stream, length, most } => {
                write!(f, "{length} bytes are too long, stream {stream} holds {most}")
            }
            Self::Unusable(why, stream) => write!(f, "stream {stream}: {why}"),
        }
    }
}

impl std::error::Error for StreamError {}

impl StreamError {
    /// The stream's own error in one of `std::io`, if it is one.
    #[must_use]
    pub fn in_io(error: &io::Error) -> Option<&Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }

    /// How the other end was left, if `error` says that it was.
    #[must_use]
    pub fn departure_in_io(error: &io::Error) -> Option<Departure> {
        if let Some(Self::Disconnected(gone)) = Self::in_io(error) { Some(gone.how) } else { None }
    }
}

fn io_error(obstacle: Obstacle, stream: &ObjectName) -> io::Error {
    match obstacle {
        Obstacle::WouldBlock => io::ErrorKind::WouldBlock.into(),
        Obstacle::TimedOut => io::ErrorKind::TimedOut.into(),
        Obstacle::Disconnected(how) => {
            let kind = match how {
                Departure::Closed => io::ErrorKind::BrokenPipe,
                Departure::Died => io::ErrorKind::ConnectionAborted,
            };
            io::Error::new(kind, StreamError::Disconnected(PeerGone { object: stream.clone(), how }))
        }
        Obstacle::Corrupt => io::Error::new(io::ErrorKind::InvalidData, StreamError::Corrupt(stream.clone())),
        Obstacle::Unusable(why) => io::Error::other(StreamError::Unusable(why, stream.clone())),
    }
}

macro_rules! end_of_stream {
    ($end:ident, $peer_side:ident, $peer:literal) => {
        impl $end {
            #[doc = concat!("Whether calls that would have to wait for a ", $peer, " that is gone fail (the default), or wait")]
            /// for another. They fail once for each death in any case.
            #[must_use]
            pub fn if_gone(mut self, if_gone: IfGone) -> Self {
                self.end.side.if_gone = if_gone;
                self
            }

            #[doc = concat!("As [`if_gone`](Self::if_gone), for the calls from now on.")]
            pub fn set_if_gone(&mut self, if_gone: IfGone) {
                self.end.side.if_gone = if_gone;
            }

            /// Until when calls wait from now on: as long as it takes (`None`, the default), or until a deadline, after
            /// which they fail with [`io::ErrorKind::TimedOut`].
            pub fn set_deadline(&mut self, deadline: Option<Deadline>) {
                self.end.patience = deadline.map_or(Patience::Forever, Patience::Until);
            }

            /// Whether calls fail with [`io::ErrorKind::WouldBlock`] instead of waiting.
            pub fn set_nonblocking(&mut self, nonblocking: bool) {
                self.end.patience = if nonblocking { Patience::None } else { Patience::Forever };
            }

            #[doc = concat!("Whether there is a ", $peer, ", as of a moment ago.")]
            #[must_use]
            pub fn peer(&self) -> Peer {
                match self.end.side.placed.control().role::<$peer_side>().presence() {
                    Presence::NeverOpened => Peer::NotYet,
                    Presence::Held(_) => Peer::There,
                    Presence::Gone(how) => Peer::Gone(how),
                }
            }

            /// From whom this end was taken over.
            #[must_use]
            pub fn predecessor(&self) -> Predecessor {
                self.end.side.predecessor
            }
        }
    };
}

/// The writing end of a [`ByteStream`]. Dropping it closes the end, which is the end of the file to the reader.
///
/// It belongs to the thread that took it and cannot be sent to another; send the [`ByteStream`].
///
/// ```compile_fail,E0277
/// fn to_another_thread(_: impl Send) {}
///
/// fn send(end: selvedge::region::ByteWriter) {
///     to_another_thread(end);
/// }
/// ```
#[derive(Debug)]
pub struct ByteWriter {
    end: End<PRODUCER>,
}

end_of_stream!(ByteWriter, CONSUMER, "reader");

impl ByteWriter {
    /// Writes all of `bytes` as one batch: the reader sees all of them or, if this process dies, none.
    ///
    /// # Errors
    /// [`StreamError::TooLong`] if the stream does not hold as many; nothing is written then. Otherwise as
    /// [`write`](io::Write::write).
    pub fn write_whole(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (length, most) = (bytes.len(), self.end.side.placed.slots().len());
        let least = u32::try_from(length).ok().filter(|_| length <= most);
        let least = least.ok_or_else(|| {
            let stream = self.end.side.placed.name().clone();
            io::Error::new(io::ErrorKind::InvalidInput, StreamError::TooLong { stream, length, most })
        })?;
        self.end.reserve(least, length).map_err(|obstacle| self.end.error(obstacle))?;
        self.put(bytes, length)
    }

    fn put(&mut self, bytes: &[u8], count: usize) -> io::Result<()> {
        let mut bytes = bytes.iter();
        for run in self.end.runs(count).ok_or_else(|| self.end.error(Obstacle::Corrupt))? {
            for (slot, byte) in run.iter().zip(&mut bytes) {
                // SAFETY: reserved slots are this end's alone until they are committed (ring, I1).
                slot.with_mut(|slot| unsafe { *slot = *byte });
            }
        }
        self.end.commit(count).map_err(|obstacle| self.end.error(obstacle))
    }

    /// Waits until a reader has taken everything that was written.
    ///
    /// # Errors
    /// As [`write`](io::Write::write).
    pub fn wait_until_empty(&mut self) -> io::Result<()> {
        let all = self.end.side.placed.slots().len();
        let least = u32::try_from(all).unwrap_or(u32::MAX);
        self.end.reserve(least, all).map(drop).map_err(|obstacle| self.end.error(obstacle))
    }

    /// Bytes that were written and that no reader has taken yet, as of a moment ago. Never waits.
    ///
    /// # Errors
    /// [`StreamError::Corrupt`], or the region can be used no longer.
    pub fn pending(&mut self) -> io::Result<usize> {
        let free = self.end.known_now().map_err(|obstacle| self.end.error(obstacle))?;
        Ok(self.end.side.placed.slots().len().saturating_sub(free))
    }
}

impl io::Write for ByteWriter {
    /// Writes as many of `bytes` as fit, as one batch, waiting until one does.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let count = self.end.reserve(1, bytes.len()).map_err(|obstacle| self.end.error(obstacle))?;
        self.put(bytes, count)?;
        Ok(count)
    }

    /// Nothing to do: what was written is visible.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The reading end of a [`ByteStream`]. Dropping it closes the end.
///
/// It belongs to the thread that took it and cannot be sent to another; send the [`ByteStream`].
///
/// ```compile_fail,E0277
/// fn to_another_thread(_: impl Send) {}
///
/// fn send(end: selvedge::region::ByteReader) {
///     to_another_thread(end);
/// }
/// ```
#[derive(Debug)]
pub struct ByteReader {
    end: End<CONSUMER>,
}

end_of_stream!(ByteReader, PRODUCER, "writer");

impl ByteReader {
    /// Bytes that were written and that this end has not read yet, as of a moment ago. Never waits.
    ///
    /// # Errors
    /// [`StreamError::Corrupt`], or the region can be used no longer.
    pub fn pending(&mut self) -> io::Result<usize> {
        self.end.known_now().map_err(|obstacle| self.end.error(obstacle))
    }
}

impl io::Read for ByteReader {
    /// Reads as many bytes as there are and fit, waiting until there is one. Zero: the writer closed its end.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let count = match self.end.reserve(1, into.len()) {
            Ok(count) => count,
            Err(Obstacle::Disconnected(Departure::Closed)) => return Ok(0),
            Err(obstacle) => return Err(self.end.error(obstacle)),
        };
        let mut into = into.iter_mut();
        for run in self.end.runs(count).ok_or_else(|| self.end.error(Obstacle::Corrupt))? {
            for (slot, byte) in run.iter().zip(&mut into) {
                // SAFETY: reserved slots are written by nobody until they are committed (ring, I1).
                *byte = slot.with(|slot| unsafe { *slot });
            }
        }
        self.end.commit(count).map_err(|obstacle| self.end.error(obstacle))?;
        Ok(count)
    }
}

#[cfg(not(loom))]
impl ByteWriter {
    /// Reads from `source` straight into the stream: one `read` of at most `most` bytes, without a copy in between.
    /// Waits until the stream has room. Zero: `source` is at its end.
    ///
    /// # Errors
    /// Those of the source, and as [`write`](io::Write::write).
    pub fn write_from(&mut self, source: &mut impl io::Read, most: usize) -> io::Result<usize> {
        let count = self.end.reserve(1, most.max(1)).map_err(|obstacle| self.end.error(obstacle))?;
        let [first, _] = self.end.runs(count).ok_or_else(|| self.end.error(Obstacle::Corrupt))?;
        // SAFETY: reserved slots are this end's alone until they are committed (ring, I1), and natively a cell is its
        // content (`repr(transparent)`); the borrow ends before the commit.
        let run = unsafe { core::slice::from_raw_parts_mut(first.as_ptr().cast_mut().cast::<u8>(), first.len()) };
        // A source that claims to have read more than there was room for is not believed.
        let read = source.read(run)?.min(first.len());
        self.end.commit(read).map_err(|obstacle| self.end.error(obstacle))?;
        Ok(read)
    }
}

#[cfg(not(loom))]
impl ByteReader {
    /// Writes to `sink` straight from the stream: one `write` of at most `most` bytes, without a copy in between. Waits
    /// until there are bytes. Zero: the writer closed its end.
    ///
    /// Bytes leave the stream once `sink` took them: if it fails, they are still there.
    ///
    /// # Errors
    /// Those of the sink; [`io::ErrorKind::WriteZero`] if it took nothing; and as [`read`](io::Read::read).
    pub fn read_to(&mut self, sink: &mut impl io::Write, most: usize) -> io::Result<usize> {
        let count = match self.end.reserve(1, most.max(1)) {
            Ok(count) => count,
            Err(Obstacle::Disconnected(Departure::Closed)) => return Ok(0),
            Err(obstacle) => return Err(self.end.error(obstacle)),
        };
        let [first, _] = self.end.runs(count).ok_or_else(|| self.end.error(Obstacle::Corrupt))?;
        // SAFETY: reserved slots are written by nobody until they are committed (ring, I1); otherwise as in write_from.
        let run = unsafe { core::slice::from_raw_parts(first.as_ptr().cast::<u8>(), first.len()) };
        // A sink that claims to have taken more than there was is not believed.
        let taken = sink.write(run)?.min(first.len());
        if taken == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.end.commit(taken).map_err(|obstacle| self.end.error(obstacle))?;
        Ok(taken)
    }
}

impl Region {
    /// The stream `name` that holds up to `capacity` bytes, made if there is none.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind or capacity; a capacity that no stream can have; no memory; too many objects.
    pub fn stream(&self, name: &str, capacity: usize) -> Result<ByteStream, ObjectError> {
        check_capacity(name, capacity)?;
        let mode = Mode::OpenOrCreate;
        let request = Request { name, kind: Kind::Stream, capacity, tag: 0, mode, deadline: None };
        let (placed, _) = obtain(self.core(), &request, RawRing::new, |_| Cell::new(0))?;
        Ok(ByteStream { placed })
    }
}
