//! The harness itself: what it must refuse, report, count and clean up.
#![cfg(loom)]
#![allow(missing_docs)]

use selvedge::primitives::RawMutex;
use selvedge::primitives::mutex::Leaves;
use selvedge::primitives::undertaker::{Dead, Repair};
use selvedge::sync::model::{Engine, Plan};
use selvedge::sync::{AtomicU32, Cell, Deadline, Ordering, WaitOutcome, fence, futex_wait, futex_wake, yield_now};
use selvedge_models::explore::{Effort, Exploration, Failure, Verdict, explore};
use selvedge_models::ledger::Row;
use selvedge_models::outcomes::explore_outcomes;
use selvedge_models::scene::{Notes, OBJECT, Scene};
use selvedge_models::sweep::{Settings, prove};
use selvedge_models::{Bounds, Faults, Model, World, verify, verify_eq};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIGABRT: i32 = 6;

fn model(build: fn(&mut World)) -> Model {
    let bounds = Bounds { plain: None, faulty: None };
    Model { name: "harness/model", properties: "", client: "", build, faults: Faults::NONE, bounds }
}

fn failure_of(verdict: &Verdict) -> &Failure {
    match verdict {
        Verdict::Fail(failure) => failure,
        other => panic!("this model must fail, but: {other:?}"),
    }
}

fn explored(build: fn(&mut World), plan: Plan) -> Exploration {
    explore(&model(build), plan, Effort::loom(None))
}

/// Two who add one each, and a check of the sum.
fn adders(world: &mut World, sum: u32) {
    let word = Arc::new(AtomicU32::new(0));
    for name in ["A", "B"] {
        let word = Arc::clone(&word);
        world.thread(name, move || {
            word.fetch_add(1, Ordering::Relaxed);
        });
    }
    world.finally(move || verify_eq!(word.peek(), sum));
}

#[test]
fn a_false_assertion_fails_with_its_message_and_picture() {
    let report = prove(&model(|world| adders(world, 3)), Settings::loom());
    let failure = failure_of(&report.verdict);
    assert!(failure.message.contains("left: 2") && failure.message.contains("right: 3"), "{}", failure.message);
    assert!(failure.message.contains("tests/harness.rs:"), "{}", failure.message);
    assert!(failure.picture.to_string().contains("fetch_add Relaxed 0x1 -> 0x2"), "{}", failure.picture);
    assert!(matches!(prove(&model(|world| adders(world, 2)), Settings::loom()).verdict, Verdict::Pass));
}

#[test]
fn a_model_whose_assertions_are_never_reached_is_refused() {
    let report = prove(
        &model(|world| {
            let word = Arc::new(AtomicU32::new(0));
            for name in ["A", "B"] {
                let word = Arc::clone(&word);
                world.thread(name, move || {
                    if word.fetch_add(1, Ordering::Relaxed) > 7 {
                        verify!(false);
                    }
                });
            }
        }),
        Settings::loom(),
    );
    assert!(failure_of(&report.verdict).message.contains("no assertion"), "{:?}", report.verdict);
}

#[test]
fn a_model_with_one_execution_is_refused() {
    let report = prove(&model(|world| world.thread("alone", || verify!(true))), Settings::loom());
    assert_eq!(report.executions, 1);
    assert!(failure_of(&report.verdict).message.contains("one execution only"), "{:?}", report.verdict);
}

#[test]
fn a_deadlock_says_who_waits_on_what() {
    let found = explored(
        |world| {
            struct Shared {
                door: AtomicU32,
            }
            let shared = Arc::new(Shared { door: AtomicU32::new(7) });
            world.thread("sleeper", move || {
                futex_wait(&shared.door, 7, None);
            });
        },
        Plan::default(),
    );
    let message = &failure_of(&found.verdict).message;
    assert!(message.starts_with("lost wake-up or deadlock: "), "{message}");
    assert!(message.contains("`sleeper` on door = 0x7 at harness.rs:"), "{message}");
}

#[test]
fn a_lane_that_does_not_end_is_reported_as_that() {
    let found = explored(
        |world| {
            let word = AtomicU32::new(0);
            world.thread("seeker", move || while word.load(Ordering::Relaxed) == 0 {});
        },
        Plan { step_limit: 50, ..Plan::default() },
    );
    let message = &failure_of(&found.verdict).message;
    assert!(message.contains("`seeker` took 50 steps"), "{message}");
}

