//! `selvedge top`: how fast the objects of a region move, how full they are, and who waits for what, again and again.
//!
//! It only looks: the region is mapped for reading, and nobody is attached.

mod meter;
mod screen;

use crate::arguments::Top;
use crate::failure::{Code, Failure, Stop};
use crate::interrupt::Interrupt;
use crate::report;
use meter::Meter;
use screen::Screen;
use selvedge::region::{Inspector, RegionOptions};
use signal_hook::consts::SIGINT;
use std::time::{Duration, Instant};

/// How long a sleep lasts before it is looked whether somebody wants this to end.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn run(top: &Top, json: bool) -> Result<Code, Failure> {
    let interrupt = Interrupt::watch()?;
    let inspector = RegionOptions::new().inspector(&top.name)?;
    let is_endless = top.times().is_none();
    let mut screen = Screen::new(&top.name, is_endless, json);
    let outcome = watch(top, &inspector, &interrupt, &mut screen);
    drop(screen);
    match outcome {
        Ok(()) => Ok(Code::Done),
        // Without a count these are how it ends.
        Err(Stop::Signal(signal)) if is_endless && i32::from(signal) == SIGINT => Ok(Code::Done),
        Err(Stop::Failed(failure @ Failure::Gone { .. })) if is_endless => {
            report::failure(&failure, json);
            Ok(Code::Done)
        }
        Err(Stop::Failed(failure)) => Err(failure),
        Err(stop) => Ok(stop.code()),
    }
}

fn watch(top: &Top, inspector: &Inspector, interrupt: &Interrupt, screen: &mut Screen) -> Result<(), Stop> {
    let mut seen = inspector.inspect()?;
    // Who sits before it sees something at once.
    if screen.is_live() {
        screen.show(&seen, None)?;
    }
    let mut meter = Meter::new(inspector, &seen);
    let mut times = 0;
    while top.times().is_none_or(|all| times < all) {
        let end = Instant::now() + top.interval;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            std::thread::sleep(left.min(LOOK).min(meter.patience()));
            interrupt.check()?;
            meter.look(inspector);
        }
        let measured = meter.measured(inspector);
        if !inspector.is_named()? {
            return Err(Failure::Gone { region: top.name.clone() }.into());
        }
        seen = inspector.inspect()?;
        screen.show(&seen, Some(&measured))?;
        meter.go_on(inspector, &seen);
        times += 1;
    }
    Ok(())
}
