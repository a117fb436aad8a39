//! Jobs for several workers, of which one is killed in the middle: its job goes to another, who is told, and every result comes.
//!
//! The program starts itself as four workers. They take jobs from a work queue, which delivers each *at least once*: a job is over
//! when its worker says so (`ack`), and comes back when its worker dies before. The first worker stops in the middle of its first
//! job and holds it, while the others go on with theirs; then it is killed by `SIGKILL`. What a worker has found it reports through
//! a channel, and acknowledges the job after that: a job whose worker dies between the two is done twice and reported twice, but
//! the second report says that it may be. Run it with `cargo run --example work_queue`.

#![cfg_attr(loom, allow(dead_code, reason = "a model has no second process"))]

use selvedge::Region;
use selvedge::message::{Capacity, Receiver, Sender};
use selvedge::region::{Shared, Tag, WorkQueue};
use std::error::Error;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const WORKERS: u64 = 4;
const JOBS: u64 = 24;
/// So many jobs are done while the first worker is in the middle of its own.
const BEFORE_THE_KILL: u64 = 8;
/// The job that ends a worker.
const GO_HOME: u64 = 0;
const CAPACITY: Capacity = Capacity::Bounded(64);
/// Who waits longer waits for something that will not happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a worker has to say of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Report {
    job: u64,
    worker: u64,
    /// `HALF_DONE`: there is none yet, the worker is in the middle of the job.
    result: u64,
    /// 1: somebody had the job before.
    redelivered: u64,
}

impl Report {
    const HALF_DONE: u64 = u64::MAX;
}

impl Shared for Report {
    const TAG: Tag = Tag::new("work-queue-example.report/1");
}

/// The steps of the longest of the Collatz sequences that begin below ten thousand times the job.
fn work(job: u64) -> u64 {
    let steps = |start: u64| {
        let next = |n: &u64| if n.is_multiple_of(2) { Some(n / 2) } else { Some(3 * n + 1) };
        std::iter::successors(Some(start), next).take_while(|n| *n != 1).count() as u64
    };
    ((job - 1) * 10_000 + 1..=job * 10_000).map(steps).max().unwrap_or(0)
}

fn jobs(region: &Region) -> Result<WorkQueue<u64>, Box<dyn Error>> {
    Ok(region.work_queue("jobs", 64)?)
}

/// A worker. The first one stops in the middle of its first job, until it is killed.
fn labour(region: &Region, worker: u64) -> Result<(), Box<dyn Error>> {
    let jobs = jobs(region)?;
    let reports: Sender<Report> = region.sender("reports", CAPACITY)?;
    loop {
        let job = jobs.recv_timeout(PATIENCE)?;
        if *job == GO_HOME {
            job.ack();
            return Ok(());
        }
        let report = Report { job: *job, worker, result: Report::HALF_DONE, redelivered: job.redelivered().into() };
        if worker == 1 {
            reports.send_timeout(report, PATIENCE)?;
            std::thread::sleep(PATIENCE);
            return Err("nobody killed this process".into());
        }
        reports.send_timeout(Report { result: work(*job), ..report }, PATIENCE)?;
        job.ack();
    }
}

/// The workers, of whom none outlives the one who started them.
#[derive(Default)]
struct Workers(Vec<Child>);

impl Workers {
    /// Kills the first one, by `SIGKILL`. How it ended.
    fn kill_first(&mut self) -> Result<ExitStatus, Box<dyn Error>> {
        let first = self.0.first_mut().ok_or("nobody was started")?;
        first.kill()?;
        let status = first.wait()?;
        self.0.drain(..1);
        Ok(status)
    }

    fn start(&mut self, region: &Region, worker: u64) -> Result<(), Box<dyn Error>> {
        let arguments = [region.name().unwrap_or_default().to_owned(), worker.to_string()];
        self.0.push(Command::new(std::env::current_exe()?).args(arguments).spawn()?);
        Ok(())
    }

    /// Waits for all to go home.
    fn went_home(&mut self) -> Result<(), Box<dyn Error>> {
        for mut worker in self.0.drain(..) {
            let status = worker.wait()?;
            if !status.success() {
                return Err(format!("a worker: {status}").into());
            }
        }
        Ok(())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for worker in &mut self.0 {
            // Both fail if it has ended already, which is as good.
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
}

#[cfg(not(loom))]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [region, worker] = arguments.as_slice() {
        return labour(&Region::open(region)?, worker.parse()?);
    }
    let region = Region::create(&format!("work-queue-{}", std::process::id()))?;
    let outcome = employ(&region);
    region.unlink()?;
    outcome
}

fn employ(region: &Region) -> Result<(), Box<dyn Error>> {
    let jobs = jobs(region)?;
    let reports: Receiver<Report> = region.receiver("reports", CAPACITY)?;
    (1..=JOBS).try_for_each(|job| jobs.send_timeout(job, PATIENCE))?;
    let mut workers = Workers::default();
    workers.start(region, 1)?;
    let Report { job, worker, .. } = reports.recv_timeout(PATIENCE)?;
    println!("worker {worker} is in the middle of job {job}");
    for worker in 2..=WORKERS {
        workers.start(region, worker)?;
    }
    let mut done = Vec::new();
    gather(&reports, BEFORE_THE_KILL, &mut done)?;
    println!("{} others are done; worker {worker}: {}", done.len(), workers.kill_first()?);
    gather(&reports, JOBS, &mut done)?;
    (2..=WORKERS).try_for_each(|_| jobs.send_timeout(GO_HOME, PATIENCE))?;
    workers.went_home()?;
    done.extend(reports.try_iter());
    judge(&done, job)
}

/// Receives reports until there are so many.
fn gather(reports: &Receiver<Report>, count: u64, into: &mut Vec<Report>) -> Result<(), Box<dyn Error>> {
    while (into.len() as u64) < count {
        into.push(reports.recv_timeout(PATIENCE)?);
    }
    Ok(())
}

/// Whether each job was done once and right, and the one of the dead was marked.
fn judge(done: &[Report], half_done: u64) -> Result<(), Box<dyn Error>> {
    for job in 1..=JOBS {
        let of_it: Vec<&Report> = done.iter().filter(|report| report.job == job).collect();
        let [report] = of_it.as_slice() else {
            return Err(format!("job {job} has {} results", of_it.len()).into());
        };
        let (right, marked) = (work(job), u64::from(job == half_done));
        if (report.result, report.redelivered) != (right, marked) {
            return Err(format!("{report:?}, where the result is {right} and the mark {marked}").into());
        }
        if job == half_done {
            println!("job {job} came back, marked as redelivered, and worker {} did it", report.worker);
        }
    }
    println!("{JOBS} jobs, {} results, each once", done.len());
    Ok(())
}

#[cfg(loom)]
fn main() {}
