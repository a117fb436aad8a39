//! The `selvedge` command. `selvedge --help` says what it does, and what its exit codes mean.

#[cfg(not(loom))]
mod arguments;
#[cfg(not(loom))]
mod channel;
#[cfg(not(loom))]
mod doctor;
#[cfg(not(loom))]
mod failure;
#[cfg(not(loom))]
mod inspect;
#[cfg(not(loom))]
mod interrupt;
#[cfg(not(loom))]
mod lines;
#[cfg(not(loom))]
mod pipe;
#[cfg(not(loom))]
mod post;
#[cfg(not(loom))]
mod progress;
#[cfg(not(loom))]
mod receive;
#[cfg(not(loom))]
mod report;
#[cfg(not(loom))]
mod send;
#[cfg(not(loom))]
mod top;
#[cfg(not(loom))]
mod torture;

#[cfg(not(loom))]
fn main() -> std::process::ExitCode {
    use clap::Parser;
    let arguments = arguments::Arguments::parse();
    match run(&arguments) {
        Ok(code) => code.into(),
        Err(failure) => {
            report::failure(&failure, arguments.json);
            failure.code().into()
        }
    }
}

#[cfg(not(loom))]
fn run(arguments: &arguments::Arguments) -> Result<failure::Code, failure::Failure> {
    use arguments::Command;
    match &arguments.command {
        Command::Send(send) => send::run(send, arguments.json),
        Command::Recv(receive) => receive::run(receive, arguments.json),
        Command::Ls => inspect::list(arguments.json),
        Command::Stat { name } => inspect::stat(name, arguments.json),
        Command::Doctor { name, repair } => doctor::doctor(name, *repair, arguments.json),
        Command::Why { name, object } => doctor::why(name, object, arguments.json),
        Command::Top(top) => top::run(top, arguments.json),
        Command::Torture(torture) => torture::run(torture, arguments.json),
        Command::Rm { names, force } => Ok(inspect::remove(names, *force, arguments.json)),
    }
}

/// Under `--cfg loom` there is no shared memory to move anything through.
#[cfg(loom)]
fn main() {
    eprintln!("selvedge was built with --cfg loom, for models; it moves nothing");
}
