//! Channels of all capacities, to whose ends workers come and from which they go all the time.

use super::{CAPACITY, Dice, PATIENCE, Pair, QUOTA, SHORT, SPARE, all_differ, linger, name, number, pair};
use selvedge::Region;
use selvedge::message::{Capacity, Receiver, RecvError, SendError, Sender};
use selvedge::region::{Kind, ObjectError};

/// One of each kind. Nobody keeps an end.
#[derive(Debug)]
pub(super) struct Channels {
    region: Region,
}

pub(super) const KINDS: [Kind; 3] = [Kind::Channel, Kind::UnboundedChannel, Kind::RendezvousChannel];

fn capacity(kind: Kind) -> Capacity {
    match kind {
        Kind::Channel => Capacity::Bounded(CAPACITY),
        Kind::UnboundedChannel => Capacity::Unbounded { quota: QUOTA },
        _ => Capacity::Zero,
    }
}

impl Channels {
    /// Made by whoever comes first.
    pub(super) fn of(region: &Region) -> Result<Self, ObjectError> {
        let channels = Self { region: region.clone() };
        for kind in KINDS {
            region.channel::<Pair>(&name(kind), capacity(kind))?;
        }
        Ok(channels)
    }

    fn sender(&self, kind: Kind) -> Sender<Pair> {
        self.region.sender(&name(kind), capacity(kind)).expect("it was made before")
    }

    fn receiver(&self, kind: Kind) -> Receiver<Pair> {
        self.region.receiver(&name(kind), capacity(kind)).expect("it was made before")
    }

    /// Comes, sends or receives, and goes. That nobody is at the other end is no failure.
    pub(super) fn turn(&self, kind: Kind, dice: &mut Dice, message: u64) {
        if dice.once_in(2) {
            let sender = self.sender(kind);
            let sent = match sender.loan_timeout(SHORT) {
                Ok(mut loan) => {
                    *loan = pair(message);
                    linger(dice);
                    loan.send_timeout(SHORT).map_err(SendError::give_up)
                }
                Err(error) => Err(error),
            };
            match sent {
                Ok(()) | Err(SendError::TimedOut(()) | SendError::Disconnected(()) | SendError::OutOfMemory(..)) => {}
                Err(error) => panic!("{error}"),
            }
        } else {
            match self.receiver(kind).recv_in_place_timeout(SHORT) {
                Ok(message) => {
                    linger(dice);
                    number(*message);
                }
                Err(RecvError::TimedOut | RecvError::Disconnected) => {}
                Err(error) => panic!("{error}"),
            };
        }
    }

    /// What is there is whole; nobody is at an end but us; all buffers are home; and as much fits as ever.
    pub(super) fn are_as_new(&self, threads: usize) {
        for kind in KINDS {
            let (sender, receiver) = (self.sender(kind), self.receiver(kind));
            assert_eq!((sender.peers(), receiver.peers()), (1, 1), "{kind}: the dead are at an end");
            all_differ(receiver.try_iter());
            assert_eq!((receiver.len(), receiver.in_use()), (0, 0), "{kind}: all buffers are home");
            let loans: Vec<_> = std::iter::from_fn(|| sender.try_loan().ok()).collect();
            let spare = threads.min(SPARE);
            let fit = match capacity(kind) {
                Capacity::Zero => spare,
                Capacity::Bounded(capacity) => capacity + spare,
                Capacity::Unbounded { quota } => quota,
            };
            assert_eq!(loans.len(), fit, "{kind}");
            drop(loans);
            let sent = (0..).take_while(|count| sender.try_send(pair(*count)).is_ok()).count();
            assert_eq!(receiver.try_iter().map(number).collect::<Vec<_>>(), (0..sent as u64).collect::<Vec<_>>());
            drop(sender);
            assert_eq!(receiver.recv_timeout(PATIENCE), Err(RecvError::Disconnected), "{kind}");
        }
    }
}
