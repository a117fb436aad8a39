//! A handle of a mailbox, open in this process: where its messages lie, and who has the right to receive.

use super::channel::{Annexed, AtEnd, Kinded, Size, Way, number_of};
use super::core::NoCaller;
use super::error::{ObjectError, ObjectErrorKind};
use super::handle::Region;
use super::kind::Kind;
use super::object::{Measure, Request, Tag, found_shape, obtain_several};
use super::patience::Patience;
use crate::primitives::ends::End;
use crate::primitives::participants::{ProcessClaim, ProcessWord};
use crate::primitives::queue::Delivery;
use crate::primitives::registry::Mode;
use crate::primitives::right::{Holder, OfferError, Origin, RightError, Succession};
use crate::primitives::{RawMailbox, RawQueue, RawRendezvous, RawRight, RawUnbounded};
use crate::sync::{AtomicU64, Cell, Ordering};
use core::ptr::NonNull;
use zerocopy::FromZeros;

/// Of what messages in mailboxes are made: as much as a cache line has.
pub(crate) type Chunk = [u64; 8];

/// How many bytes that is.
pub(crate) const CHUNK: usize = size_of::<Chunk>();

const TAG: Tag = Tag::new("selvedge.mail/1");

/// On what terms a mailbox is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Chunks of a message.
    pub(crate) each: usize,
    /// Whether several may receive.
    pub(crate) shared: bool,
    pub(crate) succession: Succession,
    pub(crate) delivery: Delivery,
    /// Places for messages with more chunks.
    pub(crate) annexed: Annexed,
}

impl Terms {
    fn right(self) -> RawRight {
        if self.shared { RawRight::shared(self.succession) } else { RawRight::new(self.succession) }
    }

    /// In what these terms differ from others: what a mailbox on these does, and what one on those.
    fn differ(self, other: Self) -> [&'static str; 2] {
        if (self.shared, self.succession) == (other.shared, other.succession) {
            [self, other].map(|terms| match terms.delivery {
                Delivery::AtMostOnce => "delivers at most once",
                Delivery::AtLeastOnce => "delivers at least once",
            })
        } else {
            [self, other].map(|terms| match (terms.shared, terms.succession) {
                (false, Succession::Inherit) => "has one receiver at a time and is inherited",
                (false, Succession::Close) => "has one receiver at a time and is closed with it",
                (true, Succession::Inherit) => "has several receivers and outlives them",
                (true, Succession::Close) => "has several receivers and ends with them",
            })
        }
    }
}

/// Why the right to receive was not had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimRefusal {
    Right(RightError),
    NoCaller(NoCaller),
}

/// A mailbox, whatever its line.
pub(crate) trait Mail: Way<Chunk> {
    /// Another handle, at that end; without, for who has the right to receive.
    fn another(&self, end: Option<End>) -> Result<Box<dyn Mail>, NoCaller>;

    /// Another handle at the same end.
    fn once_more(&self) -> Box<dyn Mail>;

    /// Its terms, as it was made.
    fn terms(&self) -> Terms;

    /// How many messages fit.
    fn size(&self) -> Size;

    fn holder(&self) -> Holder;

    /// Takes the right to receive for this process.
    fn claim(&self, patience: Patience) -> Result<Origin, ClaimRefusal>;

    /// Gives the right to receive, which this process has, to another.
    fn offer(&self, to: ProcessClaim) -> Result<Result<(), OfferError>, NoCaller>;

    /// Leaves the right to receive, which this process has.
    fn leave(&self);

    /// Ends the mailbox for good.
    fn close(&self) -> Result<(), NoCaller>;
}

type MailboxAt<L> = AtEnd<L, RawMailbox<L>, Chunk>;

impl<L: Kinded> Mail for MailboxAt<L> {
    fn another(&self, end: Option<End>) -> Result<Box<dyn Mail>, NoCaller> {
        Ok(Box::new(self.stand_at(end)?))
    }

    fn once_more(&self) -> Box<dyn Mail> {
        Box::new(self.clone())
    }

