//! Watching other processes: however one ends its part in a region, whoever watches it is told once, soon, and of nobody else.
//!
//! The regions here have no backstop: what is told is told by keepers alone.
#![cfg(not(loom))]

mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod keeper_killer;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
}

use rustix::event::{EventfdFlags, PollFd, PollFlags, epoll, eventfd, poll};
use rustix::process::Signal;
use selvedge::region::{Ended, LockError, Participant, RegionOptions, Unusable, WatchError, WatchFd};
use selvedge::{Deadline, Region};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use support::actors::{Actor, Ending, fork};
use support::alone::alone;
use support::keeper_killer::kill_keepers_of_more_than;
use support::patience::{PATIENCE, patience, throughout, until};
use support::proc::Holdings;
use support::shared::{Mark, Shared};

const LIMIT: Duration = Duration::from_secs(120);
const REGION: &str = "watch";
/// How long something is waited for that must not happen.
const WATCHED: Duration = Duration::from_millis(200);
/// How long something takes at most that takes no time: far below a backstop.
const SOON: Duration = Duration::from_millis(60);

fn options() -> RegionOptions {
    RegionOptions::new().processes(8).threads(4).objects(4).arena(16 << 10).backstop(None)
}

fn made() -> Region {
    options().create(REGION).expect("a region")
}

fn opened() -> Region {
    options().open(REGION).expect("the director has made it")
}

fn hold_on() {
    Shared::new(Mark::default()).wait("the kill");
}

/// A process that is attached and does `then`.
fn attached(then: impl FnOnce(Region)) -> Actor {
    let there = Shared::new(Mark::default());
    let actor = fork("an attached process", || {
        let region = opened();
        there.set(1);
        then(region);
    });
    there.wait("somebody attaches");
    actor
}

/// One that is attached until it is killed.
fn victim() -> Actor {
    attached(|_region| hold_on())
}

#[track_caller]
fn participant(region: &Region, actor: &Actor) -> Participant {
    let all = region.participants();
    all.into_iter().find(|one| one.pid == actor.pid()).expect("it is attached")
}

/// A descriptor that becomes readable when the participant ends.
#[track_caller]
fn descriptor(participant: &Participant) -> WatchFd {
    participant.watch_death().expect("a watch").descriptor().expect("a descriptor")
}

/// What a callback says that is called when the participant ends.
#[track_caller]
fn reports(participant: &Participant) -> Receiver<Ended> {
    let (sender, receiver) = channel();
    let report = move |ended| sender.send(ended).expect("the test goes on");
    participant.watch_death().expect("a watch").on_death(report).expect("a thread");
    receiver
}

