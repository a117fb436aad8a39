//! The region behind `send` and `recv`: one stream of bytes.

use crate::failure::{Failure, Stop};
use crate::interrupt::Interrupt;
use selvedge::Region;
use selvedge::region::{
    ByteReader, ByteStream, ByteWriter, ObjectErrorKind, Peer, RegionErrorKind, RegionOptions, RoleError,
};
use std::io;
use std::time::Duration;

/// The stream's name in the region.
const STREAM: &str = "cli";

/// How long taking an end waits before it looks whether something else happened.
const CLAIM: Duration = Duration::from_millis(100);

/// Room in a region beside the bytes of the stream.
const OVERHEAD: u64 = 4096;

/// An open channel with one of its ends.
pub(crate) struct Channel<End> {
    pub(crate) end: End,
    stream: ByteStream,
    region: Region,
}

/// Takes an end of the channel `name`, which is made with room for `buffer` bytes if there is none.
///
/// An end counts only if the channel still has its name once the end is taken: what has no name any more is found by
/// nobody (see [`Channel::retire`]).
pub(crate) fn take<End>(
    name: &str,
    buffer: u32,
    interrupt: &Interrupt,
    claim: impl Fn(&ByteStream, Duration) -> Result<End, RoleError>,
) -> Result<Channel<End>, Stop> {
    loop {
        let (region, stream) = open(name, buffer)?;
        loop {
            match claim(&stream, CLAIM) {
                Ok(end) if region.is_named()? => return Ok(Channel { end, stream, region }),
                Ok(_) => break,
                Err(RoleError::TimedOut) => {
                    interrupt.check()?;
                    if !region.is_named()? {
                        break;
                    }
                }
                Err(error) => return Err(Failure::Role { region: name.to_owned(), error }.into()),
            }
        }
    }
}

fn open(name: &str, buffer: u32) -> Result<(Region, ByteStream), Failure> {
    // Room for the stream and its control block, and as little as possible for anything else.
    let arena = OVERHEAD + u64::from(buffer);
    let region = RegionOptions::new().processes(32).threads(4).objects(8).arena(arena).open_or_create(name)?;
    // Whoever made the region chose its buffer. That is told by the region's size and not by the stream, because its
    // maker may have died before it made that.
    let buffer = usize::try_from(region.limits().arena.saturating_sub(OVERHEAD).max(1)).unwrap_or(usize::MAX);
    let object = |error| Failure::Object { region: name.to_owned(), error };
    let stream = match region.stream(STREAM, buffer) {
        // A region made by a program that has more in it.
        Err(error) => match error.kind() {
            ObjectErrorKind::WrongCapacity { found, .. } => {
                let found = usize::try_from(found).unwrap_or(usize::MAX);
                region.stream(STREAM, found).map_err(object)?
            }
            _ => return Err(object(error)),
        },
        Ok(stream) => stream,
    };
    Ok((region, stream))
}

impl<End> Channel<End> {
    /// How many bytes it holds.
    pub(crate) fn capacity(&self) -> usize {
        self.stream.capacity()
    }

    /// Whether nobody can come to the other end any more because somebody removed the channel's name.
    fn is_cut_off(&self, peer: Peer) -> Result<bool, Failure> {
        Ok(peer != Peer::There && !self.region.is_named()?)
    }

    fn removed(&self) -> Failure {
        Failure::Removed { region: self.region.name().unwrap_or_default().to_owned() }
    }

    /// An error of the stream.
    pub(crate) fn failure(&self, error: io::Error) -> Failure {
        Failure::Stream { region: self.region.name().unwrap_or_default().to_owned(), error }
    }

    fn remove_name(&self) -> Result<(), Failure> {
        match self.region.unlink() {
            Err(error) if !matches!(error.kind(), RegionErrorKind::NotFound | RegionErrorKind::Replaced) => {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }
}

impl Channel<ByteReader> {
    /// Fails if this end waits for what nobody can send any more.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        // A sender may have sent its last and gone since the wait ended; what it sent is counted once it is gone.
        let is_cut_off = self.is_cut_off(self.end.peer())?;
        match self.end.pending() {
            Ok(0) if is_cut_off => Err(self.removed()),
            Ok(_) => Ok(()),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// Gives up the reading end, and removes the channel's name if nothing is in it and nobody sends: whoever takes the
    /// writing end while this holds it finds the name gone and opens a new channel.
    pub(crate) fn retire(self) -> Result<(), Failure> {
        let Ok(mut writer) = self.stream.try_writer() else { return Ok(()) };
        // A whole transfer may have come since this end was last read.
        if writer.pending().is_ok_and(|pending| pending == 0) { self.remove_name() } else { Ok(()) }
    }
}

impl Channel<ByteWriter> {
    /// Fails if this end waits for nobody to receive what it sent.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        // A receiver may have taken all and gone since the wait ended.
        let is_cut_off = self.is_cut_off(self.end.peer())?;
        match self.end.pending() {
            Ok(1..) if is_cut_off => Err(self.removed()),
            Ok(_) => Ok(()),
            Err(error) => Err(self.failure(error)),
        }
    }

    /// Gives up the writing end before everything was sent.
    ///
    /// Closing it would tell the receiver that it has got everything. So it is left as a killed sender leaves it: taken,
    /// until the end of this process is noticed. A channel that has nothing in it and no receiver goes.
    pub(crate) fn abandon(mut self) {
        if self
            .stream
            .try_reader()
            .is_ok_and(|_reader| self.end.pending().is_ok_and(|pending| pending == 0) && self.remove_name().is_ok())
        {
            return;
        }
        std::mem::forget(self);
    }
}
