//! Every model as a test of its own: on loom, on treadle, and with some random schedules on shuttle.
//!
//! One test per model and engine, so that each can be run and seen alone. At the end it counts: a model that is
//! registered and did not run is a failure, unless only some were asked for.
#![allow(missing_docs)]

#[cfg(not(loom))]
fn main() -> std::process::ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    if !arguments.list {
        eprintln!("the models are compiled under RUSTFLAGS=\"--cfg loom\" only: no tests here");
    }
    libtest_mimic::run(&arguments, Vec::new()).exit_code()
}

#[cfg(loom)]
fn main() -> std::process::ExitCode {
    on_loom::main()
}

#[cfg(loom)]
mod on_loom {
    use libtest_mimic::{Arguments, Failed, Trial};
    use selvedge_models::ledger::{Proof, Row, proof};
    use selvedge_models::sweep::{Settings, prove};
    use selvedge_models::{Model, catalogue};
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::process::{Command, ExitCode};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Schedules for each planned fault on shuttle: where loom has a preemption bound, a second look at longer delays.
    const SCHEDULES: u64 = 60;

    /// Set in the process that runs one trial itself: the file to which it writes its row of the ledger.
    const ALONE: &str = "SELVEDGE_TRIAL_ALONE";

    /// If it is set, what is found becomes the ledger that is kept, instead of being compared with it; of some trials, their
    /// rows take the place of those that are kept.
    const KEEP: &str = "SELVEDGE_KEEP_LEDGER";

