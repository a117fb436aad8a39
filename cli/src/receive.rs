//! `selvedge recv`.

use crate::arguments::Recv;
use crate::channel;
use crate::failure::{Code, Failure};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::report::{Ended, Transfer};
use selvedge::region::{ByteReader, ByteStream, Departure, IfGone, Peer, StreamError};
use std::fs::File;
use std::io::{self, ErrorKind, Write};

/// Most bytes that are written to a file or pipe at once.
const CHUNK: usize = 256 << 10;

/// Where it goes.
fn sink(receive: &Recv) -> Result<File, Failure> {
    match &receive.file {
        Some(path) => File::create(path).map_err(|error| Failure::File { path: path.clone(), error }),
        None => {
            use std::os::fd::AsFd;
            let stdout = io::stdout().as_fd().try_clone_to_owned().map_err(Failure::Output)?;
            Ok(stdout.into())
        }
    }
}

pub(crate) fn run(receive: &Recv, json: bool) -> Result<Code, Failure> {
    let interrupt = Interrupt::watch().map_err(Failure::Output)?;
    let mut transfer =
        Transfer { command: "recv", region: &receive.name, ended: Ended::Complete, bytes: 0, pending: None, deaths: 0 };
    let taken = channel::take(&receive.name, receive.buffer, &interrupt, ByteStream::reader_timeout)?;
    let Some(mut channel) = taken else {
        transfer.ended = Ended::Interrupted;
        transfer.tell(json);
        return Ok(interrupt.noted().map_or(Code::Failed, Code::Interrupted));
    };
    let mut sink = sink(receive)?;
    let progress = Progress::new(None, json);
    let code = take(receive, &mut channel.end, &mut sink, &interrupt, &progress, &mut transfer)?;
    sink.flush().map_err(Failure::Output)?;
    progress.finish();
    transfer.tell(json);
    if transfer.ended == Ended::Complete {
        // The sender closed its end and everything was received: the channel has done its work.
        channel.retire()?;
    }
    Ok(code)
}

fn take(
    receive: &Recv,
    reader: &mut ByteReader,
    sink: &mut File,
    interrupt: &Interrupt,
    progress: &Progress,
    transfer: &mut Transfer<'_>,
) -> Result<Code, Failure> {
    reader.set_if_gone(if receive.follow { IfGone::Wait } else { IfGone::Fail });
    loop {
        if let Some(signal) = interrupt.noted() {
            transfer.ended = Ended::Interrupted;
            return Ok(Code::Interrupted(signal));
        }
        reader.set_deadline(Some(Interrupt::next_look()));
        match reader.read_to(sink, CHUNK) {
            Ok(0) => return Ok(Code::Done),
            Ok(count) => {
                // Somebody sends: that it closes its end is the end.
                reader.set_if_gone(if receive.follow { IfGone::Wait } else { IfGone::Fail });
                transfer.bytes += count as u64;
                progress.advance(count as u64);
            }
            Err(error) => match (error.kind(), StreamError::in_io(&error)) {
                (_, Some(StreamError::PeerDied)) => {
                    transfer.deaths += 1;
                    if receive.fail_on_death {
                        transfer.ended = Ended::PeerDied;
                        return Ok(Code::PeerGone);
                    }
                    progress.say(&format!(
                        "selvedge: `{}`: the sender died; {} bytes received so far, waiting for another sender",
                        receive.name, transfer.bytes
                    ));
                    // Its successor may not be there yet.
                    reader.set_if_gone(IfGone::Wait);
                }
                // A successor that came and closed its end without a word.
                (ErrorKind::TimedOut, _) if reader.peer() == Peer::Gone(Departure::Closed) && !receive.follow => {
                    reader.set_if_gone(IfGone::Fail);
                }
                (ErrorKind::TimedOut | ErrorKind::Interrupted, _) => {}
                (_, Some(_)) => return Err(Failure::Stream { region: receive.name.clone(), error }),
                _ => return Err(Failure::Output(error)),
            },
        }
    }
}