    fn terms(&self) -> Terms {
        let (right, delivery) = (self.placed.control().right(), self.placed.control().delivery());
        let (each, annexed) = (self.each, self.annexed);
        Terms { each, shared: right.is_shared(), succession: right.succession(), delivery, annexed }
    }

    fn size(&self) -> Size {
        L::size(self.capacity)
    }

    fn holder(&self) -> Holder {
        self.placed.control().right().holder()
    }

    fn claim(&self, patience: Patience) -> Result<Origin, ClaimRefusal> {
        let core = self.placed.core();
        let slot = core.slot().map_err(ClaimRefusal::NoCaller)?;
        let (right, me) = (self.placed.control().right(), core.attachment().claim());
        let claimed = match patience {
            Patience::None => right.try_claim(me),
            patience => right.claim(&self.caller(slot), self.placed.id(), me, patience.deadline()),
        };
        let origin = claimed.map_err(ClaimRefusal::Right)?;
        let (control, words) = self.placed.pinned();
        let held = Held::<L> { control, words, me };
        let leave = Box::new(move || {
            // SAFETY: it is called before the handle is given up that has the right.
            unsafe { held.leave() };
        });
        core.has_right(self.placed.index(), leave);
        Ok(origin)
    }

    fn offer(&self, to: ProcessClaim) -> Result<Result<(), OfferError>, NoCaller> {
        let core = self.placed.core();
        // While a thread of a process has a slot no undertaker has begun (right, I2).
        core.slot()?;
        let mailbox = self.placed.control().with(self.placed.words());
        let offered = mailbox.offer(&core.participants(), core.attachment().claim(), to);
        if offered.is_ok() {
            core.gave_right(self.placed.index());
        }
        Ok(offered)
    }

    fn leave(&self) {
        self.placed.core().leaves_right(self.placed.index());
    }

    fn close(&self) -> Result<(), NoCaller> {
        // As in offer.
        self.placed.core().slot()?;
        self.placed.control().with(self.placed.words()).close();
        Ok(())
    }
}

/// What is called when the right is left.
struct Held<L> {
    control: NonNull<RawMailbox<L>>,
    words: NonNull<[AtomicU64]>,
    me: ProcessClaim,
}

// SAFETY: shared memory, accessed through words of the sync layer only.
unsafe impl<L: Send + Sync> Send for Held<L> {}

impl<L: Kinded> Held<L> {
    /// # Safety
    /// This process has the mailbox open.
    unsafe fn leave(&self) {
        // SAFETY: an object stays in place while a process has it open (registry, I4), says the caller.
        let control = unsafe { self.control.as_ref() };
        // SAFETY: as above.
        let words = unsafe { self.words.as_ref() };
        control.with(words).leave(self.me);
    }
}

/// The mailbox `name` for who sends, made on these terms if there is none.
fn obtain<L: Kinded>(
    region: &Region,
    name: &str,
    capacity: usize,
    terms: Option<Terms>,
    (each, annexed): (usize, Annexed),
) -> Result<Box<dyn Mail>, ObjectError> {
    let refused = |kind| ObjectError::new(name, kind);
    let number = number_of::<L>(capacity).map_err(refused)?;
    let mode = if terms.is_some() { Mode::OpenOrCreate } else { Mode::Open };
    let tag = annexed.tag(TAG).map_err(refused)?;
    let request = Request { name, kind: L::MAILBOX, capacity, tag, mode, deadline: None };
    // Who opens one makes none.
    let (succession, delivery) = (Succession::Inherit, Delivery::AtMostOnce);
    let wanted = terms.unwrap_or(Terms { each, shared: false, succession, delivery, annexed });
    // What a thread has taken and not yet been given is put back when it dies, whatever becomes of what it was given.
    let made = || RawMailbox::new(L::new(number, Delivery::AtLeastOnce), wanted.right(), wanted.delivery);
    let slot = |_| Cell::new(Chunk::new_zeroed());
    let measure = Measure { each, beyond: annexed.beyond().map_err(refused)? };
    let found = obtain_several(region.core(), &request, measure, made, L::word, slot);
    let (placed, _) = found.map_err(|error| refused(Annexed::told(TAG, error.kind())))?;
    let mail = MailboxAt::<L>::stand(placed, capacity, each, annexed, Some(End::Senders));
    let mail = mail.map_err(|error| refused(error.into()))?;
    match terms {
        Some(wanted) if mail.terms() != wanted => {
            let [found, expected] = mail.terms().differ(wanted);
            Err(refused(ObjectErrorKind::OtherTerms { found, expected }))
        }
        _ => Ok(Box::new(mail)),
    }
}

