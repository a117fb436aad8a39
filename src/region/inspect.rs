//! A look at a region that changes nothing: who is attached, who holds what, who waits for what, what is to be done.
//!
//! **Purpose.** When something hangs, whoever wants to know why must not take part: an attached process has a keeper that
//! repairs, a place that somebody may need, locks. An [`Inspection`] maps the region for reading, copies what is there, and
//! unmaps it. So it works while every process of the application is stopped, and when all of them are gone.
//!
//! **What it is worth.** A region that is used changes while it is read. Each word is read as a whole. What belongs together is
//! compared with a second look where it can be (a name; who is attached), and if that says something else, or if objects are
//! held by nobody, the whole look is repeated, some times. Beyond that things are told as seen: somebody may be shown to hold
//! two things that it held one after the other. What does not change, as when all are stopped or stuck, is told as it is.
//!
//! **Damaged memory.** The header is checked as for any use. Of the rest nothing is believed: every place is checked
//! against the file's size, every loop is bounded by the limits in the header. What contradicts itself is a [`Finding`].
//! Whoever cuts the file off while it is being read ends the reader (SIGBUS), as it does everybody who has it mapped.
//!
//! All that is known of each kind of object is in `inspect/kinds.rs`, and what its words count in `inspect/counters.rs`.

mod counters;
mod inspector;
mod kinds;
mod processes;

pub use counters::Counter;
pub use inspector::Inspector;
pub use processes::{Life, ProcessSeen, ThreadSeen};

use super::error::RegionError;
use super::handle::{Region, RegionOptions};
use super::header::RegionId;
use super::kind::Kind;
use super::limits::Limits;
use super::memory::Memory;
use super::object::unpadded;
use crate::primitives::registry::{self, EntrySeen};
use crate::primitives::waiting::{ObjectId, Wait, Waiting};
use crate::primitives::{Participants, ThreadSlot};
use crate::sync::{Ordering, fence};
use core::fmt;
use core::time::Duration;
use kinds::Says;
use processes::{Seen, Words};
use std::time::SystemTime;

/// A region as it was a moment ago, seen without attaching to it or changing anything.
///
/// Also what [`Region::inspect`] says of a region that this process is attached to.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let stock = region.mutex("stock", 7)?;
/// let guard = stock.lock().unwrap();
/// let inspection = region.inspect();
/// let Some(stock) = inspection.object("stock") else { unreachable!("it is there") };
/// assert_eq!(stock.state, "locked");
/// assert!(inspection.findings().is_empty());
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// The random id that tells the region from every other one.
    pub id: RegionId,
    /// When it was made, as its maker's clock had it.
    pub created: SystemTime,
    /// Whether header and end of the file are what they were made to be.
    pub intact: bool,
    /// What it was made for.
    pub limits: Limits,
    /// Who is attached, or has died in it and is not repaired yet.
    pub processes: Vec<ProcessSeen>,
    /// The lock under which objects are made, opened and removed.
    pub directory: ObjectSeen,
    /// The objects. One whose name was removed is among them while somebody holds it or waits for it.
    pub objects: Vec<ObjectSeen>,
    /// The threads that wait for several objects at once.
    pub waiting_for_several: Vec<ThreadSeen>,
}

/// An object of a region, as an [`Inspection`] has it.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let permits = region.semaphore("permits", 0)?;
/// let inspection = region.inspect();
/// let permits = &inspection.objects[0];
/// assert_eq!((permits.name.as_str(), permits.state.as_str()), ("permits", "no permits"));
/// assert!(permits.waits[0].starts_with("`acquire` waits until somebody releases permits"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectSeen {
    /// Its name; of one that lost its name, or whose name was being written, a description in parentheses.
    pub name: String,
    /// What it is; `None` for the directory, and for a kind that this version does not know.
    pub kind: Option<Kind>,
    /// Its state, in words.
    pub state: String,
    /// How much is in it or taken of it: messages or bytes that were sent and not received, those that came back included;
    /// buffers, permits; members of a barrier that have arrived. `None` where there is nothing of the kind.
    pub depth: Option<u64>,
    /// How much `depth` can be; 0 where messages pass from hand to hand. Of an unbounded queue its quota.
    pub capacity: Option<u64>,
    /// What has gone through it, as far as its own words count that.
    pub counters: Vec<Counter>,
    /// Which calls would wait now, and for what: sentences.
    pub waits: Vec<String>,
    /// Who holds something of it.
    pub holders: Vec<Holder>,
    /// Who waits for it.
    pub waiters: Vec<ThreadSeen>,
    repair: &'static str,
    reset: Option<&'static str>,
    is_damaged: bool,
    is_nameless: bool,
    /// Its entry of the registry, and what that said.
    entry: Option<(usize, EntrySeen)>,
}

