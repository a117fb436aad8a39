//! Send a message and receive it in the same thread, with nobody else there.

use selvedge::Region;
use selvedge_bench::report;
use selvedge_bench::rounds::{Contestant, compete};
use std::error::Error;
use std::hint::black_box;

const CAPACITY: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let region = Region::anonymous()?;
    let queue = region.queue::<[u64; 2]>("queue", CAPACITY)?;
    let jobs = region.work_queue::<[u64; 2]>("jobs", CAPACITY)?;
    let (std_sender, std_receiver) = std::sync::mpsc::sync_channel::<[u64; 2]>(CAPACITY);
    let (sender, receiver) = crossbeam_channel::bounded::<[u64; 2]>(CAPACITY);
    let message = [1, 2];
    let samples = compete(vec![
        Contestant::new("selvedge, queue", || {
            let queue = black_box(&queue);
            queue.send(black_box(message)).expect("room");
            black_box(queue.recv()).expect("a message");
        }),
        Contestant::new("selvedge, queue, in place", || {
            let queue = black_box(&queue);
            let mut loan = queue.loan().expect("a buffer");
            *loan = black_box(message);
            loan.send().expect("room");
            black_box(*queue.recv_in_place().expect("a message"));
        }),
        Contestant::new("selvedge, work queue", || {
            let jobs = black_box(&jobs);
            jobs.send(black_box(message)).expect("room");
            let lease = jobs.recv().expect("a message");
            black_box(*lease);
            lease.ack();
        }),
        Contestant::new("crossbeam-channel, bounded", || {
            black_box(&sender).send(black_box(message)).expect("it is open");
            black_box(black_box(&receiver).recv()).expect("a message");
        }),
        Contestant::new("std::sync::mpsc::sync_channel", || {
            black_box(&std_sender).send(black_box(message)).expect("it is open");
            black_box(black_box(&std_receiver).recv()).expect("a message");
        }),
    ]);
    report::print_machine();
    report::print("send and receive, ns", &samples, 3);
    Ok(())
}
