//! Names of processes in a region, by which others find them.
//!
//! A name is an object that is a [right](crate::primitives::right) and nothing else, called `process:` and the name. Who has the right
//! has the name; whoever looks finds the process that has it, and no later one in its place.

use super::error::{ObjectError, ObjectErrorKind};
use super::handle::Region;
use super::kind::Kind;
use super::object::{Placed, Request, obtain};
use super::participant_id::ParticipantId;
use crate::primitives::RawRight;
use crate::primitives::registry::Mode;
use crate::primitives::right::{Holder, RightError, Succession};
use core::fmt;

/// A name that this process has in a region, until this is dropped or the process dies; [`Region::take_name`] gives it.
///
/// A process may have several, and take another and drop this one: what it has with others, [links](crate::message::Link) for
/// one, does not depend on names. When it dies the name is free again; it never leads to another process but one that has taken it.
///
/// ```
/// use selvedge::Region;
/// use selvedge::region::ObjectErrorKind;
///
/// let region = Region::anonymous()?;
/// let name = region.take_name("printer")?;
/// assert_eq!(region.process_named("printer")?, Some(region.participant_id()));
/// drop(name);
/// assert_eq!(region.process_named("printer")?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the name is free again when this is dropped"]
pub struct ProcessName {
    name: String,
    placed: Placed<RawRight, ()>,
}

fn obtained(region: &Region, name: &str, mode: Mode) -> Result<Placed<RawRight, ()>, ObjectError> {
    let object = format!("process:{name}");
    let request = Request { name: &object, kind: Kind::ProcessName, capacity: 0, tag: 0, mode, deadline: None };
    Ok(obtain(region.core(), &request, || RawRight::new(Succession::Inherit), |_| ())?.0)
}

impl Region {
    /// Takes a name for this process, if nobody has it. Never waits, but for the region's directory of objects.
    ///
    /// The name takes one of the region's places for objects, for good, whoever has it.
    ///
    /// # Errors
    /// `AlreadyExists`: a process, this one too, has it. `NameTooLong`: up to 56 bytes fit. All that can go wrong with an object.
    pub fn take_name(&self, name: &str) -> Result<ProcessName, ObjectError> {
        let placed = obtained(self, name, Mode::OpenOrCreate)?;
        let attachment = self.core().attachment();
        attachment.check().map_err(|why| ObjectError::new(name, why.into()))?;
        match placed.control().try_claim(attachment.claim()) {
            Ok(_) => Ok(ProcessName { name: name.to_owned(), placed }),
            Err(RightError::Closed) => Err(ObjectError::new(name, ObjectErrorKind::Corrupt)),
            Err(_) => Err(ObjectError::new(name, ObjectErrorKind::AlreadyExists)),
        }
    }

    /// The process that has this name, if one has. It may have died a moment ago.
    ///
    /// # Errors
    /// All that can go wrong with an object, but that there is none.
    pub fn process_named(&self, name: &str) -> Result<Option<ParticipantId>, ObjectError> {
        let placed = match obtained(self, name, Mode::Open) {
            Err(error) if error.kind() == ObjectErrorKind::NotFound => return Ok(None),
            placed => placed?,
        };
        match placed.control().holder() {
            Holder::Process(claim) => Ok(Some(ParticipantId::of(claim))),
            _ => Ok(None),
        }
    }
}

impl ProcessName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

impl Drop for ProcessName {
    fn drop(&mut self) {
        let attachment = self.placed.core().attachment();
        // A forked child has inherited the handle, not the name.
        if attachment.is_original() && attachment.check().is_ok() {
            self.placed.control().leave(attachment.claim());
        }
    }
}

impl fmt::Debug for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProcessName").field(&self.name).finish()
    }
}
