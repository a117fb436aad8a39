//! What a command says at its end.

use crate::failure::Failure;
use serde::Serialize;

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ended {
    Complete,
    PeerClosed,
    PeerDied,
    Interrupted,
}

/// What became of a transfer.
#[derive(Debug, Serialize)]
pub(crate) struct Transfer<'a> {
    /// `send` or `recv`.
    pub(crate) command: &'a str,
    pub(crate) region: &'a str,
    pub(crate) ended: Ended,
    /// Bytes sent, or received.
    pub(crate) bytes: u64,
    /// Of the bytes sent: those that no receiver has taken yet. They stay in the region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<u64>,
    /// Peers that died meanwhile.
    pub(crate) deaths: u64,
}

impl Transfer<'_> {
    /// Says it on standard error: always as JSON, else only what the user has to know.
    pub(crate) fn tell(&self, json: bool) {
        if json {
            json_line(self);
            return;
        }
        let Self { command, region, bytes, .. } = self;
        let done = if *command == "send" { "sent" } else { "received" };
        match self.ended {
            Ended::Complete => {}
            Ended::PeerClosed => eprintln!("selvedge: `{region}`: the peer closed its end; {bytes} bytes {done}"),
            Ended::PeerDied => eprintln!("selvedge: `{region}`: the peer died; {bytes} bytes {done}"),
            Ended::Interrupted => eprintln!("selvedge: `{region}`: interrupted; {bytes} bytes {done}"),
        }
        if let Some(pending) = self.pending.filter(|pending| *pending > 0) {
            eprintln!("selvedge: `{region}`: {pending} of them wait in the region for the next receiver");
        }
    }
}

fn json_line(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(line) => eprintln!("{line}"),
        Err(error) => eprintln!("selvedge: {error}"),
    }
}

/// Says on standard error why a command failed.
pub(crate) fn failure(failure: &Failure, json: bool) {
    if json {
        json_line(&serde_json::json!({ "error": failure.to_string() }));
    } else {
        eprintln!("selvedge: {failure}");
    }
}
