//! What the undertaker does with a queue: step 5 of the protocol.

use super::slot::What;
use super::{Buffer, Queue, State};
use crate::primitives::undertaker::{Dead, Repair};
use crate::sync::Ordering;

impl Queue<'_> {
    fn is_of(buffer: Buffer, dead: &Dead<'_>) -> bool {
        buffer.owner.is_some_and(|slot| dead.includes(slot))
    }

    /// Finishes what is taken, and tells the buffers that the dead have published from those that they have not.
    fn bury_slots(&self, dead: &Dead<'_>) {
        for index in 0..self.slots.len() {
            let Ok(found) = self.slot(index) else { continue };
            match found.what {
                What::Empty => {}
                // One that names no buffer is garbage: whoever uses it is told.
                What::Taken => drop(self.finish(index, found)),
                What::Full => {
                    let Some(word) = self.pool.word(found.buffer) else { continue };
                    // Relaxed: the mark has published what the dead last wrote; and only a candidate.
                    let seen = word.load(Ordering::Relaxed);
                    let buffer = Buffer::from_bits(seen);
                    if buffer.state == State::Fill && Self::is_of(buffer, dead) {
                        let queued = buffer.next(State::Queued, None).to_bits();
                        // Relaxed: whoever takes the message has it from the slot. A failure: it was taken meanwhile.
                        let _ = word.compare_exchange(seen, queued, Ordering::Relaxed, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    /// Swings a head or a tail on that the dead left behind, so that the length is right again.
    fn bury_ends(&self) {
        // What contradicts itself is told to its users.
        let _ = self.look_for_space();
        let _ = self.look_for_message();
    }

    /// Frees what the dead were filling, and frees or returns what they held (I4).
    fn bury_buffers(&self, dead: &Dead<'_>, at_least_once: bool) {
        for word in self.pool.words() {
            // Relaxed: the mark has published what the dead did, and the slots that were seen what was done for them.
            let seen = word.load(Ordering::Relaxed);
            let buffer = Buffer::from_bits(seen);
            if !Self::is_of(buffer, dead) {
                continue;
            }
            let next = match buffer.state {
                State::Held if at_least_once && !buffer.kept => State::Returned,
                _ => State::Free,
            };
            // Release: pairs with the Acquire of the next who takes it; what the dead did comes before. A failure: another
            // walker did it.
            let _ =
                word.compare_exchange(seen, buffer.next(next, None).to_bits(), Ordering::Release, Ordering::Relaxed);
        }
    }
}

impl Repair for Queue<'_> {
    fn bury(&self, dead: &Dead<'_>) {
        let at_least_once = self.control.delivery.peek() != 0;
        self.bury_slots(dead);
        self.bury_ends();
        self.bury_buffers(dead, at_least_once);
        // dead here: returned and not noted; the next walker notes it.
        if at_least_once {
            self.returned().note();
        }
        self.control.messages.change();
        self.control.space.change();
        self.pool.gate().change();
    }

    fn wake_all(&self) {
        self.control.messages.wake_all();
        self.control.space.wake_all();
        self.pool.wake_all();
    }
}