/// The mailbox `name` for who sends, made if there is none.
pub(crate) fn open_or_make(
    region: &Region,
    name: &str,
    size: Size,
    terms: Terms,
) -> Result<Box<dyn Mail>, ObjectError> {
    let (delivery, each, terms) = (terms.delivery, (terms.each, terms.annexed), Some(terms));
    match size {
        Size::Zero if delivery == Delivery::AtLeastOnce => Err(ObjectError::new(name, ObjectErrorKind::HoldsNothing)),
        Size::Zero => obtain::<RawRendezvous>(region, name, 0, terms, each),
        Size::Bounded(capacity) => obtain::<RawQueue>(region, name, capacity, terms, each),
        Size::Unbounded(quota) => obtain::<RawUnbounded>(region, name, quota, terms, each),
    }
}

/// The mailbox `name` for who sends, as it is.
pub(crate) fn open(region: &Region, name: &str) -> Result<Box<dyn Mail>, ObjectError> {
    loop {
        let shape = found_shape(region.core(), name)?;
        let (Ok(capacity), Ok(element)) = (usize::try_from(shape.capacity), usize::try_from(shape.element)) else {
            return Err(ObjectError::new(name, ObjectErrorKind::Corrupt));
        };
        let corrupt = || ObjectError::new(name, ObjectErrorKind::Corrupt);
        let is_mailbox = Kind::from_number(shape.kind).is_some_and(|kind| kind.is_mailbox());
        let annexed =
            if is_mailbox { Annexed::of_tag(TAG, shape.tag).ok_or_else(corrupt)? } else { Annexed::default() };
        let each = (element / size_of::<Cell<Chunk>>(), annexed);
        let found = match Kind::from_number(shape.kind) {
            Some(Kind::RendezvousMailbox) => obtain::<RawRendezvous>(region, name, capacity, None, each),
            Some(Kind::UnboundedMailbox) => obtain::<RawUnbounded>(region, name, capacity, None, each),
            Some(Kind::Mailbox) => obtain::<RawQueue>(region, name, capacity, None, each),
            _ => {
                let kind = ObjectErrorKind::WrongKind { found: shape.kind, expected: Kind::Mailbox.number() };
                return Err(ObjectError::new(name, kind));
            }
        };
        match found {
            // Another one has taken its name meanwhile.
            Err(error) if is_other(error.kind()) && found_shape(region.core(), name)? != shape => {}
            found => return found,
        }
    }
}

fn is_other(kind: ObjectErrorKind) -> bool {
    matches!(
        kind,
        ObjectErrorKind::WrongKind { .. }
            | ObjectErrorKind::WrongSize { .. }
            | ObjectErrorKind::WrongCapacity { .. }
            | ObjectErrorKind::OtherTerms { .. }
    )
}

/// Whether a message says that it comes from a process that may be, or have been, in the region.
pub(crate) fn may_be_from(way: &dyn Way<Chunk>, claim: ProcessClaim) -> bool {
    let entry = way.core().participants().processes().get(claim.index);
    // Relaxed: its generation came before the message that says so.
    let generation = entry.map_or(0, |entry| ProcessWord::from_bits(entry.word.load(Ordering::Relaxed)).generation);
    claim.generation != 0 && claim.generation <= generation
}
