//! The channels of crossbeam behave so where the names are the same: every short script on both, and the cases with threads.
//!
//! Where they differ, on purpose:
//! - What nobody was left to receive stays for the next receiver who comes; crossbeam drops it, since nobody can come.
//! - Messages are plain bytes: there is nothing to drop, and so no order in which it happens.
//! - An unbounded channel has a quota, and a bounded one more buffers than its capacity, both of which can be used up.

use super::{LIMIT, SHORT};
use crate::support::patience::{PATIENCE, until};
use crate::support::proc::thread_is_asleep;
use crossbeam_channel as peer;
use selvedge::message::{Capacity, Receiver, RecvError, SendError, Sender};
use selvedge::region::RegionOptions;
use selvedge::{Deadline, Region};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// What comes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Sent,
    Got(u64),
    Full,
    Empty,
    TimedOut,
    Disconnected,
}

/// Length, whether it is empty, whether it is full, capacity.
type Seen = Option<(usize, bool, bool, Option<usize>)>;

/// A channel with what the scripts need of it; a handle of each end, or none any more.
trait Channel: Clone + Send + 'static {
    fn made(capacity: Option<usize>) -> Self;

    fn send(&self, message: u64) -> Answer;
    fn try_send(&self, message: u64) -> Answer;
    fn send_timeout(&self, message: u64, timeout: Duration) -> Answer;
    /// The deadline is so far away.
    fn send_deadline(&self, message: u64, far: Duration) -> Answer;
    fn recv(&self) -> Answer;
    fn try_recv(&self) -> Answer;
    fn recv_timeout(&self, timeout: Duration) -> Answer;
    fn recv_deadline(&self, far: Duration) -> Answer;
    fn iter(&self) -> Vec<u64>;
    fn try_iter(&self) -> Vec<u64>;

    /// One handle more, or less, of each end.
    fn clone_sender(&mut self);
    fn drop_sender(&mut self);
    fn clone_receiver(&mut self);
    fn drop_receiver(&mut self);
    fn has(&self) -> (bool, bool);

    /// As the sender and as the receiver sees it.
    fn sees(&self) -> [Seen; 2];
}

#[derive(Clone)]
struct Ours {
    senders: Vec<Sender<u64>>,
    receivers: Vec<Receiver<u64>>,
    _region: Region,
}

#[derive(Clone)]
struct Theirs {
    senders: Vec<peer::Sender<u64>>,
    receivers: Vec<peer::Receiver<u64>>,
}

