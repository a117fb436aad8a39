//! The name under which messages reach a mailbox.

use super::mail_error::{ClaimError, MailError};
use super::mail_ways::sealed::{self, Outgoing as _};
use super::mail_ways::{Posts, both_sides, sends};
use super::mailbox::Mailbox;
use super::port_options::PortOptions;
use crate::Region;
use crate::primitives::ends::End;
use crate::primitives::right::{Holder, Origin, Succession};
use crate::region::channel::Way;
use crate::region::mailbox::{self, Chunk, ClaimRefusal, Mail};
use crate::region::patience::Patience;
use crate::region::{ObjectError, ParticipantId};
use crate::sync::Deadline;
use core::time::Duration;

/// A mailbox as those see it who send to it: by its name, whoever receives. Clones are handles of the same one, and any number of
/// threads and processes have some; [`Region::port`](crate::Region::port) makes or opens one.
///
/// A message has a [header](super::Message) (type, source, correlation and so on) and a body of bytes, up to a length that the mailbox was
/// made for. Who wants to receive [claims](Self::claim) the right to and has a [`Mailbox`]: one process at a time, unless it was made
/// for [several](super::Receivers::Several).
///
/// **Order.** Those of one thread are received in the order in which they were sent, whole or not at all; what was put back, in that
/// order again, before what nobody has had yet.
///
/// **Delivery.** At most once, or at least once, as the mailbox was [made](PortOptions::delivery).
///
/// **Blocking.** [`send`](Self::send) waits while there is no space, or, with capacity zero, until somebody has received it; and while
/// all buffers are in use. Unbounded mailboxes never make a sender wait. It does not matter to that whether anybody receives: so a
/// mailbox whose receiver has died, and is inherited, fills up. The `try` calls never wait, not even for somebody who was stopped in
/// the middle of an operation.
///
/// **End.** A mailbox is closed by [`close`](Self::close), or when its receiver leaves or dies, if it was
/// [made so](PortOptions::succession). Then sends fail with `Closed`, also those that wait already, and so do receives of those who
/// receive still, once what had been sent is received; nobody can claim it any more. Its name is free once it was [removed](crate::Region::remove_object) from the region.
///
/// **Death.** A sender that is killed has sent its message or has not; nobody waits for it. What a receiver was just
/// receiving, or looking at, when it was killed is there for the next, before all else; what it had received is gone with it, or
/// there again, if it was to be acknowledged.
///
/// **Memory order.** What a sender did before it sent happens before what the receiver does with the message; and what a receiver did
/// before it left, gave away or lost the right, before what the next one does.
///
/// **Memory.** Messages lie in buffers, of which a bounded mailbox has more than its capacity by the number of threads that the
/// region was made for, at most 64. One of capacity zero has just those, an unbounded one its quota and one more. What is received and
/// not finished with keeps its buffer. [Long bodies](PortOptions::long_bodies) have places of their own.
///
/// ```
/// use selvedge::Region;
/// use selvedge::message::{Capacity, MailError, Message, PortOptions};
///
/// let region = Region::anonymous()?;
/// let port = region.port("orders", &PortOptions::new(Capacity::Bounded(1)))?;
/// port.send(&Message::bytes(b"before anybody receives"))?;
/// assert_eq!(port.try_send(&Message::bytes(b"full")), Err(MailError::Full));
///
/// let mailbox = port.claim()?;
/// assert_eq!(mailbox.recv()?.to_vec(), b"before anybody receives");
/// mailbox.close()?;
/// assert_eq!(port.send(&Message::bytes(b"after the end")), Err(MailError::Closed));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Port {
    mail: Box<dyn Mail>,
}

/// Who receives from a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owner {
    /// Nobody has yet.
    Nobody,
    /// This process has the right to.
    Process(ParticipantId),
    /// Nobody: the right was given to this process, which has not [claimed](Port::claim) it yet.
    Given(ParticipantId),
    /// Nobody: who had the right has left it.
    Left,
    /// Nobody: who had the right has died.
    Died,
    /// So many processes.
    Several(usize),
    /// Nobody any more: it is closed.
    Closed,
}

impl Port {
    pub(super) fn of(mail: Box<dyn Mail>) -> Self {
        Self { mail }
    }

    /// The right to receive, waiting while another process has it, as long as it takes. Where there may be several receivers this
    /// process is one from now on, at once.
    ///
    /// # Errors
    /// [`ClaimError`], except `Taken` and `TimedOut`.
    pub fn claim(&self) -> Result<Mailbox, ClaimError> {
        self.receive(Patience::Forever)
    }

    /// The right to receive, if no other process has it; never waits.
    ///
    /// # Errors
    /// [`ClaimError`], except `TimedOut`.
    pub fn try_claim(&self) -> Result<Mailbox, ClaimError> {
        self.receive(Patience::None)
    }

