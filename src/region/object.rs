//! Named objects: what they are, how they are made and opened, and the place of one.

use super::core::{Attached, Core};
use super::error::{ObjectError, ObjectErrorKind};
use super::kind::Kind;
use super::layout::{ARENA_ALIGN, fnv};
use crate::primitives::channel::RawLine;
use crate::primitives::mutex::LockError;
use crate::primitives::registry::{Found, Mode, NAME_MAX, Name, RegistryError, Shape};
use crate::primitives::waiting::ObjectId;
use crate::primitives::{
    RawBarrier, RawChannel, RawMailbox, RawOwnedSemaphore, RawPool, RawQueue, RawRendezvous, RawRwLock, RawUnbounded,
    Repair,
};
use crate::sync::{AtomicU32, AtomicU64, Deadline};
use core::fmt;
use core::ptr::NonNull;
use std::sync::Arc;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A control block of `primitives`, which begins an object's extent.
pub(crate) trait Control: Send + Sync + 'static {
    /// What it has several of beside the control block: places, entries.
    type Word: Send + Sync + 'static;

    /// Calls `visit` with what there is to repair.
    fn repair(&self, words: &[Self::Word], visit: &mut dyn FnMut(&dyn Repair));
}

/// Most have no words.
impl<T: Repair + Send + Sync + 'static> Control for T {
    type Word = ();

    fn repair(&self, _words: &[()], visit: &mut dyn FnMut(&dyn Repair)) {
        visit(self);
    }
}

macro_rules! with_words {
    ($($control:ty: $word:ty),+ $(,)?) => {
        $(impl Control for $control {
            type Word = $word;

            fn repair(&self, words: &[$word], visit: &mut dyn FnMut(&dyn Repair)) {
                visit(&self.with(words));
            }
        })+
    };
}

with_words! {
    RawBarrier: AtomicU32,
    RawOwnedSemaphore: AtomicU64,
    RawPool: AtomicU64,
    RawQueue: AtomicU64,
    RawRendezvous: AtomicU64,
    RawRwLock: AtomicU32,
    RawUnbounded: AtomicU64,
}

impl<L: RawLine + Send + Sync + 'static> Control for RawChannel<L> {
    type Word = AtomicU64;

    fn repair(&self, words: &[AtomicU64], visit: &mut dyn FnMut(&dyn Repair)) {
        visit(&self.with(words));
    }
}

impl<L: RawLine + Send + Sync + 'static> Control for RawMailbox<L> {
    type Word = AtomicU64;

    fn repair(&self, words: &[AtomicU64], visit: &mut dyn FnMut(&dyn Repair)) {
        visit(&self.with(words));
    }
}

/// Names a type in a region, so that two processes that mean different types by one object are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(pub(crate) u64);

impl Tag {
    /// The tag called `name`. Put a version into it: `"shop.order/1"`.
    #[must_use]
    pub const fn new(name: &str) -> Self {
        Self(fnv(name.as_bytes()))
    }
}

/// A type whose values may lie in a region: plain bytes that mean the same in every process.
///
/// That is what [`FromBytes`], [`IntoBytes`], [`Immutable`] and [`KnownLayout`] of zerocopy say (no pointers, no
/// padding, every pattern of bits valid); derive these. The tag is yours to declare; it tells the type from others of
/// the same size.
///
/// ```
/// use selvedge::region::{Shared, Tag};
/// use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
///
/// #[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// struct Order {
///     article: u32,
///     pieces: u32,
/// }
///
/// impl Shared for Order {
///     const TAG: Tag = Tag::new("shop.order/1");
/// }
/// ```
pub trait Shared: FromBytes + IntoBytes + Immutable + KnownLayout + Copy + Send + Sync + 'static {
    /// Tells the type from others of its size.
    const TAG: Tag;
}

macro_rules! shared {
    ($($type:ty: $name:literal),+ $(,)?) => {
        $(impl Shared for $type {
            const TAG: Tag = Tag::new($name);
        })+
    };
}

