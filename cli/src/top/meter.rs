//! How fast objects move: their counters, read often enough.
//!
//! Some counters come round soon: the positions of a ring after twice its capacity. Those are read every millisecond, and what came
//! in between is added up. Where even that may have been too seldom, by the fastest that was seen and the longest time
//! between two looks, what was counted is told as the least that there was.

use selvedge::region::{Counter, Inspection, Inspector, ObjectSeen};
use std::time::{Duration, Instant};

/// A counter that comes round after fewer than this is read often: at 100 ms between two looks it would have to go by at more than
/// 600 million a second.
const SOON: u64 = 1 << 26;
const OFTEN: Duration = Duration::from_millis(1);

/// How fast something was, of one object.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    pub(crate) what: &'static str,
    pub(crate) count: u64,
    pub(crate) per_second: f64,
    /// It may have been more.
    pub(crate) at_least: bool,
}

/// The rates of all objects over some time.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    objects: Vec<(ObjectSeen, Vec<Rate>)>,
}

impl Measured {
    /// Those of an object; nothing if it was not there when it began.
    pub(crate) fn of(&self, object: &ObjectSeen) -> &[Rate] {
        self.objects.iter().find(|(known, _)| known.is(object)).map_or(&[], |(_, rates)| rates)
    }
}

/// A measurement at work.
#[derive(Debug)]
pub(crate) struct Meter {
    began: Instant,
    objects: Vec<(ObjectSeen, Vec<Gauge>)>,
}

/// One counter.
#[derive(Clone, Debug)]
struct Gauge {
    first: Instant,
    last: Instant,
    counter: Counter,
    /// Since `first`; `None` once it belongs to another object.
    total: Option<u64>,
    /// Per second, between two looks.
    fastest: f64,
    longest: Duration,
}

impl Gauge {
    fn new(counter: Counter, now: Instant) -> Self {
        Self { first: now, last: now, counter, total: Some(0), fastest: 0.0, longest: Duration::ZERO }
    }

    fn read(&mut self, counter: &Counter, now: Instant) {
        let passed = now - self.last;
        let since = counter.since(&self.counter);
        if let Some(since) = since
            && !passed.is_zero()
        {
            self.fastest = self.fastest.max(since as f64 / passed.as_secs_f64());
        }
        self.longest = self.longest.max(passed);
        self.total = self.total.zip(since).map(|(total, since)| total + since);
        (self.counter, self.last) = (*counter, now);
    }

    /// Twice as fast as was seen, for somebody who is not equally fast all the time.
    fn may_have_come_round(&self) -> bool {
        self.counter.range.is_some_and(|range| 2.0 * self.fastest * self.longest.as_secs_f64() >= range as f64)
    }

    fn rate(&self) -> Option<Rate> {
        let seconds = (self.last - self.first).as_secs_f64();
        let count = self.total.filter(|_| seconds > 0.0)?;
        let per_second = count as f64 / seconds;
        Some(Rate { what: self.counter.what, count, per_second, at_least: self.may_have_come_round() })
    }
}

/// What an object counts now.
fn gauges(inspector: &Inspector, object: &ObjectSeen) -> Vec<Gauge> {
    let now = Instant::now();
    inspector.counters(object).into_iter().map(|counter| Gauge::new(counter, now)).collect()
}

impl Meter {
    /// Begins.
    pub(crate) fn new(inspector: &Inspector, seen: &Inspection) -> Self {
        let objects = seen.objects.iter().map(|object| (object.clone(), gauges(inspector, object))).collect();
        Self { began: Instant::now(), objects }
    }

    /// Begins anew with what was seen meanwhile, where it stopped: nothing that passes is left out.
    pub(crate) fn go_on(&mut self, inspector: &Inspector, seen: &Inspection) {
        let known = std::mem::take(&mut self.objects);
        let go_on = |object: &ObjectSeen| {
            let before = known.iter().find(|(known, gauges)| known.is(object) && !gauges.is_empty());
            let again = |gauge: &Gauge| Gauge::new(gauge.counter, gauge.last);
            let gauges =
                before.map_or_else(|| gauges(inspector, object), |(_, before)| before.iter().map(again).collect());
            (object.clone(), gauges)
        };
        self.objects = seen.objects.iter().map(go_on).collect();
    }

    /// How long until the next look.
    pub(crate) fn patience(&self) -> Duration {
        let mut ranges = self.objects.iter().flat_map(|(_, gauges)| gauges).filter_map(|gauge| gauge.counter.range);
        if ranges.any(|range| range < SOON) { OFTEN } else { Duration::MAX }
    }

