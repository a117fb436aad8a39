//! `send --capacity`.

use super::{COME, Door, MOST, Post, Terms};
use crate::arguments::Send;
use crate::failure::{Failure, Stop};
use crate::interrupt::Interrupt;
use crate::lines::{Lines, TooLong};
use crate::progress::Progress;
use crate::report::Transfer;
use crate::send::Source;
use selvedge::message::{MailError, Message, Port};
use selvedge::region::Event;
use std::io::{ErrorKind, Read};
use std::thread;

/// A sender at work.
struct Sending<'a, 'b> {
    send: &'a Send,
    post: &'a Post<Port>,
    source: Source,
    interrupt: &'a Interrupt,
    progress: &'a Progress,
    transfer: &'a mut Transfer<'b>,
}

pub(crate) fn send(
    send: &Send,
    terms: Terms,
    source: Source,
    interrupt: &Interrupt,
    progress: &Progress,
    transfer: &mut Transfer<'_>,
) -> Result<(), Stop> {
    let post = Post::come(&send.name, terms, interrupt, |port, door, silence| {
        silence.reset().map_err(|error| error.to_string())?;
        door.came += 1;
        Ok(port)
    })?;
    let mut sending = Sending { send, post: &post, source, interrupt, progress, transfer };
    let mut outcome = if send.raw { sending.raw() } else { sending.lines() };
    if send.wait && outcome.is_ok() {
        outcome = sending.drain();
    }
    transfer.waiting = Some(post.end.len() as u64);
    let is_done = outcome.is_ok();
    // What nobody has received yet stays, with the name.
    let is_last = |port: &Port| !is_done && port.is_empty() && port.recipients() == 0 && port.correspondents() == 1;
    let exit = |port: Port, silence: &Event, door: &mut Door| {
        door.done += u64::from(is_done);
        // Those who receive look for themselves, if they cannot be told.
        if port.correspondents() == 1 {
            drop(port);
            let _ = silence.set();
        }
    };
    let left = post.leave(is_last, exit).map_err(Stop::from);
    outcome.and(left)
}

impl Sending<'_, '_> {
    /// Bytes as they come.
    fn raw(&mut self) -> Result<(), Stop> {
        let mut bytes = [0; MOST];
        loop {
            self.interrupt.or_readable(&self.source, |error| self.source.failure(error))?;
            match self.source.read(&mut bytes) {
                Ok(0) => return Ok(()),
                Ok(count) => self.one(bytes.get(..count).unwrap_or_default())?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.source.failure(error).into()),
            }
        }
    }

    /// Whole lines, each by itself.
    fn lines(&mut self) -> Result<(), Stop> {
        // Who made the mailbox decided.
        let mut lines = Lines::new(self.post.end.longest());
        let outcome = self.all_lines(&mut lines);
        self.transfer.unsent = Some(lines.rest().len() as u64);
        outcome
    }

    fn all_lines(&mut self, lines: &mut Lines) -> Result<(), Stop> {
        while !lines.is_done() {
            let begins_at = self.transfer.bytes;
            let most = self.post.end.longest();
            match lines.whole().map_err(|TooLong| Failure::LineTooLongForMailbox { begins_at, most })? {
                Some(count) => {
                    let batch = lines.rest().get(..count).unwrap_or_default();
                    let first = batch.iter().position(|byte| *byte == b'\n').map_or(count, |end| end + 1);
                    self.one(batch.get(..first).unwrap_or_default())?;
                    lines.consume(first);
                }
                None => {
                    self.interrupt.or_readable(&self.source, |error| self.source.failure(error))?;
                    lines.read_more(&mut self.source).map_err(|error| self.source.failure(error))?;
                }
            }
        }
        Ok(())
    }

    /// Sends a piece, waiting for space, or for a receiver if all have gone.
    fn one(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let message = Message::bytes(bytes).kind(self.send.kind);
        let mut is_alone = false;
        loop {
            self.interrupt.check()?;
            match self.post.end.send_deadline(&message, Interrupt::next_look()) {
                Ok(()) => {
                    self.transfer.bytes += bytes.len() as u64;
                    self.progress.advance(bytes.len() as u64);
                    return Ok(());
                }
                Err(MailError::TimedOut) => self.check()?,
                // An unbounded one does not wait for a place by itself.
                Err(MailError::OutOfMemory(_)) if bytes.len() > MOST => {
                    self.check()?;
                    thread::sleep(COME);
                }
                Err(MailError::Closed) => {
                    self.check()?;
                    if !is_alone {
                        self.transfer.is_alone(self.progress);
                        is_alone = true;
                    }
                    thread::sleep(COME);
                }
                Err(error) => return Err(self.post.failure(&error)),
            }
        }
    }

    /// Fails if nobody receives, and nobody can come any more.
    fn check(&self) -> Result<(), Stop> {
        if self.post.end.recipients() == 0 && !self.post.region.is_named()? { Err(self.post.removed()) } else { Ok(()) }
    }

    /// Waits until receivers have taken everything. No call of a mailbox waits for that.
    fn drain(&mut self) -> Result<(), Stop> {
        while self.post.end.in_use() > 0 {
            self.interrupt.check()?;
            self.check()?;
            thread::sleep(COME);
        }
        Ok(())
    }
}
