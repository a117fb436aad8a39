//! The side of a mailbox where messages come out.

use super::letter::Letter;
use super::mail_error::MailError;
use super::mail_ways::sealed::{self, Incoming as _};
use super::mail_ways::{Receives, both_sides, receive, receives};
use super::port::Port;
use crate::primitives::ends::End;
use crate::primitives::right::{OfferError, Origin};
use crate::region::ParticipantId;
use crate::region::channel::{Size, Way};
use crate::region::core::NoCaller;
use crate::region::mailbox::{Chunk, Mail};
use crate::region::patience::Patience;
use crate::sync::Deadline;
use core::fmt;
use core::time::Duration;

/// The side of a mailbox where messages come out; [`Port::claim`] gives it.
///
/// Unless the mailbox was made for [several](super::Receivers::Several), the process that has it has the right to receive, alone. The
/// right can be [given](Self::give) to another process, which may wait for it in `claim`; dropping this leaves it. Any thread of
/// the process may receive through a reference. A process that is killed loses it; the next to claim it is [told](Self::origin).
///
/// **Blocking.** [`recv`](Self::recv) waits while there is nothing, whether anybody is there who could send or not, spinning a
/// little first; the `try` calls never wait. With capacity zero there is something as long as somebody waits to send.
///
/// Order, end, death and memory order are those of the [`Port`].
///
/// ```
/// use selvedge::Region;
/// use selvedge::message::{Capacity, ClaimError, Message, PortOptions};
///
/// let region = Region::anonymous()?;
/// let port = region.port("orders", &PortOptions::new(Capacity::Bounded(8)))?;
/// let mailbox = port.claim()?;
/// assert_eq!(port.try_claim().map(drop), Err(ClaimError::AlreadyMine));
/// port.send(&Message::bytes(b"three of the red ones"))?;
/// for letter in mailbox.try_iter() {
///     println!("{} bytes", letter.len());
/// }
/// drop(mailbox);
/// assert!(port.try_claim().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Mailbox {
    mail: Box<dyn Mail>,
    /// From whom the right was had; nothing, if it is none that one alone has.
    origin: Option<Origin>,
}

/// Why the right to receive was not given to another.
#[derive(Debug)]
#[non_exhaustive]
pub enum GiveError {
    /// That process has detached or died: the right is still this one's.
    Gone(Mailbox),
    /// Several receive from the mailbox: there is no right to be given.
    Several(Mailbox),
    /// The mailbox was closed meanwhile.
    Closed,
    /// This process, or this thread, cannot use the region (any more), for this reason.
    Unusable(MailError, Mailbox),
}

impl fmt::Display for GiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(_) => f.write_str("that process is not attached any more"),
            Self::Several(_) => f.write_str("several receive from the mailbox"),
            Self::Closed => f.write_str("the mailbox is closed"),
            Self::Unusable(why, _) => why.fmt(f),
        }
    }
}

impl std::error::Error for GiveError {}

impl Mailbox {
    pub(super) fn owned(mail: Box<dyn Mail>, origin: Origin) -> Self {
        Self { mail, origin: Some(origin) }
    }

    pub(super) fn shared(mail: Box<dyn Mail>) -> Self {
        Self { mail, origin: None }
    }

