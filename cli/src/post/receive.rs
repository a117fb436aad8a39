//! `recv` from a mailbox.

use super::{COME, Post, Terms};
use crate::arguments::Recv;
use crate::failure::Stop;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::receive::Sink;
use crate::report::Transfer;
use selvedge::message::{Letter, MailError, Mailbox, Select, SelectError};
use std::cell::Cell;
use std::io::Write;
use std::thread;

/// A receiver at work.
struct Receiving<'a, 'b> {
    receive: &'a Recv,
    post: &'a Post<Mailbox>,
    sink: Sink,
    interrupt: &'a Interrupt,
    progress: &'a Progress,
    transfer: &'a mut Transfer<'b>,
    /// Deaths of which this one knows, or of which those knew who were there before it.
    told: u64,
    /// How many senders had come when the last of them was found to have died: another one is waited for.
    came: Option<u64>,
}

pub(crate) fn receive(
    receive: &Recv,
    terms: Terms,
    interrupt: &Interrupt,
    progress: &Progress,
    transfer: &mut Transfer<'_>,
) -> Result<(), Stop> {
    let told = Cell::new(0);
    let post = Post::come(&receive.name, terms, interrupt, |port, door, _| {
        told.set(door.told);
        port.claim().map_err(|error| error.to_string())
    })?;
    let told = told.get();
    // Opened when an end is taken: to create a file empties it.
    let outcome = Sink::open(receive.file.clone()).map_err(Stop::from).and_then(|sink| {
        Receiving { receive, post: &post, sink, interrupt, progress, transfer, told, came: None }.all()
    });
    transfer.waiting = Some(post.end.len() as u64);
    let is_last = |end: &Mailbox| end.is_empty() && end.correspondents() == 0 && end.recipients() == 1;
    let left = post.leave(is_last, |end, _, _| drop(end)).map_err(Stop::from);
    outcome.and(left)
}

impl<'a> Receiving<'a, '_> {
    fn all(&mut self) -> Result<(), Stop> {
        loop {
            self.interrupt.or_writable(&self.sink, |error| self.sink.failure(error))?;
            match self.next()? {
                Some(letter) => self.print(letter)?,
                None if self.is_over()? => return Ok(()),
                None => {}
            }
        }
    }

    /// The next message that this one wants; none, if nobody sends, or nothing came for a moment.
    fn next(&self) -> Result<Option<Letter<'a>>, Stop> {
        if let Some(letter) = self.next_now()? {
            return Ok(Some(letter));
        }
        let (mailbox, failure) = (&self.post.end, |error| self.post.failure(&error));
        if let Some(kind) = self.receive.kind {
            return match mailbox.recv_kind_deadline(kind, Interrupt::next_look()) {
                Err(MailError::TimedOut) => Ok(None),
                received => received.map(Some).map_err(failure),
            };
        }
        let mut select = Select::new();
        let letter = select.letter(mailbox);
        select.event(&self.post.silence);
        match select.select_deadline(Interrupt::next_look()) {
            Ok(selected) if selected.index() == letter => selected.letter(mailbox).map(Some).map_err(failure),
            Ok(_) | Err(SelectError::TimedOut) => Ok(None),
            Err(error) => Err(self.post.failure(&error)),
        }
    }

    /// The next message that this one wants, if it is there.
    fn next_now(&self) -> Result<Option<Letter<'a>>, Stop> {
        let mailbox = &self.post.end;
        let received = match self.receive.kind {
            Some(kind) => mailbox.try_recv_kind(kind),
            None => mailbox.try_recv(),
        };
        match received {
            Ok(letter) => Ok(Some(letter)),
            Err(MailError::Empty | MailError::Closed) => Ok(None),
            Err(error) => Err(self.post.failure(&error)),
        }
    }

    /// Prints a message, and only then it is finished with.
    fn print(&mut self, letter: Letter<'_>) -> Result<(), Stop> {
        self.sink.write_all(letter.bytes()).map_err(|error| self.sink.failure(error))?;
        let count = letter.len() as u64;
        self.transfer.again += u64::from(letter.deliveries() > 1);
        letter.ack();
        self.transfer.bytes += count;
        self.progress.advance(count);
        Ok(())
    }

    /// Fails if nothing is there, nobody sends, and nobody can come any more.
    fn check(&self) -> Result<(), Stop> {
        let is_alone = self.post.end.correspondents() == 0 && self.post.end.is_empty();
        if is_alone && !self.post.region.is_named()? { Err(self.post.removed()) } else { Ok(()) }
    }

    /// Nothing came for a moment: whether that is the end, which it is not if somebody sends, has come since or is waited for.
    fn is_over(&mut self) -> Result<bool, Stop> {
        if self.post.end.correspondents() > 0 {
            return Ok(false);
        }
        let mut door = self.post.lock(self.interrupt)?;
        // As long as the door is locked nobody comes.
        if self.post.end.correspondents() > 0 {
            return Ok(false);
        }
        if let Some(letter) = self.next_now()? {
            drop(door);
            self.print(letter)?;
            return Ok(false);
        }
        let (came, died) = (door.came, door.died());
        door.told = door.told.max(died);
        drop(door);
        if died > self.told {
            self.told = died;
            let waits = !self.receive.fail_on_death;
            self.transfer.peer_died(waits, self.progress);
            if !waits {
                return Err(Stop::PeerDied);
            }
            self.came = Some(came);
        }
        let waits = self.receive.follow || came == 0 || self.came == Some(came);
        if waits {
            self.check()?;
            thread::sleep(COME);
        }
        Ok(!waits)
    }
}