fn sent(result: Result<(), SendError<u64>>, message: u64) -> Answer {
    let (answer, back) = match result {
        Ok(()) => return Answer::Sent,
        Err(SendError::Full(back)) => (Answer::Full, back),
        Err(SendError::TimedOut(back)) => (Answer::TimedOut, back),
        Err(SendError::Disconnected(back)) => (Answer::Disconnected, back),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(back, message, "it comes back");
    answer
}

fn got(result: Result<u64, RecvError>) -> Answer {
    match result {
        Ok(message) => Answer::Got(message),
        Err(RecvError::Empty) => Answer::Empty,
        Err(RecvError::TimedOut) => Answer::TimedOut,
        Err(RecvError::Disconnected) => Answer::Disconnected,
        Err(error) => panic!("{error}"),
    }
}

/// What both have by the same names.
macro_rules! handles {
    () => {
        fn iter(&self) -> Vec<u64> {
            self.receivers[0].iter().collect()
        }

        fn try_iter(&self) -> Vec<u64> {
            self.receivers[0].try_iter().collect()
        }

        fn clone_sender(&mut self) {
            self.senders.push(self.senders[0].clone());
        }

        fn drop_sender(&mut self) {
            self.senders.pop();
        }

        fn clone_receiver(&mut self) {
            self.receivers.push(self.receivers[0].clone());
        }

        fn drop_receiver(&mut self) {
            self.receivers.pop();
        }

        fn has(&self) -> (bool, bool) {
            (!self.senders.is_empty(), !self.receivers.is_empty())
        }

        fn sees(&self) -> [Seen; 2] {
            [
                self.senders.first().map(|end| (end.len(), end.is_empty(), end.is_full(), end.capacity())),
                self.receivers.first().map(|end| (end.len(), end.is_empty(), end.is_full(), end.capacity())),
            ]
        }
    };
}

impl Channel for Ours {
    fn made(capacity: Option<usize>) -> Self {
        let capacity = match capacity {
            None => Capacity::Unbounded { quota: 64 },
            Some(0) => Capacity::Zero,
            Some(bound) => Capacity::Bounded(bound),
        };
        let options = RegionOptions::new().processes(2).threads(8).objects(2).arena(16 << 10);
        let region = options.anonymous().expect("a region");
        let (sender, receiver) = region.channel("channel", capacity).expect("a channel");
        Self { senders: vec![sender], receivers: vec![receiver], _region: region }
    }

    fn send(&self, message: u64) -> Answer {
        sent(self.senders[0].send(message), message)
    }

    fn try_send(&self, message: u64) -> Answer {
        sent(self.senders[0].try_send(message), message)
    }

    fn send_timeout(&self, message: u64, timeout: Duration) -> Answer {
        sent(self.senders[0].send_timeout(message, timeout), message)
    }

    fn send_deadline(&self, message: u64, far: Duration) -> Answer {
        sent(self.senders[0].send_deadline(message, Deadline::after(far)), message)
    }

    fn recv(&self) -> Answer {
        got(self.receivers[0].recv())
    }

    fn try_recv(&self) -> Answer {
        got(self.receivers[0].try_recv())
    }

    fn recv_timeout(&self, timeout: Duration) -> Answer {
        got(self.receivers[0].recv_timeout(timeout))
    }

    fn recv_deadline(&self, far: Duration) -> Answer {
        got(self.receivers[0].recv_deadline(Deadline::after(far)))
    }

    handles!();
}

fn in_time(result: Result<(), peer::SendTimeoutError<u64>>) -> Answer {
    match result {
        Ok(()) => Answer::Sent,
        Err(peer::SendTimeoutError::Timeout(_)) => Answer::TimedOut,
        Err(peer::SendTimeoutError::Disconnected(_)) => Answer::Disconnected,
    }
}

fn got_in_time(result: Result<u64, peer::RecvTimeoutError>) -> Answer {
    match result {
        Ok(message) => Answer::Got(message),
        Err(peer::RecvTimeoutError::Timeout) => Answer::TimedOut,
        Err(peer::RecvTimeoutError::Disconnected) => Answer::Disconnected,
    }
}

impl Channel for Theirs {
    fn made(capacity: Option<usize>) -> Self {
        let (sender, receiver) = capacity.map_or_else(peer::unbounded, peer::bounded);
        Self { senders: vec![sender], receivers: vec![receiver] }
    }

    fn send(&self, message: u64) -> Answer {
        self.senders[0].send(message).map_or(Answer::Disconnected, |()| Answer::Sent)
    }

    fn try_send(&self, message: u64) -> Answer {
        match self.senders[0].try_send(message) {
            Ok(()) => Answer::Sent,
            Err(peer::TrySendError::Full(_)) => Answer::Full,
            Err(peer::TrySendError::Disconnected(_)) => Answer::Disconnected,
        }
    }

    fn send_timeout(&self, message: u64, timeout: Duration) -> Answer {
        in_time(self.senders[0].send_timeout(message, timeout))
    }

    fn send_deadline(&self, message: u64, far: Duration) -> Answer {
        in_time(self.senders[0].send_deadline(message, Instant::now() + far))
    }

    fn recv(&self) -> Answer {
        self.receivers[0].recv().map_or(Answer::Disconnected, Answer::Got)
    }

    fn try_recv(&self) -> Answer {
        match self.receivers[0].try_recv() {
            Ok(message) => Answer::Got(message),
            Err(peer::TryRecvError::Empty) => Answer::Empty,
            Err(peer::TryRecvError::Disconnected) => Answer::Disconnected,
        }
    }

    fn recv_timeout(&self, timeout: Duration) -> Answer {
        got_in_time(self.receivers[0].recv_timeout(timeout))
    }

    fn recv_deadline(&self, far: Duration) -> Answer {
        got_in_time(self.receivers[0].recv_deadline(Instant::now() + far))
    }

    handles!();
}

const CAPACITIES: [Option<usize>; 4] = [Some(0), Some(1), Some(2), None];

/// A step of a script that one thread goes through.
#[derive(Clone, Copy, Debug)]
enum Step {
    TrySend,
    SendAtOnce,
    TryRecv,
    RecvAtOnce,
    TryIter,
    CloneSender,
    DropSender,
    CloneReceiver,
    DropReceiver,
}

const STEPS: [Step; 9] = [
    Step::TrySend,
    Step::SendAtOnce,
    Step::TryRecv,
    Step::RecvAtOnce,
    Step::TryIter,
    Step::CloneSender,
    Step::DropSender,
    Step::CloneReceiver,
    Step::DropReceiver,
];
const LENGTH: u32 = 4;

/// What a step shows.
type Shown = (Vec<Answer>, [Seen; 2]);

/// What the steps of a script show; those for which there is no handle any more are left out.
fn shown<C: Channel>(capacity: Option<usize>, script: &[Step]) -> Vec<Shown> {
    let mut channel = C::made(capacity);
    let mut next = 0..;
    let mut all = Vec::new();
    for (place, step) in script.iter().enumerate() {
        // In turn by a time and by a deadline.
        let by_time = place % 2 == 0;
        let mut message = || next.next().unwrap_or_default();
        let answers = match (step, channel.has()) {
            (Step::TrySend, (true, _)) => vec![channel.try_send(message())],
            (Step::SendAtOnce, (true, _)) if by_time => vec![channel.send_timeout(message(), Duration::ZERO)],
            (Step::SendAtOnce, (true, _)) => vec![channel.send_deadline(message(), Duration::ZERO)],
            (Step::TryRecv, (_, true)) => vec![channel.try_recv()],
            (Step::RecvAtOnce, (_, true)) if by_time => vec![channel.recv_timeout(Duration::ZERO)],
            (Step::RecvAtOnce, (_, true)) => vec![channel.recv_deadline(Duration::ZERO)],
            (Step::TryIter, (_, true)) => channel.try_iter().into_iter().map(Answer::Got).collect(),
            (Step::CloneSender, (true, _)) => {
                channel.clone_sender();
                Vec::new()
            }
            (Step::DropSender, (true, _)) => {
                channel.drop_sender();
                Vec::new()
            }
            (Step::CloneReceiver, (_, true)) => {
                channel.clone_receiver();
                Vec::new()
            }
            (Step::DropReceiver, (_, true)) => {
                channel.drop_receiver();
                Vec::new()
            }
            _ => continue,
        };
        // What nobody is left to receive is there still, or is not.
        let sees = if channel.has().1 { channel.sees() } else { [None; 2] };
        all.push((answers, sees));
    }
    all
}

#[test]
fn every_short_script_shows_the_same() {
    let mut scripts = 0;
    for capacity in CAPACITIES {
        for mut number in 0..STEPS.len().pow(LENGTH) {
            let script: Vec<Step> = (0..LENGTH)
                .map(|_| {
                    let step = STEPS[number % STEPS.len()];
                    number /= STEPS.len();
                    step
                })
                .collect();
            let (ours, theirs) = (shown::<Ours>(capacity, &script), shown::<Theirs>(capacity, &script));
            assert_eq!(ours, theirs, "capacity {capacity:?}, {script:?}");
            scripts += 1;
        }
    }
    assert_eq!(scripts, 4 * 6561);
}

/// Runs `body` in another thread, and waits until it sleeps, or has ended.
fn started<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> impl FnOnce() -> R {
    let (ends, ended) = mpsc::channel();
    let (tells, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _ = tells.send(rustix::thread::gettid());
        let _ = ends.send(body());
    });
    let id = told.recv_timeout(LIMIT).expect("it begins");
    let id = id.as_raw_nonzero().get().unsigned_abs();
    until("the other thread sleeps, or has ended", || thread.is_finished() || thread_is_asleep(id));
    move || {
        let answer = ended.recv_timeout(PATIENCE).expect("the other thread has an answer in time");
        thread.join().expect("it has not panicked");
        answer
    }
}

