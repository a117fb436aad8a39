//! What `send` and `recv` say on standard error.

use crate::failure::{Code, Failure, Stop};
use crate::progress::Progress;
use serde::Serialize;

/// The two commands that move data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    Send,
    Recv,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Ended {
    Complete,
    PeerDied,
    Interrupted,
    Failed,
}

/// What became of a transfer.
#[derive(Debug, Serialize)]
pub(crate) struct Transfer<'a> {
    command: Direction,
    region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<Ended>,
    /// Bytes sent, or received.
    pub(crate) bytes: u64,
    /// Bytes that are in the region for the next receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<u64>,
    /// Messages that are in the region for whoever receives: of a mailbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waiting: Option<u64>,
    /// Bytes that were read and could not be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unsent: Option<u64>,
    /// Messages that somebody had received before, and not finished with.
    #[serde(skip_serializing_if = "is_none")]
    pub(crate) again: u64,
    /// Peers that died meanwhile.
    deaths: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip)]
    json: bool,
}

impl<'a> Transfer<'a> {
    pub(crate) fn new(command: Direction, region: &'a str, json: bool) -> Self {
        Self {
            command,
            region,
            ended: None,
            bytes: 0,
            pending: None,
            waiting: None,
            unsent: None,
            again: 0,
            deaths: 0,
            error: None,
            json,
        }
    }

    fn peer(&self) -> &'static str {
        match self.command {
            Direction::Send => "receiver",
            Direction::Recv => "sender",
        }
    }

    /// Counts a death, and says that the transfer waits for a successor.
    pub(crate) fn peer_died(&mut self, waits: bool, progress: &Progress) {
        self.deaths += 1;
        if !waits {
            return;
        }
        let (Self { region, bytes, .. }, peer) = (&*self, self.peer());
        progress.say(&match (self.json, self.command) {
            (true, _) => json_line(self),
            (false, Direction::Send) => format!(
                "selvedge: region `{region}`: the receiver died; {bytes} bytes sent so far, waiting for another {peer}"
            ),
            (false, Direction::Recv) => format!(
                "selvedge: region `{region}`: the sender died before it was done; {bytes} bytes received so far, \
                 waiting for another {peer}"
            ),
        });
    }

    /// Says that a sender waits since all receivers of its mailbox have gone.
    pub(crate) fn is_alone(&self, progress: &Progress) {
        let Self { region, bytes, json, .. } = self;
        progress.say(&match json {
            true => json_line(self),
            false => format!(
                "selvedge: region `{region}`: no receiver is left; {bytes} bytes sent so far, waiting for another receiver"
            ),
        });
    }

    /// Says how it ended: always as JSON, else only what the user has to know.
    pub(crate) fn end(mut self, outcome: Result<(), Stop>) -> Code {
        let code = outcome.as_ref().map_or_else(Stop::code, |()| Code::Done);
        self.ended = Some(match &outcome {
            Ok(()) => Ended::Complete,
            Err(Stop::Signal(_)) => Ended::Interrupted,
            Err(Stop::PeerDied) => Ended::PeerDied,
            Err(Stop::Failed(failure)) => {
                self.error = Some(failure.to_string());
                Ended::Failed
            }
        });
        if self.json {
            eprintln!("{}", json_line(&self));
        } else {
            self.say(&outcome);
        }
        code
    }

    fn say(&self, outcome: &Result<(), Stop>) {
        let region = self.region;
        match self.again {
            0 => {}
            1 => {
                eprintln!(
                    "selvedge: region `{region}`: one line may have been printed before, by a receiver that did not finish"
                )
            }
            again => {
                eprintln!(
                    "selvedge: region `{region}`: {again} lines may have been printed before, by receivers that did not finish"
                );
            }
        }
        match outcome {
            Ok(()) => return,
            Err(Stop::Signal(_)) => eprintln!("selvedge: region `{region}`: interrupted"),
            Err(Stop::PeerDied) => {
                eprintln!("selvedge: region `{region}`: the {} died before it was done", self.peer());
            }
            Err(Stop::Failed(failure)) => eprintln!("selvedge: {failure}"),
        }
        // Known as soon as an end was taken.
        let pending = match (self.pending, self.waiting) {
            (Some(bytes), _) => bytes.to_string(),
            (None, Some(1)) => "1 message".to_owned(),
            (None, Some(messages)) => format!("{messages} messages"),
            (None, None) => return,
        };
        let (bytes, more) = (self.bytes, self.unsent.filter(|unsent| *unsent > 0));
        let more = more.map_or_else(String::new, |unsent| format!("; {unsent} bytes were read and not sent"));
        match self.command {
            Direction::Send => {
                eprintln!("selvedge: region `{region}`: {bytes} bytes sent, {pending} of them not yet received{more}");
            }
            Direction::Recv => {
                eprintln!("selvedge: region `{region}`: {bytes} bytes received, {pending} more are in the region");
            }
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

fn json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("selvedge: {error}"))
}

/// Says on standard error why a command failed.
pub(crate) fn failure(failure: &Failure, json: bool) {
    if json {
        eprintln!("{}", json_line(&serde_json::json!({ "error": failure.to_string() })));
    } else {
        eprintln!("selvedge: {failure}");
    }
}
