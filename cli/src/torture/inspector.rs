//! The inspector: comes when a round ends, lets those go on who wait rightly, and then, alone, checks that all adds up.

use super::fault::{Fault, Outcome};
use super::journal::Phase;
use super::subject::{Subject, View};
use super::worker::{FAULT, Scene};
use selvedge::sync::Ordering;
use selvedge::{Deadline, Region};
use std::fs;
use std::thread;
use std::time::Duration;

/// How often it looks for those who wait.
const LOOK: Duration = Duration::from_micros(200);

/// What a process holds of the kernel's things; what must not grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holdings {
    descriptors: usize,
    threads: usize,
}

impl Holdings {
    /// Those of this process.
    pub(crate) fn own() -> Self {
        let entries = |folder| fs::read_dir(folder).map_or(0, Iterator::count);
        Self { descriptors: entries("/proc/self/fd"), threads: entries("/proc/self/task") }
    }
}

/// What an inspector does. Returns its exit code.
pub(crate) fn run(scene: &Scene, subjects: &mut [Box<dyn Subject>]) -> i32 {
    match inspect(scene, subjects) {
        Ok(()) => 0,
        Err(fault) => {
            scene.journal.inspector().say(&fault.to_string());
            FAULT
        }
    }
}

fn inspect(scene: &Scene, subjects: &mut [Box<dyn Subject>]) -> Outcome {
    let before = Holdings::own();
    let region = scene.attach()?;
    subjects.iter_mut().try_for_each(|subject| subject.attach(&region))?;
    let view = |subject| View { journal: scene.journal, subject };
    loop {
        match scene.journal.phase() {
            Phase::Alone => break,
            Phase::Stuck => return Err(Fault::new(describe(scene, &region, subjects))),
            Phase::Work | Phase::Lull | Phase::Ending | Phase::Leaving => {}
        }
        for (index, subject) in subjects.iter_mut().enumerate() {
            subject.relieve(view(index)).map_err(|fault| of(&**subject, &fault))?;
        }
        thread::sleep(LOOK);
    }
    everybody_else_is_gone(scene, &region)?;
    for (index, subject) in subjects.iter_mut().enumerate() {
        subject.check(view(index)).map_err(|fault| of(&**subject, &fault))?;
    }
    if !region.is_intact() {
        return Err(Fault::new("the region's header was overwritten"));
    }
    if scene.journal.renew.load(Ordering::Acquire) != 0 {
        region.unlink().map_err(|error| Fault::refused("removing the region's name", error))?;
    }
    subjects.iter_mut().for_each(|subject| subject.detach());
    drop(region);
    let after = Holdings::own();
    if after != before {
        return Err(Fault::new(format!("before attaching {before:?}, after detaching {after:?}")));
    }
    Ok(())
}

fn of(subject: &dyn Subject, fault: &Fault) -> Fault {
    Fault::new(format!("{}, at the end of the round: {fault}", subject.name()))
}

/// The places of all who were killed are free again: processes and thread slots are at their floor.
fn everybody_else_is_gone(scene: &Scene, region: &Region) -> Outcome {
    let deadline = Deadline::after(scene.patience);
    loop {
        let participants = region.participants();
        if let [own] = &*participants
            && own.threads == 1
        {
            return Ok(());
        }
        if deadline.has_passed() {
            return Err(Fault::new(format!("every worker is gone, and the region still has {participants:?}")));
        }
        thread::sleep(LOOK);
    }
}

fn describe(scene: &Scene, region: &Region, subjects: &[Box<dyn Subject>]) -> String {
    let mut text = format!("{:?}", region.participants());
    for (index, subject) in subjects.iter().enumerate() {
        let view = View { journal: scene.journal, subject: index };
        text.push_str(&format!("\n    {}: {}", subject.name(), subject.state(view)));
    }
    text
}
