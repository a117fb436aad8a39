//! Two processes that send to each other, with no name between them.

use super::mail_ways::sealed::{self, Incoming as _, Outgoing as _};
use super::mail_ways::{Posts, Receives, longest, receives, sends};
use crate::Region;
use crate::primitives::waiting::Wait;
use crate::region::channel::{Annexed, Way};
use crate::region::link::{self, Extent, LinkRefusal, Ways};
use crate::region::mailbox::{CHUNK, Chunk};
use crate::region::{ObjectError, ParticipantId};
use core::fmt;

/// One process's end of what two processes have to send to each other: made by whichever of them asks for it first, and the same for
/// both. [`Region::link`](crate::Region::link) gives it.
///
/// There is one for each pair of processes, by their [ids](ParticipantId): what they are called does not matter to it, nor that
/// one takes another name. Each has its own end, and may open it several times; messages of the two ways do not mix.
///
/// **End.** When the other process dies, or has dropped all its handles, what it had sent is received, and then receives fail with
/// `Closed`, as sends do, also those that wait already; so it is when the other dies before it has asked for the link at all. As long
/// as it lives and has not come yet, messages wait for it. When it has left and comes again all goes on. Of a death sends may be told a
/// moment before receives, or after.
///
/// **Order, death, memory order.** Those of a [`Port`](super::Port): what is sent one way is received in order, each at most once.
///
/// **Blocking.** Each way holds a number of messages, 16 unless other [options](LinkOptions) are asked for; a send waits while there
/// are as many.
///
/// **Memory.** Two objects of the region, as of channels. They are freed when both processes are gone.
///
/// ```
/// use selvedge::Region;
/// use selvedge::message::{LinkError, Message};
/// use selvedge::region::ParticipantId;
///
/// fn greet(region: &Region, peer: ParticipantId) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
///     let link = region.link(peer)?;
///     link.send(&Message::bytes(b"good day"))?;
///     Ok(link.recv()?.to_vec())
/// }
///
/// let region = Region::anonymous()?;
/// // Nobody is there but this process, which has no link with itself.
/// assert_eq!(region.link(region.participant_id()).map(drop), Err(LinkError::WithItself));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Link {
    ways: Ways,
    peer: ParticipantId,
}

/// What a link holds; both processes ask for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkOptions {
    capacity: usize,
    body: usize,
    /// Places for longer bodies, and their bytes.
    long: (usize, usize),
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl LinkOptions {
    /// 16 messages each way, of up to 192 bytes.
    #[must_use]
    pub fn new() -> Self {
        Self { capacity: 16, body: 3 * CHUNK, long: (0, 0) }
    }

    /// How many messages fit each way.
    #[must_use]
    pub fn capacity(self, messages: usize) -> Self {
        Self { capacity: messages, ..self }
    }

    /// The longest body that lies in a buffer, in bytes; it is rounded up to the next multiple of 64. There are longer ones only
    /// where there are [places](Self::long_bodies) for them.
    #[must_use]
    pub fn body(self, bytes: usize) -> Self {
        Self { body: bytes, ..self }
    }

    /// Places for longer bodies, each way: so many (4096 at most), of up to so many bytes each. All else is as of
    /// [those of a port](super::PortOptions::long_bodies). Without this call there are none.
    #[must_use]
    pub fn long_bodies(self, places: usize, bytes: usize) -> Self {
        Self { long: (places, bytes), ..self }
    }
}

