//! This process in a region: its keeper, and the slots of its threads.
//!
//! **Purpose.** A process takes part through one entry, whose life word lies on its keeper's robust list, and through a
//! slot for each thread that uses the region, whose life word lies on that thread's own list. The protocols are in
//! `primitives`; this file runs them where the kernel is.
//!
//! **Keeper.** A small raw thread for each process and region. It claims the entry, looks after those who died before,
//! then sleeps on the life words of all others, and does the undertaker's work when one is marked. At the end it gives
//! the entry back by playing undertaker for its own process.
//!
//! **Invariants.**
//! - I1: the memory outlives the keeper (joined in `drop`) and every thread slot (a registration holds the [`Core`]).
//! - I2: code on the keeper's stack neither allocates nor panics nor uses thread-locals: the C library does not know it.
//! - I3: in a forked child nothing here acts on the region: the fork mark is asked first, destructors included.

use super::core::{Core, NoCaller};
use super::error::{OsError, RegionErrorKind, Unusable};
use super::header::RegionId;
use super::limits::Limits;
use super::memory::Memory;
use super::os::exit::{ProcessWatch, own_start_time};
use super::os::failed;
use super::os::fork::ForkMark;
use super::os::keeper::{self, KeeperThread};
use super::os::robust::{OwnList, ThreadList};
use super::threads;
use super::watcher::Watcher;
use crate::primitives::participants::{ProcessClaim, ProcessState, RobustList};
use crate::primitives::undertaker::{Succession, Undertaker, succeed_the_dead};
use crate::primitives::{Participants, ThreadSlot};
use crate::sync::{
    AtomicU32, Deadline, LifeWord, Ordering, WAITV_MAX, WaitOn, futex_wait, futex_waitv, futex_wake, life_id,
};
use core::ffi::{c_int, c_void};
use core::time::Duration;
use std::sync::Arc;

/// While a dead process has threads that are not known to have stopped, its exit is looked for this often.
const EXIT_POLL: Duration = Duration::from_millis(20);
/// How long an attaching process waits for its keeper, and a detaching one. Milliseconds in practice.
const KEEPER_PATIENCE: Duration = Duration::from_secs(20);
/// How long an attaching process waits for the place of one that is dying: a large one takes 100 ms to tear down.
const SUCCESSION_PATIENCE: Duration = Duration::from_secs(1);
/// How often it looks.
const SUCCESSION_POLL: Duration = Duration::from_millis(1);

const STARTING: u32 = 0;
const ATTACHED: u32 = 1;
const NO_PLACE: u32 = 2;

const STAY: u32 = 0;
const LEAVE: u32 = 1;

/// What the keeper works with, at a place of its own that does not move.
pub(super) struct Desk {
    memory: Arc<Memory>,
    /// Changes when the keeper has looked at all others once more; those of this process sleep on it who watch them.
    news: AtomicU32,
    list: OwnList,
    status: AtomicU32,
    command: AtomicU32,
    claim: crate::sync::Cell<ProcessClaim>,
    pid: u32,
    start_time: u64,
    namespaces: u64,
    has_exited: ExitCheck,
}

impl Desk {
    /// The participants of the region.
    pub(super) fn table(&self) -> Participants<'_> {
        table(&self.memory)
    }

    pub(super) fn news(&self) -> &AtomicU32 {
        &self.news
    }

    /// Lets everybody in this process look again who watches others.
    pub(super) fn announce_news(&self) {
        // Release: pairs with the Acquire loads of who watches; it sees the words that we saw.
        self.news.fetch_add(1, Ordering::Release);
        futex_wake(&self.news, u32::MAX);
    }
}

/// The right of this process to attach to a region: one attachment of a region in a process is enough, and two would
/// count as two processes.
#[derive(Debug)]
pub(crate) struct Place {
    id: RegionId,
    pid: u32,
}

/// Regions that this process is attached to. The process id tells a forked child's own from its parent's.
fn places() -> std::sync::MutexGuard<'static, Vec<(RegionId, u32)>> {
    static PLACES: std::sync::Mutex<Vec<(RegionId, u32)>> = std::sync::Mutex::new(Vec::new());
    PLACES.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Place {
    pub(crate) fn take(id: RegionId) -> Result<Self, RegionErrorKind> {
        let (mut places, pid) = (places(), std::process::id());
        if places.contains(&(id, pid)) {
            return Err(RegionErrorKind::AlreadyAttached);
        }
        places.push((id, pid));
        Ok(Self { id, pid })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        places().retain(|place| *place != (self.id, self.pid));
    }
}

