//! Futures that have a deadline: they end then, and what they were to do is done or not, and they know which.

use super::{CAPACITIES, channel, on_each, region};
use crate::support::patience::{PATIENCE, until};
use selvedge::Region;
use selvedge::message::{Capacity, MailError, Message, PortOptions, RecvError, SendError};
use selvedge::region::{AcquireError, EventError};
use selvedge::sync::Deadline;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(5);

fn soon() -> Deadline {
    Deadline::after(SHORT)
}

/// A port that is full.
fn full_port(region: &Region) -> selvedge::message::Port {
    let port = region.port("letters", &PortOptions::new(Capacity::Bounded(1))).expect("a port");
    port.send(&Message::bytes(b"one")).expect("there is space");
    port
}

#[test]
fn each_ends_at_its_deadline_and_not_before() {
    on_each(|| async {
        let region = region();
        let (sender, receiver) = channel(&region, Capacity::Bounded(1));
        let (event, seats) =
            (region.event("event").expect("an event"), region.semaphore("seats", 0).expect("a semaphore"));
        let port = full_port(&region);
        let empty = region.port("empty", &PortOptions::new(Capacity::Bounded(1))).expect("a port");
        let mailbox = empty.claim().expect("nobody has it");

        let begun = Instant::now();
        assert_eq!(receiver.recv_async().until(soon()).await, Err(RecvError::TimedOut));
        sender.send(1).expect("there is space");
        assert_eq!(sender.send_async(2).until(soon()).await, Err(SendError::TimedOut(2)));
        assert!(matches!(event.wait_async().until(soon()).await, Err(EventError::TimedOut)));
        assert!(matches!(seats.acquire_async(1).until(soon()).await, Err(AcquireError::TimedOut)));
        let message = Message::bytes(b"two");
        assert!(matches!(port.send_async(&message).until(soon()).await, Err(MailError::TimedOut)));
        assert!(matches!(mailbox.recv_async().until(soon()).await, Err(MailError::TimedOut)));
        assert!(begun.elapsed() >= 6 * SHORT, "one ended too early");

        // They have done nothing, and a deadline that is far changes nothing.
        let far = Deadline::after(PATIENCE);
        assert_eq!((receiver.len(), port.len(), seats.available()), (1, 1, 0));
        assert_eq!(receiver.recv_async().until(far).await, Ok(1));
        assert_eq!(sender.send_async(3).until(far).await, Ok(()));
        seats.release().expect("few");
        seats.acquire_async(1).until(far).await.expect("there is one");
        // One that has passed already: it is done if it can be done now.
        let past = Deadline::after(Duration::ZERO);
        assert_eq!(receiver.recv_async().until(past).await, Ok(3));
        assert_eq!(receiver.recv_async().until(past).await, Err(RecvError::TimedOut));
        assert_eq!(sender.send_async(4).until(past).await, Ok(()));
        assert_eq!(sender.send_async(5).until(past).await, Err(SendError::TimedOut(5)));
    });
}

/// What was told to have been sent arrives, and what was told to have not does not.
#[test]
fn who_is_told_of_the_deadline_has_not_sent() {
    for capacity in CAPACITIES {
        let region = region();
        let (sender, receiver) = channel(&region, capacity);
        let mut late = 0;
        thread::scope(|scope| {
            let receives = scope.spawn(|| {
                let mut got = Vec::new();
                loop {
                    match receiver.recv_timeout(Duration::from_micros(200)) {
                        Ok(message) => got.push(message),
                        Err(RecvError::TimedOut) => thread::yield_now(),
                        Err(error) => break (got, error),
                    }
                }
            });
            let mut sent = Vec::new();
            for message in 0..600 {
                let deadline = Deadline::after(Duration::from_micros(message % 7 * 50));
                match pollster::block_on(sender.send_async(message).until(deadline)) {
                    Ok(()) => sent.push(message),
                    Err(SendError::TimedOut(back)) => {
                        assert_eq!(back, message);
                        late += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            drop(sender);
            assert_eq!(receives.join().expect("it ends"), (sent, RecvError::Disconnected), "{capacity:?}");
        });
        assert!(capacity != Capacity::Zero || late > 0, "nobody was late");
    }
}

#[test]
fn who_is_told_of_the_deadline_has_not_received() {
    for capacity in CAPACITIES {
        let region = region();
        let (sender, receiver) = channel(&region, capacity);
        thread::scope(|scope| {
            let sends = scope.spawn(move || (0..600).for_each(|message| sender.send(message).expect("sent")));
            let mut next = 0;
            loop {
                let deadline = Deadline::after(Duration::from_micros(next % 7 * 50));
                match pollster::block_on(receiver.recv_async().until(deadline)) {
                    Ok(message) => {
                        assert_eq!(message, next, "{capacity:?}");
                        next += 1;
                    }
                    Err(RecvError::TimedOut) => {}
                    Err(error) => break assert_eq!((next, error), (600, RecvError::Disconnected)),
                }
            }
            sends.join().expect("it ends");
        });
    }
}

/// Says so at its end, also if the test fails.
struct SaysOver<'a>(&'a AtomicBool);

impl Drop for SaysOver<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The thread that waits for it always has something else to do.
#[test]
fn a_deadline_is_told_beside_much_else() {
    let region = region();
    let (sender, receiver) = channel(&region, Capacity::Bounded(4));
    let (_idle, empty) = region.channel::<u64>("empty", Capacity::Bounded(1)).expect("a channel");
    let is_over = AtomicBool::new(false);
    let is_over = &is_over;
    thread::scope(|scope| {
        scope.spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                sender.send(1).expect("it is received");
            }
        });
        scope.spawn(|| while pollster::block_on(receiver.recv_async()).is_ok() {});
        let waits = scope.spawn(|| {
            for _ in 0..20 {
                assert_eq!(pollster::block_on(empty.recv_async().until(soon())), Err(RecvError::TimedOut));
            }
        });
        let _says_over = SaysOver(is_over);
        until("the deadlines are told", || waits.is_finished());
        waits.join().expect("they were");
    });
}