/// Who holds something of an object.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let ring = region.ring::<u64>("orders", 4)?;
/// let sender = ring.sender()?;
/// let inspection = region.inspect();
/// assert_eq!(inspection.objects[0].holders[0].role, "sender");
/// # drop(sender);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// As what: `owner`, `sender`, `receiver`, `member`, `maker`.
    pub role: &'static str,
    /// Which thread; `None` for one that the region cannot have: damaged memory.
    pub thread: Option<ThreadSeen>,
}

/// What is to be done about something that was found.
///
/// ```
/// use selvedge::region::Remedy;
///
/// assert_eq!(Remedy::Reset.to_string(), "reset it");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Whoever attaches repairs it, as do those who are attached and not stopped: [`Region::repair`].
    Repair,
    /// The object's user has to [reset](super::Mutex::reset) it.
    Reset,
    /// Nothing can be done before that process has ended.
    Wait,
    /// The memory is damaged: the region, or the object, has to be made anew.
    Remake,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repair => "repair it",
            Self::Reset => "reset it",
            Self::Wait => "wait until that process has ended",
            Self::Remake => "make it anew",
        })
    }
}

/// Something in a region that is not as it should be.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let stock = region.mutex("stock", 7)?;
/// assert!(region.check().is_empty(), "nothing is wrong");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The object's name; `None` if it is about a process or the whole region.
    pub object: Option<String>,
    /// What it is: a sentence.
    pub what: String,
    /// What is to be done.
    pub remedy: Remedy,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.remedy)
    }
}

impl ObjectSeen {
    fn new(seen: &Seen, object: ObjectId, name: &Name, kind: Option<Kind>, says: &Says) -> Self {
        let entry = None;
        let is_nameless = matches!(name, Name::Removed(_));
        let name = match name {
            Name::Known(name) => name.clone(),
            Name::Unknown(index) => format!("(entry {index})"),
            Name::Removed(index) => format!("(removed, entry {index})"),
            Name::Directory => "(directory)".to_owned(),
        };
        let Says { state, depth, capacity, waits, held, repair, reset, is_damaged, counters } = says.clone();
        let holder = |(role, slot): (_, Option<_>)| Holder { role, thread: slot.and_then(|slot| seen.thread(slot)) };
        let holders = held.into_iter().map(holder).collect();
        let waiters = seen.waiters(|waiting| waiting == Waiting::Object(object));
        Self {
            name,
            kind,
            state,
            depth,
            capacity,
            counters,
            waits,
            holders,
            waiters,
            repair,
            reset,
            is_damaged,
            is_nameless,
            entry,
        }
    }

    /// Whether it is the same object as the one of an earlier look, which was not removed and made anew meanwhile.
    #[must_use]
    pub fn is(&self, earlier: &Self) -> bool {
        (self.entry, self.kind) == (earlier.entry, earlier.kind)
    }

    /// What it is and its name, as messages show it.
    fn shown(&self) -> String {
        let name = self.name.escape_debug();
        self.kind.map_or_else(|| format!("object `{name}`"), |kind| format!("{kind} `{name}`"))
    }

    fn findings(&self, into: &mut Vec<Finding>) {
        let mut find = |what, remedy| into.push(Finding { object: Some(self.name.clone()), what, remedy });
        let shown = self.shown();
        if self.is_damaged {
            find(format!("{shown} is damaged"), Remedy::Remake);
        }
        if let Some(why) = self.reset {
            find(format!("{shown} is of no use: {why}"), Remedy::Reset);
        }
        for Holder { role, thread } in &self.holders {
            let repair = self.repair;
            match thread {
                None => find(format!("{shown} has a {role} that the region cannot have"), Remedy::Remake),
                Some(thread) if thread.life == Life::Nobody => {
                    find(format!("the {role} of {shown} is {thread}"), Remedy::Remake);
                }
                Some(thread) if thread.life == Life::Dead => {
                    find(format!("the {role} of {shown} is {thread}; once repaired, {repair}"), Remedy::Repair);
                }
                Some(_) => {}
            }
        }
    }
}