type ExitCheck = Box<dyn Fn(usize) -> bool + Send + Sync>;

/// This process's part in a region.
pub(crate) struct Attachment {
    keeper: Option<KeeperThread>,
    /// The participants of the region in the desk's memory, which stays mapped as long as the desk is held. Kept ready,
    /// because every call begins with a look at it.
    table: Participants<'static>,
    desk: Arc<Desk>,
    claim: ProcessClaim,
    fork: ForkMark,
    limits: Limits,
    watcher: Watcher,
}

/// A robust list, or none where the C library's cannot be used.
pub(super) struct Listed(pub(super) Option<ThreadList>);

impl RobustList for Listed {
    fn pending(&mut self, word: Option<&LifeWord>) {
        if let Some(list) = &self.0 {
            match word {
                // SAFETY: the word lies in the region's mapping, which outlives keeper and registrations (I1).
                Some(word) => unsafe { list.set_pending(word) },
                None => list.clear_pending(),
            }
        }
    }

    fn link(&mut self, word: &LifeWord) {
        if let Some(list) = &self.0 {
            // SAFETY: `primitives::participants` links a word only after claiming it for the calling thread (its I1);
            // it stays mapped until it is unlinked (I1).
            unsafe { list.link(word) };
        }
    }

    fn unlink(&mut self, word: &LifeWord) {
        if let Some(list) = &self.0 {
            // SAFETY: it unlinks only words that the calling thread linked.
            unsafe { list.unlink(word) };
        }
    }
}

/// The namespaces in which this process's id and start time mean something, as one number; zero if they are not known.
pub(super) fn own_namespaces() -> u64 {
    let inode = |path| std::fs::metadata(path).map_or(0, |facts| std::os::unix::fs::MetadataExt::ino(&facts));
    // The kernel numbers namespaces with 32 bits; one that is too old for time namespaces has a single one.
    match (inode("/proc/self/ns/pid"), inode("/proc/self/ns/time")) {
        (0, _) => 0,
        (pid, time) => (pid << 32) ^ time,
    }
}

/// Whether the process at `index` has exited as a whole, as the kernel's process table has it. In another namespace than
/// `namespaces` its id names somebody else, or nobody: there the marks alone decide.
fn exit_check(memory: Arc<Memory>, namespaces: u64) -> ExitCheck {
    Box::new(move |index| {
        let Some(entry) = memory.participants().and_then(|table| table.processes().get(index)) else { return false };
        // Relaxed: written while INIT, published by the swing that made it LIVE; a torn pair names no process, and a
        // process that does not exist any more has exited.
        let (pid, start) = (entry.pid.load(Ordering::Relaxed), entry.start_time.load(Ordering::Relaxed));
        let is_known = pid != 0 && namespaces != 0 && entry.namespaces.load(Ordering::Relaxed) == namespaces;
        is_known && ProcessWatch::open(pid, start).is_ok_and(|watch| watch.has_exited())
    })
}

impl Attachment {
    pub(crate) fn new(memory: &Arc<Memory>, limits: Limits) -> Result<Self, RegionErrorKind> {
        let fork = ForkMark::new().map_err(failed("mmap of a fork mark"))?;
        let start_time = own_start_time().map_err(OsError::from)?;
        let namespaces = own_namespaces();
        let desk = Arc::new(Desk {
            memory: Arc::clone(memory),
            news: AtomicU32::new(0),
            list: OwnList::new(),
            status: AtomicU32::new(STARTING),
            command: AtomicU32::new(STAY),
            claim: crate::sync::Cell::new(ProcessClaim { index: 0, generation: 0 }),
            pid: std::process::id(),
            start_time,
            namespaces,
            has_exited: exit_check(Arc::clone(memory), namespaces),
        });
        let argument = Arc::as_ptr(&desk).cast_mut().cast::<c_void>();
        // SAFETY: the desk lives until the keeper was joined (drop), or for ever if it could not be; the body obeys I2.
        let keeper = unsafe { keeper::spawn(keep, argument) }.map_err(OsError::from)?;
        // SAFETY: `desk` keeps the memory in place and mapped as long as `self`, which lends the view out no longer.
        let table = table(unsafe { &*Arc::as_ptr(&desk.memory) });
        let claim = ProcessClaim { index: 0, generation: 0 };
        let watcher = Watcher::new(&desk);
        let mut attachment = Self { keeper: Some(keeper), table, desk, claim, fork, limits, watcher };
        attachment.await_keeper()?;
        Ok(attachment)
    }