/// The same case with both, for each of the capacities.
fn both(capacities: &[Option<usize>], case: impl Fn(&dyn Case, Option<usize>) -> Vec<Answer>) {
    for capacity in capacities {
        let (ours, theirs) = (case(&Of::<Ours>::NEW, *capacity), case(&Of::<Theirs>::NEW, *capacity));
        assert_eq!(ours, theirs, "capacity {capacity:?}");
    }
}

/// The cases with a second thread, for either of the two.
trait Case {
    /// A receiver waits; a sender sends.
    fn a_send_wakes_a_receiver(&self, capacity: Option<usize>) -> Vec<Answer>;
    /// A receiver waits; the only sender is dropped.
    fn a_drop_wakes_a_receiver(&self, capacity: Option<usize>) -> Vec<Answer>;
    /// A sender waits for space; a receiver receives.
    fn a_receive_wakes_a_sender(&self, capacity: Option<usize>) -> Vec<Answer>;
    /// A sender waits for space; the only receiver is dropped.
    fn a_drop_wakes_a_sender(&self, capacity: Option<usize>) -> Vec<Answer>;
    /// A receiver waits; a sender tries.
    fn a_try_finds_a_receiver(&self, capacity: Option<usize>) -> Vec<Answer>;
    /// A sender waits for space; a receiver tries.
    fn a_try_finds_a_sender(&self, capacity: Option<usize>) -> Vec<Answer>;
    /// Timed calls in vain last at least so long.
    fn timeouts_last(&self, capacity: Option<usize>) -> Vec<Answer>;
    /// Iteration ends when the only sender is dropped.
    fn iteration_ends(&self, capacity: Option<usize>) -> Vec<Answer>;
}

struct Of<C>(std::marker::PhantomData<C>);

impl<C> Of<C> {
    const NEW: Self = Self(std::marker::PhantomData);
}

