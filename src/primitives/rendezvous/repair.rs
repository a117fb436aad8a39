//! What an undertaker does with a rendezvous.

use super::Rendezvous;
use super::exchange::What;
use crate::primitives::choice::RawChoice;
use crate::primitives::gate::RawGate;
use crate::primitives::participants::ThreadSlot;
use crate::primitives::undertaker::{Dead, Repair};

impl Rendezvous<'_> {
    /// Withdraws what the dead have posted, and ends what has passed to them.
    fn bury_exchange(&self, dead: &Dead<'_>) {
        loop {
            let (found, now) = self.look();
            let is_dead = |slot: Option<ThreadSlot>| slot.is_some_and(|slot| dead.includes(slot));
            let is_over = match now.what {
                What::Idle => return,
                What::Offered => is_dead(self.pool.owner_of(now.buffer)),
                What::Requested => is_dead(now.party),
                What::OpenOffer | What::OpenRequest => {
                    // What the dead have posted can be chosen no more; what was chosen, by the dead too, is done.
                    dead.slots().for_each(|slot| _ = dead.table().choice(slot).map(RawChoice::end));
                    if self.standing(dead.table(), found, now).is_some() {
                        return;
                    }
                    continue;
                }
                What::Taken => true,
                What::Given => {
                    self.hold(now);
                    is_dead(now.party)
                }
            };
            if !is_over {
                return;
            }
            if now.what == What::Taken || now.what == What::Given {
                self.hold(now);
            }
            if self.swing(found, now.over()) {
                return;
            }
        }
    }
}

impl Repair for Rendezvous<'_> {
    fn bury(&self, dead: &Dead<'_>) {
        self.bury_exchange(dead);
        // dead here: buffers of the dead are not free yet; the next walker frees them.
        self.pool.bury(dead);
        self.gates().into_iter().for_each(RawGate::change);
    }

    fn wake_all(&self) {
        self.gates().into_iter().for_each(RawGate::wake_all);
        self.pool.wake_all();
    }
}