    /// From whom this process has the right to receive; nothing, where several receive.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// Gives the right to receive to another process, which has it once it [claims](Port::claim) it; no other can meanwhile. What is
    /// in the mailbox stays there. Never waits.
    ///
    /// If that process dies before, it is as if it had had the right.
    ///
    /// # Errors
    /// [`GiveError`].
    ///
    /// ```
    /// use selvedge::Region;
    /// use selvedge::message::{Capacity, GiveError, Owner, PortOptions};
    /// use selvedge::region::ParticipantId;
    ///
    /// let region = Region::anonymous()?;
    /// let port = region.port("orders", &PortOptions::new(Capacity::Bounded(8)))?;
    /// let mailbox = port.claim()?;
    /// let Err(GiveError::Gone(mailbox)) = mailbox.give(ParticipantId::from_bits(7)) else { unreachable!("nobody is that") };
    /// mailbox.give(region.participant_id())?;
    /// assert_eq!(port.owner(), Owner::Given(region.participant_id()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn give(mut self, to: ParticipantId) -> Result<(), GiveError> {
        if self.origin.is_none() {
            return Err(GiveError::Several(self));
        }
        match self.mail.offer(to.claim()) {
            Ok(Ok(())) => {
                self.origin = None;
                Ok(())
            }
            Ok(Err(OfferError::Gone)) => Err(GiveError::Gone(self)),
            Ok(Err(OfferError::NotMine)) => Err(GiveError::Closed),
            Err(why) => {
                let why = MailError::of_send(why.into(), self.mail.name());
                Err(GiveError::Unusable(why, self))
            }
        }
    }

    /// Receives a message of this type, the first of those that are there, waiting as long as it takes. Messages of other types stay
    /// there, in their order, for whoever asks for them or for any.
    ///
    /// Those that it has come by are put aside: they do not count for the capacity any more, and each keeps a buffer, of which there
    /// are more than the capacity by the number of threads that the region was made for, at most 64. When all buffers are taken
    /// senders wait until somebody receives what was put aside. Each call looks at all buffers as long as something is: a mailbox
    /// with a large quota is better asked for any type. While somebody waits for a type each message that is sent wakes all who wait.
    ///
    /// Where several receive, in one process or in several: one of them that looks for its type holds each message for a moment,
    /// and a `try` call of another may not see it then; one that waits is told.
    ///
    /// # Errors
    /// `HoldsNothing`, `Closed`: no message of this type is there, nor can one be sent; `Corrupt`, `TooManyThreads`, `Unusable`.
    ///
    /// ```
    /// use selvedge::Region;
    /// use selvedge::message::{Capacity, Message, PortOptions};
    ///
    /// const ORDER: u32 = 1;
    /// const STOP: u32 = 2;
    ///
    /// let region = Region::anonymous()?;
    /// let port = region.port("orders", &PortOptions::new(Capacity::Bounded(8)))?;
    /// let mailbox = port.claim()?;
    /// port.send(&Message::bytes(b"three red ones").kind(ORDER))?;
    /// port.send(&Message::bytes(b"no more").kind(STOP))?;
    /// assert_eq!(mailbox.recv_kind(STOP)?.to_vec(), b"no more");
    /// assert_eq!(mailbox.recv()?.to_vec(), b"three red ones");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_kind(&self, kind: u32) -> Result<Letter<'_>, MailError> {
        self.receive_kind(Patience::Forever, kind)
    }

    /// Receives a message of this type, if there is one; never waits.
    ///
    /// # Errors
    /// `Empty`: there is none of this type; and as of [`recv_kind`](Self::recv_kind).
    pub fn try_recv_kind(&self, kind: u32) -> Result<Letter<'_>, MailError> {
        self.receive_kind(Patience::None, kind)
    }

    /// Receives a message of this type, waiting for `timeout` at most.
    ///
    /// # Errors
    /// `TimedOut`; and as of [`recv_kind`](Self::recv_kind).
    pub fn recv_kind_timeout(&self, kind: u32, timeout: Duration) -> Result<Letter<'_>, MailError> {
        self.recv_kind_deadline(kind, Deadline::after(timeout))
    }

    /// Receives a message of this type, waiting until `deadline` at most.
    ///
    /// # Errors
    /// `TimedOut`; and as of [`recv_kind`](Self::recv_kind).
    pub fn recv_kind_deadline(&self, kind: u32, deadline: Deadline) -> Result<Letter<'_>, MailError> {
        self.receive_kind(Patience::Until(deadline), kind)
    }

    fn receive_kind(&self, patience: Patience, kind: u32) -> Result<Letter<'_>, MailError> {
        if self.mail.size() == Size::Zero {
            return Err(MailError::HoldsNothing);
        }
        receive(self.incoming(), patience, Some(kind))
    }

    /// Closes the mailbox for good. What is there is gone, unless others receive, too. Never waits.
    ///
    /// # Errors
    /// `TooManyThreads`, `Unusable`: it is not closed.
    pub fn close(self) -> Result<(), MailError> {
        self.mail.close().map_err(|error| MailError::of_send(error.into(), self.mail.name()))
    }

    /// The mailbox as those see it who send to it.
    ///
    /// # Errors
    /// `TooManyThreads`, `Unusable`.
    pub fn port(&self) -> Result<Port, MailError> {
        let refused = |error: NoCaller| MailError::of_send(error.into(), self.mail.name());
        Ok(Port::of(self.mail.another(Some(End::Senders)).map_err(refused)?))
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        if self.origin.is_some() {
            self.mail.leave();
        }
    }
}

receives!(Mailbox);
both_sides!(Mailbox, "mailbox");

impl sealed::Incoming for Mailbox {
    #[allow(private_interfaces, reason = "see there")]
    fn incoming(&self) -> &(dyn Way<Chunk> + 'static) {
        &*self.mail
    }
}

impl Receives for Mailbox {}