/// A lane whose steps are known: one for each operation, two for the wait.
fn eight_steps(world: &mut World) {
    let (word, cell) = (Arc::new(AtomicU32::new(0)), Arc::new(Cell::new(0_u32)));
    let other = Arc::clone(&word);
    let done = Arc::new(Notes::<u32>::default());
    let noted = Arc::clone(&done);
    world.thread("victim", move || {
        word.load(Ordering::Relaxed);
        word.fetch_add(2, Ordering::Relaxed);
        let _ = word.compare_exchange(9, 9, Ordering::Relaxed, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // SAFETY: no other lane has this cell.
        cell.with_mut(|cell| unsafe { *cell = 1 });
        futex_wait(&word, 1, None);
        futex_wake(&word, 1);
        *noted.lock() += 1;
    });
    world.thread("other", move || {
        other.fetch_add(2, Ordering::Relaxed);
    });
    world.finally(move || verify!(*done.lock() <= 1));
}

#[test]
fn kills_hit_every_step_and_no_more() {
    const STEPS: u64 = 8;
    for step in 0..=STEPS {
        let found = explored(eight_steps, Plan { kills: vec![(0, step)], ..Plan::default() });
        assert!(matches!(found.verdict, Verdict::Pass), "{:?}", found.verdict);
        assert_eq!(found.run.hits(0, step) > 0, step < STEPS, "a kill before step {step}");
    }
    let report =
        prove(&Model { faults: Faults { victims: &[0], ..Faults::NONE }, ..model(eight_steps) }, Settings::loom());
    assert!(matches!(report.verdict, Verdict::Pass), "{:?}", report.verdict);
    assert_eq!(report.kill_points, STEPS);
    // The plain exploration, one for each step, and one that finds no further step.
    assert_eq!(report.explorations, STEPS + 2);
}

fn explored_with_deaths(build: fn(&mut World), mortal: Vec<usize>, deaths: usize) -> Exploration {
    explore(&model(build), Plan { mortal, deaths, ..Plan::default() }, Effort::treadle())
}

#[test]
fn an_engine_with_deaths_hits_every_step_that_shows() {
    let found = explored_with_deaths(eight_steps, vec![0], 1);
    assert!(matches!(found.verdict, Verdict::Pass), "{:?}", found.verdict);
    let hit: Vec<u64> = (0..10).filter(|&step| found.run.hits(0, step) > 0).collect();
    // The wait does not sleep: killed after it is killed before the wake.
    assert_eq!(hit, [0, 1, 2, 3, 4, 5, 7]);
    let report =
        prove(&Model { faults: Faults { victims: &[0], ..Faults::NONE }, ..model(eight_steps) }, Settings::treadle());
    assert!(matches!(report.verdict, Verdict::Pass), "{:?}", report.verdict);
    assert_eq!((report.kill_points, report.explorations), (7, 2));
}

/// Somebody who can be killed asleep, and a wake that may take the dead.
fn killed_asleep(world: &mut World) {
    let word = Arc::new(AtomicU32::new(0));
    let own = Arc::clone(&word);
    world.thread("victim", move || {
        futex_wait(&own, 0, None);
    });
    world.thread("waker", move || {
        word.fetch_add(1, Ordering::Relaxed);
        verify!(futex_wake(&word, 1) <= 1);
    });
    world.on_death(|_| {}, |_| {});
}

#[test]
fn an_engine_with_deaths_kills_sleepers() {
    let found = explored_with_deaths(killed_asleep, vec![0], 1);
    assert!(matches!(found.verdict, Verdict::Pass), "{:?}", found.verdict);
    let hit: Vec<u64> = (0..10).filter(|&step| found.run.hits(0, step) > 0).collect();
    assert_eq!(hit, [0, 1], "before the wait, and asleep");
    // Awake: the wake takes it, or it does not sleep. Killed before the wait. Killed asleep: its kernel takes it from the
    // queue before the word is changed, before the wake, or after the wake has.
    assert_eq!(found.graphs, 2 + 1 + 3);
}

/// What repairs can be killed, too, and then the next one does.
fn two_repair(world: &mut World) {
    let repaired = Arc::new(AtomicU32::new(0));
    let by = Arc::clone(&repaired);
    let word = AtomicU32::new(0);
    world.thread("victim", move || {
        word.store(1, Ordering::Relaxed);
    });
    world.on_death(
        |_| {},
        move |death| {
            by.fetch_add(1, Ordering::Relaxed);
            by.fetch_add(10 * u32::try_from(death.undertakers_lost + 1).expect("few"), Ordering::Relaxed);
        },
    );
    world.finally(move || {
        // Nobody was killed; one repaired; the first was killed before it began, or in the middle.
        let sum = repaired.load(Ordering::Relaxed);
        verify!([0, 11, 21, 22].contains(&sum), "{sum}");
    });
}

#[test]
fn an_engine_with_deaths_kills_those_who_repair() {
    let plan = Plan { mortal: vec![0], deaths: 2, undertakers_die: true, ..Plan::default() };
    let found = explore(&model(two_repair), plan, Effort::treadle());
    assert!(matches!(found.verdict, Verdict::Pass), "{:?}", found.verdict);
    // Nobody; the victim; the victim, and who repairs before each of two steps.
    assert_eq!((found.graphs, found.run.points_hit(), found.run.pairs_hit()), (1 + 1 + 2, 3, 2));
    let sums = explored_with_deaths(two_repair, vec![0], 1);
    assert_eq!(sums.graphs, 2, "those who repair are not mortal unless the plan says so");
}

/// A child of this test, killed and reaped whatever happens.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        // It has ended already, unless the test fails.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_destructor_that_touches_payload_after_a_kill_aborts() {
    const CHILD: &str = "SELVEDGE_HARNESS_CHILD";
    match std::env::var(CHILD).as_deref() {
        Ok("planned") => {
            explored(destructor_touches_payload, Plan { kills: vec![(0, 0)], ..Plan::default() });
        }
        Ok(_) => {
            explored_with_deaths(destructor_touches_payload, vec![0], 1);
        }
        Err(_) => ["planned", "chosen"].into_iter().for_each(|kill| child_aborts(CHILD, kill)),
    }
}

