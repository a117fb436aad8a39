//! Who plays: senders, receivers, and the board on which they note how far they are.

use crate::SENDERS;
use crate::support::actors::{Actor, fork};
use crate::support::pair::{Pair, number, pair};
use crate::support::shared::Shared;
use core::fmt;
use selvedge::Region;
use selvedge::message::{
    Capacity, MailError, Mailbox, Message, Port, PortOptions, Receiver, Receivers, RecvError, Sender,
};
use selvedge::primitives::waiting::Wait;
use selvedge::region::RegionOptions;
use selvedge::sync::{AtomicU32, AtomicU64, Ordering};
use std::io::{PipeReader, Read};
use std::thread;
use std::time::Duration;

/// The name of the channel.
pub(crate) const CHANNEL: &str = "channel";
const REGION: &str = "crowd";
/// How long somebody waits before it gives up: less than the director does, which hears why.
const WAIT: Duration = Duration::from_secs(15);
/// Most messages of one sender.
pub(crate) const MOST: usize = WORDS * 64;
const WORDS: usize = 64;

/// Through what messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Through {
    Channel,
    Mailbox,
}

/// What a crowd is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// What it gets them through.
    pub(crate) through: Through,
    /// Of that.
    pub(crate) capacity: Capacity,
    /// How all wait.
    pub(crate) wait: Wait,
    /// How many threads receive.
    pub(crate) receivers: usize,
    /// How many processes send.
    pub(crate) processes: usize,
    /// How many messages each has to get through.
    pub(crate) each: usize,
    /// How many each sends at most while there are others that have not got through so many.
    pub(crate) most: usize,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { through, capacity, wait, receivers, processes, each, most } = self;
        write!(
            f,
            "{through:?}, {capacity:?}, {wait:?}, {processes} processes send {each} to {most} of each, {receivers} receivers"
        )
    }
}

impl Plan {
    fn receiver_processes(self) -> usize {
        self.receivers.min(8)
    }

    fn options(self) -> RegionOptions {
        let number = |number: usize| u32::try_from(number).expect("few");
        // And the director's.
        let processes = number(self.processes + self.receiver_processes() + 1);
        let threads = number((SENDERS / self.processes).max(self.receivers / self.receiver_processes()));
        let arena = (1 << 20) + 256 * SENDERS * self.each;
        RegionOptions::new().processes(processes).threads(threads).objects(2).arena(arena as u64)
    }

    /// Makes the region.
    pub(crate) fn make(self) -> Region {
        assert!(self.most <= MOST, "at most {MOST} messages of each can be told apart");
        self.options().create(REGION).expect("a region")
    }

    fn open(self) -> Region {
        self.options().open(REGION).expect("the director has made it")
    }

    fn port(self, region: &Region) -> Port {
        let receivers = if self.receivers == 1 { Receivers::One } else { Receivers::Several };
        let options = PortOptions::new(self.capacity).receivers(receivers);
        region.port(CHANNEL, &options).expect("a port").with_wait(self.wait)
    }

    /// What tells the receivers that nothing more comes, once the senders have ended: of a mailbox somebody has to say so.
    pub(crate) fn close(self, region: &Region) {
        if self.through == Through::Mailbox {
            self.port(region).close().expect("usable");
        }
    }
}

/// A handle to send.
#[derive(Clone)]
enum Out {
    Channel(Sender<Pair>),
    Mailbox(Port),
}

impl Out {
    /// The first use of the region by a thread.
    fn begin(&self) {
        match self {
            Self::Channel(sender) => drop(sender.try_loan()),
            Self::Mailbox(port) => drop(port.try_draft()),
        }
    }

    fn send(&self, message: Pair) -> Result<(), String> {
        match self {
            Self::Channel(sender) => sender.send_timeout(message, WAIT).map_err(|error| error.to_string()),
            Self::Mailbox(port) => port.send_timeout(&Message::of(&message), WAIT).map_err(|error| error.to_string()),
        }
    }
}

/// A handle to receive.
enum In {
    Channel(Receiver<Pair>),
    Mailbox(Mailbox),
}

