//! Mailboxes from which several receive: at each capacity the same as a queue, or a rendezvous, of that, but for what comes back from
//! who is killed.

use crate::subjects::{NAME, Part, Session, Subject, TIME, Word, are_alike};
use crate::support::dice::Dice;
use core::marker::PhantomData;
use selvedge::Region;
use selvedge::message::{Capacity, Letter, MailError, Mailbox, Message, Port, PortOptions, Receivers};
use selvedge_witness::End;
use selvedge_witness::specifications::{self as of, MailboxOperation, QueueOperation, QueueOutcome};

/// A capacity.
pub(crate) trait Terms {
    const NAME: &'static str;
    const CAPACITY: Capacity;
    /// Of the specification.
    const MOST: usize;
}

pub(crate) struct Zero;

impl Terms for Zero {
    const NAME: &'static str = "mailbox that holds nothing";
    const CAPACITY: Capacity = Capacity::Zero;
    const MOST: usize = 0;
}

pub(crate) struct Few;

impl Terms for Few {
    const NAME: &'static str = "bounded mailbox";
    const CAPACITY: Capacity = Capacity::Bounded(2);
    const MOST: usize = 2;
}

pub(crate) struct Many;

impl Terms for Many {
    const NAME: &'static str = "unbounded mailbox";
    // More than all processes together send, and one for each that is at it.
    const CAPACITY: Capacity = Capacity::Unbounded { quota: 64 };
    const MOST: usize = usize::MAX;
}

/// A mailbox on these terms.
pub(crate) struct MailboxOf<T>(PhantomData<T>);

impl<T: Terms> Subject for MailboxOf<T> {
    type Spec = of::Mailbox;
    const NAME: &'static str = T::NAME;
    // A call on a mailbox has more of them than one on a queue.
    const STEPS: u64 = 240;

    fn specification() -> of::Mailbox {
        of::Mailbox { capacity: T::MOST }
    }

    fn with_session(region: &Region, body: Part<'_, MailboxOperation, QueueOutcome>) {
        let options = PortOptions::new(T::CAPACITY).receivers(Receivers::Several);
        let port = region.port(NAME, &options).expect("a port");
        let mailbox = port.claim().expect("all may receive");
        body(&mut Correspondent { port, mailbox });
    }

    fn are_alike(one: MailboxOperation, other: MailboxOperation) -> bool {
        match (one, other) {
            (MailboxOperation::Pass(one), MailboxOperation::Pass(other)) => are_alike(one, other),
            _ => false,
        }
    }

    /// Who was killed in a receive has taken one or none, and if it was not received yet, it comes back.
    fn parts(operation: MailboxOperation, end: &End<QueueOutcome>) -> Vec<MailboxOperation> {
        use QueueOperation::{Receive, TryReceive};
        match (operation, end) {
            (MailboxOperation::Pass(Receive | TryReceive), End::Pending) => {
                vec![MailboxOperation::Look, MailboxOperation::Return]
            }
            _ => vec![operation],
        }
    }
}

/// A process that sends and receives.
struct Correspondent {
    port: Port,
    mailbox: Mailbox,
}

impl Session<MailboxOperation, QueueOutcome> for Correspondent {
    fn choose(&mut self, dice: &mut Dice, message: u32) -> MailboxOperation {
        use QueueOperation::{Receive, Send, TryReceive, TrySend};
        MailboxOperation::Pass(*dice.one_of(&[Send(message), TrySend(message), Receive, TryReceive]))
    }

    fn perform(&mut self, operation: MailboxOperation, _dice: &mut Dice) -> Option<QueueOutcome> {
        let MailboxOperation::Pass(operation) = operation else { unreachable!("nobody calls it") };
        let letter = |message: u32| u64::from(message);
        match operation {
            QueueOperation::Send(message) => sent(self.port.send_timeout(&Message::of(&letter(message)), TIME)),
            QueueOperation::TrySend(message) => sent(self.port.try_send(&Message::of(&letter(message)))),
            QueueOperation::Receive => got(self.mailbox.recv_timeout(TIME)),
            QueueOperation::TryReceive => got(self.mailbox.try_recv()),
        }
    }
}

fn sent(sent: Result<(), MailError>) -> Option<QueueOutcome> {
    match sent {
        Ok(()) => Some(QueueOutcome::Sent),
        Err(MailError::Full) => Some(QueueOutcome::WouldBlock),
        Err(MailError::TimedOut) => None,
        Err(error) => panic!("a send: {error}"),
    }
}

fn got(got: Result<Letter<'_>, MailError>) -> Option<QueueOutcome> {
    match got {
        Ok(letter) => {
            let message = letter.read::<u64>().expect("a message that was sent");
            Some(QueueOutcome::Got(u32::try_from(message).expect("a message that was sent")))
        }
        Err(MailError::Empty) => Some(QueueOutcome::WouldBlock),
        Err(MailError::TimedOut) => None,
        Err(error) => panic!("a receive: {error}"),
    }
}

/// In a log there is what is called, and nothing else.
impl Word for MailboxOperation {
    fn to_word(self) -> u64 {
        let Self::Pass(operation) = self else { unreachable!("nobody calls it") };
        operation.to_word()
    }

    fn from_word(word: u64) -> Self {
        Self::Pass(QueueOperation::from_word(word))
    }
}
