//! Channels, events and semaphores as futures and by descriptors: under tokio, and under an executor that knows nothing but wakers.
#![cfg(not(loom))]

#[path = "../support"]
mod support {
    pub(crate) mod actors;
    pub(crate) mod alone;
    pub(crate) mod patience;
    pub(crate) mod proc;
    pub(crate) mod shared;
}

mod deadlines;
mod descriptors;
mod letters;

use selvedge::Region;
use selvedge::message::{Capacity, Receiver, RecvError, Select, SendError, Sender};
use selvedge::region::RegionOptions;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;
use support::actors::fork;
use support::alone::alone;
use support::patience::{PATIENCE, throughout, until};
use support::shared::{Mark, Shared};

const LIMIT: Duration = Duration::from_secs(120);
const CAPACITIES: [Capacity; 3] = [Capacity::Zero, Capacity::Bounded(1), Capacity::Unbounded { quota: 1024 }];

fn region() -> Region {
    let options = RegionOptions::new().processes(4).threads(8).objects(8).arena(128 << 10).backstop(None);
    options.anonymous().expect("a region")
}

fn channel(region: &Region, capacity: Capacity) -> (Sender<u64>, Receiver<u64>) {
    region.channel("channel", capacity).expect("a channel")
}

/// Runs it, on a thread of its own, under both kinds of runtime; it has a deadline.
fn on_each<F: Future<Output = ()> + Send>(case: impl Fn() -> F + Copy + Send + Sync) {
    let runtimes: [&(dyn Fn() + Sync); 3] = [
        &|| pollster::block_on(case()),
        &|| tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(case()),
        &|| tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime").block_on(case()),
    ];
    for runtime in runtimes {
        thread::scope(|scope| {
            let runs = scope.spawn(runtime);
            until("the futures are done", || runs.is_finished());
            runs.join().expect("they were");
        });
    }
}

/// Polls once.
fn polled<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn what_is_sent_is_received() {
    for capacity in CAPACITIES {
        on_each(move || async move {
            const MESSAGES: u64 = 200;
            let region = region();
            let (sender, receiver) = channel(&region, capacity);
            // Another thread sends and waits; and the future meets whoever waits there.
            let sends = thread::spawn(move || (0..MESSAGES).for_each(|message| sender.send(message).expect("sent")));
            for message in 0..MESSAGES {
                assert_eq!(receiver.recv_async().await, Ok(message));
            }
            assert_eq!(receiver.recv_async().await, Err(RecvError::Disconnected));
            sends.join().expect("it ends");
        });
    }
}

#[test]
fn who_sends_waits_for_space_or_a_receiver() {
    for capacity in CAPACITIES {
        on_each(move || async move {
            const MESSAGES: u64 = 50;
            let region = region();
            let (sender, receiver) = channel(&region, capacity);
            let receives = thread::spawn(move || receiver.iter().collect::<Vec<_>>());
            for message in 0..MESSAGES {
                assert_eq!(sender.send_async(message).await, Ok(()));
            }
            drop(sender);
            assert_eq!(receives.join().expect("it ends"), (0..MESSAGES).collect::<Vec<_>>());
        });
    }
}

