//! Looking at a region changes nothing, needs nobody, and says who holds what, who waits for what, and what is to be done.
#![cfg(not(loom))]

mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod keeper_killer;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
}

use rustix::process::Signal;
use selvedge::Region;
use selvedge::region::{
    BarrierError, Finding, Inspection, Life, LockError, Mutex, ObjectSeen, RegionErrorKind, RegionOptions, Remedy,
};
use std::fmt::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;
use support::actors::{Actor, fork};
use support::alone::alone;
use support::keeper_killer::kill_keepers_of_more_than;
use support::patience::{PATIENCE, until};
use support::shared::{Mark, Shared};

const LIMIT: Duration = Duration::from_secs(120);
const REGION: &str = "inspected";
/// Bytes of the header, which is checked before all else.
const HEADER: usize = 128;

fn options() -> RegionOptions {
    RegionOptions::new().processes(6).threads(4).objects(24).arena(64 << 10).backstop(None)
}

fn number(region: &Region) -> Mutex<u64> {
    region.mutex("number", 0).expect("a mutex")
}

fn file() -> PathBuf {
    options().location().join(REGION)
}

/// Looks, and makes sure that looking changed nothing.
#[track_caller]
fn looked() -> Inspection {
    let before = std::fs::read(file()).expect("the region's file");
    let inspection = options().inspect(REGION).expect("a region");
    assert!(before == std::fs::read(file()).expect("the region's file"), "looking has changed the region");
    inspection
}

fn hold_on() {
    Shared::new(Mark::default()).wait("the kill");
}

/// A process that opens the region, or makes it, and tells when it has done `first`; then it does `then`.
fn actor<T>(name: &'static str, first: impl FnOnce(&Region) -> T, then: impl FnOnce(T)) -> Actor {
    let done = Shared::new(Mark::default());
    let actor = fork(name, || {
        let region = options().open_or_create(REGION).expect("a place");
        let made = first(&region);
        done.set(1);
        then(made);
    });
    done.wait(name);
    actor
}

fn bystander() -> Actor {
    actor("a bystander", |_| (), |()| hold_on())
}

/// A process that holds the number until it is killed.
fn holder() -> Actor {
    let hold = |region: &Region| std::mem::forget(number(region).lock().expect("free"));
    actor("the holder", hold, |()| hold_on())
}

/// A process that waits for the number, and what it is to find.
fn waiter(found: impl FnOnce(Result<(), ()>)) -> Actor {
    let waiter = actor("the waiter", number, |number| {
        found(match number.lock_timeout(PATIENCE) {
            Ok(_) => Ok(()),
            Err(LockError::OwnerDied(mut guard)) => {
                guard.mark_consistent();
                Err(())
            }
            Err(error) => panic!("{error}"),
        });
    });
    until("it waits", || options().inspect(REGION).is_ok_and(|seen| !the_number(&seen).waiters.is_empty()));
    waiter
}

#[track_caller]
fn the_number(inspection: &Inspection) -> &ObjectSeen {
    inspection.object("number").expect("it is there")
}

#[track_caller]
fn life(inspection: &Inspection, actor: &Actor) -> Life {
    let found = inspection.processes.iter().find(|process| process.pid == actor.pid());
    found.map_or(Life::Nobody, |process| process.life)
}

fn remedies(findings: &[Finding]) -> Vec<(Option<&str>, Remedy)> {
    findings.iter().map(|finding| (finding.object.as_deref(), finding.remedy)).collect()
}

/// What is said, without what differs from run to run.
fn text(inspection: &Inspection) -> String {
    let mut text = String::new();
    for object in &inspection.objects {
        writeln!(text, "{} ({}): {}", object.name, object.kind.expect("known"), object.state).expect("a string");
        for wait in &object.waits {
            writeln!(text, "    {wait}").expect("a string");
        }
        for holder in &object.holders {
            let thread = holder.thread.expect("one of the region's");
            writeln!(text, "    {} is thread {}, {}", holder.role, thread.place, thread.life).expect("a string");
        }
    }
    for finding in inspection.findings() {
        writeln!(text, "{finding}").expect("a string");
    }
    text
}