    /// Reads what comes round.
    pub(crate) fn look(&mut self, inspector: &Inspector) {
        self.read(inspector, |gauges| gauges.iter().any(|gauge| gauge.counter.range.is_some()));
    }

    fn read(&mut self, inspector: &Inspector, is_due: impl Fn(&[Gauge]) -> bool) {
        for (object, gauges) in self.objects.iter_mut().filter(|(_, gauges)| is_due(gauges)) {
            let now = Instant::now();
            let counters = inspector.counters(object);
            // One that was removed counts no longer.
            if counters.len() != gauges.len() {
                gauges.clear();
            }
            gauges.iter_mut().zip(&counters).for_each(|(gauge, counter)| gauge.read(counter, now));
        }
    }

    /// What was measured since it began, or went on.
    pub(crate) fn measured(&mut self, inspector: &Inspector) -> Measured {
        self.read(inspector, |_| true);
        let rates = |(object, gauges): &(ObjectSeen, Vec<Gauge>)| {
            (object.clone(), gauges.iter().filter_map(Gauge::rate).collect())
        };
        let seconds = self.began.elapsed().as_secs_f64();
        self.began = Instant::now();
        Measured { seconds, objects: self.objects.iter().map(rates).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::{Gauge, Measured, Meter};
    use selvedge::Region;
    use selvedge::region::{Counter, Inspection, RegionOptions};
    use std::time::{Duration, Instant};

    /// A counter of a ring with room for three at which it stands after so many messages, and which so comes round after six.
    fn at(sent: u64) -> Counter {
        let region = Region::anonymous().expect("a region");
        let ring = region.ring::<u64>("ring", 3).expect("a ring");
        let (mut sender, mut receiver) = (ring.sender().expect("free"), ring.receiver().expect("free"));
        for message in 0..sent {
            sender.send(message).expect("room");
            assert_eq!(receiver.recv(), Ok(message));
        }
        region.inspect().objects[0].counters[0]
    }

    #[test]
    fn what_comes_round_is_added_up_and_what_may_have_been_missed_is_told() {
        let (start, step) = (Instant::now(), Duration::from_millis(10));
        let mut gauge = Gauge::new(at(0), start);
        (1..=10).for_each(|look: u32| gauge.read(&at(2 * u64::from(look)), start + look * step));
        let rate = gauge.rate().expect("time has passed");
        assert_eq!((rate.what, rate.count, rate.at_least), ("sent", 20, false));
        assert!((rate.per_second - 200.0).abs() < 1.0, "{rate:?}");
        // Four of six in one step; it might have been ten.
        gauge.read(&at(24), start + 11 * step);
        assert!(gauge.rate().expect("time has passed").at_least);
    }

    #[test]
    fn a_long_time_between_two_looks_makes_it_the_least_there_was() {
        let (start, step) = (Instant::now(), Duration::from_millis(10));
        let mut gauge = Gauge::new(at(0), start);
        gauge.read(&at(2), start + step);
        assert!(!gauge.rate().expect("time has passed").at_least);
        gauge.read(&at(3), start + 3 * step);
        assert!(gauge.rate().expect("time has passed").at_least);
    }

    #[test]
    fn what_passes_between_two_measurements_is_in_the_second() {
        let place = tempfile::Builder::new().prefix("selvedge-top-").tempdir_in("/dev/shm").expect("a directory");
        let options = RegionOptions::new().directory(place.path().join("regions"));
        let region = options.create("measured").expect("a region");
        let inspector = options.inspector("measured").expect("a region");
        let orders = region.queue::<u64>("orders", 100).expect("a queue");
        let send = |count: u64| (0..count).for_each(|order| orders.send(order).expect("room"));
        let sent = |measured: &Measured, seen: &Inspection, name: &str| {
            measured.of(seen.object(name).expect("it is there")).first().map(|rate| rate.count)
        };
        let seen = inspector.inspect().expect("a region");
        let mut meter = Meter::new(&inspector, &seen);
        send(5);
        let measured = meter.measured(&inspector);
        assert_eq!(sent(&measured, &seen, "orders"), Some(5));
        send(3);
        let letters = region.queue::<u64>("letters", 100).expect("a queue");
        let seen = inspector.inspect().expect("a region");
        assert_eq!(sent(&measured, &seen, "letters"), None, "it was not there");
        meter.go_on(&inspector, &seen);
        send(2);
        letters.send(1).expect("room");
        let measured = meter.measured(&inspector);
        assert_eq!(sent(&measured, &seen, "orders"), Some(5));
        assert_eq!(sent(&measured, &seen, "letters"), Some(1));
        region.remove_object("letters").expect("it is there");
        assert_eq!(sent(&meter.measured(&inspector), &seen, "letters"), None, "it is there no more");
    }
}