/// Why there is no link with a process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkError {
    /// It is not attached any more, or never was, and has left nothing to be received.
    Gone,
    /// It is this one.
    WithItself,
    /// Nobody has that name, or that process id.
    Unknown,
    /// Several processes, of different PID namespaces, have that process id.
    Ambiguous,
    /// What can go wrong with an object of a region; so it is, too, if the other process has asked for a link with
    /// other options.
    Object(ObjectError),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("that process is not attached any more"),
            Self::WithItself => f.write_str("a process has no link with itself"),
            Self::Unknown => f.write_str("no process that is attached is called so"),
            Self::Ambiguous => f.write_str("several processes that are attached have that process id"),
            Self::Object(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LinkError {}

impl From<LinkRefusal> for LinkError {
    fn from(refusal: LinkRefusal) -> Self {
        match refusal {
            LinkRefusal::Gone => Self::Gone,
            LinkRefusal::Object(error) => Self::Object(error),
        }
    }
}

/// How a process is named to whom a link is wanted: by its [id](ParticipantId), its process id, or a
/// [name](crate::Region::take_name) that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer<'a> {
    /// By its id in the region.
    Id(ParticipantId),
    /// By its process id, in its own PID namespace.
    Pid(u32),
    /// By a name that it has taken.
    Name(&'a str),
}

impl From<ParticipantId> for Peer<'_> {
    fn from(id: ParticipantId) -> Self {
        Self::Id(id)
    }
}

impl From<u32> for Peer<'_> {
    fn from(pid: u32) -> Self {
        Self::Pid(pid)
    }
}

impl<'a> From<&'a str> for Peer<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl Peer<'_> {
    fn find(self, region: &Region) -> Result<ParticipantId, LinkError> {
        match self {
            Self::Id(id) => Ok(id),
            Self::Name(name) => region.process_named(name).map_err(LinkError::Object)?.ok_or(LinkError::Unknown),
            Self::Pid(pid) => {
                let mut found = region.processes_with(pid).into_iter();
                match (found.next(), found.next()) {
                    (Some(id), None) => Ok(id),
                    (Some(_), Some(_)) => Err(LinkError::Ambiguous),
                    (None, _) => Err(LinkError::Unknown),
                }
            }
        }
    }
}

impl Region {
    /// The link with another process of the region, which is made if there is none. The process is given by its id, its process id or
    /// a name; which process it is is decided now, and stays so.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn link<'a>(&self, peer: impl Into<Peer<'a>>) -> Result<Link, LinkError> {
        self.link_with(peer, &LinkOptions::new())
    }

    /// The link with another process of the region, with other options.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn link_with<'a>(&self, peer: impl Into<Peer<'a>>, options: &LinkOptions) -> Result<Link, LinkError> {
        let peer = peer.into().find(self)?;
        if peer == self.participant_id() {
            return Err(LinkError::WithItself);
        }
        // Beside the body there is the header.
        let each = options.body.div_ceil(CHUNK).saturating_add(1);
        let LinkOptions { capacity, long: (places, bytes), .. } = *options;
        let extent = Extent { capacity, each, annexed: Annexed::places(places, bytes) };
        let ways = link::open(self, peer, extent)?;
        Ok(Link { ways, peer })
    }
}

impl Link {
    /// The other process.
    #[must_use]
    pub fn peer(&self) -> ParticipantId {
        self.peer
    }

    /// The longest body that it takes, in bytes.
    #[must_use]
    pub fn longest(&self) -> usize {
        longest(self.outgoing())
    }

    /// How many messages wait to be received here, as of a moment ago.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ways.back.len()
    }

    /// Whether no message waits to be received here, as of a moment ago.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages wait to be received by the other process, as of a moment ago.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.ways.out.len()
    }

    /// The same link with another way to wait.
    #[must_use]
    pub fn with_wait(mut self, wait: Wait) -> Self {
        self.ways.out.set_wait(wait);
        self.ways.back.set_wait(wait);
        self
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("peer", &self.peer).field("len", &self.len()).finish_non_exhaustive()
    }
}

sends!(Link);
receives!(Link);

impl sealed::Outgoing for Link {
    #[allow(private_interfaces, reason = "see there")]
    fn outgoing(&self) -> &(dyn Way<Chunk> + 'static) {
        &*self.ways.out
    }
}

impl Posts for Link {}

impl sealed::Incoming for Link {
    #[allow(private_interfaces, reason = "see there")]
    fn incoming(&self) -> &(dyn Way<Chunk> + 'static) {
        &*self.ways.back
    }
}

impl Receives for Link {}
