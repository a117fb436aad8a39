//! Acquire and release a semaphore: when nobody waits, and handed to and fro between two processes.

use selvedge::Region;
use selvedge::primitives::RawSemaphore;
use selvedge::region::{ObjectError, Semaphore, Wait};
use selvedge_bench::children::{Running, own_role};
use selvedge_bench::peers::{Mapped, PosixSemaphore};
use selvedge_bench::report;
use selvedge_bench::rounds::{Contestant, compete};
use std::error::Error;
use std::hint::black_box;
use std::os::fd::OwnedFd;

/// What goes to the partner, and what comes back.
const WAYS: [&str; 2] = ["to", "fro"];

fn main() -> Result<(), Box<dyn Error>> {
    match own_role() {
        Some((role, descriptor)) if role == "ours" => return echo_ours(descriptor, Wait::default()),
        Some((role, descriptor)) if role == "ours, blocking" => return echo_ours(descriptor, Wait::Block),
        Some((role, descriptor)) if role == "posix" => return echo_posix(descriptor),
        Some((role, _)) => return Err(format!("no such role: {role}").into()),
        None => {}
    }
    report::print_machine();
    uncontended()?;
    to_and_fro()
}

fn uncontended() -> Result<(), Box<dyn Error>> {
    let region = Region::anonymous()?;
    let ours = region.semaphore("permits", 1)?;
    let raw = RawSemaphore::new(1);
    let posix = Mapped::<PosixSemaphore>::new()?.value();
    posix.init(1)?;
    let samples = compete(vec![
        Contestant::new("selvedge", || {
            let ours = black_box(&ours);
            ours.acquire().expect("there is a permit");
            ours.release().expect("there is room for one");
        }),
        Contestant::new("selvedge, control block", || {
            let raw = black_box(&raw);
            raw.try_acquire(1).expect("there is a permit");
            raw.release(1).expect("there is room for one");
        }),
        Contestant::new("sem_t, process-shared", || {
            let posix = black_box(posix);
            posix.wait().expect("there is a permit");
            posix.post().expect("there is room for one");
        }),
    ]);
    report::print("acquire and release, ns", &samples, 2);
    Ok(())
}

fn to_and_fro() -> Result<(), Box<dyn Error>> {
    let (spinning, blocking) = (Region::anonymous()?, Region::anonymous()?);
    let (to, fro) = ways(&spinning, Wait::default())?;
    let (blocking_to, blocking_fro) = ways(&blocking, Wait::Block)?;
    let _ours = Running::start("ours", spinning.as_fd().ok_or("anonymous regions have one")?)?;
    let _blocking = Running::start("ours, blocking", blocking.as_fd().ok_or("anonymous regions have one")?)?;

    let posix = Mapped::<[PosixSemaphore; 2]>::new()?;
    let [posix_to, posix_fro] = posix.value();
    posix_to.init(0)?;
    posix_fro.init(0)?;
    let _posix = Running::start("posix", std::os::fd::AsFd::as_fd(&posix))?;

    let samples = compete(vec![
        Contestant::new("selvedge", || {
            to.release().expect("the region is good");
            fro.acquire().expect("the region is good");
        }),
        Contestant::new("selvedge, without spinning", || {
            blocking_to.release().expect("the region is good");
            blocking_fro.acquire().expect("the region is good");
        }),
        Contestant::new("sem_t, process-shared", || {
            posix_to.post().expect("a good semaphore");
            posix_fro.wait().expect("a good semaphore");
        }),
    ]);
    report::print("to another process and back, ns", &samples, 2);
    Ok(())
}

fn ways(region: &Region, wait: Wait) -> Result<(Semaphore, Semaphore), ObjectError> {
    let [to, fro] = WAYS.map(|name| region.semaphore(name, 0));
    Ok((to?.with_wait(wait), fro?.with_wait(wait)))
}

fn echo_ours(descriptor: OwnedFd, wait: Wait) -> Result<(), Box<dyn Error>> {
    let region = Region::from_fd(descriptor)?;
    let (to, fro) = ways(&region, wait)?;
    loop {
        to.acquire()?;
        fro.release()?;
    }
}

fn echo_posix(descriptor: OwnedFd) -> Result<(), Box<dyn Error>> {
    let [to, fro] = Mapped::<[PosixSemaphore; 2]>::map(descriptor)?.value();
    loop {
        to.wait()?;
        fro.post()?;
    }
}
