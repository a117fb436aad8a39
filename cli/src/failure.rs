//! What can go wrong, in words and as an exit code.

use selvedge::region::{ObjectError, RegionError, RegionErrorKind, RoleError};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Done,
    Failed,
    NoSuchRegion,
    PeerDied,
    Found,
    Interrupted(u8),
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(match code {
            Code::Done => 0,
            Code::Failed => 1,
            Code::NoSuchRegion => 3,
            Code::PeerDied => 4,
            Code::Found => 5,
            Code::Interrupted(signal) => 128 + signal,
        })
    }
}

/// Why a transfer ended before it was complete.
#[derive(Debug)]
pub(crate) enum Stop {
    /// This signal asked for it.
    Signal(u8),
    /// The peer died, and that was to be the end.
    PeerDied,
    /// Something went wrong.
    Failed(Failure),
}

impl Stop {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Signal(signal) => Code::Interrupted(*signal),
            Self::PeerDied => Code::PeerDied,
            Self::Failed(failure) => failure.code(),
        }
    }
}

impl<T: Into<Failure>> From<T> for Stop {
    fn from(failure: T) -> Self {
        Self::Failed(failure.into())
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    Region(RegionError),
    Object {
        region: String,
        error: ObjectError,
    },
    Role {
        region: String,
        error: RoleError,
    },
    Removed {
        region: String,
    },
    /// It was looked at, and has no name any more.
    Gone {
        region: String,
    },
    Stream {
        region: String,
        error: io::Error,
    },
    /// What a mailbox or its door says.
    Mailbox {
        region: String,
        error: String,
    },
    LineTooLong {
        begins_at: u64,
        most: usize,
    },
    /// A line that is longer than what a mailbox carries at once.
    LineTooLongForMailbox {
        begins_at: u64,
        most: usize,
    },
    /// Lines are to have types, and there is no mailbox.
    NoMailbox {
        region: String,
    },
    /// Lines are to be acknowledged where none lies anywhere.
    NothingToLease,
    File {
        path: PathBuf,
        error: io::Error,
    },
    Input(io::Error),
    Output(io::Error),
    Signals(io::Error),
    /// What was to be tortured does not exist.
    NoSubject(String),
    /// What the torture itself needs is not there.
    Torture(io::Error),
}

impl Failure {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Region(error) if *error.kind() == RegionErrorKind::NotFound => Code::NoSuchRegion,
            Self::Removed { .. } | Self::Gone { .. } => Code::NoSuchRegion,
            _ => Code::Failed,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region(error) => error.fmt(f),
            Self::Object { region, error } => write!(f, "region `{region}`: {error}"),
            Self::Role { region, error } => write!(f, "region `{region}`: {error}"),
            Self::Removed { region } => {
                write!(f, "region `{region}`: was removed, and nobody is at the other end")
            }
            Self::Mailbox { region, error } => write!(f, "region `{region}`: {error}"),
            Self::Gone { region } => write!(f, "region `{region}`: was removed"),
            Self::Stream { region, error } => write!(f, "region `{region}`: {error}"),
            Self::LineTooLong { begins_at, most } => write!(
                f,
                "the line that begins at byte {begins_at} does not fit the buffer of {most} bytes; \
                 send it with --raw, or make the region with a larger --buffer"
            ),
            Self::LineTooLongForMailbox { begins_at, most } => write!(
                f,
                "the line that begins at byte {begins_at} is longer than the {most} bytes that a mailbox carries at once; \
                 send it with --raw, or without --capacity"
            ),
            Self::NoMailbox { region } => write!(
                f,
                "region `{region}`: --type is for mailboxes, and this is a stream; make the region with --capacity"
            ),
            Self::NothingToLease => {
                f.write_str("--ack is for lines that lie in the region; with --capacity 0 none does")
            }
            Self::File { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Input(error) => write!(f, "standard input: {error}"),
            Self::Output(error) => write!(f, "standard output: {error}"),
            Self::NoSubject(name) => write!(f, "nothing called `{name}` can be tortured; --help names all"),
            Self::Torture(error) => write!(f, "processes cannot be set to work: {error}"),
            Self::Signals(error) => write!(f, "signals cannot be watched: {error}"),
        }
    }
}

impl From<RegionError> for Failure {
    fn from(error: RegionError) -> Self {
        Self::Region(error)
    }
}