/// The channel, full as far as it goes, and what that answered.
fn full<C: Channel>(capacity: Option<usize>) -> (C, Vec<Answer>) {
    let channel = C::made(capacity);
    let answers = (0..capacity.unwrap_or(0)).map(|number| channel.try_send(number as u64)).collect();
    (channel, answers)
}

impl<C: Channel> Case for Of<C> {
    fn a_send_wakes_a_receiver(&self, capacity: Option<usize>) -> Vec<Answer> {
        let channel = C::made(capacity);
        let receives = channel.clone();
        let waits = started(move || receives.recv());
        vec![channel.send(7), waits()]
    }

    fn a_drop_wakes_a_receiver(&self, capacity: Option<usize>) -> Vec<Answer> {
        let mut channel = C::made(capacity);
        let mut receives = channel.clone();
        receives.drop_sender();
        let waits = started(move || receives.recv());
        channel.drop_sender();
        vec![waits()]
    }

    fn a_receive_wakes_a_sender(&self, capacity: Option<usize>) -> Vec<Answer> {
        let (channel, mut answers) = full::<C>(capacity);
        let sends = channel.clone();
        let waits = started(move || sends.send(7));
        answers.push(channel.recv());
        answers.push(waits());
        answers.extend(capacity.filter(|bound| *bound > 0).map(|_| channel.try_recv()));
        answers
    }

    fn a_drop_wakes_a_sender(&self, capacity: Option<usize>) -> Vec<Answer> {
        let (mut channel, mut answers) = full::<C>(capacity);
        let mut sends = channel.clone();
        sends.drop_receiver();
        let waits = started(move || sends.send(7));
        channel.drop_receiver();
        answers.push(waits());
        answers
    }

    fn a_try_finds_a_receiver(&self, capacity: Option<usize>) -> Vec<Answer> {
        let channel = C::made(capacity);
        let receives = channel.clone();
        let waits = started(move || receives.recv());
        vec![channel.try_send(7), waits()]
    }

    fn a_try_finds_a_sender(&self, capacity: Option<usize>) -> Vec<Answer> {
        let (channel, mut answers) = full::<C>(capacity);
        let sends = channel.clone();
        let waits = started(move || sends.send(7));
        answers.push(channel.try_recv());
        answers.push(waits());
        answers
    }

    fn timeouts_last(&self, capacity: Option<usize>) -> Vec<Answer> {
        let (channel, mut answers) = full::<C>(capacity);
        let start = Instant::now();
        answers.extend(capacity.map(|_| channel.send_timeout(7, SHORT)));
        answers.extend(capacity.map(|_| channel.send_deadline(7, SHORT)));
        assert!(capacity.is_none() || start.elapsed() >= SHORT, "it gave up early");
        answers.extend((0..capacity.unwrap_or(0)).map(|_| channel.try_recv()));
        let start = Instant::now();
        answers.push(channel.recv_timeout(SHORT));
        answers.push(channel.recv_deadline(SHORT));
        assert!(start.elapsed() >= SHORT, "it gave up early");
        answers
    }

    fn iteration_ends(&self, capacity: Option<usize>) -> Vec<Answer> {
        let mut channel = C::made(capacity);
        let mut receives = channel.clone();
        receives.drop_sender();
        let over = std::sync::Arc::new(AtomicBool::new(false));
        let told = std::sync::Arc::clone(&over);
        let waits = started(move || {
            let all = receives.iter();
            told.store(true, Ordering::Release);
            all
        });
        let mut answers: Vec<Answer> = (0..3).map(|number| channel.send(number)).collect();
        assert!(!over.load(Ordering::Acquire), "there is a sender still");
        channel.drop_sender();
        answers.extend(waits().into_iter().map(Answer::Got));
        answers
    }
}

#[test]
fn a_receiver_that_waits_is_told() {
    both(&CAPACITIES, |case, capacity| case.a_send_wakes_a_receiver(capacity));
    both(&CAPACITIES, |case, capacity| case.a_drop_wakes_a_receiver(capacity));
    both(&CAPACITIES, |case, capacity| case.a_try_finds_a_receiver(capacity));
}

#[test]
fn a_sender_that_waits_is_told() {
    let bounded = [Some(0), Some(1), Some(2)];
    both(&bounded, |case, capacity| case.a_receive_wakes_a_sender(capacity));
    both(&bounded, |case, capacity| case.a_drop_wakes_a_sender(capacity));
    both(&bounded, |case, capacity| case.a_try_finds_a_sender(capacity));
}

#[test]
fn waits_in_vain_and_iteration_end() {
    both(&CAPACITIES, |case, capacity| case.timeouts_last(capacity));
    both(&CAPACITIES, |case, capacity| case.iteration_ends(capacity));
}
