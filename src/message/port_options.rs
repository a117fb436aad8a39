//! On what terms a port is made.

use super::Capacity;
use crate::primitives::queue::Delivery;
use crate::primitives::right::Succession;
use crate::region::channel::Annexed;
use crate::region::mailbox::{CHUNK, Terms};

/// How many may receive from a mailbox at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Receivers {
    /// One process, which has claimed the right to.
    #[default]
    One,
    /// Any number, each message going to one of them.
    Several,
}

/// On what terms a port is made; whoever asks for one that there is asks for the same.
///
/// ```
/// use selvedge::Region;
/// use selvedge::message::{Capacity, PortOptions, Succession};
/// use selvedge::region::ObjectErrorKind;
///
/// let region = Region::anonymous()?;
/// let options = PortOptions::new(Capacity::Bounded(8)).body(100).succession(Succession::Close);
/// let port = region.port("orders", &options)?;
/// assert!(port.longest() >= 100);
/// let other = region.port("orders", &options.succession(Succession::Inherit)).map(drop);
/// assert!(matches!(other.map_err(|error| error.kind()), Err(ObjectErrorKind::OtherTerms { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortOptions {
    capacity: Capacity,
    body: usize,
    receivers: Receivers,
    succession: Succession,
    delivery: Delivery,
    /// Places for longer bodies, and their bytes.
    long: (usize, usize),
}

impl PortOptions {
    /// For so many messages, of up to 192 bytes each, with one receiver at a time, from whom the next inherits, each delivered at most
    /// once.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            body: 3 * CHUNK,
            receivers: Receivers::One,
            succession: Succession::Inherit,
            delivery: Delivery::AtMostOnce,
            long: (0, 0),
        }
    }

    /// The longest body that lies in a buffer, in bytes; it is rounded up to the next multiple of 64. There are longer ones only
    /// where there are [places](Self::long_bodies) for them.
    #[must_use]
    pub fn body(self, bytes: usize) -> Self {
        Self { body: bytes, ..self }
    }

    /// Places for longer bodies: so many (4096 at most), of up to so many bytes each, rounded up to the next multiple of 64. Of a
    /// message whose body is longer than [`body`](Self::body) only the header takes a buffer; its body lies in such a place, from
    /// before it is sent until its buffer is given back, by whoever received it, its sender, or the undertaker of one of them.
    /// While all are in use who sends a long message waits, or, to an unbounded mailbox, fails with `OutOfMemory`. Without this
    /// call there are none.
    ///
    /// ```
    /// use selvedge::Region;
    /// use selvedge::message::{Capacity, MailError, Message, PortOptions};
    ///
    /// let region = Region::anonymous()?;
    /// let port = region.port("frames", &PortOptions::new(Capacity::Bounded(8)).long_bodies(2, 100_000))?;
    /// let mailbox = port.claim()?;
    /// let frame = vec![7; 100_000];
    /// port.send(&Message::bytes(&frame))?;
    /// port.send(&Message::bytes(&frame))?;
    /// assert_eq!(port.try_send(&Message::bytes(&frame)), Err(MailError::Full));
    /// port.try_send(&Message::bytes(b"a short one"))?;
    /// assert_eq!(mailbox.recv()?.to_vec(), frame);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn long_bodies(self, places: usize, bytes: usize) -> Self {
        Self { long: (places, bytes), ..self }
    }

    /// How many may receive at a time.
    #[must_use]
    pub fn receivers(self, receivers: Receivers) -> Self {
        Self { receivers, ..self }
    }

    /// What becomes of the mailbox when its receiver leaves or dies; where there are several, the last.
    ///
    /// `Inherit`: it stays as it is, messages are sent to it still, and the next receiver has what is there. `Close`: it is closed
    /// for good; where there are several it is as if it were, until another comes.
    #[must_use]
    pub fn succession(self, succession: Succession) -> Self {
        Self { succession, ..self }
    }

    /// What becomes of a message whose receiver dies before it has finished with it.
    ///
    /// `AtMostOnce`: it is gone. `AtLeastOnce`: it is there again, and the next who receives it [is told](super::Letter::deliveries);
    /// so it is, too, if a [`Letter`](super::Letter) is dropped without [`ack`](super::Letter::ack). That takes a mailbox in which
    /// messages lie, not one of capacity zero.
    #[must_use]
    pub fn delivery(self, delivery: Delivery) -> Self {
        Self { delivery, ..self }
    }

    pub(super) fn capacity(&self) -> Capacity {
        self.capacity
    }

    pub(super) fn terms(&self) -> Terms {
        // Beside the body there is the header.
        let each = self.body.div_ceil(CHUNK).saturating_add(1);
        let Self { receivers, succession, delivery, long: (places, bytes), .. } = *self;
        let annexed = Annexed::places(places, bytes);
        Terms { each, shared: receivers == Receivers::Several, succession, delivery, annexed }
    }
}