/// Both sides are tasks, of one thread or of several: nobody blocks the other.
#[test]
fn tasks_meet_each_other() {
    for capacity in CAPACITIES {
        for multi in [false, true] {
            const MESSAGES: u64 = 100;
            let mut runtime = if multi {
                tokio::runtime::Builder::new_multi_thread()
            } else {
                tokio::runtime::Builder::new_current_thread()
            };
            let runtime = runtime.enable_all().build().expect("a runtime");
            let region = region();
            let (sender, receiver) = channel(&region, capacity);
            let got = runtime.block_on(async {
                let sends = tokio::spawn(async move {
                    for message in 0..MESSAGES {
                        sender.send_async(message).await.expect("sent");
                    }
                });
                let receives = tokio::spawn(async move {
                    let mut got = Vec::new();
                    while let Ok(message) = receiver.recv_async().await {
                        got.push(message);
                    }
                    got
                });
                let ended = async { (sends.await.expect("it ends"), receives.await.expect("it ends")).1 };
                tokio::time::timeout(PATIENCE, ended).await.expect("in time")
            });
            assert_eq!(got, (0..MESSAGES).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_future_that_is_dropped_loses_nothing() {
    let region = region();
    for capacity in [Capacity::Bounded(1), Capacity::Unbounded { quota: 64 }] {
        let (sender, receiver) = region.channel::<u64>(&format!("{capacity:?}"), capacity).expect("a channel");
        for message in 0..200 {
            let mut receives = pin!(receiver.recv_async());
            assert!(polled(receives.as_mut()).is_pending());
            sender.send(message).expect("there is space");
            // Polled again or not, the message is with the future or in the channel.
            let got = if message % 2 == 0 { polled(receives.as_mut()) } else { Poll::Pending };
            match got {
                Poll::Ready(got) => assert_eq!(got, Ok(message)),
                Poll::Pending => assert_eq!(receiver.recv_timeout(PATIENCE), Ok(message)),
            }
        }
    }
    let seats = region.semaphore("seats", 0).expect("a semaphore");
    for _ in 0..200 {
        {
            let mut acquires = pin!(seats.acquire_async(2));
            assert!(polled(acquires.as_mut()).is_pending());
            seats.release_many(2).expect("few");
            if seats.available() == 2 {
                thread::yield_now();
            }
        }
        // Acquired in the name of the future that is gone, or not: the permits are there.
        until("the permits are there", || seats.try_acquire(2).is_ok());
    }
}

/// Counts how often it wakes.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_future_that_waits_in_vain_is_left_in_peace() {
    let region = region();
    for capacity in CAPACITIES {
        let (sender, receiver) = region.channel::<u64>(&format!("{capacity:?}"), capacity).expect("a channel");
        let wakes = Arc::new(Counting::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut receives = pin!(receiver.recv_async());
        assert!(receives.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        throughout(Duration::from_millis(10), "a future that has nothing to receive", || {
            wakes.0.load(Ordering::Relaxed) == 0
        });
        thread::scope(|scope| {
            scope.spawn(|| sender.send(4).expect("sent"));
            until("the future is told", || wakes.0.load(Ordering::Relaxed) > 0);
            assert_eq!(receives.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(Ok(4)));
        });
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn a_send_that_is_dropped_was_done_or_not() {
    let region = region();
    for capacity in [Capacity::Zero, Capacity::Bounded(1)] {
        let (sender, receiver) = region.channel::<u64>(&format!("{capacity:?}"), capacity).expect("a channel");
        if capacity != Capacity::Zero {
            sender.send(0).expect("there is space");
        }
        {
            let mut sends = pin!(sender.send_async(1));
            assert!(polled(sends.as_mut()).is_pending());
        }
        if capacity != Capacity::Zero {
            assert_eq!(receiver.recv(), Ok(0));
        }
        // What was being offered is withdrawn soon.
        let mut got = None;
        until("nothing is offered, and no buffer in use", || {
            got = got.or(receiver.try_recv().ok());
            receiver.in_use() == 0
        });
        assert!(got.is_none_or(|got| got == 1));
        assert_eq!(receiver.try_recv(), Err(RecvError::Empty));
    }
}

#[test]
fn events_and_permits_are_awaited() {
    on_each(|| async {
        let region = region();
        let (event, seats) =
            (region.event("event").expect("an event"), region.semaphore("seats", 0).expect("a semaphore"));
        let mut waits = pin!(event.wait_async());
        assert!(polled(waits.as_mut()).is_pending(), "it has not happened");
        let other = (event.clone(), seats.clone());
        let sets = thread::spawn(move || {
            other.0.set().expect("usable");
            other.0.reset().expect("usable");
            other.1.release_many(3).expect("few");
        });
        sets.join().expect("it ends");
        // It has happened since, though it has been taken back.
        waits.await.expect("usable");
        seats.acquire_async(2).await.expect("there are three");
        assert_eq!(seats.available(), 1);
    });
}

#[test]
fn the_death_of_the_last_sender_is_told_to_a_future() {
    alone(LIMIT, || {
        let options = || RegionOptions::new().processes(4).threads(8).objects(4).arena(64 << 10).backstop(None);
        let region = options().create("futures").expect("a region");
        let receiver = region.receiver::<u64>("channel", Capacity::Bounded(4)).expect("a receiver");
        let mark = Shared::new(Mark::default());
        let dies = fork("the sender", || {
            let region = options().open("futures").expect("the director has made it");
            let sender = region.sender::<u64>("channel", Capacity::Bounded(4)).expect("a sender");
            sender.send(1).expect("there is space");
            mark.set(1);
            loop {
                thread::park();
            }
        });
        mark.wait("the sender has sent");
        assert_eq!(pollster::block_on(receiver.recv_async()), Ok(1));
        thread::scope(|scope| {
            let waits = scope.spawn(|| pollster::block_on(receiver.recv_async()));
            until("the thread that waits for futures sleeps", || region.participants()[0].threads >= 2);
            dies.kill();
            until("the future is told", || waits.is_finished());
            assert_eq!(waits.join().expect("it ends"), Err(RecvError::Disconnected));
        });
    });
}

#[test]
fn who_waits_for_futures_keeps_nobody_attached() {
    let region = region();
    let (sender, receiver) = channel(&region, Capacity::Bounded(1));
    let threads = || region.participants()[0].threads;
    {
        let mut receives = pin!(receiver.recv_async());
        assert!(polled(receives.as_mut()).is_pending());
        until("the thread that waits for futures has a place", || threads() == 2);
    }
    until("it has given it up", || threads() <= 1);
    // And it comes back.
    let mut receives = pin!(receiver.recv_async());
    assert!(polled(receives.as_mut()).is_pending());
    sender.send(3).expect("there is space");
    assert_eq!(pollster::block_on(receives), Ok(3));
}

/// With all others that wait: a future, a select and a thread at the same channel; each message goes to one of them.
#[test]
fn futures_selects_and_threads_share_a_channel() {
    const EACH: u64 = 300;
    for capacity in CAPACITIES {
        let region = region();
        let (sender, receiver) = channel(&region, capacity);
        let mut got: Vec<u64> = thread::scope(|scope| {
            let plain = scope.spawn(|| receiver.iter().collect::<Vec<_>>());
            let future = scope.spawn(|| {
                pollster::block_on(async {
                    let mut got = Vec::new();
                    while let Ok(message) = receiver.recv_async().await {
                        got.push(message);
                    }
                    got
                })
            });
            let selects = scope.spawn(|| {
                let mut got = Vec::new();
                loop {
                    let mut select = Select::new();
                    select.recv(&receiver);
                    match select.select_timeout(PATIENCE).expect("in time").recv(&receiver) {
                        Ok(message) => got.push(message),
                        Err(RecvError::Disconnected) => break got,
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            let other = sender.clone();
            let sends = scope.spawn(move || (0..EACH).for_each(|message| other.send(message).expect("sent")));
            pollster::block_on(async {
                for message in EACH..2 * EACH {
                    sender.send_async(message).await.expect("sent");
                }
            });
            sends.join().expect("it ends");
            drop(sender);
            [plain, future, selects].into_iter().flat_map(|thread| thread.join().expect("it ends")).collect()
        });
        got.sort_unstable();
        assert_eq!(got, (0..2 * EACH).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_wrong_is_told_by_the_first_poll() {
    let region = region();
    let (sender, receiver) = channel(&region, Capacity::Bounded(1));
    drop(receiver);
    assert_eq!(pollster::block_on(sender.send_async(5)), Err(SendError::Disconnected(5)));
    let seats = region.semaphore("seats", 0).expect("a semaphore");
    let too_many = pollster::block_on(seats.acquire_async(selvedge::region::Semaphore::MAX + 1));
    assert!(matches!(too_many, Err(selvedge::region::AcquireError::TooMany { .. })));
    // One place for threads, which is ours: there is none for the thread that would wait.
    let small = RegionOptions::new().processes(2).threads(1).objects(4).arena(16 << 10).anonymous().expect("a region");
    let (_sender, receiver) = channel(&small, Capacity::Bounded(1));
    assert_eq!(receiver.try_recv(), Err(RecvError::Empty));
    assert_eq!(pollster::block_on(receiver.recv_async()), Err(RecvError::TooManyThreads { limit: 1 }));
}