fn child_aborts(variable: &str, kill: &str) {
    let child = Command::new(std::env::current_exe().expect("the test's own path"))
        .args(["--exact", "a_destructor_that_touches_payload_after_a_kill_aborts", "--nocapture"])
        .env(variable, kill)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child process");
    let mut child = Reaped(child);
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = child.0.try_wait().expect("the child's status") {
            break status;
        }
        assert!(Instant::now() < deadline, "the child neither aborted nor ended within 60 s");
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut said = String::new();
    let stderr = child.0.stderr.take().expect("a piped stderr");
    std::io::Read::read_to_string(&mut { stderr }, &mut said).expect("what the child said");
    assert_eq!(status.signal(), Some(SIGABRT), "{status}: {said}");
    assert!(said.contains("a destructor of a killed thread accesses payload at"), "{said}");
}

fn destructor_touches_payload(world: &mut World) {
    struct Guard(Arc<Cell<u32>>);
    impl Drop for Guard {
        fn drop(&mut self) {
            // SAFETY: no other lane has this cell.
            self.0.with_mut(|cell| unsafe { *cell = 0 });
        }
    }
    let (word, cell) = (AtomicU32::new(0), Arc::new(Cell::new(1)));
    world.thread("victim", move || {
        let _guard = Guard(cell);
        word.store(1, Ordering::Relaxed);
    });
}

/// One waits with a deadline, another without; whoever is woken wakes the next.
fn timed_and_patient(world: &mut World) {
    let word = Arc::new(AtomicU32::new(0));
    let ended = Arc::new(Notes::<Option<WaitOutcome>>::default());
    for (name, deadline) in [("timed", Some(Deadline::at_monotonic_ns(1))), ("patient", None)] {
        let (word, ended) = (Arc::clone(&word), Arc::clone(&ended));
        world.thread(name, move || {
            let outcome = futex_wait(&word, 0, deadline);
            if outcome == WaitOutcome::Woken {
                futex_wake(&word, 1);
            }
            if deadline.is_some() {
                *ended.lock() = Some(outcome);
            } else {
                verify!(outcome != WaitOutcome::TimedOut, "a wait without deadline timed out");
            }
        });
    }
    world.thread("waker", move || {
        word.store(1, Ordering::Relaxed);
        futex_wake(&word, 1);
    });
    world.outcome(move || format!("{:?}", *ended.lock()));
}

#[test]
fn a_timeout_races_the_wake_and_swallows_none() {
    let timeout = Plan { timeouts: vec![(0, 0)], ..Plan::default() };
    let found = explore_outcomes(&model(timed_and_patient), timeout, Effort::loom(None));
    // Had the timeout swallowed the wake, `patient` would sleep for ever in some execution.
    assert!(matches!(found.exploration.verdict, Verdict::Pass), "{:?}", found.exploration.verdict);
    let outcomes: Vec<&str> = found.pictures.keys().map(String::as_str).collect();
    assert_eq!(outcomes, ["Some(Changed)", "Some(TimedOut)", "Some(Woken)"]);
    // Without the planned timeout the deadline passes only when nothing else can run, which does not happen here.
    let found = explore_outcomes(&model(timed_and_patient), Plan::default(), Effort::loom(None));
    let outcomes: Vec<&str> = found.pictures.keys().map(String::as_str).collect();
    assert_eq!(outcomes, ["Some(Changed)", "Some(Woken)"]);
}