#[test]
fn what_each_kind_says() {
    let region = options().anonymous().expect("a region");
    let mutex = region.mutex("mutex", 0_u8).expect("a mutex");
    let permits = region.semaphore("permits", 2).expect("a semaphore");
    let ring = region.ring::<u64>("ring", 2).expect("a ring");
    let stream = region.stream("stream", 16).expect("a stream");
    region.segment("segment", 4).expect("a segment");
    let event = region.event("event").expect("an event");
    region.condvar("condvar").expect("a condition variable");
    let barrier = region.barrier("barrier", 3).expect("a barrier");
    let once = region.once::<u8>("once").expect("a place");
    let licences = region.owned_semaphore("licences", 2).expect("a semaphore");
    let prices = region.rwlock("prices", 0_u8).expect("a lock");
    let stock = region.rwlock("stock", 0_u8).expect("a lock");
    let pages = region.pool::<u8>("pages", 1).expect("a pool");
    let letters = region.queue::<u8>("letters", 2).expect("a queue");
    let jobs = region.work_queue::<u8>("jobs", 2).expect("a queue");
    let events = region.unbounded::<u8>("events", 2).expect("a queue");
    region.rendezvous::<u8>("counter").expect("a rendezvous");
    let mut shown = text(&region.inspect());
    events.send(1).expect("there is memory");
    let guard = mutex.lock().expect("free");
    let locks = (licences.acquire_many(2).expect("two"), prices.read().expect("free"), stock.write().expect("free"));
    let page = pages.take().expect("one is there");
    (0..2).for_each(|letter| letters.send(letter).expect("room"));
    let letter = letters.loan().expect("a buffer");
    (0..2).for_each(|job| jobs.send(job).expect("room"));
    drop(jobs.recv().expect("two are there"));
    let job = jobs.recv().expect("it came back");
    drop(jobs.recv().expect("one is there"));
    permits.acquire_many(2).expect("two are there");
    let mut sender = ring.sender().expect("free");
    (0..2).for_each(|message| sender.send(message).expect("room"));
    drop(sender);
    let reader = stream.reader().expect("free");
    event.set().expect("usable");
    let member = barrier.join().expect("a place");
    let made = once.get_or_init(|| {
        shown.push_str("\nlater\n");
        shown.push_str(&text(&region.inspect()));
        7
    });
    assert_eq!(made, Ok(7));
    assert_eq!(region.inspect().object("once").expect("it is there").state, "made");
    drop((guard, locks, reader, member, page, letter, job));
    insta::assert_snapshot!(shown);
}

#[test]
fn a_holder_is_killed_and_all_others_are_stopped() {
    alone(LIMIT, || {
        let told = Shared::new(Mark::default());
        let (bystander, holder) = (bystander(), holder());
        let waiter = waiter(|found| told.set(1 + u32::from(found.is_err())));
        let seen = looked();
        assert_eq!(seen.findings(), []);
        assert_eq!(
            the_number(&seen).holders[0].thread.map(|one| (one.pid, one.life)),
            Some((holder.pid(), Life::Alive))
        );
        [&bystander, &waiter].into_iter().for_each(Actor::stop);
        holder.kill();
        holder.await_death();
        let seen = looked();
        assert_eq!(
            [&bystander, &waiter, &holder].map(|one| life(&seen, one)),
            [Life::Stopped, Life::Stopped, Life::Dead]
        );
        let number = the_number(&seen);
        assert_eq!(number.holders[0].thread.map(|one| (one.pid, one.life)), Some((holder.pid(), Life::Dead)));
        assert_eq!(
            number.waiters.iter().map(|one| (one.pid, one.life)).collect::<Vec<_>>(),
            [(waiter.pid(), Life::Stopped)]
        );
        assert_eq!(remedies(&seen.findings()), [(None, Remedy::Repair), (Some("number"), Remedy::Repair)]);
        // Whoever attaches repairs it, even among the stopped.
        let region = options().open(REGION).expect("a place");
        until("it is repaired", || region.repair().expect("a slot"));
        assert_eq!(region.check(), []);
        assert_eq!(
            the_number(&looked_while_attached()).state,
            "its owner has died: the next to lock it gets it, and is told"
        );
        drop(region);
        [&bystander, &waiter].into_iter().for_each(|one| one.signal(Signal::CONT));
        assert_eq!(told.wait("the waiter gets it"), 2, "told of the death");
        waiter.succeed();
    });
}

