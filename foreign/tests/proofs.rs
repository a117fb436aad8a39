//! All that `cargo prove` does for this crate, done by the binary: models, kills, audit, clients, shards, reports.
#![cfg(loom)]
#![allow(missing_docs)]

use foreign_structures::models::project;
use scraper::{Html, Selector};
use selvedge_models::clients::{self, Care, Clients, Object, Size};
use selvedge_models::ledger::{Proof, Row, proof};
use selvedge_models::scene::{Dead, Repair, Scene};
use selvedge_models::sweep::{Settings, prove};
use selvedge_models::sync::{AtomicU32, Ordering};
use selvedge_models::witness::specifications::{Queue, QueueOperation, QueueOutcome};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

fn run(arguments: &[&str]) -> (Output, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_foreign-structures")).args(arguments).output();
    let output = output.expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, said)
}

#[track_caller]
fn passes(arguments: &[&str]) -> String {
    let (output, said) = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// All models pass on all engines, and what is kept in `proofs/ledger.json` is what they show: every execution, on treadle.
#[test]
fn the_models_pass_and_the_ledger_is_up_to_date() {
    let mut found = Vec::new();
    for model in project().models {
        for settings in [Settings::loom(), Settings::treadle(), Settings::shuttle(1000)] {
            let settings = Settings { record_sites: true, ..settings };
            let row = Row::new(&model, settings, &prove(&model, settings));
            assert!(row.passed(), "{}", row.explanation().unwrap_or_default());
            found.push(Proof::from(&row));
        }
    }
    let known = proof::read(&project().kept.join("ledger.json")).expect("the ledger");
    assert_eq!(proof::differences(&known, &found), Vec::<String>::new());
    assert_eq!(known.len(), found.len());
    assert!(known.iter().filter(|proof| proof.engine == "treadle").all(|proof| proof.complete));
}

/// Who may be killed is killed at every step that it has: those of a write, and of what the stack's victim does.
#[test]
fn victims_are_killed_at_every_step() {
    for model in project().models {
        let report = prove(&model, Settings::treadle());
        let least = match (model.faults.victims.is_empty(), model.primitive()) {
            (true, _) => 0,
            (_, "seqlock") => 6,
            _ => 6 + 1,
        };
        assert!(report.kill_points >= least, "{}: {} points", model.name, report.kill_points);
        assert_eq!(report.kill_points == 0, least == 0, "{}", model.name);
    }
}

/// No ordering is stronger than the models need, and none of the mutants is unknown: else the audit objects.
#[test]
fn every_ordering_is_needed() {
    let said = passes(&["audit"]);
    assert!(said.contains("8 mutants of 8 sites: 8 killed, 0 survivors, 0 inconclusive"), "{said}");
}

/// Those of a shard are some of them, and all shards are all.
#[test]
fn it_is_split_like_selvedges() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    passes(&["audit", "--json", &file("whole.json")]);
    for shard in ["1/2", "2/2"] {
        passes(&["audit", "--shard", shard, "--json", &file(&shard.replace('/', "-"))]);
    }
    passes(&["merge", &file("1-2"), &file("2-2"), "--json", &file("merged.json")]);
    let read = |name: &str| std::fs::read_to_string(file(name)).expect("a file");
    assert_eq!(read("merged.json"), read("whole.json"));
}

#[test]
fn the_stack_is_linearizable() {
    let size = |threads, operations| Size { threads, operations };
    for (size, kills, least) in [(size(3, 4), false, 80), (size(2, 4), true, 60)] {
        let care = Care { kills, meets: false, budget: 100_000 };
        for clients in project().clients {
            let found = clients.run(size, care, selvedge_models::parallel::cores());
            assert_eq!(found.failures.len() + found.unchecked.len(), 0, "{found:?}");
            assert!(found.row.checked >= least, "{:?}", found.row);
        }
    }
}

/// A queue of at most one message, whose receiver looks first and takes then.
struct Careless(AtomicU32);

impl Repair for Careless {
    fn bury(&self, _dead: &Dead<'_>) {}
    fn wake_all(&self) {}
}

impl Object for Careless {
    type Spec = Queue;
    const NAME: &'static str = "careless";

    fn specification(_threads: usize) -> Self::Spec {
        Queue::bounded(1)
    }

    fn letters(_kills: bool) -> Vec<fn(u32) -> QueueOperation> {
        vec![QueueOperation::TrySend, |_| QueueOperation::TryReceive]
    }

    fn new(_program: &[Vec<QueueOperation>]) -> Self {
        Self(AtomicU32::new(0))
    }

    fn perform(scene: &Scene<Self>, _lane: usize, operation: QueueOperation) -> QueueOutcome {
        let word = &scene.object.0;
        match operation {
            QueueOperation::Send(message) | QueueOperation::TrySend(message) => {
                match word.compare_exchange(0, message, Ordering::Release, Ordering::Relaxed) {
                    Ok(_) => QueueOutcome::Sent,
                    Err(_) => QueueOutcome::WouldBlock,
                }
            }
            QueueOperation::Receive | QueueOperation::TryReceive => match word.load(Ordering::Acquire) {
                0 => QueueOutcome::WouldBlock,
                message => {
                    word.store(0, Ordering::Release);
                    QueueOutcome::Got(message)
                }
            },
        }
    }
}

/// What is wrong is noticed, in a crate that is not selvedge, too.
#[test]
fn a_careless_object_is_not_linearizable() {
    let care = Care { kills: false, meets: false, budget: 100_000 };
    let found = Clients::of::<Careless>().run(Size { threads: 2, operations: 3 }, care, 1);
    let (_, failure) = found.failures.first().expect("a program that fails");
    assert!(failure.message.contains("not linearizable"), "{}", failure.message);
    assert!(clients::table(&[found.row]).contains("careless"));
}

#[test]
fn the_page_is_up_to_date() {
    let kept = std::fs::read_to_string(project().page).expect("the page");
    assert!(passes(&["report"]) == kept, "PROOFS.md says something else; `cargo prove-foreign report --write`");
}

#[test]
fn the_report_for_a_browser_is_of_this_crate() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("report.html");
    passes(&["report", "--html", &file.to_string_lossy()]);
    let page = std::fs::read_to_string(&file).expect("the page");
    let document = Html::parse_document(&page);
    assert_eq!(document.errors, Vec::<std::borrow::Cow<'static, str>>::new());
    let attributes = |name: &str| -> Vec<String> {
        let selector = Selector::parse(&format!("[{name}]")).expect("a selector");
        document.select(&selector).filter_map(|element| element.attr(name).map(str::to_owned)).collect()
    };
    let ids: BTreeSet<String> = attributes("id").into_iter().collect();
    let lost = |link: &&String| !link.strip_prefix('#').is_some_and(|id| ids.contains(id));
    assert_eq!(attributes("href").iter().filter(lost).collect::<Vec<_>>(), Vec::<&String>::new());
    for id in ["seqlock", "stack", "seqlock-mutants", "stack-ledger", "seqlock-executions"] {
        assert!(ids.contains(id), "{id}");
    }
    assert!(page.contains("Proofs of foreign structures") && !page.contains("Proofs of selvedge"));
}

/// The harness is asked for by nobody else: a normal build of this crate depends on nothing.
#[test]
fn it_knows_nothing_of_selvedge() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for name in ["seqlock.rs", "stack.rs"] {
        let text = std::fs::read_to_string(sources.join(name)).expect("a source");
        assert!(!text.contains("selvedge") && !text.contains("cfg("), "{name}");
    }
}
