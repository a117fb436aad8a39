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
    use selvedge_models::ledger::Row;
    use selvedge_models::sweep::{Settings, prove};
    use selvedge_models::{Model, catalogue};
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::process::{Command, ExitCode};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Schedules for each planned fault on shuttle: where loom has a preemption bound, a second look at longer delays.
    const SCHEDULES: u64 = 60;

    /// Models that are too large to gate a change on loom, even without preemptions: there they run in `ci/deep`.
    const NOT_ON_LOOM: [&str; 2] = ["owned_semaphore/four_share_one_permit", "owned_semaphore/two_die_all_comes_home"];

    /// Set in the process that runs one trial itself.
    const ALONE: &str = "SELVEDGE_TRIAL_ALONE";

    pub(super) fn main() -> ExitCode {
        let arguments = Arguments::from_args();
        let models = catalogue::all();
        let expected = models.iter().filter(|model| !NOT_ON_LOOM.contains(&model.name)).count();
        assert_eq!(models.len() - expected, NOT_ON_LOOM.len(), "a model that is left out is registered");
        let ran = Arc::new(AtomicUsize::new(0));
        let mut trials = vec![
            Trial::test("catalogue::names_are_unique_and_well_formed", names_are_unique_and_well_formed),
            Trial::test("catalogue::every_file_has_models", every_file_has_models),
        ];
        for model in models {
            let ran = Arc::clone(&ran);
            if !NOT_ON_LOOM.contains(&model.name) {
                let name = format!("model::{}", model.name);
                trials.push(Trial::test(name.clone(), move || {
                    let result = run(&name, &model, Settings::loom());
                    ran.fetch_add(1, Ordering::Relaxed);
                    result
                }));
            }
            let name = format!("treadle::{}", model.name);
            trials.push(Trial::test(name.clone(), move || run(&name, &model, Settings::treadle())));
            let name = format!("shuttle::{}", model.name);
            trials.push(Trial::test(name.clone(), move || run(&name, &model, Settings::shuttle(SCHEDULES))));
        }
        let conclusion = libtest_mimic::run(&arguments, trials);
        if arguments.list {
            return conclusion.exit_code();
        }
        let ran = ran.load(Ordering::Relaxed);
        println!("{ran} models ran on loom, of {expected}; {} are left to ci/deep", NOT_ON_LOOM.len());
        let all_asked_for = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.ignored;
        if all_asked_for && ran < expected {
            println!("a registered model did not run");
            return ExitCode::FAILURE;
        }
        conclusion.exit_code()
    }

    /// Runs one trial in a process of its own: engines map and unmap stacks all the time, which threads of one process
    /// can do one at a time only.
    fn run(trial: &str, model: &Model, settings: Settings) -> Result<(), Failed> {
        if std::env::var_os(ALONE).is_some() {
            let row = Row::new(model, settings, &prove(model, settings));
            return row.explanation().map_or(Ok(()), |explanation| Err(explanation.into()));
        }
        let output = Command::new(std::env::current_exe()?)
            .args(["--exact", trial, "--test-threads", "1"])
            .env(ALONE, "1")
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
                Some("mod" | "deviations" | "messages") | None => {}
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
