//! How many executions well-known clients have, and what they cost: `cargo run --release --example scale [NAME [SECONDS]]`.
//!
//! Everything is explored completely, given the time: `mutex 4x1` takes longer than the minute that each is given unless the
//! second argument says otherwise.

#[path = "../tests/support/clients.rs"]
#[allow(dead_code, reason = "clients of the tests, too")]
mod clients;

use clients::{awaited_lock, buffer, mpmc, mutex, semaphore, spin_lock, spsc, ticket_lock};
use std::time::{Duration, Instant};
use treadle::Builder;

fn show(name: &str, client: impl Fn() + Send + Sync + 'static) {
    if std::env::args().nth(1).is_some_and(|only| !name.contains(&only)) {
        return;
    }
    let mut builder = Builder::new();
    let seconds = std::env::args().nth(2).and_then(|seconds| seconds.parse().ok()).unwrap_or(60);
    builder.max_duration = Some(Duration::from_secs(seconds));
    let start = Instant::now();
    match builder.explore(client) {
        Ok(report) => {
            let time = start.elapsed().as_secs_f64();
            println!(
                "{name:20} {:>9} executions {:>9} blocked {time:>8.3} s {:>6.2} M steps/s {}",
                report.executions,
                report.blocked,
                report.steps as f64 / time / 1e6,
                report.inconclusive.unwrap_or_default()
            );
        }
        Err(failure) => println!("{name:20} {failure}"),
    }
}

fn main() {
    show("mutex 2x1", || mutex(2, 1));
    show("mutex 2x2", || mutex(2, 2));
    show("mutex 2x3", || mutex(2, 3));
    show("mutex 3x1", || mutex(3, 1));
    show("semaphore 3 of 1", || semaphore(3, 1));
    show("semaphore 3 of 2", || semaphore(3, 2));
    for threads in 3..=5 {
        show(&format!("spin lock {threads}"), move || spin_lock(threads));
        show(&format!("awaited lock {threads}"), move || awaited_lock(threads));
        show(&format!("ticket lock {threads}"), move || ticket_lock(threads));
    }
    show("spsc 3", || spsc(3));
    show("spsc 4", || spsc(4));
    show("mpmc 2x1", || mpmc(2, 1, 1));
    show("mpmc 2x2", || mpmc(2, 2, 1));
    show("mpmc 2x1, 2 each", || mpmc(2, 1, 2));
    show("buffer 2", || buffer(2));
    show("buffer 3", || buffer(3));
    show("mpmc 2x2, 2 each", || mpmc(2, 2, 2));
    show("mutex 4x1", || mutex(4, 1));
}
