//! A forked child is not its parent: what it inherits is refused or inert, whatever it does changes nothing for the
//! parent, and it can attach by itself.
#![cfg(not(loom))]

mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
}

use selvedge::Region;
use selvedge::region::{
    AcquireError, LockError, Mutex, ObjectErrorKind, RegionOptions, ReleaseError, Semaphore, Unusable,
};
use std::mem::ManuallyDrop;
use std::process::Command;
use std::ptr;
use std::thread;
use std::time::Duration;
use support::actors::{Actor, Ending, fork};
use support::alone::alone;
use support::patience::{PATIENCE, until};
use support::proc;
use support::shared::{Mark, Shared};

const REGION: &str = "fork";
const LIMIT: Duration = Duration::from_secs(60);
/// How long something is waited for that must not happen.
const WATCHED: Duration = Duration::from_millis(300);

fn options() -> RegionOptions {
    RegionOptions::new().processes(4).threads(4).objects(8).arena(16 << 10).backstop(None)
}

/// What the parent has open.
#[derive(Debug, Clone)]
struct Handles {
    region: Region,
    number: Mutex<u64>,
    permits: Semaphore,
}

impl Handles {
    fn of(region: Region) -> Self {
        let number = region.mutex("number", 0).expect("a mutex");
        let permits = region.semaphore("permits", 0).expect("a semaphore");
        Self { region, number, permits }
    }

    fn create() -> Self {
        Self::of(options().create(REGION).expect("a region"))
    }

    /// A process that was not forked from anybody attached tries to get the number, which the parent holds.
    #[track_caller]
    fn others_are_kept_out(stranger: &Actor, board: &Board) {
        board.ask.set(board.ask.get() + 1);
        let answer = board.answer.wait_while(board.ask.get() - 1, "the stranger has tried to lock");
        assert_eq!(answer, board.ask.get(), "{stranger:?} got what the parent holds");
    }
}

/// What the stranger is asked and answers.
#[derive(Debug, Default)]
struct Board {
    ask: Mark,
    answer: Mark,
}

/// Asked for the n-th time, it waits for the number in vain and answers n, or gets it and ends.
fn stranger(board: &Board) -> Actor {
    fork("the stranger", || {
        board.ask.wait("the first question");
        let handles = Handles::of(options().open(REGION).expect("made before the first question"));
        for question in 1.. {
            match handles.number.lock_timeout(WATCHED) {
                Err(LockError::TimedOut) => board.answer.set(question),
                _ => board.answer.set(u32::MAX),
            }
            board.ask.wait_while(question, "the next question");
        }
    })
}

#[test]
fn what_a_child_inherits_is_refused() {
    alone(LIMIT, || {
        let parent = Handles::create();
        parent.permits.release().expect("room for one");
        drop(parent.number.lock().expect("free"));
        let child = fork("the child", || {
            const WHY: Unusable = Unusable::ForkedChild;
            assert!(matches!(parent.number.lock(), Err(LockError::Unusable(WHY, _))));
            assert!(matches!(parent.number.try_lock(), Err(LockError::Unusable(WHY, _))));
            assert!(matches!(parent.number.lock_timeout(WATCHED), Err(LockError::Unusable(WHY, _))));
            assert!(matches!(parent.number.reset(7), Err(LockError::Unusable(WHY, _))));
            assert_eq!(parent.permits.acquire(), Err(AcquireError::Unusable(WHY, parent.permits.name().into())));
            assert_eq!(parent.permits.try_acquire(1), Err(AcquireError::Unusable(WHY, parent.permits.name().into())));
            assert_eq!(
                parent.permits.acquire_timeout(1, WATCHED),
                Err(AcquireError::Unusable(WHY, parent.permits.name().into()))
            );
            assert_eq!(parent.permits.release(), Err(ReleaseError::Unusable(WHY, parent.permits.name().into())));
            let refusal = |answer: Result<(), selvedge::region::ObjectError>| answer.expect_err("refused").kind();
            let unusable = ObjectErrorKind::Unusable(WHY);
            assert_eq!(refusal(parent.region.mutex("number", 0_u64).map(drop)), unusable);
            assert_eq!(refusal(parent.region.semaphore("another", 0).map(drop)), unusable);
            assert_eq!(refusal(parent.region.segment("bytes", 64).map(drop)), unusable);
            assert_eq!(refusal(parent.region.remove_object("number")), unusable);
            assert_eq!(refusal(parent.region.objects().map(drop)), unusable);
        });
        child.succeed();
        assert_eq!(parent.permits.available(), 1);
        assert_eq!(*parent.number.lock().expect("free"), 0);
        assert_eq!(parent.region.objects().expect("a list").len(), 2);
    });
}

