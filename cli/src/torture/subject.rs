//! What is tortured: one primitive each, with its own oracle.
//!
//! To add one: a file in `subjects/` with a type that is a [`Subject`], and a line in [`all`].

use super::fault::Outcome;
use super::hand::Hand;
use super::journal::{Journal, Lane, Place};
use super::subjects;
use super::worker::RESTING;
use selvedge::Region;
use selvedge::sync::{AtomicU64, Ordering};

/// A primitive under torture.
///
/// One value of it lives in the director, which forks: workers and inspectors have copies of it, as of their birth. What
/// must be known to others stands in the journal.
pub(crate) trait Subject {
    /// Its name, as `--only` takes it.
    fn name(&self) -> &'static str;

    /// Where a worker can be, between being told its turn and the end of it: where it can be killed.
    fn points(&self) -> &'static [&'static str];

    /// Opens its objects; makes those that are not there. In workers and inspectors.
    fn attach(&mut self, region: &Region) -> Outcome;

    /// Gives its objects back.
    fn detach(&mut self);

    /// One worker's turn.
    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome;

    /// A worker was killed at `point`. In the director, when it is gone for good.
    fn bury(&mut self, view: View<'_>, lane: &Lane, point: usize);

    /// The round ends and there are no more deaths. Lets those go on who wait rightly, but does nothing for whom waits for
    /// what is there already; if they sleep on, they have been forgotten. In an inspector, again and again.
    fn relieve(&mut self, view: View<'_>) -> Outcome;

    /// Everybody else is gone: does all add up? In an inspector.
    fn check(&mut self, view: View<'_>) -> Outcome;

    /// All added up, and a new round begins. In the director.
    fn begin(&mut self, view: View<'_>);

    /// What the objects look like, for a report on somebody who waits in vain. In an inspector.
    fn state(&self, view: View<'_>) -> String;
}

/// The journal as one subject sees it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) journal: &'a Journal,
    pub(crate) subject: usize,
}

impl<'a> View<'a> {
    /// The subject's own words.
    pub(crate) fn common(self) -> &'a [AtomicU64] {
        self.journal.common(self.subject)
    }

    /// The sum of word `index` over all lanes.
    pub(crate) fn sum(self, index: usize) -> u64 {
        self.journal.all_words(self.subject).map(|words| words[index].load(Ordering::Acquire)).sum()
    }

    /// The lanes whose workers are at `point`.
    pub(crate) fn lanes_at(self, point: usize) -> impl Iterator<Item = &'a Lane> {
        let place = Some(Place { subject: self.subject, point });
        (0..super::journal::LANES).map(move |index| self.journal.lane(index)).filter(move |lane| lane.at() == place)
    }

    /// How many workers have not ended their last turns.
    pub(crate) fn at_work(self) -> usize {
        let places = (0..super::journal::LANES).filter_map(|index| self.journal.lane(index).at());
        places.filter(|place| *place != RESTING).count()
    }

    /// What this subject has in `lane`, at `index`.
    pub(crate) fn word(self, lane: &Lane, index: usize) -> u64 {
        lane.words(self.subject)[index].load(Ordering::Acquire)
    }

    /// Forgets all that was counted.
    pub(crate) fn clear(self) {
        self.journal.clear(self.subject);
    }
}

/// How far a number can be off because of the dead: what they did in their last operation is not known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unknown {
    /// At least.
    pub(crate) low: i64,
    /// At most.
    pub(crate) high: i64,
}

impl Unknown {
    /// A death between these two.
    pub(crate) fn or(&mut self, one: i64, other: i64) {
        self.low += one.min(other);
        self.high += one.max(other);
    }

    /// Whether `found` lies within what was expected for sure and the unknown.
    pub(crate) fn explains(self, found: i64, expected: i64) -> bool {
        (expected + self.low..=expected + self.high).contains(&found)
    }
}

/// All subjects.
pub(crate) fn all() -> Vec<Box<dyn Subject>> {
    vec![
        Box::<subjects::mutex::Mutexes>::default(),
        Box::<subjects::semaphore::Semaphores>::default(),
        Box::<subjects::owned::Owned>::default(),
        Box::<subjects::rwlock::RwLocks>::default(),
        Box::<subjects::ring::Rings>::default(),
        Box::<subjects::stream::Streams>::default(),
        Box::<subjects::pool::Pools>::default(),
        Box::<subjects::queue::Queues>::default(),
        Box::<subjects::work_queue::WorkQueues>::default(),
        Box::<subjects::unbounded::Unboundeds>::default(),
        Box::<subjects::rendezvous::Meetings>::default(),
        Box::<subjects::channel::Channels>::default(),
        Box::<subjects::mailbox::Mailboxes>::default(),
        Box::<subjects::leased_mailbox::LeasedMailboxes>::default(),
        Box::<subjects::event::Events>::default(),
        Box::<subjects::condvar::Condvars>::default(),
        Box::<subjects::barrier::Barriers>::default(),
        Box::<subjects::once::Onces>::default(),
        Box::<subjects::objects::Objects>::default(),
        Box::<subjects::fork::Forks>::default(),
    ]
}
