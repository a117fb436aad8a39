//! What clients of queues and of the rendezvous share: letters, and buffers that are filled before anything begins.
//!
//! A message lies in a buffer of its own, which its thread has taken from the pool before the first operation: the pool is not
//! what these clients are about, and every look at it would multiply the executions. Its content is written when it is sent,
//! and the buffer is given back when it has been read.

use super::object::{Object, Operation};
use crate::scene::{Notes, Scene};
use selvedge::primitives::ThreadSlot;
use selvedge::sync::Cell;
use selvedge_witness::specifications::QueueOperation::{self, Receive, Send, TryReceive, TrySend};
use selvedge_witness::specifications::QueueOutcome;

/// All four operations, the blocking ones first.
pub(super) fn letters() -> Vec<fn(u32) -> QueueOperation> {
    vec![Send, |_| Receive, TrySend, |_| TryReceive]
}

/// Where messages lie.
pub(super) struct Buffers {
    content: Vec<Cell<u32>>,
    /// The buffer of each message.
    of: Notes<Vec<(u32, usize)>>,
}

fn message(operation: &QueueOperation) -> Option<u32> {
    match *operation {
        Send(message) | TrySend(message) => Some(message),
        Receive | TryReceive => None,
    }
}

/// The messages of a program.
pub(super) fn count(program: &[Vec<QueueOperation>]) -> usize {
    program.iter().flatten().filter_map(message).count()
}

impl Buffers {
    pub(super) fn new(buffers: usize) -> Self {
        Self { content: (0..buffers).map(|_| Cell::new(0)).collect(), of: Notes::default() }
    }

    /// Gives each message a buffer.
    pub(super) fn prepare<O: Object>(
        &self,
        scene: &Scene<O>,
        program: &[Vec<QueueOperation>],
        take: impl Fn(ThreadSlot) -> Option<usize>,
    ) {
        for (lane, operations) in program.iter().enumerate() {
            for message in operations.iter().filter_map(message) {
                let buffer = take(scene.slot(lane)).expect("there are enough");
                self.of.lock().push((message, buffer));
            }
        }
    }

    /// Writes a message into its buffer.
    pub(super) fn fill(&self, message: u32) -> usize {
        let known = self.of.lock().iter().find(|(of, _)| *of == message).copied();
        let (_, buffer) = known.expect("each message has one");
        // SAFETY: the calling lane has the buffer; the engine reports it if somebody else has it, too.
        self.content[buffer].with_mut(|content| unsafe { *content = message });
        buffer
    }

    /// What is in a buffer that the calling lane has taken.
    pub(super) fn read(&self, buffer: usize) -> u32 {
        // SAFETY: as in fill.
        self.content[buffer].with(|content| unsafe { *content })
    }
}

/// An operation as the calls that carry it out.
pub(super) fn perform(
    operation: QueueOperation,
    send: impl FnOnce(u32, bool) -> bool,
    receive: impl FnOnce(bool) -> Option<u32>,
) -> QueueOutcome {
    let sent = |sent: bool| if sent { QueueOutcome::Sent } else { QueueOutcome::WouldBlock };
    let got = |got: Option<u32>| got.map_or(QueueOutcome::WouldBlock, QueueOutcome::Got);
    match operation {
        Send(message) => sent(send(message, true)),
        TrySend(message) => sent(send(message, false)),
        Receive => got(receive(true)),
        TryReceive => got(receive(false)),
    }
}

/// The program of an object that passes messages.
pub(super) type Of<O> = [Vec<Operation<O>>];
