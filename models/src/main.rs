//! `cargo prove`: runs the models, prints the ledger; shows the race gallery; audits the orderings.

#[cfg(loom)]
fn main() -> std::process::ExitCode {
    selvedge_models::command::main(&selvedge_models::command::Project::selvedge())
}

#[cfg(not(loom))]
fn main() -> std::process::ExitCode {
    eprintln!("the models exist under `--cfg loom` only; `cargo prove` sets it, unless RUSTFLAGS says otherwise");
    std::process::ExitCode::FAILURE
}