#[test]
fn guards_and_handles_dropped_by_a_child_stay_the_parents() {
    alone(LIMIT, || {
        let board = Shared::new(Board::default());
        let stranger = stranger(&board);
        let parent = ManuallyDrop::new(Handles::create());
        let guard = ManuallyDrop::new(parent.number.lock().expect("free"));
        Handles::others_are_kept_out(&stranger, &board);
        let child = fork("the child", || {
            // SAFETY: the child's copies are not used again: it ends by `_exit`.
            drop(unsafe { ptr::read(&raw const *guard) });
            // SAFETY: as above.
            drop(unsafe { ptr::read(&raw const *parent) });
        });
        child.succeed();
        Handles::others_are_kept_out(&stranger, &board);
        assert!(matches!(parent.number.lock(), Err(LockError::Relocked)), "the parent holds it, still");
        assert_eq!(parent.region.participants().len(), 2);
        drop(ManuallyDrop::into_inner(guard));
        assert!(parent.number.lock().is_ok());
        parent.permits.release().expect("room for one");
        drop(ManuallyDrop::into_inner(parent));
        drop(Handles::of(options().open(REGION).expect("nobody here is attached any more")));
    });
}

#[test]
fn however_a_child_ends_the_parent_stays() {
    let endings: [(&str, fn()); 4] = [
        // SAFETY: ends the process.
        ("_exit", || unsafe { libc::_exit(0) }),
        ("exit", || std::process::exit(0)),
        ("SIGKILL", || {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }),
        ("a thread of its own, then exit", || {
            thread::spawn(thread::yield_now).join().expect("a thread");
            std::process::exit(0);
        }),
    ];
    alone(LIMIT, || {
        let board = Shared::new(Board::default());
        let stranger = stranger(&board);
        let parent = Handles::create();
        let guard = parent.number.lock().expect("free");
        for (name, end) in endings {
            let ending = fork("the child", end).end();
            println!("{name}: {ending:?}");
            Handles::others_are_kept_out(&stranger, &board);
        }
        drop(guard);
        drop(parent.number.lock().expect("free"));
    });
}

/// The thread that forked has a place, and so does its copy believe; the copy ends as threads do, with all destructors.
#[test]
fn the_copy_of_a_thread_ends_without_giving_the_parents_place_back() {
    alone(LIMIT, || {
        let board = Shared::new(Board::default());
        let stranger = stranger(&board);
        let parent = Handles::create();
        let ended = Shared::new(Mark::default());
        thread::scope(|scope| {
            scope.spawn(|| {
                let guard = ManuallyDrop::new(parent.number.lock().expect("free"));
                let alive = Shared::new(Mark::default());
                // SAFETY: the copy returns from its thread at once and takes nothing of the parent's along.
                match unsafe { libc::fork() } {
                    0 => {
                        alive.set(1);
                        return;
                    }
                    child => {
                        alive.wait("the copy runs");
                        let child = rustix::process::Pid::from_raw(child).expect("a child");
                        let (_, status) = rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty())
                            .expect("our child")
                            .expect("it has ended");
                        ended.set(1 + status.exit_status().map_or(1, |code| u32::from(code != 0)));
                    }
                }
                Handles::others_are_kept_out(&stranger, &board);
                drop(ManuallyDrop::into_inner(guard));
            });
        });
        assert_eq!(ended.get(), 1, "the copy ended well");
        drop(parent.number.lock().expect("free"));
    });
}

