//! Being told of another process's death: by a call that waits, by a callback, by a descriptor.

use super::error::{OsError, Unusable};
use super::os::eventfd::EventFd;
use super::participant::{Ended, Participant};
use super::watcher::{OrderId, Tell};
use crate::sync::{Deadline, Ordering, futex_wait};
use core::fmt;
use core::time::Duration;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, OnceLock};

/// Watches one participant of a region for its end.
///
/// [`wait`](Self::wait) is a call that blocks, [`on_death`](Self::on_death) has a callback run, and
/// [`descriptor`](Self::descriptor) gives something to poll. Each of them tells of the one end that the participant has,
/// once, also if it had ended before; however it came: by SIGKILL, an exit, an exec, a fault, or by detaching, which
/// [`Ended`] tells apart. A successor in the same place, or with the same process id, is never taken for it.
///
/// **When.** As soon as this process's keeper has noticed, some 100 µs after the kernel's mark on an idle machine. Should
/// the wake that the kernel sends for it be held up, by a keeper that is stopped, within 100 ms.
///
/// **Death.** Told is that the participant does nothing new in the region: a thread of it may still be on its way out.
/// What it held is repaired by the keepers at the same time; who needs that asks the object, whose calls wait for it and
/// then say so ([`LockError::OwnerDied`](super::LockError::OwnerDied)). A process that is stopped (SIGSTOP) is not dead. One whose keeper alone was
/// killed counts as dead, because it is fenced off for good.
///
/// **Memory order.** What a participant did in the region happens before the return that says [`Ended::Left`]. One that
/// died left its writes to the objects, which hand them on as they say; being told orders nothing.
///
/// Like every handle it keeps this process attached.
///
/// ```
/// use selvedge::Region;
/// use selvedge::region::WatchError;
/// use std::time::Duration;
///
/// let region = Region::anonymous()?;
/// // Here this process itself; in earnest, the one on which something depends.
/// let Some(participant) = region.participants().pop() else { unreachable!("it is attached") };
/// let watch = participant.watch_death()?;
/// assert_eq!(watch.ended(), None);
/// assert_eq!(watch.wait_timeout(Duration::from_millis(1)), Err(WatchError::TimedOut));
/// watch.on_death(move |ended| println!("process {}: {ended:?}", participant.pid))?;
/// # drop(region);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Watch {
    participant: Participant,
    told: Told,
}

/// A descriptor that becomes readable when a participant ends, and stays so.
///
/// It is an eventfd: whoever reads it gets 1 once, and it is not readable any more; [`ended`](Self::ended) still tells.
/// Nothing is to be written to it. It is closed, and the watch over, when this is dropped.
///
/// ```
/// use selvedge::Region;
/// use std::os::fd::AsFd;
///
/// let region = Region::anonymous()?;
/// let Some(participant) = region.participants().pop() else { unreachable!("this process") };
/// let descriptor = participant.watch_death()?.descriptor()?;
/// // To be added to a poll or epoll set, among others.
/// let _to_poll = descriptor.as_fd();
/// assert_eq!(descriptor.ended(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct WatchFd {
    participant: Participant,
    told: Told,
    descriptor: Arc<EventFd>,
    order: OrderId,
}

/// Why nobody is told of a death, or not yet.
///
/// ```
/// use selvedge::Region;
/// use selvedge::region::WatchError;
/// use std::time::Duration;
///
/// let region = Region::anonymous()?;
/// let Some(participant) = region.participants().pop() else { unreachable!("this process") };
/// match participant.watch_death()?.wait_timeout(Duration::ZERO) {
///     Ok(ended) => println!("{ended:?}"),
///     Err(WatchError::TimedOut) => println!("alive"),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchError {
    /// The participant had not ended before the deadline (timed calls only).
    TimedOut,
    /// The kernel gave no descriptor, or no thread.
    Os(OsError),
    /// The region can be used no longer.
    Unusable(Unusable),
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("the participant had not ended before the deadline"),
            Self::Os(error) => write!(f, "a participant cannot be watched: {error}"),
            Self::Unusable(why) => write!(f, "a participant cannot be watched: {why}"),
        }
    }
}

impl std::error::Error for WatchError {}

impl From<OsError> for WatchError {
    fn from(error: OsError) -> Self {
        Self::Os(error)
    }
}

impl From<Unusable> for WatchError {
    fn from(why: Unusable) -> Self {
        Self::Unusable(why)
    }
}

/// What was told stays: later looks may come so late that nobody knows any more whether it left.
#[derive(Debug, Default)]
struct Told(OnceLock<Ended>);