    /// The right to receive, waiting for `timeout` at most while another process has it.
    ///
    /// # Errors
    /// [`ClaimError`], except `Taken`.
    pub fn claim_timeout(&self, timeout: Duration) -> Result<Mailbox, ClaimError> {
        self.receive(Patience::Until(Deadline::after(timeout)))
    }

    /// The right to receive, waiting until `deadline` at most while another process has it.
    ///
    /// # Errors
    /// [`ClaimError`], except `Taken`.
    pub fn claim_deadline(&self, deadline: Deadline) -> Result<Mailbox, ClaimError> {
        self.receive(Patience::Until(deadline))
    }

    fn receive(&self, patience: Patience) -> Result<Mailbox, ClaimError> {
        let refused = |refusal| ClaimError::new(refusal, self.mail.name());
        let is_shared = self.mail.terms().shared;
        let end = is_shared.then_some(End::Receivers);
        let mail = self.mail.another(end).map_err(|error| refused(ClaimRefusal::NoCaller(error)))?;
        if is_shared {
            return match mail.holder() {
                Holder::Closed => Err(ClaimError::Closed),
                _ => Ok(Mailbox::shared(mail)),
            };
        }
        let origin: Origin = mail.claim(patience).map_err(refused)?;
        Ok(Mailbox::owned(mail, origin))
    }

    /// Who receives, as of a moment ago.
    #[must_use]
    pub fn owner(&self) -> Owner {
        match self.mail.holder() {
            Holder::Nobody => Owner::Nobody,
            Holder::Process(claim) => Owner::Process(ParticipantId::of(claim)),
            Holder::Offered(claim) => Owner::Given(ParticipantId::of(claim)),
            Holder::Left => Owner::Left,
            Holder::Died => Owner::Died,
            Holder::Shared => Owner::Several(self.mail.standing(End::Receivers)),
            Holder::Closed => Owner::Closed,
        }
    }

    /// Closes the mailbox for good, whoever receives. What was sent can be received still, by those who receive from it now; nobody
    /// can claim it any more. Never waits.
    ///
    /// # Errors
    /// `TooManyThreads`, `Unusable`: it is not closed.
    pub fn close(&self) -> Result<(), MailError> {
        self.mail.close().map_err(|error| MailError::of_send(error.into(), self.mail.name()))
    }

    /// Whether it is closed, as of a moment ago.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.owner() == Owner::Closed
    }

    /// What becomes of it when its receiver ends.
    #[must_use]
    pub fn succession(&self) -> Succession {
        self.mail.terms().succession
    }

    /// Whether a `try_send` would be refused for want of space, as of a moment ago. One of capacity zero always is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.capacity().is_some_and(|bound| self.len() >= bound)
    }

    /// Whether this and `other` are handles of the same mailbox.
    #[must_use]
    pub fn same_port(&self, other: &Self) -> bool {
        self.mail.place() == other.mail.place()
    }
}

impl Clone for Port {
    fn clone(&self) -> Self {
        Self { mail: self.mail.once_more() }
    }
}

sends!(Port);
both_sides!(Port, "port");

impl Region {
    /// The port `name`, which is made if there is none.
    ///
    /// # Errors
    /// [`ObjectError`]: of another kind, capacity or length, or made on other terms; a capacity that no mailbox can have; no memory;
    /// too many objects.
    ///
    /// ```
    /// use selvedge::Region;
    /// use selvedge::message::{Capacity, Message, PortOptions};
    ///
    /// let region = Region::anonymous()?;
    /// let mailbox = region.port("orders", &PortOptions::new(Capacity::Unbounded { quota: 100 }))?.claim()?;
    ///
    /// // Elsewhere:
    /// region.find_port("orders")?.send(&Message::bytes(b"three of the red ones"))?;
    /// # assert_eq!(mailbox.recv()?.len(), 21);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn port(&self, name: &str, options: &PortOptions) -> Result<Port, ObjectError> {
        Ok(Port::of(mailbox::open_or_make(self, name, options.capacity().size(), options.terms())?))
    }

    /// The port `name`, which somebody has made, as it was made.
    ///
    /// # Errors
    /// [`ObjectError`]: there is none; it is of another kind.
    pub fn find_port(&self, name: &str) -> Result<Port, ObjectError> {
        Ok(Port::of(mailbox::open(self, name)?))
    }
}

impl sealed::Outgoing for Port {
    #[allow(private_interfaces, reason = "see there")]
    fn outgoing(&self) -> &(dyn Way<Chunk> + 'static) {
        &*self.mail
    }
}

impl Posts for Port {}