shared! {
    u8: "u8", u16: "u16", u32: "u32", u64: "u64", u128: "u128",
    i8: "i8", i16: "i16", i32: "i32", i64: "i64", i128: "i128",
    f32: "f32", f64: "f64",
}

impl<T: Shared, const N: usize> Shared for [T; N] {
    // The length is told by the size.
    const TAG: Tag = Tag(T::TAG.0.rotate_left(7) ^ fnv(b"[]"));
}

/// The name of an object, as it was given when the object was made or opened. Clones share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(Arc<str>);

impl ObjectName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ObjectName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for ObjectName {
    /// As messages show it: escaped, in backquotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0.escape_debug())
    }
}

/// How many of each an object has beside its control block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// Words of the algorithm.
    pub(crate) words: usize,
    /// Values.
    pub(crate) slots: usize,
    /// Words behind those, of what repairs itself.
    pub(crate) beyond: usize,
}

/// How large an object is that has several slots for an element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    /// Slots of an element.
    pub(crate) each: usize,
    /// Words and slots behind those of all elements.
    pub(crate) beyond: (usize, usize),
}

impl Counts {
    /// All words.
    pub(crate) fn all_words(self) -> Option<usize> {
        self.words.checked_add(self.beyond)
    }
}

/// Where words and slots begin in an extent with control block `C`, and where they end.
pub(crate) fn offsets_of<C: Control, S>(counts: Counts) -> Option<[usize; 3]> {
    let words = size_of::<C>().next_multiple_of(align_of::<C::Word>());
    let after = words.checked_add(size_of::<C::Word>().checked_mul(counts.all_words()?)?)?;
    let slots = after.checked_next_multiple_of(align_of::<S>())?;
    Some([words, slots, slots.checked_add(size_of::<S>().checked_mul(counts.slots)?)?])
}

/// The shape of an object with control block `C` and slots `S`, so many for each element.
fn shape_of<C: Control, S>(request: &Request<'_>, counts: Counts, each: usize) -> Option<Shape> {
    let [.., bytes] = offsets_of::<C, S>(counts)?;
    let align = align_of::<C>().max(align_of::<C::Word>()).max(align_of::<S>());
    Some(Shape {
        kind: request.kind.number(),
        align: u32::try_from((align as u64).max(ARENA_ALIGN)).ok()?,
        bytes: bytes as u64,
        element: size_of::<S>().checked_mul(each)? as u64,
        capacity: request.capacity as u64,
        tag: request.tag,
    })
}

/// Where control block, words and slots of an object lie.
pub(crate) type Parts<C, S> = (NonNull<C>, NonNull<[<C as Control>::Word]>, NonNull<[S]>);

/// An object that this process has open: its control block, words and slots, and what keeps them mapped.
pub(crate) struct Placed<C: Control, S> {
    attached: Attached,
    name: ObjectName,
    index: usize,
    control: NonNull<C>,
    words: NonNull<[C::Word]>,
    beyond: NonNull<[C::Word]>,
    slots: NonNull<[S]>,
}

// SAFETY: control block, words and slots are shared memory, accessed through sync-layer words and cells only.
unsafe impl<C: Control, S: Sync> Send for Placed<C, S> {}
// SAFETY: as above.
unsafe impl<C: Control, S: Sync> Sync for Placed<C, S> {}

impl<C: Control, S> Placed<C, S> {
    pub(crate) fn core(&self) -> &Arc<Core> {
        self.attached.core()
    }

