//! How long after the SIGKILL of a mutex's owner the first of its waiters has the mutex.
//!
//! The owner is a process of its own that holds nothing but the mutex, the waiters are threads of this process, asleep
//! when the kill is sent. Kills of both kinds take turns.

use selvedge::region::{LockError, Mutex, Region, RegionOptions};
use selvedge_bench::children::{Running, own_role};
use selvedge_bench::peers::{Mapped, PthreadMutex};
use selvedge_bench::report::{self, Sample};
use std::error::Error;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const KILLS: usize = 300;
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> Result<(), Box<dyn Error>> {
    match own_role() {
        Some((role, descriptor)) if role == "ours" => return own_ours(descriptor),
        Some((role, descriptor)) if role == "pthread" => return own_pthread(descriptor),
        Some((role, _)) => return Err(format!("no such role: {role}").into()),
        None => {}
    }
    report::print_machine();
    for objects in [10, 1_000, 10_000] {
        for waiters in [1, 8] {
            compare(objects, waiters)?;
        }
    }
    Ok(())
}

fn compare(objects: u32, waiters: usize) -> Result<(), Box<dyn Error>> {
    let region = RegionOptions::new().objects(objects).anonymous()?;
    let ours = region.mutex("stock", 0_u64)?;
    let others: Result<Vec<_>, _> = (1..objects).map(|number| region.mutex(&number.to_string(), 0_u64)).collect();
    let _others = others?;
    let pthread = Mapped::<PthreadMutex>::new()?;
    pthread.value().init()?;

    let mut samples = [Sample::new("selvedge"), Sample::new("pthread, robust, process-shared")];
    for _ in 0..KILLS {
        let descriptor = region.as_fd().ok_or("anonymous regions have one")?;
        samples[0].add(kill_one("ours", descriptor, waiters, || inherit(&ours))?);
        samples[1].add(kill_one("pthread", pthread.as_fd(), waiters, || {
            let died = pthread.value().lock().expect("recoverable");
            let since = Instant::now();
            pthread.value().unlock().expect("locked just now");
            died.then_some(since)
        })?);
    }
    report::print(
        &format!("from SIGKILL to takeover, {objects} objects in the region, {waiters} waiting, ns"),
        &samples,
        1,
    );
    Ok(())
}

/// Locks the mutex, whose owner dies; says when it was granted.
fn inherit(mutex: &Mutex<u64>) -> Option<Instant> {
    match mutex.lock() {
        Err(LockError::OwnerDied(mut guard)) => {
            let since = Instant::now();
            guard.mark_consistent();
            Some(since)
        }
        // Another has inherited it, and left it in order.
        Ok(_) | Err(_) => None,
    }
}

/// Starts an owner, lets so many threads wait for its mutex with `inherit`, kills it, and returns the nanoseconds until
/// one of them had it.
fn kill_one(
    role: &str,
    descriptor: BorrowedFd<'_>,
    waiters: usize,
    inherit: impl Fn() -> Option<Instant> + Sync,
) -> Result<f64, Box<dyn Error>> {
    let mut owner = Running::start(role, descriptor)?;
    owner.await_line()?;
    std::thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        let start = |_| {
            let (send, inherit) = (send.clone(), &inherit);
            scope.spawn(move || {
                // The receiver waits for it.
                let _ = send.send(rustix::thread::gettid());
                inherit()
            })
        };
        let threads: Vec<_> = (0..waiters).map(start).collect();
        for _ in 0..waiters {
            await_sleep(receive.recv()?)?;
        }
        let killed = Instant::now();
        owner.kill()?;
        let mut taken = None;
        for thread in threads {
            taken = thread.join().map_err(|_| "a waiter panicked")?.or(taken);
        }
        let taken = taken.ok_or("granted, but not inherited")?;
        Ok(taken.duration_since(killed).as_secs_f64() * 1e9)
    })
}

/// Waits until a thread of this process sleeps in the kernel.
fn await_sleep(thread: rustix::thread::Pid) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let path = format!("/proc/self/task/{}/stat", thread.as_raw_nonzero());
    while !std::fs::read_to_string(&path)?.rsplit(") ").next().is_some_and(|fields| fields.starts_with('S')) {
        if start.elapsed() > PATIENCE {
            return Err(format!("thread {} never slept on the mutex", thread.as_raw_nonzero()).into());
        }
        std::thread::yield_now();
    }
    Ok(())
}

fn own_ours(descriptor: OwnedFd) -> Result<(), Box<dyn Error>> {
    let region = Region::from_fd(descriptor)?;
    let stock = region.mutex("stock", 0_u64)?;
    let _guard = stock.lock().map_err(|error| format!("{error}"))?;
    hold()
}

fn own_pthread(descriptor: OwnedFd) -> Result<(), Box<dyn Error>> {
    Mapped::<PthreadMutex>::map(descriptor)?.value().lock()?;
    hold()
}

/// Says that the mutex is held, and holds it until killed.
fn hold() -> ! {
    println!("held");
    loop {
        std::thread::park();
    }
}
