//! `recv` from a channel.

use super::{COME, Piece, Post};
use crate::arguments::Recv;
use crate::failure::Stop;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::receive::Sink;
use crate::report::Transfer;
use selvedge::message::{Capacity, Receiver, RecvError};
use std::cell::Cell;
use std::io::Write;
use std::thread;

/// A receiver at work.
struct Receiving<'a, 'b> {
    receive: &'a Recv,
    post: &'a Post<Receiver<Piece>>,
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
    capacity: Capacity,
    interrupt: &Interrupt,
    progress: &Progress,
    transfer: &mut Transfer<'_>,
) -> Result<(), Stop> {
    let take = |region: &selvedge::Region, capacity| region.receiver(super::CHANNEL, capacity);
    let told = Cell::new(0);
    let post = Post::come(&receive.name, capacity, interrupt, take, |door| told.set(door.told))?;
    let told = told.get();
    // Opened when an end is taken: to create a file empties it.
    let outcome = Sink::open(receive.file.clone()).map_err(Stop::from).and_then(|sink| {
        Receiving { receive, post: &post, sink, interrupt, progress, transfer, told, came: None }.all()
    });
    transfer.waiting = Some(post.end.len() as u64);
    let is_last = |end: &Receiver<Piece>| end.is_empty() && end.peers() == 0 && end.fellows() == 1;
    let left = post.leave(is_last, |_| ()).map_err(Stop::from);
    outcome.and(left)
}

impl Receiving<'_, '_> {
    fn all(&mut self) -> Result<(), Stop> {
        loop {
            self.interrupt.or_writable(&self.sink, |error| self.sink.failure(error))?;
            match self.post.end.recv_in_place_deadline(Interrupt::next_look()) {
                Ok(piece) => {
                    self.sink.write_all(piece.bytes()).map_err(|error| self.sink.failure(error))?;
                    let count = piece.bytes().len() as u64;
                    self.transfer.bytes += count;
                    self.progress.advance(count);
                }
                Err(RecvError::TimedOut) => self.check()?,
                Err(RecvError::Disconnected) => {
                    if self.is_over()? {
                        return Ok(());
                    }
                }
                Err(error) => return Err(self.post.failure(&error)),
            }
        }
    }

    /// Fails if nothing is there, nobody sends, and nobody can come any more.
    fn check(&self) -> Result<(), Stop> {
        let is_alone = self.post.end.peers() == 0 && self.post.end.is_empty();
        if is_alone && !self.post.region.is_named()? { Err(self.post.removed()) } else { Ok(()) }
    }

    /// No sender was there a moment ago: whether that is the end, which it is not if somebody has come since or is waited for.
    fn is_over(&mut self) -> Result<bool, Stop> {
        let mut door = self.post.lock(self.interrupt)?;
        // As long as the door is locked nobody comes.
        if self.post.end.peers() > 0 || !self.post.end.is_empty() {
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
        let waits = self.receive.follow || self.came == Some(came);
        if waits {
            self.check()?;
            thread::sleep(COME);
        }
        Ok(!waits)
    }
}