    pub(crate) fn name(&self) -> &ObjectName {
        &self.name
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    pub(crate) fn id(&self) -> ObjectId {
        crate::primitives::registry::object_of(self.index)
    }

    pub(crate) fn control(&self) -> &C {
        // SAFETY: the object stays in place while the process is attached and this process is its opener (registry, I4).
        unsafe { self.control.as_ref() }
    }

    pub(crate) fn words(&self) -> &[C::Word] {
        // SAFETY: as above.
        unsafe { self.words.as_ref() }
    }

    /// The words behind those.
    pub(crate) fn beyond(&self) -> &[C::Word] {
        // SAFETY: as above.
        unsafe { self.beyond.as_ref() }
    }

    /// Control block and words without a count of the handles: whoever uses them sees to it that there is a handle still.
    pub(crate) fn pinned(&self) -> (NonNull<C>, NonNull<[C::Word]>) {
        (self.control, self.words)
    }

    pub(crate) fn slots(&self) -> &[S] {
        // SAFETY: as above.
        unsafe { self.slots.as_ref() }
    }
}

impl<C: Control, S> Clone for Placed<C, S> {
    fn clone(&self) -> Self {
        self.core().opened(self.index);
        let (attached, name) = (self.attached.clone(), self.name.clone());
        let Self { index, control, words, beyond, slots, .. } = *self;
        Self { attached, name, index, control, words, beyond, slots }
    }
}

impl<C: Control, S> Drop for Placed<C, S> {
    fn drop(&mut self) {
        self.core().closed(self.index);
    }
}

impl<C: Control, S> fmt::Debug for Placed<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placed").field("name", &self.name).field("index", &self.index).finish_non_exhaustive()
    }
}

/// A name, checked and padded.
pub(crate) fn padded(name: &str) -> Result<Name, ObjectErrorKind> {
    let bytes = name.as_bytes();
    let too_long = ObjectErrorKind::NameTooLong { length: bytes.len(), most: NAME_MAX };
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(ObjectErrorKind::BadName);
    }
    let mut padded = [0; NAME_MAX];
    padded.get_mut(..bytes.len()).ok_or(too_long)?.copy_from_slice(bytes);
    Ok(padded)
}

/// The name without its padding.
pub(crate) fn unpadded(name: &Name) -> String {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    String::from_utf8_lossy(name.get(..end).unwrap_or_default()).into_owned()
}

/// What all handles have that can wait: their name, and how they wait.
macro_rules! named_and_waiting {
    ($handle:ty $(, $type:ident: $bound:path)?; $what:literal) => {
        impl$(<$type: $bound>)? $handle {
            #[doc = concat!("The same ", $what, " with another way to wait.")]
            #[must_use]
            pub fn with_wait(mut self, wait: $crate::primitives::waiting::Wait) -> Self {
                self.wait = wait;
                self
            }

            /// The name by which it was made or opened.
            #[must_use]
            pub fn name(&self) -> &str {
                self.placed.name().as_str()
            }
        }
    };
}

pub(crate) use named_and_waiting;

/// What is asked for when an object is made or opened.
pub(crate) struct Request<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) capacity: usize,
    pub(crate) tag: u64,
    pub(crate) mode: Mode,
    pub(crate) deadline: Option<Deadline>,
}

/// Makes or opens an object with control block `C` and slots `S`, and without words.
pub(crate) fn obtain<C: Control<Word = ()>, S: Send + Sync + 'static>(
    core: &Arc<Core>,
    request: &Request<'_>,
    control: impl Fn() -> C,
    slot: impl FnMut(usize) -> S,
) -> Result<(Placed<C, S>, bool), ObjectError> {
    obtain_with(core, request, control, |_| (), slot)
}

/// Makes or opens an object with control block `C`, its words, and slots `S`.
pub(crate) fn obtain_with<C: Control, S: Send + Sync + 'static>(
    core: &Arc<Core>,
    request: &Request<'_>,
    control: impl Fn() -> C,
    word: impl Fn(usize) -> C::Word,
    slot: impl FnMut(usize) -> S,
) -> Result<(Placed<C, S>, bool), ObjectError> {
    obtain_several(core, request, Measure { each: 1, beyond: (0, 0) }, control, word, slot)
}

