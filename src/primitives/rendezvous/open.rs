//! Offers and requests of those who have others elsewhere: which of them counts, their
//! [choice](crate::primitives::choice) says.

use super::Rendezvous;
use super::exchange::{Exchange, What};
use crate::primitives::choice::{Chosen, RawChoice, Stand, Turn};
use crate::primitives::gate::RawGate;
use crate::primitives::participants::{Participants, ThreadSlot};
use crate::primitives::pool::{Buffer, State};
use crate::sync::Ordering;

/// An open offer or request that the calling thread has posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Post(u64);

/// What a thread has to do with a side of a rendezvous, beside attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Posting {
    /// It has posted something.
    Posted(Post),
    /// It may post something, when there is nothing.
    #[default]
    May,
    /// It only watches, and posts nothing.
    No,
}

/// Which side of a rendezvous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// That of a sender, with a message in this buffer.
    Send(usize),
    /// That of a receiver.
    Receive,
}

/// An open offer or request that stands, by whom, and the turn of that one's choice.
pub(super) struct Standing<'t> {
    by: ThreadSlot,
    choice: &'t RawChoice,
    turn: Turn,
}

impl Standing<'_> {
    /// Whether it may be chosen by who leaves those alone whose slots are not above this one.
    pub(super) fn is_above(&self, slot: Option<ThreadSlot>) -> bool {
        slot.is_none_or(|slot| self.by.0 > slot.0)
    }
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Send(_) => Self::Receive,
            Self::Receive => Self::Send(0),
        }
    }
}

impl<'a> Rendezvous<'a> {
    /// Where those of a side wait for their turn.
    pub(in crate::primitives) fn turn_gate(&self, side: Side) -> &'a RawGate {
        let [senders, _, receivers, _] = self.gates();
        if side == Side::Receive { receivers } else { senders }
    }

    /// Where the one of a side waits whose offer or request is posted, and those who only watch.
    pub(in crate::primitives) fn post_gate(&self, side: Side) -> &'a RawGate {
        let [_, offer, _, request] = self.gates();
        if side == Side::Receive { request } else { offer }
    }

    /// Looks whether an open offer or request stands. If it does not, the word is another after this.
    pub(super) fn standing<'t>(&self, table: &Participants<'t>, found: u64, now: Exchange) -> Option<Standing<'t>> {
        let by = match now.what {
            What::OpenOffer => self.offered_by(now.buffer),
            _ => now.party,
        };
        let Some((by, choice)) = by.and_then(|by| Some((by, table.choice(by)?))) else {
            // Garbage; or it was taken away in between.
            self.take_away(found, now);
            return None;
        };
        match choice.look() {
            // The look at the word comes after that at the choice (choice, I2).
            Stand::Open(turn) if self.look().0 == found => {
                // Who gives to the dead gives in vain; what the dead have offered may be taken.
                if now.what == What::OpenOffer || !table.has_stopped(by) {
                    return Some(Standing { by, choice, turn });
                }
                choice.close(turn);
                self.take_away(found, now);
            }
            Stand::Open(_) => {}
            Stand::Chosen(chosen) if chosen.index == now.index() => _ = self.swing(found, now.chosen(chosen.with)),
            Stand::Chosen(_) | Stand::Closed => self.take_away(found, now),
        }
        None
    }

    /// Whose the buffer of an open offer is, if the offer stands still.
    fn offered_by(&self, buffer: usize) -> Option<ThreadSlot> {
        // Relaxed: a later owner has it since before its turn was opened, so after a look at that the word is found another.
        let buffer = Buffer::from_bits(self.pool.word(buffer)?.load(Ordering::Relaxed));
        if buffer.state == State::Fill { buffer.owner } else { None }
    }

    /// Takes an open offer or request away that is void. Whose it was knows, or is told by whoever has made it void, and by nobody
    /// else: told too late, when it has posted again, it would close its choice once more.
    fn take_away(&self, found: u64, now: Exchange) {
        if self.swing(found, now.over()) {
            // dead here: the undertaker tells them.
            self.tell_all();
        }
    }

    /// Chooses an offer or request that stands, with the buffer that is given or as the receiver who takes, and says what it has
    /// come to. None: that was too late, and it does not stand any more.
    pub(super) fn choose(&self, standing: &Standing<'_>, found: u64, now: Exchange, with: u16) -> Option<Exchange> {
        if !standing.choice.choose(standing.turn, Chosen { index: now.index(), with }) {
            return None;
        }
        // dead here: it has passed; whoever comes by does the rest, or the undertaker.
        let passed = now.chosen(with);
        self.swing(found, passed);
        Some(passed)
    }

    /// Posts an offer or a request, the post `index` of the calling thread, whose choice is open. Never blocks. None: another of
    /// that side is there, or somebody with whom a message can pass at once.
    pub fn post(&self, table: &Participants<'_>, me: ThreadSlot, index: u16, side: Side) -> Option<Post> {
        let (what, counterpart, buffer) = match side {
            Side::Send(buffer) => (What::OpenOffer, What::OpenRequest, buffer),
            Side::Receive => (What::OpenRequest, What::OpenOffer, 0),
        };
        loop {
            let (found, now) = self.look();
            match now.what {
                What::Idle => {
                    let posted = now.open(what, Some(me), buffer, index);
                    if self.swing(found, posted) {
                        // dead here: whoever comes by takes it away, or the undertaker.
                        self.tell_of_a_post(side);
                        return Some(Post(posted.to_bits()));
                    }
                }
                What::Taken => self.end(now),
                What::OpenOffer | What::OpenRequest => {
                    let Some(standing) = self.standing(table, found, now) else { continue };
                    if now.what != counterpart || standing.by.0 >= me.0 {
                        return None;
                    }
                    // Of two who could choose each other the one in the higher slot stays where it is and the other goes on; else
                    // each could close itself for the other, for ever.
                    if standing.choice.close(standing.turn) {
                        // dead here: it sleeps on with its choice closed; the undertaker rings its bell.
                        let posted = now.over().open(what, Some(me), buffer, index);
                        let swung = self.swing(found, posted);
                        self.post_gate(side.other()).signal_all();
                        if swung {
                            return Some(Post(posted.to_bits()));
                        }
                    }
                }
                What::Offered | What::Requested | What::Given => return None,
            }
        }
    }

    /// Takes a post of the calling thread away, whose choice is not open any more; or ends it, if it was chosen. Never blocks.
    pub fn unpost(&self, table: &Participants<'_>, post: Post) {
        let (found, now) = self.look();
        if found == post.0 {
            self.standing(table, found, now);
        }
    }

    /// Does the rest after a post of the calling thread was chosen: with this receiver, or this buffer, which is then the
    /// caller's. Never blocks.
    pub fn settle(&self, post: Post, with: u16) {
        self.end(Exchange::from_bits(post.0).chosen(with));
        self.tell_all();
    }

    /// Whether it is worth another attempt, or another post. Never blocks.
    #[must_use]
    pub fn is_worth_a_look(&self, table: &Participants<'_>, me: ThreadSlot, side: Side, posting: Posting) -> bool {
        let (found, now) = self.look();
        if let Posting::Posted(post) = posting {
            return found != post.0;
        }
        let is_sender = side != Side::Receive;
        match now.what {
            What::Idle | What::Taken => posting == Posting::May,
            What::Requested => is_sender,
            What::Offered => !is_sender,
            What::Given => false,
            What::OpenOffer | What::OpenRequest => match self.standing(table, found, now) {
                Some(standing) => standing.by != me && is_sender == (now.what == What::OpenRequest),
                // It is another by now.
                None => true,
            },
        }
    }
}