impl In {
    /// None at the end.
    fn receive(&self) -> Result<Option<Pair>, String> {
        match self {
            Self::Channel(receiver) => match receiver.recv_timeout(WAIT) {
                Ok(message) => Ok(Some(message)),
                Err(RecvError::Disconnected) => Ok(None),
                Err(error) => Err(error.to_string()),
            },
            Self::Mailbox(mailbox) => match mailbox.recv_timeout(WAIT) {
                Ok(letter) => Ok(Some(letter.read().expect("a pair"))),
                Err(MailError::Closed) => Ok(None),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

/// How far all are.
pub(crate) struct Board {
    marks: Shared<Marks>,
    /// For each sender a bit for each message that was received.
    seen: Vec<Shared<[AtomicU64; WORDS]>>,
}

#[derive(Debug)]
struct Marks {
    ready: AtomicU32,
    /// Senders that have sent as many messages as each has to get through.
    satisfied: AtomicU32,
    /// Senders that send no more.
    done: AtomicU32,
    sent: [AtomicU64; SENDERS],
    received: AtomicU64,
}

impl Board {
    pub(crate) fn new() -> Self {
        let count = || AtomicU32::new(0);
        let word = |_| AtomicU64::new(0);
        let (sent, received) = (std::array::from_fn(word), word(0));
        let marks = Marks { ready: count(), satisfied: count(), done: count(), sent, received };
        let seen = (0..SENDERS).map(|_| Shared::new(std::array::from_fn(word))).collect();
        Self { marks: Shared::new(marks), seen }
    }

    /// How many threads have come.
    pub(crate) fn ready(&self) -> usize {
        self.marks.ready.load(Ordering::Acquire) as usize
    }

    /// Whether all senders have sent what they send.
    pub(crate) fn are_done(&self) -> bool {
        self.marks.done.load(Ordering::Acquire) as usize == SENDERS
    }

    fn counts(&self) -> impl Iterator<Item = u64> {
        // Relaxed, here and below: whoever is done has said so with Release.
        self.marks.sent.iter().map(|sent| sent.load(Ordering::Relaxed))
    }

    /// Messages that were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.counts().sum()
    }

    /// Messages that were received.
    pub(crate) fn received(&self) -> u64 {
        self.marks.received.load(Ordering::Relaxed)
    }

    /// The fewest and the most messages of one sender.
    pub(crate) fn spread(&self) -> String {
        format!("{} to {} of each", self.counts().min().unwrap_or(0), self.counts().max().unwrap_or(0))
    }

    /// How far all are, for people.
    pub(crate) fn progress(&self) -> String {
        let satisfied = self.marks.satisfied.load(Ordering::Acquire);
        let (last, least) = self.counts().enumerate().min_by_key(|(_, sent)| *sent).unwrap_or_default();
        format!(
            "{} of them have come, {satisfied} senders have sent enough, {last} only {least} messages; {} were sent, {} received",
            self.ready(),
            self.sent(),
            self.received()
        )
    }

    /// All messages of all senders were received, and no others. That none came twice is seen at once.
    pub(crate) fn judge(&self, plan: Plan) {
        for (lane, (sent, seen)) in self.counts().zip(&self.seen).enumerate() {
            assert!(sent >= plan.each as u64, "sender {lane} has sent {sent} messages only");
            let seen: u64 = seen.iter().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones())).sum();
            assert_eq!(seen, sent, "messages of sender {lane} that were received, and sent");
        }
    }

    fn send(&self, plan: Plan, lane: usize, sender: &Out, signs: &Signs) -> Result<(), String> {
        sender.begin();
        let marks = &*self.marks;
        marks.ready.fetch_add(1, Ordering::AcqRel);
        await_sign(&signs.begin);
        for count in 0..plan.most {
            if let Err(error) = sender.send(pair((lane * MOST + count) as u64)) {
                return Err(format!("sender {lane} sent {count} messages, but not another within {WAIT:?}: {error}"));
            }
            marks.sent[lane].store(count as u64 + 1, Ordering::Relaxed);
            if count + 1 == plan.each {
                marks.satisfied.fetch_add(1, Ordering::AcqRel);
            }
            if count + 1 >= plan.each && marks.satisfied.load(Ordering::Acquire) as usize == SENDERS {
                break;
            }
        }
        marks.done.fetch_add(1, Ordering::AcqRel);
        await_sign(&signs.end);
        Ok(())
    }

    fn receive(&self, receiver: &In) -> Result<(), String> {
        let mut last = [None; SENDERS];
        self.marks.ready.fetch_add(1, Ordering::AcqRel);
        for received in 0.. {
            let message = match receiver.receive() {
                Ok(Some(message)) => usize::try_from(number(message)).expect("64 bits"),
                Ok(None) => break,
                Err(error) => {
                    return Err(format!(
                        "a receiver received {received} messages, but nothing within {WAIT:?}: {error}"
                    ));
                }
            };
            let (lane, count) = (message / MOST, message % MOST);
            assert!(
                last[lane].is_none_or(|last| last < count),
                "{count} of sender {lane} after {last:?}",
                last = last[lane]
            );
            last[lane] = Some(count);
            let bit = 1 << (count % 64);
            let seen = self.seen[lane][count / 64].fetch_or(bit, Ordering::Relaxed);
            assert_eq!(seen & bit, 0, "{count} of sender {lane} was received twice");
            self.marks.received.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Runs `body` with each handle in a thread of its own, the last one in this; then gives them up.
fn all<H: Sync>(handles: Vec<H>, body: impl Fn(usize, &H) -> Result<(), String> + Sync) {
    let (handles, body) = (&handles, &body);
    let failures: Vec<String> = thread::scope(|scope| {
        let (last, others) = handles.split_last().expect("there is one");
        let spawn = |(index, handle)| scope.spawn(move || body(index, handle));
        let threads: Vec<_> = others.iter().enumerate().map(spawn).collect();
        let own = body(others.len(), last);
        let ends = threads.into_iter().map(|thread| thread.join().expect("it did not panic"));
        ends.chain([own]).filter_map(Result::err).collect()
    });
    assert!(failures.is_empty(), "{} of {}, for example: {}", failures.len(), handles.len(), failures[0]);
}

/// The processes that receive.
pub(crate) fn receivers(plan: Plan, board: &Board) -> Vec<Actor> {
    let processes = plan.receiver_processes();
    let play = || {
        let region = plan.open();
        let receiver = || match plan.through {
            Through::Channel => {
                In::Channel(region.receiver(CHANNEL, plan.capacity).expect("a receiver").with_wait(plan.wait))
            }
            Through::Mailbox => In::Mailbox(plan.port(&region).claim().expect("there is place for all")),
        };
        let receivers = (0..plan.receivers / processes).map(|_| receiver()).collect();
        all(receivers, |_, receiver| board.receive(receiver));
    };
    (0..processes).map(|_| fork("receivers", play)).collect()
}

/// Where senders learn when to begin, and when to end, by a byte for each. No futex call is made for that.
#[derive(Debug)]
pub(crate) struct Signs {
    pub(crate) begin: PipeReader,
    pub(crate) end: PipeReader,
}

fn await_sign(mut pipe: &PipeReader) {
    pipe.read_exact(&mut [0]).expect("the director gives a sign");
}

/// The processes that send.
pub(crate) fn senders(plan: Plan, board: &Board, signs: &Signs) -> Vec<Actor> {
    let share = SENDERS / plan.processes;
    let play = |process: usize| {
        let region = plan.open();
        let sender = match plan.through {
            Through::Channel => {
                Out::Channel(region.sender(CHANNEL, plan.capacity).expect("a sender").with_wait(plan.wait))
            }
            Through::Mailbox => Out::Mailbox(plan.port(&region)),
        };
        all(vec![sender; share], |index, sender| board.send(plan, process * share + index, sender, signs));
    };
    (0..plan.processes).map(|process| fork("senders", move || play(process))).collect()
}