fn is_readable_within(descriptor: &impl AsFd, span: Duration) -> bool {
    let deadline = Deadline::after(span);
    loop {
        let left = deadline.remaining().try_into().expect("a time that fits");
        match poll(&mut [PollFd::new(descriptor, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return ready > 0,
            Err(errno) => assert_eq!(errno, rustix::io::Errno::INTR),
        }
    }
}

fn is_readable(descriptor: &impl AsFd) -> bool {
    is_readable_within(descriptor, Duration::ZERO)
}

/// Reads an eventfd: how often it was told.
#[track_caller]
fn times_told(descriptor: &WatchFd) -> u64 {
    let mut bytes = [0; 8];
    rustix::io::read(descriptor, &mut bytes).expect("it is readable");
    u64::from_ne_bytes(bytes)
}

/// All forms at once say that the participant ended so, and each of them once.
struct Watched {
    participant: Participant,
    reports: Receiver<Ended>,
    descriptor: WatchFd,
}

impl Watched {
    #[track_caller]
    fn new(participant: Participant) -> Self {
        Self { reports: reports(&participant), descriptor: descriptor(&participant), participant }
    }

    fn is_quiet(&self) -> bool {
        self.reports.try_recv().is_err() && !is_readable(&self.descriptor) && self.participant.is_alive()
    }

    /// Nothing is told while nothing has happened.
    #[track_caller]
    fn stays_quiet(&self) {
        let watch = self.participant.watch_death().expect("a watch");
        assert_eq!(watch.wait_timeout(WATCHED), Err(WatchError::TimedOut));
        throughout(WATCHED, "nothing is told", || self.is_quiet());
    }

    #[track_caller]
    fn is_told(&self, ended: Ended) {
        let watch = self.participant.watch_death().expect("a watch");
        assert_eq!(watch.wait_deadline(patience()), Ok(ended), "blocking");
        assert_eq!(self.reports.recv_timeout(PATIENCE), Ok(ended), "callback");
        assert!(is_readable_within(&self.descriptor, PATIENCE), "descriptor");
        assert_eq!(self.descriptor.ended(), Some(ended));
        assert!(is_readable(&self.descriptor), "until it is read");
        assert!(!self.participant.is_alive());
    }

    /// What was told once is not told again.
    #[track_caller]
    fn is_told_once(&self, ended: Ended) {
        self.is_told(ended);
        assert_eq!(times_told(&self.descriptor), 1);
        throughout(WATCHED, "nothing more is told", || {
            self.reports.try_recv().is_err() && !is_readable(&self.descriptor)
        });
        assert_eq!(self.descriptor.ended(), Some(ended), "as before");
    }
}

#[test]
fn a_blocked_thread_is_told_of_a_kill_at_once() {
    const KILLS: usize = 50;
    alone(LIMIT, || {
        let region = made();
        let mut longest = Duration::ZERO;
        for _ in 0..KILLS {
            let victim = victim();
            let watch = participant(&region, &victim).watch_death().expect("a watch");
            assert_eq!(watch.ended(), None);
            let waited = thread::scope(|scope| {
                let waiter = scope.spawn(|| {
                    let ended = watch.wait_deadline(patience());
                    (ended, Instant::now())
                });
                throughout(Duration::from_millis(2), "it waits", || !waiter.is_finished());
                let killed = Instant::now();
                victim.kill();
                let (ended, told) = waiter.join().expect("no panic");
                assert_eq!(ended, Ok(Ended::Died));
                told - killed
            });
            longest = longest.max(waited);
            assert_eq!(watch.ended(), Some(Ended::Died));
            assert_eq!(watch.wait(), Ok(Ended::Died), "it has ended for good");
            assert_eq!(victim.end(), Ending::SIGKILL);
        }
        println!("{KILLS} kills, told within {longest:?}");
    });
}

#[test]
fn each_form_tells_of_a_kill_once() {
    alone(LIMIT, || {
        let region = made();
        let victim = victim();
        let watched = Watched::new(participant(&region, &victim));
        watched.stays_quiet();
        victim.kill_and_reap();
        watched.is_told_once(Ended::Died);
    });
}

#[test]
fn each_form_tells_of_a_death_before_the_watch() {
    alone(LIMIT, || {
        let region = made();
        let victim = victim();
        let participant = participant(&region, &victim);
        victim.kill_and_reap();
        // Buried or not.
        Watched::new(participant.clone()).is_told_once(Ended::Died);
        until("it is buried", || region.participants().len() == 1);
        Watched::new(participant).is_told_once(Ended::Died);
    });
}

#[test]
fn who_detaches_has_left_whatever_comes_later() {
    alone(LIMIT, || {
        let region = made();
        let leave = Shared::new(Mark::default());
        let actor = attached(|region| {
            leave.wait("somebody is watched");
            drop(region);
            hold_on();
        });
        let participant = participant(&region, &actor);
        let watched = Watched::new(participant.clone());
        watched.stays_quiet();
        leave.set(1);
        watched.is_told_once(Ended::Left);
        actor.kill_and_reap();
        throughout(WATCHED, "nothing more is told", || {
            watched.reports.try_recv().is_err() && !is_readable(&watched.descriptor)
        });
        Watched::new(participant).is_told_once(Ended::Left);
    });
}

#[test]
fn who_ends_without_detaching_has_died() {
    alone(LIMIT, || {
        let region = made();
        let go = Shared::new(Mark::default());
        let leaked = attached(|region| {
            go.wait("it is known");
            // `fork` ends with `_exit`: nobody else drops it.
            std::mem::forget(region);
        });
        let watched = Watched::new(participant(&region, &leaked));
        go.set(1);
        leaked.succeed();
        watched.is_told_once(Ended::Died);
    });
}

#[test]
fn a_successor_in_the_same_place_is_somebody_else() {
    alone(LIMIT, || {
        // One place beside this process's.
        let region = options().processes(2).create(REGION).expect("a region");
        let go = Shared::new(Mark::default());
        let leaver = attached(|region| {
            go.wait("it is known");
            drop(region);
        });
        let left = participant(&region, &leaver);
        go.set(1);
        leaver.succeed();
        let first = victim();
        let died = participant(&region, &first);
        let watched = Watched::new(died.clone());
        first.kill_and_reap();
        let second = victim();
        let now = participant(&region, &second);
        assert!(now != died && now != left && died != left);
        assert!(now.is_alive() && !died.is_alive() && !left.is_alive());
        watched.is_told_once(Ended::Died);
        Watched::new(died.clone()).is_told_once(Ended::Died);
        Watched::new(left.clone()).is_told_once(Ended::Left);
        let watched = Watched::new(now);
        watched.stays_quiet();
        second.kill_and_reap();
        watched.is_told_once(Ended::Died);
        assert_eq!(left.watch_death().expect("a watch").ended(), Some(Ended::Left));
    });
}

/// The process is the same, and so are its id and its place.
#[test]
fn who_comes_back_is_another_participant() {
    alone(LIMIT, || {
        let region = options().processes(2).create(REGION).expect("a region");
        let [go, back] = &*Shared::new([(); 2].map(|()| Mark::default()));
        let actor = attached(|region| {
            go.wait("it is known");
            drop(region);
            let _region = opened();
            back.set(1);
            hold_on();
        });
        let before = participant(&region, &actor);
        let watched = Watched::new(before.clone());
        go.set(1);
        back.wait("it comes back");
        let now = participant(&region, &actor);
        assert_eq!(now.pid, before.pid);
        assert!(now != before && now.is_alive() && !before.is_alive());
        watched.is_told_once(Ended::Left);
        actor.kill_and_reap();
        Watched::new(now).is_told_once(Ended::Died);
        Watched::new(before).is_told_once(Ended::Left);
    });
}

/// A place remembers for a while which of its bearers left; who asks later is told that they died.
#[test]
fn a_place_remembers_who_left() {
    alone(LIMIT, || {
        let region = options().processes(2).create(REGION).expect("a region");
        let mut before = Vec::new();
        for _ in 0..70 {
            let go = Shared::new(Mark::default());
            let leaver = attached(|region| {
                go.wait("it is known");
                drop(region);
            });
            before.push(participant(&region, &leaver));
            go.set(1);
            leaver.succeed();
        }
        for (number, left) in before.iter().enumerate() {
            let ended = left.watch_death().expect("a watch").ended();
            // The last one has no successor, so 63 have 63 at most.
            let expected = if number < 70 - 64 { Ended::Died } else { Ended::Left };
            assert_eq!(ended, Some(expected), "participant {number}");
        }
        // That another left who was the 64th before it is no news of this one.
        let victim = victim();
        let watched = Watched::new(participant(&region, &victim));
        victim.kill_and_reap();
        watched.is_told_once(Ended::Died);
    });
}

#[test]
fn stopped_is_not_dead() {
    alone(LIMIT, || {
        let region = made();
        let victim = victim();
        let watched = Watched::new(participant(&region, &victim));
        victim.stop();
        watched.stays_quiet();
        victim.signal(Signal::CONT);
        watched.stays_quiet();
        victim.stop();
        victim.kill_and_reap();
        watched.is_told_once(Ended::Died);
    });
}

/// The kernel wakes one keeper for a death; it must not be that of a process that is stopped.
#[test]
fn a_stopped_bystander_delays_nobody() {
    const KILLS: usize = 30;
    alone(LIMIT, || {
        let region = made();
        let bystander = victim();
        let mut longest = Duration::ZERO;
        for _ in 0..KILLS {
            let victim = victim();
            let watch = participant(&region, &victim).watch_death().expect("a watch");
            bystander.stop();
            let begin = Instant::now();
            victim.kill();
            assert_eq!(watch.wait_timeout(PATIENCE), Ok(Ended::Died));
            longest = longest.max(begin.elapsed());
            bystander.signal(Signal::CONT);
            assert_eq!(victim.end(), Ending::SIGKILL);
        }
        println!("with a stopped bystander, told within {longest:?} in {KILLS} kills");
    });
}

#[test]
fn many_watches_of_many_processes() {
    const PROCESSES: usize = 6;
    const EACH: usize = 40;
    alone(LIMIT, || {
        let region = made();
        let victims: Vec<_> = (0..PROCESSES).map(|_| victim()).collect();
        let watched: Vec<Vec<_>> = victims
            .iter()
            .map(|victim| (0..EACH).map(|_| Watched::new(participant(&region, victim))).collect())
            .collect();
        for (index, victim) in victims.into_iter().enumerate() {
            assert!(watched[index..].iter().flatten().all(Watched::is_quiet), "{index} were killed");
            victim.kill_and_reap();
            watched[index].iter().for_each(|one| one.is_told(Ended::Died));
        }
        assert!(watched.iter().flatten().all(|one| times_told(&one.descriptor) == 1));
        thread::sleep(WATCHED);
        let silent = |one: &Watched| one.reports.try_recv().is_err() && !is_readable(&one.descriptor);
        assert!(watched.iter().flatten().all(silent), "told twice");
    });
}

#[test]
fn epoll_tells_which_of_them_died() {
    alone(LIMIT, || {
        let region = made();
        let victims: Vec<_> = (0..3).map(|_| victim()).collect();
        let descriptors: Vec<_> = victims.iter().map(|victim| descriptor(&participant(&region, victim))).collect();
        let set = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll set");
        for (index, descriptor) in (0..).zip(&descriptors) {
            let data = epoll::EventData::new_u64(index);
            epoll::add(&set, descriptor, data, epoll::EventFlags::IN).expect("it can be polled");
        }
        let mut events = Vec::with_capacity(8);
        for (index, victim) in (0..).zip(victims).collect::<Vec<_>>().into_iter().rev() {
            victim.kill_and_reap();
            events.clear();
            let span = PATIENCE.try_into().expect("a time that fits");
            epoll::wait(&set, rustix::buffer::spare_capacity(&mut events), Some(&span)).expect("a wait");
            assert_eq!(events.iter().map(|event| event.data.u64()).collect::<Vec<_>>(), [index]);
            assert_eq!(times_told(&descriptors[usize::try_from(index).expect("small")]), 1);
        }
    });
}

#[test]
fn a_callback_that_panics_keeps_no_other_from_being_called() {
    alone(LIMIT, || {
        let region = made();
        let (first, second) = (victim(), victim());
        let [one, other] = [&first, &second].map(|victim| participant(&region, victim));
        /// A payload that does it again.
        struct Worse;
        impl Drop for Worse {
            fn drop(&mut self) {
                panic!("and once more");
            }
        }
        let before = reports(&one);
        one.watch_death().expect("a watch").on_death(|_| panic!("on purpose")).expect("a thread");
        one.watch_death().expect("a watch").on_death(|_| std::panic::panic_any(Worse)).expect("a thread");
        let (after, later) = (reports(&one), Watched::new(other));
        first.kill_and_reap();
        for reports in [before, after] {
            assert_eq!(reports.recv_timeout(PATIENCE), Ok(Ended::Died));
        }
        second.kill_and_reap();
        later.is_told_once(Ended::Died);
    });
}

/// It runs on a thread of its own right, which has a slot while it needs one.
#[test]
fn a_callback_may_use_the_region_and_be_its_last_handle() {
    alone(LIMIT, || {
        let region = made();
        let number = region.mutex("number", 0_u64).expect("a mutex");
        let victim = attached(|region| {
            let number = region.mutex("number", 0_u64).expect("a mutex");
            let mut guard = number.lock().expect("free");
            *guard = 7;
            hold_on();
        });
        until("it holds the number", || matches!(number.try_lock(), Err(LockError::WouldBlock)));
        let held = Holdings::own();
        let (sender, receiver) = channel();
        let watch = participant(&region, &victim).watch_death().expect("a watch");
        let inherit = move |_| {
            // The keepers repair it at the same time.
            match number.lock_timeout(PATIENCE) {
                Err(LockError::OwnerDied(mut guard)) => {
                    guard.mark_consistent();
                    sender.send(*guard).expect("the test goes on");
                }
                other => panic!("{other:?}"),
            }
        };
        watch.on_death(inherit).expect("a thread");
        drop(region);
        victim.kill_and_reap();
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok(7));
        // The callback was all that kept this process attached, beside this thread's place in the region, which it gives
        // back when it comes again.
        until("it can attach anew", || options().open(REGION).is_ok());
        until("keeper and watcher have ended", || Holdings::own().threads < held.threads);
    });
}

/// The watcher's place in the region would keep this process attached for ever.
#[test]
fn a_callback_leaves_no_place_of_its_thread_behind() {
    alone(LIMIT, || {
        let region = made();
        let (number, victim) = (region.mutex("number", 0_u64).expect("a mutex"), victim());
        let (sender, receiver) = channel();
        let watch = participant(&region, &victim).watch_death().expect("a watch");
        let count = {
            let number = number.clone();
            move |_| {
                *number.lock().expect("free") += 1;
                sender.send(()).expect("the test goes on");
            }
        };
        watch.on_death(count).expect("a thread");
        victim.kill_and_reap();
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok(()));
        assert_eq!(*number.lock().expect("free"), 1);
        let this = || region.participants().into_iter().find(|one| one.pid == std::process::id());
        until("only this thread has a place", || this().is_some_and(|this| this.threads == 1));
        drop((number, region));
        until("it can attach anew", || options().open(REGION).is_ok());
    });
}