/// Others may change it meanwhile: there are such as are attached.
fn looked_while_attached() -> Inspection {
    options().inspect(REGION).expect("a region")
}

#[test]
fn a_frozen_application_is_told_from_a_dead_one() {
    alone(LIMIT, || {
        let (holder, waiter) = (holder(), waiter(|_| hold_on()));
        let all = [&holder, &waiter];
        all.into_iter().for_each(Actor::stop);
        for _ in 0..20 {
            let seen = looked();
            assert_eq!(all.map(|one| life(&seen, one)), [Life::Stopped; 2]);
            assert_eq!(seen.findings(), []);
            let number = the_number(&seen);
            assert_eq!((number.state.as_str(), number.waiters.len()), ("locked", 1));
        }
        all.into_iter().for_each(Actor::kill);
        all.into_iter().for_each(Actor::await_death);
        let seen = looked();
        assert_eq!(all.map(|one| life(&seen, one)), [Life::Dead; 2]);
        assert!(the_number(&seen).waiters.is_empty(), "the dead wait for nothing");
        let expected = [(None, Remedy::Repair), (None, Remedy::Repair), (Some("number"), Remedy::Repair)];
        assert_eq!(remedies(&seen.findings()), expected);
        assert_eq!(seen, looked(), "nobody is there who would change anything");
        // The first to come finds it repaired.
        drop(options().open(REGION).expect("a place"));
        let seen = looked();
        assert_eq!((seen.findings(), seen.processes.len()), (Vec::new(), 0));
    });
}

/// The process table shows its main thread only, which is a zombie.
#[test]
fn a_process_whose_main_thread_has_ended_lives_on() {
    alone(LIMIT, || {
        let holder = actor(
            "the holder",
            |region| {
                let number = number(region);
                let locked = std::sync::Arc::new(std::sync::Barrier::new(2));
                let both = std::sync::Arc::clone(&locked);
                std::thread::spawn(move || {
                    std::mem::forget(number.lock().expect("free"));
                    both.wait();
                    hold_on();
                });
                locked.wait();
            },
            |()| support::actors::die_alone(),
        );
        let stat = format!("/proc/{}/stat", holder.pid());
        until("its main thread ends", || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z ")));
        let seen = looked();
        // What the one thread left, the other has not looked for.
        assert_eq!((life(&seen, &holder), remedies(&seen.findings())), (Life::Alive, vec![(None, Remedy::Repair)]));
        holder.signal(Signal::STOP);
        until("it stops", || life(&looked(), &holder) == Life::Stopped);
        holder.kill();
        holder.await_death();
        assert_eq!(life(&looked(), &holder), Life::Dead);
    });
}

/// Of such a process the kernel's mark says all that can be known: its id is somebody else's here.
#[test]
fn the_dead_of_another_pid_namespace_are_known_by_their_mark() {
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
        let outer = fork("who makes the namespace", || {
            separate().expect("as before");
            let _inner = holder();
            hold_on();
        });
        let life = || {
            let seen = options().inspect(REGION).ok()?;
            let inner = seen.processes.iter().find(|process| process.pid == 1)?;
            (!seen.object("number")?.holders.is_empty()).then_some(inner.life)
        };
        until("it holds the number", || life() == Some(Life::Alive));
        outer.kill_and_reap();
        until("it has died with its parent", || life() == Some(Life::Dead));
        assert_eq!(remedies(&looked().findings()), [(None, Remedy::Repair), (Some("number"), Remedy::Repair)]);
    });
}