/// Makes or opens an object with control block `C`, its words, and so many slots `S`.
pub(crate) fn obtain_several<C: Control, S: Send + Sync + 'static>(
    core: &Arc<Core>,
    request: &Request<'_>,
    measure: Measure,
    control: impl Fn() -> C,
    word: impl Fn(usize) -> C::Word,
    mut slot: impl FnMut(usize) -> S,
) -> Result<(Placed<C, S>, bool), ObjectError> {
    let mut attempt = || -> Result<(Placed<C, S>, bool), ObjectErrorKind> {
        let name = padded(request.name)?;
        let no_room = ObjectErrorKind::OutOfMemory { needed: u64::MAX };
        let threads = core.participants().threads().len();
        let counts = request.kind.counts(request.capacity, threads).ok_or(no_room)?;
        let Measure { each, beyond: (beyond, behind) } = measure;
        let slots = counts.slots.checked_mul(each).and_then(|slots| slots.checked_add(behind)).ok_or(no_room)?;
        let counts = Counts { slots, beyond, ..counts };
        let shape = shape_of::<C, S>(request, counts, each).ok_or(no_room)?;
        let found = core
            .obtain(&name, shape, request.mode, request.deadline, &mut |extent| {
                core.memory().write(extent, control(), counts, &word, &mut slot);
            })?
            .map_err(|error| refusal(error, shape, core.limits().objects))?;
        let Found { index, extent, created } = found;
        let Some((control, words, slots)) = core.memory().find::<C, S>(extent, counts) else {
            core.closed(index);
            return Err(ObjectErrorKind::Corrupt);
        };
        // SAFETY: as of any object that this process has open.
        let (words, beyond) = unsafe { words.as_ref() }.split_at(counts.words);
        let (words, beyond) = (NonNull::from(words), NonNull::from(beyond));
        let (attached, name) = (Attached::new(core), ObjectName::from(request.name));
        Ok((Placed { attached, name, index, control, words, beyond, slots }, created))
    };
    attempt().map_err(|kind| ObjectError::new(request.name, kind))
}

/// What the object of this name is and how large, if there is one: for whoever opens it as it is.
pub(crate) fn found_shape(core: &Arc<Core>, name: &str) -> Result<Shape, ObjectError> {
    let attempt = || -> Result<Shape, ObjectErrorKind> {
        // No object has this shape: each has a kind.
        let none = Shape::default();
        match core.obtain(&padded(name)?, none, Mode::Open, None, &mut |_| ())? {
            Err(RegistryError::OtherShape(found)) => Ok(found),
            Err(error) => Err(refusal(error, none, core.limits().objects)),
            Ok(Found { index, .. }) => {
                core.closed(index);
                Err(ObjectErrorKind::Corrupt)
            }
        }
    };
    attempt().map_err(|kind| ObjectError::new(name, kind))
}

/// Why the registry refused, in the words of the region layer.
pub(crate) fn refusal(error: RegistryError, wanted: Shape, limit: u32) -> ObjectErrorKind {
    match error {
        RegistryError::NotFound => ObjectErrorKind::NotFound,
        RegistryError::AlreadyExists => ObjectErrorKind::AlreadyExists,
        RegistryError::TooManyObjects => ObjectErrorKind::TooManyObjects { limit },
        RegistryError::OutOfMemory { needed, .. } => ObjectErrorKind::OutOfMemory { needed },
        RegistryError::Lock(LockError::TimedOut | LockError::WouldBlock) => ObjectErrorKind::Busy,
        RegistryError::Lock(LockError::Relocked | LockError::NotRecoverable) => ObjectErrorKind::Corrupt,
        RegistryError::OtherShape(found) => difference(found, wanted),
    }
}

/// In what two shapes differ, the most telling difference first.
fn difference(found: Shape, wanted: Shape) -> ObjectErrorKind {
    if found.kind != wanted.kind {
        ObjectErrorKind::WrongKind { found: found.kind, expected: wanted.kind }
    } else if found.element != wanted.element {
        ObjectErrorKind::WrongSize { found: found.element, expected: wanted.element }
    } else if found.align != wanted.align {
        ObjectErrorKind::WrongAlign { found: found.align.into(), expected: wanted.align.into() }
    } else if found.tag != wanted.tag {
        ObjectErrorKind::WrongTag { found: found.tag, expected: wanted.tag }
    } else {
        ObjectErrorKind::WrongCapacity { found: found.capacity, expected: wanted.capacity }
    }
}
