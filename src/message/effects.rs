//! What messages change, each of them once.

use super::letter::Letter;
use crate::Region;
use crate::primitives::registry::NAME_MAX;
use crate::primitives::waiting::Wait;
use crate::region::effects::{ChangeRefusal, Record};
use crate::region::mailbox::{CHUNK, Chunk};
use crate::region::patience::Patience;
use crate::region::{ObjectError, ObjectErrorKind, ObjectName, Shared, Unusable};
use crate::sync::Deadline;
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;
use zerocopy::IntoBytes;

/// A value in a region that messages change, each of them **once**, however often it is sent and received.
///
/// A message of a *client* bears the client's name and a number (see [`Message::client`](super::Message::client)).
/// [`apply`](Self::apply) changes the value and notes that number in one step: after a death the one is there and the other, or neither.
/// So a message that is received again, because its receiver died before it had [acknowledged](Letter::ack) it or because its
/// sender did not know whether it had been sent and sent it once more, is known, and changes nothing.
///
/// That is as far as it goes: what somebody does beside the value, in a file or to another machine, is done as often as it is done. And
/// that a message is received *at least* once takes a mailbox that [delivers so](super::Delivery::AtLeastOnce).
///
/// **Clients and numbers.** A client is a name, of whatever lives as long as its numbers: it does not end with a process. It gives each of its
/// messages a number from 1 up, a new one to a new message and the same to one that it sends again. They may take effect in any
/// order, but one that is 64 or more behind the greatest that has is refused: it is not known any more whether it was.
///
/// **Death.** Of whoever applies, at any step: the value is as it was, or changed and the number noted. Nobody has anything to repair.
///
/// **Blocking.** Whoever applies or reads waits for others who do, and who are not dead.
///
/// **Memory.** Two copies of the value and of the table of clients, 128 bytes for each. A change copies all of that twice: it is for values
/// of some kilobytes.
///
/// **Memory order.** What came before a change happens before what follows the next change or look.
///
/// **Source.** Duplicates are filtered as TCP does, by number (and a window, as IPsec has for replays, RFC 4303, 3.4.3); number and effect are one commit as
/// in recoverable queues (Bernstein, Hsu, Mann, "Implementing recoverable requests using queues", SIGMOD 1990).
///
/// ```
/// use selvedge::Region;
/// use selvedge::message::{Capacity, Delivery, Effect, Message, PortOptions};
///
/// let region = Region::anonymous()?;
/// let options = PortOptions::new(Capacity::Bounded(8)).delivery(Delivery::AtLeastOnce);
/// let port = region.port("deposits", &options)?;
/// let account = region.effects("account", 16, 0_u64)?;
/// account.client("teller 7")?;
///
/// // Sent twice: the teller was not sure.
/// port.send(&Message::of(&100_u64).client("teller 7", 1))?;
/// port.send(&Message::of(&100_u64).client("teller 7", 1))?;
///
/// let mailbox = port.claim()?;
/// let deposit = |letter| account.apply(letter, |balance, letter| *balance += letter.read::<u64>().unwrap_or(0));
/// assert_eq!(deposit(mailbox.recv()?)?, Effect::Now(()));
/// assert_eq!(deposit(mailbox.recv()?)?, Effect::Before);
/// assert_eq!(account.read()?, 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Effects<S: Shared> {
    record: Record,
    clients: usize,
    value: PhantomData<fn() -> S>,
}

/// What came of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect<R> {
    /// It has taken effect now; and what the change returned.
    Now(R),
    /// It had taken effect before.
    Before,
}

