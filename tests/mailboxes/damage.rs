//! Garbage in the words of a mailbox and in its messages, written through another mapping of its file: an error, not a panic and
//! no endless loop, and no memory touched that is not the mailbox's.

use super::support::alone::alone;
use super::support::words::Words;
use super::{LIMIT, REGION, SHORT, made, numbered, there};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use selvedge::message::{Capacity, ClaimError, MailError, Message, Owner, PortOptions};
use selvedge::primitives::{RawMailbox, RawQueue};
use selvedge::region::ParticipantId;
use selvedge::sync::Ordering;
use std::os::fd::AsFd;

const CAPACITY: usize = 2;
/// So many threads was the region made for.
const SPARE: usize = 32;
const BUFFERS: usize = CAPACITY + SPARE;
/// Control block and words, with a label for each buffer, in front of the first message.
const BYTES: usize = (size_of::<RawMailbox<RawQueue>>() + 8 * (CAPACITY + 2 * BUFFERS)).next_multiple_of(8);
const LENGTH: usize = 3;
const SOURCE: usize = 1;

#[test]
fn a_message_that_says_what_cannot_be_is_corrupt_and_its_buffer_comes_home() {
    alone(LIMIT, || {
        let region = made();
        let port = region.port("port", &PortOptions::new(Capacity::Bounded(CAPACITY))).expect("a port");
        let mailbox = port.claim().expect("nobody has it");
        let words = Words::of(REGION);
        let mark = [0x5e1f_ed6e_0000_0001_u64, 0x5e1f_ed6e_0000_0002];
        // The first message lies in the first buffer, its body behind its header.
        let garbage = |word: usize, value: u64| {
            port.send(&Message::of(&mark)).expect("space");
            let header = words.find(mark) - 64;
            words.long_at(header + 8 * word).store(value, Ordering::Relaxed);
            let received = mailbox.recv_timeout(SHORT);
            let outcome = received.map(|letter| (letter.len(), letter.source()));
            words.long_at(header + 64).store(0, Ordering::Relaxed);
            outcome
        };
        for length in [193, 1 << 32, u64::MAX] {
            assert_eq!(garbage(LENGTH, length), Err(MailError::Corrupt("port".into())));
        }
        assert_eq!(garbage(LENGTH, 192).map(|(length, _)| length), Ok(192));
        let unknown = [0, 7, u64::MAX, ParticipantId::from_bits(1 << 20).to_bits()];
        for source in unknown {
            assert_eq!(garbage(SOURCE, source), Ok((16, None)), "{source:x}");
        }
        assert_eq!((mailbox.len(), mailbox.in_use()), (0, 0));
        port.send(&numbered(&1)).expect("space");
        assert_eq!(there(&mailbox), [1]);
    });
}

#[test]
fn garbage_for_a_type_is_another_type_and_loses_nothing() {
    alone(LIMIT, || {
        let region = made();
        let port = region.port("port", &PortOptions::new(Capacity::Bounded(CAPACITY))).expect("a port");
        let mailbox = port.claim().expect("nobody has it");
        let words = Words::of(REGION);
        let mark = [0x5e1f_ed6e_0000_0005_u64, 0x5e1f_ed6e_0000_0006];
        port.send(&Message::of(&mark).kind(3)).expect("space");
        // The labels come last of all words, and the first message is in the first buffer.
        let label = words.long_at(words.find(mark) - 64 - 8 * BUFFERS);
        assert_eq!(label.load(Ordering::Relaxed), 3);
        for garbage in [u64::MAX, 1 << 63, 4] {
            label.store(garbage, Ordering::Relaxed);
            assert_eq!(mailbox.try_recv_kind(3).map(drop), Err(MailError::Empty), "{garbage:x}");
            label.store(garbage, Ordering::Relaxed);
            mailbox.recv().expect("it was put aside").put_back();
        }
        label.store(3, Ordering::Relaxed);
        assert_eq!(mailbox.recv_kind(3).expect("it is of that type again").read(), Ok(mark));
        assert_eq!(mailbox.in_use(), 0);
    });
}

#[test]
fn garbage_for_who_has_the_right_closes_it_and_does_no_harm() {
    alone(LIMIT, || {
        let region = made();
        let port = region.port("port", &PortOptions::new(Capacity::Bounded(CAPACITY))).expect("a port");
        let words = Words::of(REGION);
        let mark = [0x5e1f_ed6e_0000_0003_u64, 0x5e1f_ed6e_0000_0004];
        port.send(&Message::of(&mark)).expect("space");
        // The right's word comes first.
        let right = words.long_at(words.find(mark) - 64 - BYTES);
        assert_eq!(right.load(Ordering::Relaxed), 0, "nobody has claimed it");
        for value in [7, 1, 2, 3 | 5 << 3, u64::MAX] {
            right.store(value, Ordering::Relaxed);
            assert_eq!(port.owner(), Owner::Closed, "{value:x}");
            assert_eq!(port.try_claim().map(drop), Err(ClaimError::Closed));
            assert_eq!(port.try_send(&numbered(&1)), Err(MailError::Closed));
        }
        // Held by, or offered to, nobody that there can be.
        for value in [1 | 255 << 3, 2 | 200 << 3 | 7 << 11] {
            right.store(value, Ordering::Relaxed);
            assert_eq!(port.claim_timeout(SHORT).map(drop), Err(ClaimError::TimedOut));
        }
        right.store(0, Ordering::Relaxed);
        assert_eq!(port.claim().expect("nobody has it").recv().expect("it is there").read(), Ok(mark));
    });
}

/// Who waits until it is worth an attempt is let make it: that tells of the damage.
#[test]
fn damage_is_worth_an_attempt() {
    alone(LIMIT, || {
        let region = made();
        let port = region.port("port", &PortOptions::new(Capacity::Bounded(CAPACITY))).expect("a port");
        let mailbox = port.claim().expect("nobody has it");
        let words = Words::of(REGION);
        let mark = [0x5e1f_ed6e_0000_0007_u64, 0x5e1f_ed6e_0000_0008];
        port.send(&Message::of(&mark)).expect("space");
        let slots = words.find(mark) - 64 - BYTES + size_of::<RawMailbox<RawQueue>>();
        assert_eq!(mailbox.recv_timeout(SHORT).expect("it is there").len(), 16);
        (0..CAPACITY).for_each(|slot| words.long_at(slots + 8 * slot).store(u64::MAX, Ordering::Relaxed));
        let corrupt = || MailError::Corrupt("port".into());
        assert_eq!(port.try_send(&Message::of(&mark)), Err(corrupt()));
        assert_eq!(mailbox.try_recv().err(), Some(corrupt()));
        let (mail, space) = (mailbox.descriptor().expect("one"), port.send_descriptor().expect("one"));
        for fd in [mail.as_fd(), space.as_fd()] {
            let readable = poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&Timespec { tv_sec: 20, tv_nsec: 0 }));
            assert_eq!(readable, Ok(1), "it waits for what will never be");
        }
    });
}
