//! The side of a mailbox where messages come out.

use super::mail_error::MailError;
use super::mail_ways::sealed::{self, Incoming as _};
use super::mail_ways::{Receives, both_sides, receives};
use super::port::Port;
use crate::primitives::ends::End;
use crate::primitives::right::{OfferError, Origin};
use crate::region::ParticipantId;
use crate::region::channel::Way;
use crate::region::core::NoCaller;
use crate::region::mailbox::{Chunk, Mail};
use core::fmt;

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