/// Why a message has not taken effect. It was not acknowledged: it is received again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EffectsError {
    /// It bears no client and number.
    OfNoClient,
    /// It is of a client that the value of this name does not know.
    UnknownClient(ObjectName),
    /// Its number is 64 or more behind another of the client that has taken effect: whether it has is not known any more.
    TooOld {
        /// Its number.
        number: u64,
        /// The greatest that has taken effect.
        greatest: u64,
    },
    /// Another client's name has the same hash: take another name.
    SameHash {
        /// The other's name.
        name: String,
    },
    /// The value of this name knows as many clients as it was made for.
    TooManyClients(ObjectName),
    /// A client's name is empty, has a NUL in it or more than 64 bytes.
    BadName,
    /// It could not be done until the deadline (timed calls only).
    TimedOut,
    /// The calling thread is changing it already.
    Relocked,
    /// The shared memory of the value of this name contradicts itself.
    Corrupt(ObjectName),
    /// As many threads of this process as the region was made for use it already.
    TooManyThreads {
        /// How many that are.
        limit: u32,
    },
    /// The region of the value of this name can be used no longer.
    Unusable(Unusable, ObjectName),
}

impl fmt::Display for EffectsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfNoClient => f.write_str("the message bears no client and number"),
            Self::UnknownClient(name) => write!(f, "{name} does not know the client of the message"),
            Self::TooOld { number, greatest } => {
                write!(f, "number {number} is too far behind {greatest}: whether it has taken effect is not known")
            }
            Self::SameHash { name } => write!(f, "client {name:?} has the same hash"),
            Self::TooManyClients(name) => write!(f, "{name} knows as many clients as it was made for"),
            Self::BadName => write!(f, "not a client's name: empty, longer than {NAME_MAX} bytes, or with a NUL in it"),
            Self::TimedOut => f.write_str("it could not be done until the deadline"),
            Self::Relocked => f.write_str("the calling thread is changing it already"),
            Self::Corrupt(name) => write!(f, "the shared memory of {name} contradicts itself"),
            Self::TooManyThreads { limit } => {
                write!(f, "the region's {limit} places for threads of this process are taken")
            }
            Self::Unusable(why, name) => write!(f, "{name}: {why}"),
        }
    }
}

impl std::error::Error for EffectsError {}

/// A client and what of its messages has taken effect, in two chunks: the name; the greatest number, and which of those below it have.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: Chunk,
    greatest: u64,
    /// Bit n: the number n less than the greatest has.
    seen: u64,
}

const ENTRY: usize = 2;

impl Entry {
    /// A client of which nothing has taken effect.
    fn of(name: &[u8]) -> Self {
        let mut chunk = [0; CHUNK / 8];
        chunk.as_mut_bytes().iter_mut().zip(name).for_each(|(place, byte)| *place = *byte);
        Self { name: chunk, greatest: 0, seen: 0 }
    }

    fn from_chunks(chunks: &[Chunk]) -> Option<Self> {
        match chunks {
            [name, [greatest, seen, ..]] => Some(Self { name: *name, greatest: *greatest, seen: *seen }),
            _ => None,
        }
    }

    fn to_chunks(self) -> [Chunk; ENTRY] {
        let Self { name, greatest, seen } = self;
        [name, [greatest, seen, 0, 0, 0, 0, 0, 0]]
    }

    /// The name without its padding; empty, if there is no client.
    fn name(&self) -> &[u8] {
        let bytes = self.name.as_bytes();
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        bytes.get(..end).unwrap_or_default()
    }

    /// Notes a number; whether it is new.
    fn note(&mut self, number: u64) -> Result<bool, EffectsError> {
        if number > self.greatest {
            let by = number - self.greatest;
            self.seen = u32::try_from(by).ok().and_then(|by| self.seen.checked_shl(by)).unwrap_or(0) | 1;
            self.greatest = number;
            return Ok(true);
        }
        let bit = u32::try_from(self.greatest - number).ok().and_then(|behind| 1_u64.checked_shl(behind));
        let bit = bit.ok_or(EffectsError::TooOld { number, greatest: self.greatest })?;
        let is_new = self.seen & bit == 0;
        self.seen |= bit;
        Ok(is_new)
    }
}

/// The longest name is as long as a chunk.
const _: () = assert!(NAME_MAX == CHUNK, "a name is a chunk");

/// By what a message names its client; never 0.
pub(super) fn hash_of(client: &[u8]) -> u32 {
    // FNV-1a, folded.
    let long = client
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    u32::try_from((long >> 32) ^ (long & u64::from(u32::MAX))).unwrap_or(0).max(1)
}