#[test]
fn nothing_is_left_of_watches_that_are_dropped() {
    alone(LIMIT, || {
        let before = Holdings::own();
        let region = made();
        let victim = victim();
        let participant = participant(&region, &victim);
        drop(descriptor(&participant));
        let held = Holdings::own();
        for _ in 0..20 {
            let all: Vec<_> = (0..20).map(|_| descriptor(&participant)).collect();
            assert_eq!(Holdings::own().descriptors, held.descriptors + all.len());
            assert_eq!(Holdings::own().threads, held.threads, "one watcher for all");
            drop(all);
            drop(participant.watch_death().expect("a watch"));
        }
        // Not the mappings: every thread's allocator has its own.
        until("the descriptors are closed", || Holdings::own().descriptors == held.descriptors);
        assert_eq!(Holdings::own().threads, held.threads);
        // Told after they were dropped: nobody is.
        victim.kill();
        until("it is buried", || region.participants().len() == 1);
        assert_eq!(Holdings::own().descriptors, held.descriptors);
        victim.kill_and_reap();
        drop((participant, region));
        until("watcher and keeper have ended", || Holdings::own().threads == before.threads);
        assert_eq!(Holdings::own().descriptors, before.descriptors);
        let region = opened();
        assert_eq!(Holdings::own().threads, before.threads + 1, "a keeper; a watcher only when one is needed");
        let this = &region.participants()[0];
        assert_eq!(this.watch_death().expect("a watch").wait_timeout(SOON), Err(WatchError::TimedOut));
        assert_eq!(Holdings::own().threads, before.threads + 1, "who waits needs none");
    });
}

