//! Mailboxes of all capacities, which workers claim, give to one another, leave and send to all the time.

use super::{CAPACITY, Dice, PATIENCE, QUOTA, SHORT, SPARE, linger, name};
use selvedge::Region;
use selvedge::message::{
    Capacity, ClaimError, Delivery, Effects, GiveError, Letter, MailError, Message, Port, PortOptions,
};
use selvedge::region::{Kind, ObjectError, ObjectErrorKind};

/// One of each kind.
#[derive(Debug)]
pub(super) struct Mailboxes {
    region: Region,
    ports: Vec<Port>,
    /// What is received until it has taken effect.
    deposits: Port,
    sums: Effects<[u64; 12]>,
}

pub(super) const KINDS: [Kind; 3] = [Kind::Mailbox, Kind::UnboundedMailbox, Kind::RendezvousMailbox];

fn capacity(kind: Kind) -> Capacity {
    match kind {
        Kind::Mailbox => Capacity::Bounded(CAPACITY),
        Kind::UnboundedMailbox => Capacity::Unbounded { quota: QUOTA },
        _ => Capacity::Zero,
    }
}

const CLIENT: &str = "all of them";

/// A message in several pieces of memory, whose every word is its number.
fn words(number: u64) -> [u64; 12] {
    [number; 12]
}

fn number(words: [u64; 12]) -> u64 {
    assert!(words.iter().all(|word| *word == words[0]), "torn: {words:?}");
    words[0]
}

impl Mailboxes {
    /// Made by whoever comes first.
    pub(super) fn of(region: &Region) -> Result<Self, ObjectError> {
        let port = |kind| region.port(&name(kind), &PortOptions::new(capacity(kind)).body(96));
        let deposits = PortOptions::new(Capacity::Bounded(CAPACITY)).delivery(Delivery::AtLeastOnce);
        let sums = region.effects(&name(Kind::Effects), 1, words(0))?;
        sums.client(CLIENT).expect("there is a place for one");
        let deposits = region.port("deposits", &deposits)?;
        let ports = KINDS.into_iter().map(port).collect::<Result<_, _>>()?;
        Ok(Self { region: region.clone(), ports, deposits, sums })
    }

    fn port(&self, kind: Kind) -> &Port {
        let index = KINDS.iter().position(|other| *other == kind).expect("one of them");
        &self.ports[index]
    }

    /// Sends something, or claims the right, receives something, and leaves it or gives it to somebody.
    pub(super) fn turn(&self, kind: Kind, dice: &mut Dice, message: u64) {
        let port = self.port(kind);
        if dice.once_in(2) {
            match port.send_timeout(&Message::of(&words(message)).kind(u32::from(message.is_multiple_of(2))), SHORT) {
                Ok(()) | Err(MailError::TimedOut | MailError::OutOfMemory(_)) => {}
                Err(error) => panic!("{error}"),
            }
            return;
        }
        let mailbox = match port.claim_timeout(SHORT) {
            Ok(mailbox) => mailbox,
            // Another thread of this process may be at it.
            Err(ClaimError::TimedOut | ClaimError::AlreadyMine) => return,
            Err(error) => panic!("{error}"),
        };
        let wanted = (dice.once_in(2) && kind != Kind::RendezvousMailbox).then(|| u32::from(dice.once_in(2)));
        match wanted.map_or_else(|| mailbox.recv_timeout(SHORT), |kind| mailbox.recv_kind_timeout(kind, SHORT)) {
            Ok(letter) => {
                linger(dice);
                number(letter.read().expect("a message"));
                if dice.once_in(4) {
                    letter.put_back();
                }
            }
            Err(MailError::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
        let others = self.region.participants();
        if dice.once_in(2) && !others.is_empty() {
            match mailbox.give(dice.one_of(&others).id()) {
                Ok(()) | Err(GiveError::Gone(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Sends what is to take effect, or lets what is there.
    pub(super) fn take_effect(&self, dice: &mut Dice) {
        if dice.once_in(2) {
            let number = self.sums.client(CLIENT).expect("it is known") + 1;
            match self.deposits.send_timeout(&Message::of(&number).client(CLIENT, number), SHORT) {
                Ok(()) | Err(MailError::TimedOut) => return,
                Err(error) => panic!("{error}"),
            }
        }
        let mailbox = match self.deposits.claim_timeout(SHORT) {
            Ok(mailbox) => mailbox,
            Err(ClaimError::TimedOut | ClaimError::AlreadyMine) => return,
            Err(error) => panic!("{error}"),
        };
        let Ok(letter) = mailbox.try_recv() else { return };
        linger(dice);
        self.deposit(letter);
    }

    /// The value is how many numbers there were, each of which counts once.
    fn deposit(&self, letter: Letter<'_>) {
        let applied = self.sums.apply(letter, |sums, letter| {
            let before = number(*sums);
            assert_eq!(letter.read::<u64>(), Ok(before + 1), "one was lost, or came twice");
            *sums = words(before + 1);
        });
        applied.expect("it is of a client that is known");
    }

    /// Takes the name that all want for a moment.
    pub(super) fn take_name(&self, dice: &mut Dice) {
        match self.region.take_name("worker") {
            Ok(_name) => linger(dice),
            Err(error) => assert_eq!(error.kind(), ObjectErrorKind::AlreadyExists),
        }
    }

    /// What is there is whole; nobody has the right but us; all buffers are home; and as much fits as ever.
    pub(super) fn are_as_new(&self, threads: usize) {
        let _name = self.region.take_name("worker").expect("nobody has it who lives");
        let mailbox = self.deposits.claim_timeout(PATIENCE).expect("nobody has it who lives");
        while let Ok(letter) = mailbox.try_recv() {
            self.deposit(letter);
        }
        assert_eq!((mailbox.len(), mailbox.in_use()), (0, 0), "all buffers are home");
        let greatest = self.sums.client(CLIENT).expect("it is known");
        assert_eq!(self.sums.read().map(number), Ok(greatest), "each has taken effect once");
        for kind in KINDS {
            let port = self.port(kind);
            let mailbox = port.claim_timeout(PATIENCE).expect("nobody has it who lives");
            assert_eq!(port.correspondents(), 1, "{kind}: the dead are there");
            mailbox.try_iter().for_each(|letter| _ = number(letter.read().expect("a message")));
            assert_eq!((mailbox.len(), mailbox.in_use()), (0, 0), "{kind}: all buffers are home");
            let drafts: Vec<_> = std::iter::from_fn(|| port.try_draft().ok()).collect();
            let spare = threads.min(SPARE);
            let fit = match capacity(kind) {
                Capacity::Zero => spare,
                Capacity::Bounded(capacity) => capacity + spare,
                Capacity::Unbounded { quota } => quota,
            };
            assert_eq!(drafts.len(), fit, "{kind}");
            drop(drafts);
            let sent = (0..).take_while(|number| port.try_send(&Message::of(&words(*number))).is_ok()).count();
            let got = mailbox.try_iter().map(|letter| number(letter.read().expect("a message")));
            assert_eq!(got.collect::<Vec<_>>(), (0..sent as u64).collect::<Vec<_>>());
        }
    }
}
