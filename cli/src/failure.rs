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
    PeerGone,
    Interrupted(u8),
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(match code {
            Code::Done => 0,
            Code::Failed => 1,
            Code::NoSuchRegion => 3,
            Code::PeerGone => 4,
            Code::Interrupted(signal) => 128 + signal,
        })
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    Region(RegionError),
    Object { region: String, error: ObjectError },
    Role { region: String, error: RoleError },
    File { path: PathBuf, error: io::Error },
    Input(io::Error),
    Output(io::Error),
    Stream { region: String, error: io::Error },
}

impl Failure {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Region(error) if *error.kind() == RegionErrorKind::NotFound => Code::NoSuchRegion,
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
            Self::File { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Input(error) => write!(f, "standard input: {error}"),
            Self::Output(error) => write!(f, "standard output: {error}"),
            Self::Stream { region, error } => write!(f, "region `{region}`: {error}"),
        }
    }
}

impl From<RegionError> for Failure {
    fn from(error: RegionError) -> Self {
        Self::Region(error)
    }
}