#[test]
fn who_detaches_first_is_told_nothing_and_what_a_callback_had_is_dropped() {
    alone(LIMIT, || {
        let region = made();
        let victim = victim();
        let reports = reports(&participant(&region, &victim));
        drop(region);
        assert!(
            reports.recv_timeout(PATIENCE).is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Disconnected)
        );
        victim.kill_and_reap();
    });
}

#[test]
fn a_forked_child_watches_nobody_and_spoils_nothing() {
    alone(LIMIT, || {
        let region = made();
        let victim = victim();
        let watched = Watched::new(participant(&region, &victim));
        let watch = watched.participant.watch_death().expect("a watch");
        let child = fork("a child", || {
            let refused = Some(WatchError::Unusable(Unusable::ForkedChild));
            assert_eq!(watched.participant.watch_death().err(), refused);
            assert_eq!(watch.wait_timeout(PATIENCE).err(), refused);
            assert_eq!(watch.descriptor().err(), refused);
            assert!(watched.participant.is_alive(), "what is read can be read");
            drop(watched.descriptor);
        });
        child.succeed();
        let watched = Watched { descriptor: descriptor(&watched.participant), ..watched };
        watched.stays_quiet();
        victim.kill_and_reap();
        watched.is_told_once(Ended::Died);
    });
}

