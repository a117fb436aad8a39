//! The command line.

use crate::failure::Failure;
use crate::post::{MOST, Terms};
use clap::{Args, Parser, Subcommand};
use selvedge::message::Capacity;
use selvedge::primitives::{RawQueue, RawRing};
use std::path::PathBuf;
use std::time::Duration;

/// Move data between processes through shared memory, and look at the regions there are.
#[derive(Debug, Parser)]
#[command(
    name = "selvedge",
    version,
    propagate_version = true,
    after_help = "\
Exit codes:
  0    done
  1    something went wrong; standard error says what
  2    the command line is wrong
  3    there is no such region
  4    the sender died (recv --fail-on-death)
  5    something in the region is not as it should be (doctor)
  130  interrupted (143: by SIGTERM); a second signal ends the command at once

Regions lie in /dev/shm/selvedge-<uid>, or in the directory that SELVEDGE_DIR names."
)]
pub(crate) struct Arguments {
    /// Report in JSON, an object on a line each: results on standard output, of `send` and `recv` on standard error.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send standard input to whoever receives from NAME, line by line.
    #[command(after_help = "\
The receiver may come before or after. What was sent stays in the region until somebody receives it, also when this
command has ended. If the receiver dies or is interrupted, this waits for another one, which goes on from there.
If this command dies, is interrupted or fails, the receiver is told; it has got whole lines (without --raw), and the
next sender goes on. Senders of one name take turns.
With --capacity senders send at once, each line (of up to 64 KiB; with --raw, up to 4096 bytes at once) goes to one of the
receivers, and if all receivers have gone this waits for another one before it sends more. It also waits to send a line
longer than 4096 bytes while eight such lines are not printed yet.")]
    Send(Send),
    /// Receive what is sent to NAME, and print it.
    #[command(after_help = "\
Ends when the sender has sent everything and no other sender has taken its turn by then. If the sender dies, this says
so and waits for another one. Receivers of one name take turns.
What was printed is out of the region; what was not is there for the next receiver. If this command is killed, the
next receiver prints the last piece again (256 KiB at most) if it was printed but not yet taken out: at least once.
With --capacity receivers receive at once, and each line goes to one of them: at most once, for what this command had received
when it was killed is gone with it; or with --ack at least once. It ends when no sender is left, all of them were done and
everything was received; with --type, all that is of that type.")]
    Recv(Recv),
    /// List the regions: name, bytes, state.
    Ls,
    /// Show a region: its limits, objects and participants.
    Stat {
        /// The region.
        name: String,
    },
    /// Say what is wrong with a region: who is attached, who holds what, who waits for what, what is to be done.
    #[command(after_help = "\
Only looks: it does not attach, changes nothing and waits for nobody, so it can be asked while every process that uses
the region is stopped, or when all of them are gone. `stat` attaches, and whoever attaches repairs what the dead left.")]
    Doctor {
        /// The region.
        name: String,
        /// Repair what the dead left: attach, look after them, detach. What its users have to reset is left as it is.
        #[arg(long)]
        repair: bool,
    },
    /// Say why a call on an object of a region would wait now. Only looks, as `doctor` does.
    Why {
        /// The region.
        name: String,
        /// The object.
        object: String,
    },
    /// Show, again and again, how fast the objects of a region move, how full they are, and who waits for what.
    #[command(after_help = "\
Only looks, as `doctor` does. On a terminal what is shown is drawn over itself until Ctrl-C, or until the region is removed;
elsewhere, and with --count or --once, one below the other. Rates are of what the objects' own words count: messages (of a
stream bytes) sent and received, exchanges of a rendezvous, buffers taken, notifications, rounds of a barrier, writes under a
readers-writer lock. A mutex or semaphore counts nothing. The positions of a ring or stream come round after twice its
capacity: \u{2265} before a number says that more may have passed than could be seen. DEPTH is what is in it or taken of it, of
CAPACITY.
Exit code 0 when all is shown; without --count also on Ctrl-C and when the region is removed, which otherwise are 130 and 3.")]
    Top(Top),
    /// Remove regions. Processes that have one attached keep it; the memory goes with the last of them.
    Rm {
        /// The regions.
        #[arg(required = true)]
        names: Vec<String>,
        /// Remove what bears the name even if it is damaged, or no region.
        #[arg(long)]
        force: bool,
    },
    /// Torture the primitives: processes that use them are killed, stopped and replaced, and an oracle watches.
    #[command(after_help = "\
What is tortured: mutex, semaphore, owned, rwlock, ring, stream, pool, queue, work-queue, unbounded, rendezvous, channel,
mailbox, leased-mailbox, event, condvar, barrier, once, objects, fork, and
late-store: a thread that spins storing into a mutex's value while its process is killed.
The seed determines the plan: who is killed and stopped in which order, and what each worker tries. It does not determine
when: two runs with one seed are alike and not the same.
Prints at the end where the workers were when they were killed. Exit code 1: a promise was not kept; standard error
says which, who was where, and what happened before.")]
    Torture(Torture),
}

#[derive(Debug, Args)]
pub(crate) struct Top {
    /// The region.
    pub(crate) name: String,
    /// Over how many seconds rates are measured, and after how many it is shown anew: 0.01 to 3600.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub(crate) interval: Duration,
    /// End when it was shown so many times, each after an interval.
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// As `--count 1`.
    #[arg(long, conflicts_with = "count")]
    once: bool,
}

