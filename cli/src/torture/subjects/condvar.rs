//! The condition variable: a stock of goods, which those who find none wait for. Nobody waits while there are goods, and
//! none are lost or made.

use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::{Hand, add};
use crate::torture::journal::Lane;
use crate::torture::subject::{Subject, Unknown, View};
use selvedge::Region;
use selvedge::region::{Condvar, LockError, Mutex, MutexGuard};
use std::time::Duration;

const POINTS: &[&str] = &[
    "in lock",
    "has the stock",
    "one more",
    "in unlock after one more",
    "in notify",
    "in wait",
    "in timed wait",
    "one less",
    "in unlock after one less",
];
const IN_LOCK: usize = 0;
const HAS_STOCK: usize = 1;
const ONE_MORE: usize = 2;
const IN_UNLOCK_MORE: usize = 3;
const IN_NOTIFY: usize = 4;
const IN_WAIT: usize = 5;
const IN_TIMED_WAIT: usize = 6;
const ONE_LESS: usize = 7;
const IN_UNLOCK_LESS: usize = 8;

/// Lane words: goods that were made, and taken.
const MADE: usize = 0;
const TAKEN: usize = 1;
/// A timed wait that may run out.
const SHORT: Duration = Duration::from_micros(300);
/// How long an inspector waits for the stock.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many there are, and the complement of that.
type Stock = [u64; 2];

#[derive(Default)]
pub(crate) struct Condvars {
    open: Option<(Mutex<Stock>, Condvar)>,
    unknown: Unknown,
}

fn entered<'a>(
    answer: Result<MutexGuard<'a, Stock>, LockError<MutexGuard<'a, Stock>>>,
) -> Outcome<MutexGuard<'a, Stock>> {
    match answer {
        Ok(guard) if guard[1] == !guard[0] => Ok(guard),
        Ok(guard) => Err(Fault::new(format!("the stock is torn, and nobody was told: {:x?}", *guard))),
        Err(LockError::OwnerDied(mut guard)) => {
            guard[1] = !guard[0];
            guard.mark_consistent();
            Ok(guard)
        }
        Err(error) => Err(Fault::refused("lock of the stock", error)),
    }
}

impl Condvars {
    fn open(&self) -> Outcome<&(Mutex<Stock>, Condvar)> {
        self.open.as_ref().ok_or_else(|| Fault::new("a worker took a turn and was not attached"))
    }

    fn make((stock, changed): &(Mutex<Stock>, Condvar), hand: &mut Hand<'_>) -> Outcome {
        let mut guard = entered(hand.call(IN_LOCK, || stock.lock()))?;
        hand.at(HAS_STOCK);
        hand.linger();
        guard[0] += 1;
        hand.at(ONE_MORE);
        guard[1] = !guard[0];
        hand.call(IN_UNLOCK_MORE, || drop(guard));
        hand.count(MADE);
        let answer = hand.call(IN_NOTIFY, || changed.notify_one());
        answer.map_err(|error| Fault::refused("notify", error))
    }

    fn take((stock, changed): &(Mutex<Stock>, Condvar), hand: &mut Hand<'_>) -> Outcome {
        let mut guard = entered(hand.call(IN_LOCK, || stock.lock()))?;
        while guard[0] == 0 {
            if hand.numbers.once_in(3) {
                let answer = hand.call(IN_TIMED_WAIT, || changed.wait_timeout(guard, SHORT));
                let timed_out;
                (guard, timed_out) = match answer {
                    Ok((guard, timed_out)) => (entered(Ok(guard))?, timed_out),
                    Err(LockError::OwnerDied((guard, timed_out))) => {
                        (entered(Err(LockError::OwnerDied(guard)))?, timed_out)
                    }
                    Err(error) => return Err(Fault::refused("wait", error.give_up())),
                };
                if timed_out && guard[0] == 0 {
                    hand.call(IN_LOCK, || drop(guard));
                    return Ok(());
                }
            } else {
                guard = entered(hand.call(IN_WAIT, || changed.wait(guard)))?;
            }
        }
        hand.at(HAS_STOCK);
        hand.linger();
        guard[0] -= 1;
        hand.at(ONE_LESS);
        guard[1] = !guard[0];
        hand.call(IN_UNLOCK_LESS, || drop(guard));
        hand.count(TAKEN);
        Ok(())
    }
}

impl Subject for Condvars {
    fn name(&self) -> &'static str {
        "condvar"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        let stock = region.mutex("stock", [0, !0]).map_err(|error| Fault::refused("mutex", error))?;
        let changed = region.condvar("changed").map_err(|error| Fault::refused("condvar", error))?;
        self.open = Some((stock, changed));
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        let open = self.open()?;
        if hand.numbers.once_in(2) { Self::make(open, hand) } else { Self::take(open, hand) }
    }

    fn bury(&mut self, _view: View<'_>, _lane: &Lane, point: usize) {
        match point {
            HAS_STOCK => self.unknown.or(-1, 1),
            ONE_MORE => self.unknown.or(1, 1),
            // Made, and perhaps written down.
            IN_UNLOCK_MORE => self.unknown.or(0, 1),
            ONE_LESS => self.unknown.or(-1, -1),
            IN_UNLOCK_LESS => self.unknown.or(-1, 0),
            _ => {}
        }
    }

    fn relieve(&mut self, view: View<'_>) -> Outcome {
        let (stock, changed) = self.open()?;
        let waiting = view.lanes_at(IN_WAIT).count() as u64;
        if waiting == 0 {
            return Ok(());
        }
        let mut guard = match stock.lock_timeout(PATIENCE) {
            // Somebody else's business.
            Err(LockError::TimedOut) => return Ok(()),
            answer => entered(answer)?,
        };
        // With goods there, whoever still waits is to notice that by itself.
        if guard[0] == 0 {
            *guard = [waiting, !waiting];
            drop(guard);
            add(&view.journal.inspector().words(view.subject)[MADE], waiting);
            changed.notify_all().map_err(|error| Fault::refused("notify", error))?;
        }
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        let (stock, _) = self.open()?;
        let mut guard = entered(stock.try_lock())?;
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (found, expected) = (signed(guard[0]), signed(view.sum(MADE)) - signed(view.sum(TAKEN)));
        if !self.unknown.explains(found, expected) {
            return Err(Fault::new(format!(
                "{found} goods, {expected} expected, the dead account for {:?}",
                self.unknown
            )));
        }
        *guard = [0, !0];
        Ok(())
    }

    fn begin(&mut self, view: View<'_>) {
        view.clear();
        self.unknown = Unknown::default();
    }

    fn state(&self, _view: View<'_>) -> String {
        format!("{:?}", self.open)
    }
}