#[test]
fn a_look_takes_no_place() {
    alone(LIMIT, || {
        let full = fork("the only one", || {
            let _region = options().processes(1).create(REGION).expect("a region");
            hold_on();
        });
        until("it is attached", || options().inspect(REGION).is_ok_and(|seen| life(&seen, &full) == Life::Alive));
        let refused = options().open(REGION).expect_err("there is no place");
        assert_eq!(*refused.kind(), RegionErrorKind::TooManyProcesses { limit: 1 });
        full.stop();
        assert_eq!(life(&looked(), &full), Life::Stopped);
    });
}

#[test]
fn what_only_its_user_can_mend_is_named() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let (number, barrier) = (number(&region), region.barrier("start", 2).expect("a barrier"));
        let member = barrier.join().expect("a place");
        let join = |region: &Region| {
            let barrier = region.barrier("start", 2).expect("it is there");
            std::mem::forget(barrier.join().expect("a place"));
            std::mem::forget(self::number(region).lock().expect("free"));
        };
        actor("a member that dies", join, |()| hold_on()).kill_and_reap();
        assert!(matches!(member.wait_timeout(PATIENCE), Err(BarrierError::Broken(_))));
        // Given up without a word.
        drop(number.lock_timeout(PATIENCE));
        until("it is buried", || region.participants().len() == 1);
        let expected = [(Some("number"), Remedy::Reset), (Some("start"), Remedy::Reset)];
        assert_eq!(remedies(&region.check()), expected);
        assert_eq!(remedies(&looked().findings()), expected);
        assert_eq!((number.reset(0), barrier.reset()), (Ok(true), Ok(true)));
        assert_eq!(region.check(), []);
    });
}

#[test]
fn a_single_thread_that_died_is_found_and_repaired() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let number = number(&region);
        let dying = number.clone();
        std::thread::spawn(move || {
            std::mem::forget(dying.lock().expect("free"));
            support::actors::die_alone();
        });
        until("it has died", || region.check().iter().any(|finding| finding.object.is_none()));
        let expected = [(None, Remedy::Repair), (Some("number"), Remedy::Repair)];
        assert_eq!(remedies(&looked().findings()), expected);
        assert_eq!(region.repair(), Ok(true));
        assert_eq!(region.check(), []);
        assert!(matches!(number.lock(), Err(LockError::OwnerDied(_))));
    });
}

#[test]
fn a_fenced_off_process_keeps_what_it_holds() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let locked = Shared::new(Mark::default());
        let fenced = fork("the fenced-off", || {
            kill_keepers_of_more_than(1);
            let number = number(&options().open(REGION).expect("a place"));
            let _guard = number.lock().expect("free");
            locked.set(1);
            hold_on();
        });
        locked.wait("it holds the number");
        let newcomer = bystander();
        until("it is fenced off", || life(&region.inspect(), &fenced) == Life::FencedOff);
        assert_eq!(remedies(&region.check()), [(None, Remedy::Wait)]);
        assert_eq!(region.repair(), Ok(false));
        fenced.kill_and_reap();
        newcomer.kill_and_reap();
        until("all is well", || region.check().is_empty());
    });
}