#[test]
fn a_deadline_passes_when_nothing_else_can_run() {
    let found = explore_outcomes(
        &model(|world| {
            let word = AtomicU32::new(0);
            let ended = Arc::new(Notes::<Option<WaitOutcome>>::default());
            let noted = Arc::clone(&ended);
            world.thread("timed", move || {
                *noted.lock() = Some(futex_wait(&word, 0, Some(Deadline::at_monotonic_ns(1))));
            });
            world.outcome(move || format!("{:?}", *ended.lock()));
        }),
        Plan::default(),
        Effort::loom(None),
    );
    assert_eq!(found.pictures.keys().collect::<Vec<_>>(), ["Some(TimedOut)"]);
}

/// Pages of this process that are in memory.
fn resident_pages() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("/proc is mounted");
    statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second number of statm")
}

fn fails_on(effort: Effort) {
    let found = explore(&model(|world| adders(world, 3)), Plan::default(), effort);
    let message = &failure_of(&found.verdict).message;
    assert!(message.contains("left: 2"), "{message}");
}

#[test]
fn thousands_of_failing_explorations_leave_nothing_behind() {
    const MEGABYTES_64: u64 = 16_384;
    for _ in 0..100 {
        fails_on(Effort::loom(None));
        fails_on(Effort::shuttle(2, 0));
    }
    let before = resident_pages();
    for seed in 0..2_000 {
        fails_on(Effort::loom(None));
        fails_on(Effort::shuttle(2, seed));
    }
    let growth = resident_pages().saturating_sub(before);
    assert!(growth < MEGABYTES_64, "4,000 failing explorations left {growth} pages behind");
}