impl Told {
    fn look(&self, participant: &Participant) -> Option<Ended> {
        let ended = || participant.ended().map(|ended| *self.0.get_or_init(|| ended));
        self.0.get().copied().or_else(ended)
    }
}

impl Participant {
    /// Watches it for its end. It may have ended already: then that is told.
    ///
    /// # Errors
    /// `Unusable`: in a forked child, and in a process that is fenced off.
    pub fn watch_death(&self) -> Result<Watch, WatchError> {
        self.attached().core().attachment().check()?;
        Ok(Watch { participant: self.clone(), told: Told::default() })
    }
}

impl Watch {
    /// Who is watched.
    #[must_use]
    pub fn participant(&self) -> &Participant {
        &self.participant
    }

    /// How the participant ended, if it has; never waits.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.told.look(&self.participant)
    }

    /// Waits until the participant has ended, as long as that takes. For a participant of this very process that is for
    /// ever, since the watch keeps it attached.
    ///
    /// # Errors
    /// `Unusable`: in a forked child, and once this process is fenced off.
    pub fn wait(&self) -> Result<Ended, WatchError> {
        self.wait_until(None)
    }

    /// Waits until the participant has ended, for `timeout` at most.
    ///
    /// # Errors
    /// `TimedOut`, and as [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<Ended, WatchError> {
        self.wait_until(Some(Deadline::after(timeout)))
    }

    /// Waits until the participant has ended, until `deadline` at most.
    ///
    /// # Errors
    /// `TimedOut`, and as [`wait`](Self::wait).
    pub fn wait_deadline(&self, deadline: Deadline) -> Result<Ended, WatchError> {
        self.wait_until(Some(deadline))
    }

    fn wait_until(&self, deadline: Option<Deadline>) -> Result<Ended, WatchError> {
        let core = self.participant.attached().core();
        let news = core.attachment().desk().news();
        loop {
            core.attachment().check()?;
            // Acquire: pairs with the Release in announce_news; what the keeper saw is seen by the look.
            let seen = news.load(Ordering::Acquire);
            if let Some(ended) = self.ended() {
                return Ok(ended);
            }
            if deadline.is_some_and(Deadline::has_passed) {
                return Err(WatchError::TimedOut);
            }
            let slice = core.backstop().map(Deadline::after);
            futex_wait(news, seen, Deadline::earliest(deadline, slice));
        }
    }

    /// Has `callback` run once when the participant has ended, on a thread that this process has for each region in which
    /// it watches somebody; at once if it has ended. Does not wait for it.
    ///
    /// The callback stays until it was called or this process detaches, in which case it is dropped uncalled; a handle that
    /// it captures keeps the process attached. It may use the region, and block: other callbacks and descriptors of
    /// this region then wait for it. If it panics, that is reported as on any thread, and the others are called all the same.
    ///
    /// # Errors
    /// `Os`: there is no thread to be had. `Unusable`: in a forked child, and in a process that is fenced off.
    pub fn on_death(self, callback: impl FnOnce(Ended) + Send + 'static) -> Result<(), WatchError> {
        self.order(Tell::Callback(Box::new(callback))).map(drop)
    }

    /// A descriptor that becomes readable when the participant has ended; it is so from the beginning, or at once, if it
    /// has ended.
    ///
    /// # Errors
    /// `Os`: no descriptor, or no thread to tell it, is to be had. `Unusable`: as for [`on_death`](Self::on_death).
    pub fn descriptor(self) -> Result<WatchFd, WatchError> {
        self.participant.attached().core().attachment().check()?;
        let descriptor = Arc::new(EventFd::new()?);
        let order = self.order(Tell::Descriptor(Arc::clone(&descriptor)))?;
        Ok(WatchFd { participant: self.participant, told: self.told, descriptor, order })
    }

    fn order(&self, tell: Tell) -> Result<OrderId, WatchError> {
        let core = self.participant.attached().core();
        core.attachment().check()?;
        Ok(core.attachment().watcher().order(core, self.participant.claim(), tell)?)
    }
}

impl WatchFd {
    /// Who is watched.
    #[must_use]
    pub fn participant(&self) -> &Participant {
        &self.participant
    }

    /// How the participant ended, if it has; never waits. Once the descriptor is readable, it has.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.told.look(&self.participant)
    }
}

impl AsFd for WatchFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for WatchFd {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Drop for WatchFd {
    fn drop(&mut self) {
        let attachment = self.participant.attached().core().attachment();
        // A forked child has no watcher, and the book of its parent's may be locked for ever.
        if attachment.is_original() {
            attachment.watcher().cancel(self.order);
        }
    }
}
