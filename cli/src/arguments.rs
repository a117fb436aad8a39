//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Move data between processes through shared memory, and look at the regions there are.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub(crate) struct Arguments {
    /// Report in JSON, on one line: results on standard output, of `send` and `recv` on standard error.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send standard input, line by line, to whoever receives from NAME.
    Send(Send),
    /// Receive what is sent to NAME, and print it.
    Recv(Recv),
    /// List the regions.
    Ls,
    /// Show a region: its limits, objects and participants.
    Stat {
        /// The region.
        name: String,
    },
    /// Remove regions. Processes that have one attached keep it; the memory goes with the last of them.
    Rm {
        /// The regions.
        #[arg(required = true)]
        names: Vec<String>,
        /// Remove what bears the name even if it is damaged, or no region.
        #[arg(long)]
        force: bool,
    },
}

/// Capacity of the stream between sender and receiver, unless `--buffer` says otherwise.
const BUFFER: usize = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The region; it is made if there is none.
    pub(crate) name: String,
    /// Send bytes as they come, not whole lines.
    #[arg(long)]
    pub(crate) raw: bool,
    /// Send this file instead of standard input.
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,
    /// Bytes that sender and receiver can be apart; counts for who makes the region.
    #[arg(long, value_name = "BYTES", default_value_t = BUFFER)]
    pub(crate) buffer: usize,
    /// Return once everything was received, not already when it was sent.
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Recv {
    /// The region; it is made if there is none.
    pub(crate) name: String,
    /// Pass bytes on as they come. Without it, lines that a dead sender left unfinished are still whole.
    #[arg(long)]
    pub(crate) raw: bool,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,
    /// Bytes that sender and receiver can be apart; counts for who makes the region.
    #[arg(long, value_name = "BYTES", default_value_t = BUFFER)]
    pub(crate) buffer: usize,
    /// Go on with the next sender when one has closed its end.
    #[arg(long)]
    pub(crate) follow: bool,
    /// End, with exit code 4, when a sender dies, instead of waiting for its successor.
    #[arg(long)]
    pub(crate) fail_on_death: bool,
}
