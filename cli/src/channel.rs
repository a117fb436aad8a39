//! The region behind `send` and `recv`: one stream of bytes.

use crate::failure::Failure;
use crate::interrupt::Interrupt;
use selvedge::Region;
use selvedge::region::{ByteStream, ObjectErrorKind, RegionErrorKind, RegionOptions, RoleError};
use std::time::Duration;

/// The stream's name in the region.
const STREAM: &str = "cli";

/// How long taking an end waits before it looks whether something else happened.
const CLAIM: Duration = Duration::from_millis(100);

/// An open channel with one of its ends.
pub(crate) struct Channel<End> {
    pub(crate) end: End,
    stream: ByteStream,
    region: Region,
}

/// Takes an end of the channel `name`, which is made with room for `buffer` bytes if there is none. `None`: interrupted.
///
/// An end counts only if the channel still has its name once the end is taken: what has no name any more is found by
/// nobody (see [`Channel::retire`]).
pub(crate) fn take<End>(
    name: &str,
    buffer: usize,
    interrupt: &Interrupt,
    claim: impl Fn(&ByteStream, Duration) -> Result<End, RoleError>,
) -> Result<Option<Channel<End>>, Failure> {
    loop {
        let (region, stream) = open(name, buffer)?;
        loop {
            match claim(&stream, CLAIM) {
                Ok(end) if region.is_named()? => return Ok(Some(Channel { end, stream, region })),
                Ok(_) => break,
                Err(RoleError::TimedOut) if !region.is_named()? => break,
                Err(RoleError::TimedOut) if interrupt.noted().is_some() => return Ok(None),
                Err(RoleError::TimedOut) => {}
                Err(error) => return Err(Failure::Role { region: name.to_owned(), error }),
            }
        }
    }
}

fn open(name: &str, buffer: usize) -> Result<(Region, ByteStream), Failure> {
    // Room for the stream and its control block, and as little as possible for anything else.
    let arena = (buffer as u64).saturating_add(4096);
    let options = RegionOptions::new().processes(32).threads(4).objects(8).arena(arena);
    let region = options.open_or_create(name)?;
    let object = |error| Failure::Object { region: name.to_owned(), error };
    let stream = match region.stream(STREAM, buffer) {
        // Whoever made it chose another buffer: that one counts.
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
    /// Removes the channel's name after a transfer, unless another sender has begun: whoever takes the writing end
    /// while this holds it finds the name gone and opens a new channel.
    pub(crate) fn retire(self) -> Result<(), Failure> {
        let Ok(_writer) = self.stream.try_writer() else { return Ok(()) };
        match self.region.unlink() {
            Err(error) if !matches!(error.kind(), RegionErrorKind::NotFound | RegionErrorKind::Replaced) => {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }
}
