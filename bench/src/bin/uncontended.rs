//! Lock and unlock a mutex that nobody else wants.

use selvedge::Region;
use selvedge::primitives::participants::Membership;
use selvedge::primitives::waiting::Wait;
use selvedge::primitives::{Caller, ObjectId, Objects, Participants, RawMutex, Repair, ThreadSlot};
use selvedge_bench::peers::{Mapped, PthreadMutex};
use selvedge_bench::report;
use selvedge_bench::rounds::{Contestant, compete};
use std::error::Error;
use std::hint::black_box;

/// No objects: nobody sleeps here, so nobody has to be woken.
struct Nothing;

impl Objects for Nothing {
    fn for_each(&self, _visit: &mut dyn FnMut(&dyn Repair)) {}
    fn wake(&self, _object: ObjectId) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let region = Region::anonymous()?;
    let ours = region.mutex("value", 0_u64)?;

    let membership = Membership::new();
    let table = Participants::empty(&membership);
    let caller = Caller { table, objects: &Nothing, slot: ThreadSlot(0), wait: Wait::default(), backstop: None };
    let raw = RawMutex::new();

    let std = std::sync::Mutex::new(0_u64);
    let parking_lot = parking_lot::Mutex::new(0_u64);
    let pthread = Mapped::<PthreadMutex>::new()?.value();
    pthread.init()?;

    let samples = compete(vec![
        Contestant::new("selvedge, lock()", || {
            *black_box(&ours).lock().expect("nobody dies here") += 1;
        }),
        Contestant::new("selvedge, try_lock()", || {
            *black_box(&ours).try_lock().expect("nobody else locks it") += 1;
        }),
        Contestant::new("selvedge, control block", || {
            let raw = black_box(&raw);
            black_box(raw.lock(&caller, ObjectId(1), None)).expect("nobody dies here");
            raw.unlock(selvedge::primitives::mutex::Leaves::Consistent);
        }),
        Contestant::new("std::sync::Mutex", || {
            *black_box(&std).lock().expect("nobody panics here") += 1;
        }),
        Contestant::new("parking_lot::Mutex", || {
            *black_box(&parking_lot).lock() += 1;
        }),
        Contestant::new("pthread, robust, process-shared", || {
            let pthread = black_box(pthread);
            pthread.lock().expect("nobody dies here");
            pthread.unlock().expect("locked just now");
        }),
    ]);
    report::print_machine();
    report::print("lock and unlock, ns", &samples, 3);
    Ok(())
}
