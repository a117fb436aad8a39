//! The directory of objects: opening, making, closing and removing them leaves no entry and no memory behind.
//!
//! A region has a limited number of entries, and those of the dead serve again: one that is lost with each death would be
//! missing soon.

use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::Hand;
use crate::torture::journal::Lane;
use crate::torture::subject::{Subject, View};
use selvedge::Region;
use selvedge::region::{LockError, ObjectErrorKind};

const POINTS: &[&str] = &["in open", "has it open", "in close", "in remove", "in list", "has it locked"];
const IN_OPEN: usize = 0;
const HAS_OPEN: usize = 1;
const IN_CLOSE: usize = 2;
const IN_REMOVE: usize = 3;
const IN_LIST: usize = 4;
const HAS_LOCKED: usize = 5;

const NAMES: usize = 4;
const PREFIX: &str = "thing-";

#[derive(Default)]
pub(crate) struct Objects {
    open: Option<Region>,
}

fn name(index: usize) -> String {
    format!("{PREFIX}{index}")
}

/// Removes an object, if it is there.
fn remove(region: &Region, index: usize) -> Outcome {
    match region.remove_object(&name(index)) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ObjectErrorKind::NotFound => Ok(()),
        Err(error) => Err(Fault::refused("removing an object", error)),
    }
}

fn list(region: &Region) -> Outcome<Vec<String>> {
    let entries = region.objects().map_err(|error| Fault::refused("listing objects", error))?;
    Ok(entries.into_iter().map(|entry| entry.name).collect())
}

impl Objects {
    fn open(&self) -> Outcome<&Region> {
        self.open.as_ref().ok_or_else(|| Fault::new("a worker took a turn and was not attached"))
    }

    fn open_one(region: &Region, hand: &mut Hand<'_>, index: usize) -> Outcome {
        let mutex = hand.call(IN_OPEN, || region.mutex(&name(index), [0_u64, !0]));
        let mutex = mutex.map_err(|error| Fault::refused("opening an object", error))?;
        hand.at(HAS_OPEN);
        let mut guard = match mutex.lock() {
            Ok(guard) if guard[1] == !guard[0] => guard,
            Ok(guard) => return Err(Fault::new(format!("object {index} is not initialised: {:x?}", *guard))),
            Err(LockError::OwnerDied(mut guard)) => {
                guard[1] = !guard[0];
                guard.mark_consistent();
                guard
            }
            Err(error) => return Err(Fault::refused("lock of an object", error)),
        };
        let own = [hand.identity(), !hand.identity()];
        *guard = own;
        hand.at(HAS_LOCKED);
        hand.linger();
        if *guard != own {
            return Err(Fault::new(format!("object {index} changed while it was open and locked: {:x?}", *guard)));
        }
        drop(guard);
        hand.call(IN_CLOSE, || drop(mutex));
        Ok(())
    }
}

impl Subject for Objects {
    fn name(&self) -> &'static str {
        "objects"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        self.open = Some(region.clone());
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        let region = self.open()?;
        let index = hand.numbers.index(NAMES);
        match hand.numbers.below(6) {
            0 | 1 => hand.call(IN_REMOVE, || remove(region, index)),
            2 => hand.call(IN_LIST, || list(region)).map(drop),
            _ => Self::open_one(region, hand, index),
        }
    }

    fn bury(&mut self, _view: View<'_>, _lane: &Lane, _point: usize) {}

    fn relieve(&mut self, _view: View<'_>) -> Outcome {
        Ok(())
    }

    fn check(&mut self, _view: View<'_>) -> Outcome {
        let region = self.open()?;
        (0..NAMES).try_for_each(|index| remove(region, index))?;
        match list(region)?.into_iter().find(|name| name.starts_with(PREFIX)) {
            Some(name) => Err(Fault::new(format!("object `{name}` was removed and is there"))),
            None => Ok(()),
        }
    }

    fn begin(&mut self, view: View<'_>) {
        view.clear();
    }

    fn state(&self, _view: View<'_>) -> String {
        String::new()
    }
}
