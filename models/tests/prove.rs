//! Runs every model.
#![allow(missing_docs)]

#[cfg(not(loom))]
fn main() {
    println!("the models run under RUSTFLAGS=\"--cfg loom\"");
}

#[cfg(loom)]
fn main() {
    use selvedge_models::catalogue;
    use selvedge_models::explore::Verdict;
    use selvedge_models::sweep::{Settings, prove};
    let filter = std::env::args().nth(1).unwrap_or_default();
    for model in catalogue::all().iter().filter(|model| model.name.contains(&filter)) {
        let report = prove(model, Settings::loom());
        println!(
            "{:55} {:>9} {:>4} {:>5} {:>7.2}s {}",
            model.name,
            report.executions,
            report.kill_points,
            report.second_kill_points,
            report.time.as_secs_f64(),
            match &report.verdict {
                Verdict::Pass => "ok".to_owned(),
                Verdict::Inconclusive(w) => format!("inconclusive {w}"),
                Verdict::Fail(f) => format!("FAIL {}\n{:?}\n{}", f.message, report.plan, f.picture),
            }
        );
    }
}