    fn await_keeper(&mut self) -> Result<(), RegionErrorKind> {
        let deadline = Deadline::after(KEEPER_PATIENCE);
        loop {
            // Acquire: pairs with the keeper's Release; the claim is seen.
            match self.desk.status.load(Ordering::Acquire) {
                ATTACHED => {
                    // SAFETY: written by the keeper before ATTACHED, never again.
                    self.claim = self.desk.claim.with(|claim| unsafe { claim.read() });
                    return Ok(());
                }
                STARTING if !deadline.has_passed() => {
                    futex_wait(&self.desk.status, STARTING, Some(deadline));
                }
                STARTING => return Err(RegionErrorKind::Busy),
                _ => return Err(RegionErrorKind::TooManyProcesses { limit: self.limits.processes }),
            }
        }
    }

    #[inline]
    pub(crate) fn participants(&self) -> Participants<'_> {
        self.table
    }

    /// Index of this process's entry.
    pub(crate) fn process(&self) -> usize {
        self.claim.index
    }

    pub(crate) fn claim(&self) -> ProcessClaim {
        self.claim
    }

    pub(crate) fn has_exited(&self) -> &(dyn Fn(usize) -> bool + 'static) {
        &*self.desk.has_exited
    }

    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }

    pub(super) fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    /// False in a forked child.
    #[inline]
    pub(crate) fn is_original(&self) -> bool {
        self.fork.is_original()
    }

    /// Whether this process may act on the region.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), Unusable> {
        if !self.is_original() {
            return Err(Unusable::ForkedChild);
        }
        if !self.table.is_live(self.claim) {
            return Err(self.why_not_live());
        }
        Ok(())
    }

    #[cold]
    fn why_not_live(&self) -> Unusable {
        match self.desk.memory.file().still_valid() {
            true => Unusable::FencedOff,
            false => Unusable::Overwritten,
        }
    }

    #[inline]
    pub(crate) fn slot(&self, core: &Arc<Core>) -> Result<ThreadSlot, NoCaller> {
        self.check().map_err(NoCaller::Unusable)?;
        threads::slot(core)
    }

    /// What this process does about the deaths that it notices outside of its keeper.
    pub(super) fn undertaker<'a>(&'a self, hazard: &'a AtomicU32) -> Undertaker<'a> {
        Undertaker::new(self.table, &*self.desk.memory, hazard, self.has_exited())
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let Some(mut keeper) = self.keeper.take() else { return };
        if !self.is_original() {
            // The parent's keeper, which this process does not have; its stack was not inherited either.
            core::mem::forget(keeper);
            return;
        }
        self.watcher.close();
        // Release: nothing of ours comes after the keeper has left.
        self.desk.command.store(LEAVE, Ordering::Release);
        futex_wake(&self.desk.command, u32::MAX);
        if keeper.join(Deadline::after(KEEPER_PATIENCE)).is_err() {
            // It still uses desk and memory: they must stay for ever.
            core::mem::forget(Arc::clone(&self.desk));
            core::mem::forget(keeper);
        }
    }
}

impl core::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let keeper = self.keeper.as_ref().map(KeeperThread::tid);
        f.debug_struct("Attachment").field("claim", &self.claim).field("keeper", &keeper).finish_non_exhaustive()
    }
}

fn table(memory: &Memory) -> Participants<'_> {
    static EMPTY: std::sync::OnceLock<crate::primitives::participants::Membership> = std::sync::OnceLock::new();
    // The counts were checked when the region was opened; the empty table stands for what cannot happen.
    memory.participants().unwrap_or_else(|| Participants::empty(EMPTY.get_or_init(Default::default)))
}