impl Inspection {
    /// The object of that name.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<&ObjectSeen> {
        self.objects.iter().find(|object| object.name == name)
    }

    /// What is not as it should be: nothing, or what is to be done.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut find = |what, remedy| findings.push(Finding { object: None, what, remedy });
        if !self.intact {
            find("the region was overwritten".to_owned(), Remedy::Remake);
        }
        for ProcessSeen { pid, life, threads } in &self.processes {
            match life {
                Life::Dead => {
                    find(format!("process {pid} has died, and what it left is not repaired yet"), Remedy::Repair);
                }
                Life::FencedOff => {
                    find(format!("process {pid} counts as dead, runs on, and keeps what it holds"), Remedy::Wait);
                }
                _ => {
                    let dead = threads.iter().filter(|thread| thread.life == Life::Dead);
                    for ThreadSeen { place, .. } in dead {
                        let what = format!("thread {place} of process {pid} has died alone, and is not repaired yet");
                        find(what, Remedy::Repair);
                    }
                }
            }
        }
        self.directory.findings(&mut findings);
        self.objects.iter().for_each(|object| object.findings(&mut findings));
        findings
    }

    fn of(memory: &Memory, table: Participants<'_>) -> Self {
        for _ in 1..LOOKS {
            let look = Look::at(memory, table);
            if !look.contradicts_itself(table) {
                let inspection = look.judged(memory);
                // Whoever ended while the process table was asked may have left before, and is no finding.
                if look.words.are_still(table) || inspection.findings().is_empty() {
                    return inspection;
                }
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
        Look::at(memory, table).judged(memory)
    }
}

/// How often a region is looked at whose words contradict each other.
const LOOKS: usize = 30;
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// What was read of a region in one go.
struct Look {
    words: Words,
    directory: Says,
    objects: Vec<Found>,
}

/// What was read of an object.
struct Found {
    id: ObjectId,
    name: Name,
    kind: Option<Kind>,
    says: Says,
    entry: (usize, EntrySeen),
}

impl Look {
    fn at(memory: &Memory, table: Participants<'_>) -> Self {
        let words = Words::of(table);
        let entries = 0..usize::try_from(memory.file().limits().objects).unwrap_or(0);
        let directory = kinds::mutex(memory.registry().lock_seen());
        Self { words, directory, objects: entries.filter_map(|index| object(memory, index)).collect() }
    }

    /// Whether somebody came or went meanwhile; or something is held by nobody, which somebody holds who came after the
    /// participants were looked at, or the memory is damaged.
    fn contradicts_itself(&self, table: Participants<'_>) -> bool {
        let all = self.objects.iter().map(|found| &found.says).chain([&self.directory]);
        let by_nobody = |slot: Option<ThreadSlot>| slot.is_none_or(|slot| !self.words.has(slot));
        let is_odd = |says: &Says| says.is_damaged || says.held.iter().any(|(_, slot)| by_nobody(*slot));
        !self.words.are_still(table) || all.into_iter().any(is_odd)
    }

    fn judged(&self, memory: &Memory) -> Inspection {
        let (file, seen) = (memory.file(), self.words.judged());
        let objects = self.objects.iter().map(|Found { id, name, kind, says, entry }| ObjectSeen {
            entry: Some(*entry),
            ..ObjectSeen::new(&seen, *id, name, *kind, says)
        });
        // What is left in the memory of an object that was removed is of interest to those who still have it alone.
        let is_used =
            |object: &ObjectSeen| !object.is_nameless || !object.holders.is_empty() || !object.waiters.is_empty();
        Inspection {
            id: file.id(),
            created: file.created(),
            intact: file.still_valid(),
            limits: file.limits(),
            directory: ObjectSeen::new(&seen, registry::LOCK, &Name::Directory, None, &self.directory),
            objects: objects.filter(is_used).collect(),
            waiting_for_several: seen.waiters(|waiting| waiting == Waiting::Several),
            processes: seen.processes,
        }
    }
}

/// What an entry of the registry holds; `None` if it was never used.
fn object(memory: &Memory, index: usize) -> Option<Found> {
    let registry = memory.registry();
    let name = name_of(memory, index)?;
    let entry = (index, registry.seen(index));
    let extent = registry.extent(index)?;
    let state = "damaged: its entry says what none says".to_owned();
    let damaged = || Says { state, is_damaged: true, ..Says::default() };
    let says = match entry.1 {
        EntrySeen::Corrupt => None,
        _ => kinds::says(memory, extent),
    };
    let mut says = says.unwrap_or_else(damaged);
    if !says.is_damaged {
        says.counters = counters::of(memory, extent);
    }
    Some(Found { id: registry::object_of(index), name, kind: Kind::from_number(extent.shape.kind), says, entry })
}

/// What an object is called.
enum Name {
    Known(String),
    /// It was being written again and again.
    Unknown(usize),
    /// It was removed; its memory may serve another.
    Removed(usize),
    /// That of no object.
    Directory,
}

/// The name in an entry, copied without the lock; `None` if the entry was never used.
fn name_of(memory: &Memory, index: usize) -> Option<Name> {
    const LOOKS: usize = 100;
    let registry = memory.registry();
    for _ in 0..LOOKS {
        let before = registry.seen(index);
        match before {
            EntrySeen::Empty => return None,
            EntrySeen::Unnamed => return Some(Name::Removed(index)),
            EntrySeen::Corrupt => return Some(Name::Unknown(index)),
            EntrySeen::Named(_) => {}
        }
        let name = memory.name_in_passing(index);
        // Acquire: if a byte of the copy is of a later name, the next look sees that the entry lost this one.
        fence(Ordering::Acquire);
        if registry.seen(index) == before {
            return Some(Name::Known(name.map_or_else(String::new, |name| unpadded(&name))));
        }
    }
    Some(Name::Unknown(index))
}

impl RegionOptions {
    /// Looks at the region `name` without attaching to it: its memory is mapped for reading only, and unmapped again. Never
    /// waits for anybody.
    ///
    /// # Errors
    /// `NotFound`; `Unfit` with the reason if what bears the name is no region for this process.
    ///
    /// ```
    /// use selvedge::region::RegionOptions;
    ///
    /// # let name = format!("inspected-by-a-doctest-{}", std::process::id());
    /// # let name = name.as_str();
    /// let region = RegionOptions::new().create(name)?;
    /// let inspection = RegionOptions::new().inspect(name)?;
    /// assert_eq!(inspection.processes[0].pid, std::process::id());
    /// region.unlink()?;
    /// # Ok::<(), selvedge::region::RegionError>(())
    /// ```
    pub fn inspect(&self, name: &str) -> Result<Inspection, RegionError> {
        self.inspector(name)?.inspect()
    }
}

impl Region {
    /// A look at this region: who is attached, who holds what, who waits for what. Takes no lock and never waits for
    /// anybody, so that it can be asked when everything hangs; works in a forked child, too.
    #[must_use]
    pub fn inspect(&self) -> Inspection {
        Inspection::of(self.core().memory(), self.core().participants())
    }

    /// What is not as it should be in this region: nothing, or what is to be done. As [`inspect`](Self::inspect), for
    /// programs.
    #[must_use]
    pub fn check(&self) -> Vec<Finding> {
        self.inspect().findings()
    }

    /// Looks after those who died, as keepers do by themselves and sleepers whose wait took long: for when nobody else
    /// is there to do it. Never waits for anybody.
    ///
    /// False: somebody is dead of whom a thread is not known to have stopped yet. It is worth another try a little later,
    /// unless that process is fenced off and runs on.
    ///
    /// # Errors
    /// `TooManyThreads`; the region can be used no longer.
    pub fn repair(&self) -> Result<bool, RegionError> {
        let core = self.core();
        let refused = |kind| match self.name() {
            Some(name) => RegionError::new(name, kind),
            None => RegionError::anonymous(kind),
        };
        let caller = core.caller(Wait::default()).map_err(|error| refused(error.into()))?;
        let Some(entry) = caller.table.thread(caller.slot) else { return Ok(true) };
        let undertaker = core.attachment().undertaker(&entry.hazard);
        let unfinished = undertaker.survey();
        undertaker.look_for_lone_dead();
        Ok(!unfinished)
    }
}