/// Chunks of the value, in front of those of the clients.
const fn chunks_of<S>() -> usize {
    size_of::<S>().div_ceil(CHUNK)
}

/// A copy of the record, taken apart.
struct Image<'c> {
    value: &'c mut [Chunk],
    clients: &'c mut [Chunk],
}

impl<'c> Image<'c> {
    fn of<S: Shared>(chunks: &'c mut [Chunk]) -> Self {
        let (value, clients) = chunks.split_at_mut(chunks_of::<S>().min(chunks.len()));
        Self { value, clients }
    }

    fn value<S: Shared>(&mut self) -> Option<&mut [u8]> {
        self.value.as_mut_bytes().get_mut(..size_of::<S>())
    }

    fn entries(&self) -> impl Iterator<Item = Entry> {
        let whole = self.clients.chunks_exact(ENTRY);
        whole.filter_map(Entry::from_chunks)
    }

    fn set(&mut self, index: usize, entry: Entry) {
        if let Some(place) = self.clients.get_mut(index * ENTRY..(index + 1) * ENTRY) {
            place.copy_from_slice(&entry.to_chunks());
        }
    }
}

impl<S: Shared> Effects<S> {
    fn refused(&self, refusal: ChangeRefusal) -> EffectsError {
        let name = self.record.name();
        match refusal {
            ChangeRefusal::TimedOut => EffectsError::TimedOut,
            ChangeRefusal::Relocked => EffectsError::Relocked,
            ChangeRefusal::Corrupt => EffectsError::Corrupt(name.clone()),
            ChangeRefusal::NoCaller(crate::region::core::NoCaller::TooManyThreads(limit)) => {
                EffectsError::TooManyThreads { limit }
            }
            ChangeRefusal::NoCaller(crate::region::core::NoCaller::Unusable(why)) => {
                EffectsError::Unusable(why, name.clone())
            }
        }
    }

    /// Makes a client known, if it is not, for good; returns the greatest of its numbers that has taken effect, or 0.
    ///
    /// # Errors
    /// `SameHash`, `TooManyClients`, `BadName`, `Corrupt`, `Relocked`, `TooManyThreads`, `Unusable`.
    pub fn client(&self, name: &str) -> Result<u64, EffectsError> {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes.len() > NAME_MAX || bytes.contains(&0) {
            return Err(EffectsError::BadName);
        }
        let changing = self.record.begin(Patience::Forever).map_err(|refusal| self.refused(refusal))?;
        let mut chunks = changing.read();
        let mut image = Image::of::<S>(&mut chunks);
        let mut free = None;
        for (index, entry) in image.entries().enumerate() {
            let other = entry.name();
            if other == bytes {
                return Ok(entry.greatest);
            }
            if other.is_empty() {
                free = free.or(Some(index));
            } else if hash_of(other) == hash_of(bytes) {
                return Err(EffectsError::SameHash { name: String::from_utf8_lossy(other).into_owned() });
            }
        }
        let index = free.ok_or_else(|| EffectsError::TooManyClients(self.record.name().clone()))?;
        image.set(index, Entry::of(bytes));
        changing.commit(&chunks);
        Ok(0)
    }

