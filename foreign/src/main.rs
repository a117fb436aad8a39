//! The proofs of this crate: `cargo prove`, with everything that the command of that name can do for selvedge.

#[cfg(loom)]
fn main() -> std::process::ExitCode {
    selvedge_models::command::main(&foreign_structures::models::project())
}

#[cfg(not(loom))]
fn main() -> std::process::ExitCode {
    eprintln!("the models are there under `--cfg loom` only, which `cargo prove` sets");
    std::process::ExitCode::FAILURE
}