impl Top {
    /// How often it is shown before it ends.
    pub(crate) fn times(&self) -> Option<u64> {
        if self.once { Some(1) } else { self.count }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Torture {
    /// How long.
    #[arg(long, value_name = "MINUTES", default_value_t = 1.0)]
    pub(crate) minutes: f64,
    /// How many workers there are at once.
    #[arg(long, value_name = "WORKERS", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=24))]
    pub(crate) processes: u32,
    /// What the plan is made from; a random one, which is printed, if there is none.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// End after so many kills, if that comes first.
    #[arg(long)]
    pub(crate) kills: Option<u64>,
    /// Torture these only.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// How many seconds somebody may wait for what is there, before that is a failure.
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub(crate) patience: u64,
}

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
    #[command(flatten)]
    pub(crate) buffer: Buffer,
    #[command(flatten)]
    pub(crate) line: Line,
    /// What type the lines are of, a number: a receiver can ask for those of one type. With `--capacity`, or to a region made so.
    #[arg(long = "type", value_name = "NUMBER", default_value_t = 0)]
    pub(crate) kind: u32,
    /// Return once everything was received, not already when it was sent.
    #[arg(long)]
    pub(crate) wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Recv {
    /// The region; it is made if there is none.
    pub(crate) name: String,
    /// As for `send`; changes nothing here: what arrives is passed on as it comes, and `send` without it sends whole
    /// lines.
    #[arg(long)]
    pub(crate) raw: bool,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) buffer: Buffer,
    #[command(flatten)]
    pub(crate) line: Line,
    /// Receive lines of this type only, and leave all others in the region, in their order, for who asks for them or for any. With
    /// `--capacity`, not 0, or from a region made so.
    #[arg(long = "type", value_name = "NUMBER")]
    pub(crate) kind: Option<u32>,
    /// Go on with the next sender when one is done; with `--capacity`, when none is left.
    #[arg(long)]
    pub(crate) follow: bool,
    /// End, with exit code 4, when a sender dies, instead of waiting for its successor.
    #[arg(long)]
    pub(crate) fail_on_death: bool,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Buffer {
    /// How far sender and receiver can be apart, in bytes or with K, M, G; counts if this command makes the region. A
    /// line can be as long. With `--capacity unbounded`, how much memory there is for lines: 4 KiB for each.
    #[arg(long = "buffer", value_name = "SIZE", default_value = "2M", value_parser = size)]
    pub(crate) bytes: u32,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Line {
    /// Use a mailbox of this capacity in lines instead of a stream: any number of senders and receivers at once. 0: a line
    /// passes from hand to hand. `unbounded`: sending never waits while a receiver is there or may come, and fails when all memory
    /// is in use. Counts if this command makes the region: others of its name do as it does.
    #[arg(long, value_name = "LINES", value_parser = capacity)]
    capacity: Option<Lines>,
    /// A line is finished with once it was printed: if its receiver dies before, it is there again, before all others, and may be
    /// printed twice. With a capacity that is not 0. Counts if this command makes the region.
    #[arg(long, requires = "capacity")]
    ack: bool,
}

/// A capacity in lines, as it is written.
#[derive(Clone, Copy, Debug)]
enum Lines {
    AtMost(usize),
    Unbounded,
}

impl Line {
    /// The mailbox that is asked for, if one is: with so much memory, if it is unbounded.
    pub(crate) fn terms(&self, buffer: Buffer) -> Result<Option<Terms>, Failure> {
        let capacity = match self.capacity {
            None => return Ok(None),
            Some(Lines::AtMost(0)) if self.ack => return Err(Failure::NothingToLease),
            Some(Lines::AtMost(0)) => Capacity::Zero,
            Some(Lines::AtMost(lines)) => Capacity::Bounded(lines),
            Some(Lines::Unbounded) => {
                let quota = usize::try_from(buffer.bytes).unwrap_or(usize::MAX) / MOST;
                Capacity::Unbounded { quota: quota.max(1) }
            }
        };
        Ok(Some(Terms { capacity, is_leased: self.ack }))
    }
}

/// A capacity such as `0`, `64`, `unbounded`.
fn capacity(text: &str) -> Result<Lines, String> {
    if text == "unbounded" {
        return Ok(Lines::Unbounded);
    }
    let most = RawQueue::MAX;
    let lines = text.parse().ok().filter(|lines| (0..=most).contains(lines));
    lines.map(Lines::AtMost).ok_or_else(|| format!("0 to {most} and `unbounded` are possible"))
}

/// Seconds such as `1`, `0.25`.
fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.01..=3600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "between 0.01 and 3600 seconds are possible".to_owned())
}

/// A size such as `65536`, `64K`, `4M`.
fn size(text: &str) -> Result<u32, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (text.get(..at), 1 << 10),
        Some((at, 'm' | 'M')) => (text.get(..at), 1 << 20),
        Some((at, 'g' | 'G')) => (text.get(..at), 1 << 30),
        _ => (Some(text), 1),
    };
    let number: u64 =
        digits.unwrap_or_default().parse().map_err(|_| "not a size, as in 65536, 64K or 4M".to_owned())?;
    let most = RawRing::MAX_CAPACITY;
    number
        .checked_mul(unit)
        .and_then(|bytes| u32::try_from(bytes).ok())
        .filter(|bytes| (1..=most).contains(bytes))
        .ok_or_else(|| format!("between 1 and {}M are possible", most >> 20))
}
