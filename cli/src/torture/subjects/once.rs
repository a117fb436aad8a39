//! What is made once: whole, and the same for all, whoever dies making it.

use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::Hand;
use crate::torture::journal::Lane;
use crate::torture::subject::{Subject, View};
use selvedge::Region;
use selvedge::region::{Once, OnceError};
use selvedge::sync::Ordering;
use std::convert::Infallible;

const POINTS: &[&str] = &["in open", "in get_or_init", "in get"];
const IN_OPEN: usize = 0;
const IN_INIT: usize = 1;
const IN_GET: usize = 2;

/// Lane word: values that the worker was ready to make.
const TRIED: usize = 0;
/// Values of a round. Common word of each: what it was seen to be.
const VALUES: usize = 32;
/// How long making one takes at most, in turns of a loop.
const EFFORT: u64 = 3000;

type Value = [u64; 4];

#[derive(Default)]
pub(crate) struct Onces {
    open: Option<Region>,
}

fn name(index: usize) -> String {
    format!("once-{index}")
}

fn whole(index: usize, value: Value) -> Outcome<u64> {
    let [number, ..] = value;
    if value == [number, !number, number, !number] {
        return Ok(number);
    }
    Err(Fault::new(format!("value {index} is torn: {value:x?}")))
}

impl Onces {
    fn open(&self) -> Outcome<&Region> {
        self.open.as_ref().ok_or_else(|| Fault::new("a worker took a turn and was not attached"))
    }

    fn once(region: &Region, index: usize) -> Outcome<Once<Value>> {
        region.once(&name(index)).map_err(|error| Fault::refused("once", error))
    }
}

fn refused(error: OnceError<Infallible>) -> Fault {
    Fault::refused("a call of the value", error)
}

impl Subject for Onces {
    fn name(&self) -> &'static str {
        "once"
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
        let index = hand.numbers.index(VALUES);
        let once = hand.call(IN_OPEN, || Self::once(region, index))?;
        hand.count(TRIED);
        let number = (hand.identity() << 16) | (hand.word(TRIED).load(Ordering::Relaxed) & 0xffff);
        let effort = hand.numbers.below(EFFORT);
        let make = || {
            (0..effort).for_each(|_| std::hint::spin_loop());
            [number, !number, number, !number]
        };
        let value = if hand.numbers.once_in(4) {
            hand.call(IN_GET, || once.get()).map_err(refused)?
        } else {
            Some(hand.call(IN_INIT, || once.get_or_init(make)).map_err(refused)?)
        };
        let Some(value) = value else { return Ok(()) };
        let found = whole(index, value)?;
        let known = &hand.journal.common(hand.subject)[index];
        match known.compare_exchange(0, found, Ordering::AcqRel, Ordering::Acquire) {
            Err(known) if known != found => {
                Err(Fault::new(format!("value {index} was {known:x} for one and {found:x} for another")))
            }
            _ => Ok(()),
        }
    }

    fn bury(&mut self, _view: View<'_>, _lane: &Lane, _point: usize) {}

    fn relieve(&mut self, _view: View<'_>) -> Outcome {
        // Whoever makes it comes to an end by itself.
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        let region = self.open()?;
        for (index, known) in view.common().iter().enumerate().take(VALUES) {
            let known = known.load(Ordering::Acquire);
            let value = Self::once(region, index)?.get().map_err(refused)?;
            let found = value.map(|value| whole(index, value)).transpose()?;
            if known != 0 && found != Some(known) {
                return Err(Fault::new(format!("value {index} was {known:x} and is {found:x?}")));
            }
            region.remove_object(&name(index)).map_err(|error| Fault::refused("removing a value", error))?;
        }
        Ok(())
    }

    fn begin(&mut self, view: View<'_>) {
        view.clear();
    }

    fn state(&self, _view: View<'_>) -> String {
        String::new()
    }
}