/// It lives, but the others were told that it is dead, and it can do nothing more.
#[test]
fn a_fenced_off_process_counts_as_dead_and_knows_it() {
    alone(LIMIT, || {
        let region = made();
        let told = Shared::new(Mark::default());
        let there = Shared::new(Mark::default());
        let fenced = fork("the fenced-off", || {
            kill_keepers_of_more_than(1);
            // With a backstop, as everybody has: nobody else tells it.
            let region = options().backstop(Some(Duration::from_millis(5))).open(REGION).expect("a place");
            let this = region.participants().into_iter().find(|one| one.pid == std::process::id());
            let other = region.participants().into_iter().find(|one| one.pid != std::process::id());
            let watch = other.expect("the director").watch_death().expect("a watch");
            there.set(1);
            let refused = Unusable::FencedOff;
            assert_eq!(watch.wait_timeout(PATIENCE), Err(WatchError::Unusable(refused)));
            let this = this.expect("this process");
            assert!(!this.is_alive());
            assert_eq!(this.watch_death().err(), Some(WatchError::Unusable(refused)));
            told.set(1);
            hold_on();
        });
        there.wait("it is attached");
        let watched = Watched::new(participant(&region, &fenced));
        let newcomer = victim();
        watched.is_told_once(Ended::Died);
        told.wait("it knows");
        assert!(!fenced.is_dead());
        fenced.kill_and_reap();
        newcomer.kill_and_reap();
    });
}