    /// Lets a message take effect, unless it has, and acknowledges it; waits for others who change the value.
    ///
    /// `change` is given the value and the message. If it panics nothing has changed.
    ///
    /// # Errors
    /// [`EffectsError`], except `TimedOut`: it has not taken effect, or that is not known, and it was not acknowledged.
    pub fn apply<R>(
        &self,
        letter: Letter<'_>,
        change: impl FnOnce(&mut S, &Letter<'_>) -> R,
    ) -> Result<Effect<R>, EffectsError> {
        self.apply_until(letter, Patience::Forever, change)
    }

    /// The same, waiting for `timeout` at most.
    ///
    /// # Errors
    /// [`EffectsError`].
    pub fn apply_timeout<R>(
        &self,
        letter: Letter<'_>,
        timeout: Duration,
        change: impl FnOnce(&mut S, &Letter<'_>) -> R,
    ) -> Result<Effect<R>, EffectsError> {
        self.apply_until(letter, Patience::Until(Deadline::after(timeout)), change)
    }

    fn apply_until<R>(
        &self,
        letter: Letter<'_>,
        patience: Patience,
        change: impl FnOnce(&mut S, &Letter<'_>) -> R,
    ) -> Result<Effect<R>, EffectsError> {
        let (hash, number) = letter.client().ok_or(EffectsError::OfNoClient)?;
        let changing = self.record.begin(patience).map_err(|refusal| self.refused(refusal))?;
        let mut chunks = changing.read();
        let mut image = Image::of::<S>(&mut chunks);
        let mut known = image.entries().enumerate();
        let found = known.find(|(_, entry)| !entry.name().is_empty() && hash_of(entry.name()) == hash);
        drop(known);
        let Some((index, mut entry)) = found else {
            return Err(EffectsError::UnknownClient(self.record.name().clone()));
        };
        if !entry.note(number)? {
            drop(changing);
            letter.ack();
            return Ok(Effect::Before);
        }
        let corrupt = || EffectsError::Corrupt(self.record.name().clone());
        let mut value = self.value_of(&mut image).ok_or_else(corrupt)?;
        let returned = change(&mut value, &letter);
        image.value::<S>().ok_or_else(corrupt)?.copy_from_slice(value.as_bytes());
        image.set(index, entry);
        changing.commit(&chunks);
        letter.ack();
        Ok(Effect::Now(returned))
    }

    fn value_of(&self, image: &mut Image<'_>) -> Option<S> {
        S::read_from_bytes(image.value::<S>()?).ok()
    }

    /// A copy of the value as it is; waits for others who change it.
    ///
    /// # Errors
    /// `Corrupt`, `Relocked`, `TooManyThreads`, `Unusable`.
    pub fn read(&self) -> Result<S, EffectsError> {
        let changing = self.record.begin(Patience::Forever).map_err(|refusal| self.refused(refusal))?;
        let mut chunks = changing.read();
        drop(changing);
        self.value_of(&mut Image::of::<S>(&mut chunks)).ok_or_else(|| EffectsError::Corrupt(self.record.name().clone()))
    }

    /// How many clients it can know.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients
    }

    /// How often it was changed, with each client that was made known, modulo 2³², as of a moment ago.
    #[must_use]
    pub fn changes(&self) -> u32 {
        self.record.changes()
    }

    /// The same value with another way to wait.
    #[must_use]
    pub fn with_wait(mut self, wait: Wait) -> Self {
        self.record.set_wait(wait);
        self
    }

    /// The name by which it was made or opened.
    #[must_use]
    pub fn name(&self) -> &str {
        self.record.name().as_str()
    }
}

impl<S: Shared> Clone for Effects<S> {
    fn clone(&self) -> Self {
        Self { record: self.record.clone(), clients: self.clients, value: PhantomData }
    }
}

impl<S: Shared> fmt::Debug for Effects<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effects").field("name", &self.name()).field("changes", &self.changes()).finish_non_exhaustive()
    }
}

impl Region {
    /// The value `name` that messages change, each once, for up to so many clients; made with `initial` if there is none. The value of one
    /// that exists is left as it is.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind, type, or number of clients; no memory; too many objects.
    pub fn effects<S: Shared>(&self, name: &str, clients: usize, initial: S) -> Result<Effects<S>, ObjectError> {
        let too_large = || ObjectError::new(name, ObjectErrorKind::OutOfMemory { needed: u64::MAX });
        let table = clients.checked_mul(ENTRY).and_then(|table| table.checked_add(chunks_of::<S>()));
        // As much as an object can have, and no more.
        let chunks = table.filter(|chunks| *chunks <= usize::try_from(u32::MAX).unwrap_or(usize::MAX) / CHUNK);
        let mut chunks: Vec<Chunk> = vec![[0; CHUNK / 8]; chunks.ok_or_else(too_large)?];
        if let Some(value) = Image::of::<S>(&mut chunks).value::<S>() {
            value.copy_from_slice(initial.as_bytes());
        }
        let record = Record::obtain(self, name, S::TAG.0, &chunks)?;
        Ok(Effects { record, clients, value: PhantomData })
    }
}