/// What changes while it is looked at is not taken for damage.
#[test]
fn a_busy_application_raises_no_alarm() {
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let stop = Shared::new(Mark::default());
        let busy: Vec<Actor> = (0..2)
            .map(|_| {
                fork("somebody busy", || {
                    while stop.get() == 0 {
                        let region = options().open(REGION).expect("a place");
                        let (number, ring) = (number(&region), region.ring::<u64>("ring", 3).expect("a ring"));
                        for message in 0..4 {
                            drop(number.lock().expect("free in time"));
                            if let (Ok(mut sender), Ok(mut receiver)) = (ring.try_sender(), ring.try_receiver()) {
                                let _ = (sender.try_send(message), receiver.try_recv());
                            }
                            // As long as a name can be, so that it takes a while to write.
                            let passing = format!("{message}").repeat(64);
                            drop(region.event(&passing).map(|_| region.remove_object(&passing)));
                        }
                    }
                })
            })
            .collect();
        for _ in 0..20_000 {
            let seen = looked_while_attached();
            assert_eq!(seen.findings(), []);
            for ObjectSeen { name, .. } in &seen.objects {
                let is_whole = name.len() == 64 && name.chars().all(|letter| name.starts_with(letter));
                assert!(
                    is_whole || ["number", "ring"].contains(&name.as_str()) || name.starts_with('('),
                    "torn: {name}"
                );
            }
        }
        stop.set(1);
        busy.into_iter().for_each(Actor::succeed);
        drop(region);
    });
}

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }
}

#[test]
fn garbage_is_told_and_neither_hangs_nor_kills() {
    const ROUNDS: usize = 400;
    alone(LIMIT, || {
        let region = options().create(REGION).expect("a region");
        let objects = (number(&region), region.barrier("b", 3), region.ring::<u64>("r", 4), region.once::<u64>("o"));
        drop((objects, region));
        let whole = std::fs::read(file()).expect("the region's file");
        let body = HEADER..whole.len() - 8;
        let target = std::fs::OpenOptions::new().write(true).open(file()).expect("the region's file");
        let (mut numbers, mut found) = (Numbers(0x5e1_7ed6e), 0);
        for round in 0..ROUNDS {
            let mut bytes = whole.clone();
            if round % 8 == 0 {
                body.clone().for_each(|at| bytes[at] = numbers.next().to_le_bytes()[0]);
            } else {
                // Where something stands, as a rule.
                for _ in 0..1 + numbers.below(40) {
                    let at = body.start + numbers.below(if round % 2 == 0 { 8 << 10 } else { body.len() });
                    bytes[at] = numbers.next().to_le_bytes()[0];
                }
            }
            target.write_all_at(&bytes, 0).expect("the region's file");
            let seen = options().inspect(REGION).expect("its header is as it was");
            // The header's limits bound everything.
            assert!(seen.objects.len() <= 16 && seen.processes.len() <= 6);
            found += usize::from(!seen.findings().is_empty());
            let _ = (format!("{seen:?}"), text_of_all(&seen));
        }
        assert!(found > ROUNDS / 8, "garbage was found in {found} of {ROUNDS} rounds only");
        target.write_all_at(&whole, 0).expect("the region's file");
        assert_eq!(looked().findings(), []);
        // What is no region any more is refused, as for any use.
        target.write_all_at(&[0xff; HEADER], 0).expect("the region's file");
        assert!(matches!(
            options().inspect(REGION).map_err(|error| error.kind().clone()),
            Err(RegionErrorKind::Unfit(_))
        ));
        target.write_all_at(&whole, 0).expect("the region's file");
        target.set_len(4096).expect("the region's file");
        assert!(matches!(
            options().inspect(REGION).map_err(|error| error.kind().clone()),
            Err(RegionErrorKind::Unfit(_))
        ));
        std::fs::remove_file(file()).expect("the region's file");
        assert_eq!(options().inspect(REGION).map_err(|error| error.kind().clone()), Err(RegionErrorKind::NotFound));
    });
}

/// Everything that can be said, so that nothing of it panics.
fn text_of_all(seen: &Inspection) -> String {
    let people = |object: &ObjectSeen| {
        let holders = object.holders.iter().filter_map(|holder| holder.thread);
        holders.chain(object.waiters.iter().copied()).map(|thread| thread.to_string()).collect::<String>()
    };
    seen.objects.iter().map(people).chain(seen.findings().iter().map(ToString::to_string)).collect()
}