    pub(super) fn main() -> ExitCode {
        let arguments = Arguments::from_args();
        let models = catalogue::all();
        let expected = models.iter().filter(|model| !catalogue::NOT_ON_LOOM.contains(&model.name)).count();
        assert_eq!(models.len() - expected, catalogue::NOT_ON_LOOM.len(), "a model that is left out is registered");
        let ran = Arc::new(AtomicUsize::new(0));
        let rows = Arc::new(tempfile::tempdir().expect("a folder for the rows of the ledger"));
        let mut trials = vec![
            Trial::test("catalogue::names_are_unique_and_well_formed", names_are_unique_and_well_formed),
            Trial::test("catalogue::every_file_has_models", every_file_has_models),
        ];
        for model in models {
            let ran = Arc::clone(&ran);
            let prove_it = |engine: &str, settings: Settings| {
                let (trial, rows) = (format!("{engine}::{}", model.name), Arc::clone(&rows));
                (trial.clone(), move || run(&trial, &model, settings, rows.path()))
            };
            if !catalogue::NOT_ON_LOOM.contains(&model.name) {
                let (name, body) = prove_it("model", Settings::loom());
                trials.push(Trial::test(name, move || {
                    let result = body();
                    ran.fetch_add(1, Ordering::Relaxed);
                    result
                }));
            }
            let (name, body) = prove_it("treadle", Settings::treadle());
            trials.push(Trial::test(name, body));
            let (name, body) = prove_it("shuttle", Settings::shuttle(SCHEDULES));
            trials.push(Trial::test(name, body));
        }
        let conclusion = libtest_mimic::run(&arguments, trials);
        if arguments.list || std::env::var_os(ALONE).is_some() {
            return conclusion.exit_code();
        }
        let ran = ran.load(Ordering::Relaxed);
        println!("{ran} models ran on loom, of {expected}; {} are too large for it", catalogue::NOT_ON_LOOM.len());
        let all_asked_for = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.ignored;
        if all_asked_for && ran < expected {
            println!("a registered model did not run");
            return ExitCode::FAILURE;
        }
        if conclusion.has_failed() {
            return conclusion.exit_code();
        }
        match compare_with_ledger(rows.path(), all_asked_for) {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                println!("{why}");
                ExitCode::FAILURE
            }
        }
    }

    /// What was found is what the ledger says.
    fn compare_with_ledger(rows: &Path, is_whole: bool) -> Result<(), String> {
        let ledger = Path::new(env!("CARGO_MANIFEST_DIR")).join("ledger.json");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(rows).map_err(|error| error.to_string())? {
            let text = std::fs::read(entry.map_err(|error| error.to_string())?.path());
            let row: Proof = serde_json::from_slice(&text.map_err(|error| error.to_string())?)
                .map_err(|error| format!("a row of the ledger: {error}"))?;
            found.push(row);
        }
        if std::env::var_os(KEEP).is_some() {
            if !is_whole {
                let is_found =
                    |row: &Proof| found.iter().any(|new| (&new.model, &new.engine) == (&row.model, &row.engine));
                let known = proof::read(&ledger).map_err(|error| format!("{}: {error}", ledger.display()))?;
                let rest: Vec<Proof> = known.into_iter().filter(|row| !is_found(row)).collect();
                found.extend(rest);
            }
            return proof::write(&ledger, &found).map_err(|error| error.to_string());
        }
        let known = proof::read(&ledger).map_err(|error| format!("{}: {error}", ledger.display()))?;
        let mut differences = proof::differences(&known, &found);
        if is_whole && known.len() != found.len() {
            differences.push(format!("{} rows are kept, {} were found", known.len(), found.len()));
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{}\nThe ledger says something else. If that is as it should be: {KEEP}=1 RUSTFLAGS=\"--cfg loom\" cargo test \
             -p selvedge-models --test prove; then `cargo prove report --write`.",
            differences.join("\n")
        ))
    }

    /// Runs one trial in a process of its own: engines map and unmap stacks all the time, which threads of one process
    /// can do one at a time only.
    fn run(trial: &str, model: &Model, settings: Settings, rows: &Path) -> Result<(), Failed> {
        if let Some(file) = std::env::var_os(ALONE) {
            let settings = Settings { record_sites: true, ..settings };
            let row = Row::new(model, settings, &prove(model, settings));
            std::fs::write(file, serde_json::to_string(&Proof::from(&row))?)?;
            return row.explanation().map_or(Ok(()), |explanation| Err(explanation.into()));
        }
        let output = Command::new(std::env::current_exe()?)
            .args(["--exact", trial, "--test-threads", "1"])
            .env(ALONE, rows.join(trial.replace(['/', ':'], "_")))
            .output()?;
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        // A process that knows no such trial succeeds, too.
        if output.status.success() && said[0].contains(" 1 passed;") {
            return Ok(());
        }
        Err(format!("{}\n{}", output.status, said.concat()).into())
    }

    fn names_are_unique_and_well_formed() -> Result<(), Failed> {
        let mut seen = BTreeSet::new();
        for Model { name, .. } in catalogue::all() {
            if !seen.insert(name) {
                return Err(format!("two models are called `{name}`").into());
            }
            let well_formed = name.split('/').count() == 2
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '/'));
            if !well_formed {
                return Err(format!("`{name}` is not of the form primitive/scenario").into());
            }
        }
        Ok(())
    }

    /// Every file of the catalogue has models (beside those that only hold what models share), and every model stands in
    /// the file of its primitive.
    fn every_file_has_models() -> Result<(), Failed> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalogue");
        let mut files = BTreeSet::new();
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            match path.file_stem().and_then(|stem| stem.to_str()) {
                // What the others use; and models of several primitives, whose names they bear.
                Some("mod" | "deviations" | "messages" | "delivery" | "annexes" | "space") | None => {}
                Some(stem) => {
                    files.insert(stem.to_owned());
                }
            }
        }
        let primitives: BTreeSet<String> = catalogue::all().iter().map(|model| model.primitive().to_owned()).collect();
        match files.symmetric_difference(&primitives).next() {
            None => Ok(()),
            Some(odd) if files.contains(odd) => {
                Err(format!("no model is called `{odd}/…`, but there is a file").into())
            }
            Some(odd) => Err(format!("models are called `{odd}/…`, but there is no file of that name").into()),
        }
    }
}