#[test]
fn a_child_attaches_by_itself() {
    alone(LIMIT, || {
        let parent = Handles::create();
        *parent.number.lock().expect("free") = 40;
        let anonymous = options().anonymous().expect("a region");
        let child = fork("the child", || {
            let own = Handles::of(options().open(REGION).expect("its own attachment"));
            *own.number.lock().expect("free") += 2;
            own.permits.release().expect("room for one");
            let descriptor = anonymous.as_fd().expect("inherited").try_clone_to_owned().expect("a copy");
            let other = Region::from_fd(descriptor).expect("its own attachment");
            *other.mutex("number", 0_u64).expect("a mutex").lock().expect("free") += 1;
            assert!(matches!(parent.number.lock(), Err(LockError::Unusable(Unusable::ForkedChild, _))), "still");
            // A grandchild, forked with the child's own attachment, is none of both.
            let grandchild = fork("the grandchild", || {
                assert!(matches!(own.number.lock(), Err(LockError::Unusable(Unusable::ForkedChild, _))));
                *Handles::of(options().open(REGION).expect("a third")).number.lock().expect("free") += 0;
            });
            grandchild.succeed();
            // Dies holding its own.
            std::mem::forget(own.number.lock().expect("free"));
        });
        child.succeed();
        match parent.number.lock_timeout(PATIENCE) {
            Err(LockError::OwnerDied(mut guard)) => {
                assert_eq!(*guard, 42);
                guard.mark_consistent();
            }
            other => panic!("the child died holding it, and the lock says {other:?}"),
        }
        parent.permits.acquire_timeout(1, PATIENCE).expect("the child's permit");
        assert_eq!(*anonymous.mutex("number", 0_u64).expect("a mutex").lock().expect("free"), 1);
        until("parent and nobody else", || parent.region.participants().len() == 1);
    });
}

/// The parent dies, its forked child lives on: nothing keeps the parent alive in the region.
#[test]
fn a_child_does_not_stand_in_for_a_parent_that_died() {
    alone(LIMIT, || {
        let survivor = Handles::create();
        let [ready, orphan] = &*Shared::new([(); 2].map(|()| Mark::default()));
        let parent = fork("the parent", || {
            let handles = Handles::of(options().open(REGION).expect("made before"));
            let _guard = handles.number.lock().expect("free");
            // Not to die with the parent, as `fork` would have it.
            // SAFETY: the child of a process in which no thread but the keeper runs beside this one.
            if unsafe { libc::fork() } == 0 {
                orphan.set(std::process::id());
                ready.wait_while(0, "the end of the test, or its own");
                // SAFETY: ends the process.
                unsafe { libc::_exit(0) };
            }
            orphan.wait("the child runs");
            ready.wait_while(0, "the kill");
        });
        let child = orphan.wait("the child runs");
        parent.kill_and_reap();
        match survivor.number.lock_timeout(PATIENCE) {
            Err(LockError::OwnerDied(mut guard)) => guard.mark_consistent(),
            other => panic!("the parent died, and the lock says {other:?}"),
        }
        assert!(proc::threads(child) > 0, "the child lives on");
        ready.set(1);
        until("the child has ended", || proc::threads(child) == 0);
    });
}

#[test]
fn starting_a_program_is_harmless() {
    alone(LIMIT, || {
        let board = Shared::new(Board::default());
        let stranger = stranger(&board);
        let parent = Handles::create();
        let guard = parent.number.lock().expect("free");
        assert!(Command::new("/bin/true").status().expect("a program").success());
        // With a directory to change to, std forks and execs by itself; without, it may use posix_spawn.
        assert!(Command::new("/bin/true").current_dir("/").status().expect("a program").success());
        Handles::others_are_kept_out(&stranger, &board);
        drop(guard);
        assert!(parent.number.lock().is_ok());
        assert_eq!(fork("an empty life", || {}).end(), Ending::DONE);
    });
}
