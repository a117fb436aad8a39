//! How many places for long messages a mailbox or link has, as the tag of its entry in the directory says.

use crate::region::error::ObjectErrorKind;
use crate::region::mailbox::CHUNK;
use crate::region::object::Tag;

/// The most places that there can be.
const MOST: usize = 4096;

/// The places for messages that are too long for a buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Annexed {
    pub(crate) count: usize,
    /// How many of what messages are made of each has.
    pub(crate) each: usize,
}

impl Annexed {
    /// So many, of so many bytes each; none at all, if they could hold nothing.
    pub(crate) fn places(count: usize, bytes: usize) -> Self {
        let each = bytes.div_ceil(CHUNK);
        if count == 0 || each == 0 { Self::default() } else { Self { count, each } }
    }

    /// The tag of what is of this kind, with such places.
    pub(in crate::region) fn tag(self, kind: Tag) -> Result<u64, ObjectErrorKind> {
        let count = u16::try_from(self.count).ok().filter(|count| usize::from(*count) <= MOST);
        let (Some(count), Ok(each)) = (count, u32::try_from(self.each)) else {
            return Err(ObjectErrorKind::BadCapacity { given: self.count as u64, most: MOST as u64 });
        };
        Ok(kind.0 << 48 | u64::from(count) << 32 | u64::from(each))
    }

    /// What a tag says, if it is one of that kind.
    pub(in crate::region) fn of_tag(kind: Tag, tag: u64) -> Option<Self> {
        let count = usize::try_from(tag >> 32 & u64::from(u16::MAX)).ok()?;
        let each = usize::try_from(tag & u64::from(u32::MAX)).ok()?;
        (tag >> 48 == kind.0 & u64::from(u16::MAX)).then_some(Self { count, each })
    }

    /// An error of who found another tag of that kind, in words.
    pub(in crate::region) fn told(kind: Tag, error: ObjectErrorKind) -> ObjectErrorKind {
        match error {
            ObjectErrorKind::WrongTag { found, .. } if Self::of_tag(kind, found).is_some() => {
                let (found, expected) = ("has other places for long messages", "has those that were asked for");
                ObjectErrorKind::OtherTerms { found, expected }
            }
            error => error,
        }
    }

    /// Words and slots of them.
    pub(in crate::region) fn beyond(self) -> Result<(usize, usize), ObjectErrorKind> {
        let too_large = ObjectErrorKind::OutOfMemory { needed: u64::MAX };
        Ok((self.count, self.count.checked_mul(self.each).ok_or(too_large)?))
    }
}