#[test]
fn explorations_in_parallel_threads_keep_to_themselves() {
    let threads: Vec<_> = (0..4)
        .map(|seed| {
            std::thread::spawn(move || {
                for _ in 0..50 {
                    fails_on(Effort::loom(None));
                    fails_on(Effort::shuttle(2, seed));
                    assert!(matches!(explored(|world| adders(world, 2), Plan::default()).verdict, Verdict::Pass));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("each thread sees its own failures only");
    }
}

#[test]
fn a_limit_is_neither_a_pass_nor_a_failure() {
    let adders_in_pairs = model(|world| adders(world, 2));
    let few = Effort { executions: 1, ..Effort::loom(None) };
    let found = explore(&adders_in_pairs, Plan::default(), few);
    assert!(
        matches!(&found.verdict, Verdict::Inconclusive(why) if why.contains("1 executions")),
        "{:?}",
        found.verdict
    );
    let short = Effort { time: Duration::ZERO, ..Effort::loom(None) };
    assert!(matches!(explore(&adders_in_pairs, Plan::default(), short).verdict, Verdict::Inconclusive(_)));

    let endless = model(|world| {
        world.thread("endless", || {
            loop {
                yield_now();
            }
        });
    });
    let report = prove(&endless, Settings::loom());
    assert!(matches!(report.verdict, Verdict::Inconclusive(_)), "{:?}", report.verdict);
    assert!(!report.complete);
    let row = Row::new(&endless, Settings::loom(), &report);
    assert_eq!((row.verdict.as_str(), row.passed(), row.complete), ("inconclusive", false, false));
    assert!(row.explanation().is_some_and(|text| text.contains("INCONCLUSIVE")));
}

/// Data that is handed over by nothing but a wake.
fn relies_on_the_wake(world: &mut World) {
    let (word, data) = (Arc::new(AtomicU32::new(0)), Arc::new(Cell::new(0_u32)));
    let (other_word, other_data) = (Arc::clone(&word), Arc::clone(&data));
    world.thread("sleeper", move || {
        if futex_wait(&word, 0, None) == WaitOutcome::Woken {
            // SAFETY: the wake came after the write; whether that orders anything is what the test is about.
            verify_eq!(data.with(|data| unsafe { *data }), 5);
        }
    });
    world.thread("waker", move || {
        // SAFETY: as above.
        other_data.with_mut(|data| unsafe { *data = 5 });
        other_word.store(1, Ordering::Relaxed);
        futex_wake(&other_word, 1);
    });
}

#[test]
fn a_wake_orders_nothing_where_the_plan_says_so() {
    let with = explored(relies_on_the_wake, Plan::default());
    assert!(matches!(with.verdict, Verdict::Pass), "{:?}", with.verdict);
    let without = explored(relies_on_the_wake, Plan { wake_edge: false, ..Plan::default() });
    assert!(failure_of(&without.verdict).message.contains("data race"), "{:?}", without.verdict);
    // The sweep looks at both.
    let swept = Model { faults: Faults { no_wake_edge: true, ..Faults::NONE }, ..model(relies_on_the_wake) };
    assert!(matches!(prove(&swept, Settings::loom()).verdict, Verdict::Fail(_)));
}

#[test]
fn a_model_runs_on_shuttle_and_fails_there_too() {
    let report = prove(&model(|world| adders(world, 2)), Settings::shuttle(50));
    assert!(matches!(report.verdict, Verdict::Pass), "{:?}", report.verdict);
    assert_eq!((report.executions, report.complete), (50, false));
    let report = prove(&model(|world| adders(world, 3)), Settings::shuttle(50));
    assert!(failure_of(&report.verdict).message.contains("left: 2"), "{:?}", report.verdict);
    let found = explore(
        &model(relies_on_the_wake),
        Plan::default(),
        Effort { engine: Engine::Shuttle, ..Effort::shuttle(50, 0) },
    );
    assert!(matches!(found.verdict, Verdict::Pass), "shuttle sees no data races: {:?}", found.verdict);
}

/// An embedder's data under a mutex of selvedge.
struct Embedded {
    mutex: RawMutex,
    data: Cell<u32>,
}

impl Repair for Embedded {
    fn bury(&self, dead: &Dead<'_>) {
        self.mutex.bury(dead);
    }

    fn wake_all(&self) {
        self.mutex.wake_all();
    }
}

/// What a thread of the embedder's own loom model does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    ForgetsToLock,
    ForgetsToUnlock,
}

/// An embedder's own `loom::model`, with no harness around it.
fn embedders_model(bug: Bug) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(move || {
        let scene = Scene::new(2, Embedded { mutex: RawMutex::new(), data: Cell::new(0) });
        let threads: Vec<_> = (0..2)
            .map(|lane| {
                let scene = Arc::clone(&scene);
                loom::thread::spawn(move || {
                    let Embedded { mutex, data } = &scene.object;
                    if lane == 0 || bug != Bug::ForgetsToLock {
                        mutex.lock(&scene.caller(lane), OBJECT, None).expect("a lock without deadline");
                    }
                    // SAFETY: the mutex is held, or loom reports the race.
                    data.with_mut(|data| unsafe { *data += 1 });
                    if lane == 1 || bug != Bug::ForgetsToUnlock {
                        mutex.unlock(Leaves::Consistent);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no thread panics");
        }
        // SAFETY: everybody has ended.
        assert_eq!(scene.object.data.with(|data| unsafe { *data }), 2);
    });
}

#[test]
fn an_embedders_own_loom_model_includes_the_mutex() {
    embedders_model(Bug::None);
    let caught = |bug| {
        let payload = catch_unwind(AssertUnwindSafe(|| embedders_model(bug))).expect_err("loom finds the bug");
        payload.downcast_ref::<String>().cloned().unwrap_or_default()
    };
    let message = caught(Bug::ForgetsToLock);
    assert!(message.contains("Causality violation"), "{message}");
    let message = caught(Bug::ForgetsToUnlock);
    assert!(message.contains("deadlock"), "{message}");
}

/// A lane that looks at a word while it holds what another one wants to note.
fn notes_over_a_step(world: &mut World) {
    let (word, notes) = (Arc::new(AtomicU32::new(0)), Arc::new(Notes::<Vec<u32>>::default()));
    for _ in 0..2 {
        let (word, notes) = (Arc::clone(&word), Arc::clone(&notes));
        world.thread("careless", move || notes.lock().push(word.fetch_add(1, Ordering::Relaxed)));
    }
}

#[test]
fn notes_that_are_held_over_a_step_are_a_failure_and_no_hang() {
    for effort in [Effort::loom(None), Effort::treadle()] {
        let found = explore(&model(notes_over_a_step), Plan::default(), effort);
        let Verdict::Fail(failure) = &found.verdict else { panic!("{:?}", found.verdict) };
        assert!(failure.message.contains("holds notes over a step"), "{}", failure.message);
    }
}