/// The keeper (I2).
extern "C" fn keep(argument: *mut c_void) -> c_int {
    // SAFETY: `Attachment::new` passed the address of its desk, which outlives this thread.
    let desk = unsafe { &*argument.cast::<Desk>() };
    let report = |status| {
        // Release: pairs with the Acquire in await_keeper.
        desk.status.store(status, Ordering::Release);
        futex_wake(&desk.status, u32::MAX);
    };
    // SAFETY: a raw thread has no list of the C library's and never locks one of its mutexes; the desk stays (I1).
    let mut list = Listed(unsafe { desk.list.install() }.ok());
    let table = table(&desk.memory);
    let Some(claim) = claim_place(desk, table, &mut list) else {
        report(NO_PLACE);
        return 0;
    };
    let Some(entry) = table.processes().get(claim.index) else { return 0 };
    // Relaxed, both: published by the swing to LIVE.
    entry.namespaces.store(desk.namespaces, Ordering::Relaxed);
    entry.start_time.store(desk.start_time, Ordering::Relaxed);
    // Release: pairs with the Acquire in life_of; the generation is seen with it.
    entry.pid.store(desk.pid, Ordering::Release);
    entry.note_arrival(claim.generation);
    let undertaker = Undertaker::new(table, &*desk.memory, &entry.hazard, &*desk.has_exited);
    undertaker.survey();
    if !table.open_process(claim) {
        report(NO_PLACE);
        return 0;
    }
    // SAFETY: nobody reads it before ATTACHED.
    desk.claim.with_mut(|own| unsafe { own.write(claim) });
    report(ATTACHED);
    watch_over(desk, &undertaker, claim.index);
    leave(&table, &undertaker, claim, &mut list);
    0
}

/// Claims an entry: a free one, or that of a process that died. `None`: all are taken by the living.
fn claim_place(desk: &Desk, table: Participants<'_>, list: &mut Listed) -> Option<ProcessClaim> {
    let deadline = Deadline::after(SUCCESSION_PATIENCE);
    loop {
        if let Some(claim) = table.claim_process(life_id(), list) {
            return Some(claim);
        }
        match succeed_the_dead(table, &*desk.memory, &*desk.has_exited, life_id(), list) {
            Succession::Claimed(claim) => return Some(claim),
            Succession::TooEarly if !deadline.has_passed() => {
                futex_wait(&desk.command, STAY, Some(Deadline::after(SUCCESSION_POLL)));
            }
            Succession::TooEarly | Succession::NoneDied => return None,
        }
    }
}

/// Sleeps until somebody dies, and looks after them, until told to leave.
fn watch_over(desk: &Desk, undertaker: &Undertaker<'_>, own: usize) {
    let table = table(&desk.memory);
    let ring = &table.membership().ring_seq;
    loop {
        // Acquire: pairs with the Release in announce_membership: whoever changed it is seen by the survey.
        let seen = ring.load(Ordering::Acquire);
        // Acquire: pairs with the Release in drop.
        if desk.command.load(Ordering::Acquire) != STAY {
            return;
        }
        let unfinished = undertaker.survey();
        desk.announce_news();
        let fixed = [WaitOn { word: ring, expected: seen }, WaitOn { word: &desk.command, expected: STAY }];
        let mut words = [WaitOn { word: ring, expected: seen }; WAITV_MAX];
        let mut count = fixed.len();
        for (place, word) in words.iter_mut().zip(fixed) {
            *place = word;
        }
        let quiet = undertaker.watch(own, &mut |on| {
            if let Some(place) = words.get_mut(count) {
                *place = on;
                count += 1;
            }
        });
        if quiet {
            let deadline = unfinished.then(|| Deadline::after(EXIT_POLL));
            futex_waitv(words.get(..count).unwrap_or_default(), deadline);
        }
    }
}

/// Gives the entry back: no thread of this process has a slot any more.
fn leave(table: &Participants<'_>, undertaker: &Undertaker<'_>, claim: ProcessClaim, list: &mut Listed) {
    if let Some(entry) = table.processes().get(claim.index) {
        // dead here, and up to the swing: everything was given up already, and that it left is no lie.
        entry.note_leaving(claim.generation);
    }
    table.swing(claim, ProcessState::Live, ProcessState::Dead);
    undertaker.look_after(claim.index);
    table.release_process(claim.index, list);
}