/// No process id means anything across this border; the kernel's mark does.
#[test]
fn a_process_of_another_pid_namespace_is_watched_as_any_other() {
    alone(LIMIT, || {
        // SAFETY: it concerns the process ids of children alone.
        let separate = || unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWPID) };
        let refused = Shared::new(Mark::default());
        fork("a look", || refused.set(separate().err().map_or(0, |error| error.raw_os_error().unsigned_abs())))
            .succeed();
        if refused.get() != 0 {
            println!("skipped: no pid namespace to be had here: errno {}", refused.get());
            return;
        }
        let region = made();
        let outer = fork("who makes the namespace", || {
            separate().expect("as before");
            let inner = victim();
            hold_on();
            drop(inner);
        });
        until("it is attached", || region.participants().len() == 2);
        let inner = region.participants().into_iter().find(|one| one.pid == 1).expect("the first of its namespace");
        let watched = Watched::new(inner);
        watched.stays_quiet();
        // The death of the parent is its own, by the signal that it asked for.
        outer.kill_and_reap();
        watched.is_told_once(Ended::Died);
    });
}

/// The descriptor is an eventfd like any other: a program may have others beside it.
#[test]
fn a_descriptor_among_others() {
    alone(LIMIT, || {
        let region = made();
        let victim = victim();
        let watched = descriptor(&participant(&region, &victim));
        let other = eventfd(0, EventfdFlags::CLOEXEC).expect("a descriptor");
        victim.kill_and_reap();
        let mut set = [PollFd::new(&other, PollFlags::IN), PollFd::new(&watched, PollFlags::IN)];
        let span = PATIENCE.try_into().expect("a time that fits");
        assert_eq!(poll(&mut set, Some(&span)), Ok(1));
        assert!(set[0].revents().is_empty() && set[1].revents() == PollFlags::IN);
    });
}
