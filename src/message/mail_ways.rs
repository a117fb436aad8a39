//! What the handles have in common through which messages with headers are sent and received.

use super::draft::Draft;
use super::envelope::{Header, Message};
use super::letter::Letter;
use super::mail_error::MailError;
use crate::region::channel::Way;
use crate::region::mailbox::{CHUNK, Chunk};
use crate::region::patience::Patience;

/// What messages with headers are received from: a [`Mailbox`](super::Mailbox), a [`Link`](super::Link).
pub trait Receives: sealed::Incoming {}

/// What messages with headers are sent to: a [`Port`](super::Port), a [`Link`](super::Link).
pub trait Posts: sealed::Outgoing {}

/// Nobody else is to implement these.
pub(super) mod sealed {
    use super::{Chunk, Way};

    pub trait Incoming {
        #[doc(hidden)]
        #[allow(private_interfaces, reason = "nobody can name it from without, nor call this")]
        fn incoming(&self) -> &(dyn Way<Chunk> + 'static);
    }

    pub trait Outgoing {
        #[doc(hidden)]
        #[allow(private_interfaces, reason = "as above")]
        fn outgoing(&self) -> &(dyn Way<Chunk> + 'static);
    }
}

/// The longest body that fits into a buffer, in bytes.
pub(super) fn room(way: &dyn Way<Chunk>) -> usize {
    // Beside the body there is the header.
    way.each().saturating_sub(1) * CHUNK
}

/// The longest body that there can be, in bytes.
pub(super) fn longest(way: &dyn Way<Chunk>) -> usize {
    room(way).max(way.annexed().each * CHUNK)
}

/// Whether a body fits into so many bytes.
pub(super) fn fits(length: usize, most: usize) -> Result<(), MailError> {
    if length > most { Err(MailError::TooLong { length, most }) } else { Ok(()) }
}

pub(super) fn send(way: &dyn Way<Chunk>, message: &Message<'_>, patience: Patience) -> Result<(), MailError> {
    let length = message.body().len();
    let mut draft = lend(way, length, patience)?;
    draft.write(message.body());
    draft.header = Header { annex: draft.header.annex, ..message.header };
    draft.pass(length, patience)
}

/// A draft with room for so many bytes.
pub(super) fn lend(way: &dyn Way<Chunk>, length: usize, patience: Patience) -> Result<Draft<'_>, MailError> {
    fits(length, longest(way))?;
    Draft::of(way, length, patience).map_err(|refusal| MailError::of_send(refusal, way.name()))
}

pub(super) fn receive(way: &dyn Way<Chunk>, patience: Patience, kind: Option<u32>) -> Result<Letter<'_>, MailError> {
    let buffer = way.receive(patience, kind).map_err(|refusal| MailError::of_receive(refusal, way.name()))?;
    Letter::in_buffer(way, buffer)
}

/// What a handle has through which messages are sent.
macro_rules! sends {
    ($handle:ident) => {
        impl $handle {
            /// Sends, waiting as long as it takes.
            ///
            /// # Errors
            /// `Closed`, `TooLong`, `OutOfMemory`, `Corrupt`, `TooManyThreads`, `Unusable`.
            pub fn send(&self, message: &$crate::message::Message<'_>) -> Result<(), $crate::message::MailError> {
                $crate::message::mail_ways::send(self.outgoing(), message, $crate::region::patience::Patience::Forever)
            }

            /// Sends if it can be done now; never waits.
            ///
            /// # Errors
            /// [`MailError`]($crate::message::MailError), except `TimedOut`.
            pub fn try_send(&self, message: &$crate::message::Message<'_>) -> Result<(), $crate::message::MailError> {
                $crate::message::mail_ways::send(self.outgoing(), message, $crate::region::patience::Patience::None)
            }

            /// Sends, waiting for `timeout` at most.
            ///
            /// # Errors
            /// [`MailError`]($crate::message::MailError), except `Full`.
            pub fn send_timeout(
                &self,
                message: &$crate::message::Message<'_>,
                timeout: core::time::Duration,
            ) -> Result<(), $crate::message::MailError> {
                self.send_deadline(message, $crate::sync::Deadline::after(timeout))
            }

            /// Sends, waiting until `deadline` at most.
            ///
            /// # Errors
            /// [`MailError`]($crate::message::MailError), except `Full`.
            pub fn send_deadline(
                &self,
                message: &$crate::message::Message<'_>,
                deadline: $crate::sync::Deadline,
            ) -> Result<(), $crate::message::MailError> {
                let patience = $crate::region::patience::Patience::Until(deadline);
                $crate::message::mail_ways::send(self.outgoing(), message, patience)
            }

            /// Sends, waiting as long as it takes. The thread that polls never waits; one other does, for all futures of this region
            /// in this process that send, and takes one of the region's places for threads. It can be polled by any runtime.
            ///
            /// # Errors
            /// Those of the future: as of [`send`](Self::send). `Os`: there is no thread.
            #[cfg(not(loom))]
            pub fn send_async<'a>(&'a self, message: &'a $crate::message::Message<'a>) -> $crate::message::Posting<'a> {
                $crate::message::Posting::new(self.outgoing(), message)
            }

            /// A buffer to be filled in place and sent, waiting while all are in use.
            ///
            /// # Errors
            /// `Closed`, `OutOfMemory`, `Corrupt`, `TooManyThreads`, `Unusable`.
            pub fn draft(&self) -> Result<$crate::message::Draft<'_>, $crate::message::MailError> {
                $crate::message::mail_ways::lend(self.outgoing(), 0, $crate::region::patience::Patience::Forever)
            }

            /// A buffer to be filled in place and sent, if not all are in use; never waits.
            ///
            /// # Errors
            /// [`MailError`]($crate::message::MailError), except `TimedOut` and `TooLong`.
            pub fn try_draft(&self) -> Result<$crate::message::Draft<'_>, $crate::message::MailError> {
                $crate::message::mail_ways::lend(self.outgoing(), 0, $crate::region::patience::Patience::None)
            }

            /// A buffer to be filled in place and sent, waiting for `timeout` at most while all are in use.
            ///
            /// # Errors
            /// [`MailError`]($crate::message::MailError), except `Full` and `TooLong`.
            pub fn draft_timeout(
                &self,
                timeout: core::time::Duration,
            ) -> Result<$crate::message::Draft<'_>, $crate::message::MailError> {
                self.draft_deadline($crate::sync::Deadline::after(timeout))
            }

            /// A buffer to be filled in place and sent, waiting until `deadline` at most while all are in use.
            ///
            /// # Errors
            /// [`MailError`]($crate::message::MailError), except `Full` and `TooLong`.
            pub fn draft_deadline(
                &self,
                deadline: $crate::sync::Deadline,
            ) -> Result<$crate::message::Draft<'_>, $crate::message::MailError> {
                let patience = $crate::region::patience::Patience::Until(deadline);
                $crate::message::mail_ways::lend(self.outgoing(), 0, patience)
            }

            /// A descriptor that becomes readable when there may be space for a message: for `epoll`, or a runtime's reactor. It takes
            /// one of the region's places for threads, as futures do. Once it is readable, [`rearm`]($crate::message::PostFd::rearm)
            /// it, and then send with `try_send` until there is no space. With capacity zero there is some when somebody waits to
            /// receive, who is neither a future nor a descriptor; an unbounded one, whose sends never wait, has some always.
            ///
            /// # Errors
            /// `Os`: there is no descriptor, or no thread. `Unusable`.
            #[cfg(not(loom))]
            pub fn send_descriptor(&self) -> Result<$crate::message::PostFd, $crate::message::MailError> {
                $crate::message::PostFd::of(self.outgoing())
            }

            /// The same with room for so many bytes: if no buffer has it, and the mailbox was made for
            /// [long bodies](crate::message::PortOptions::long_bodies), in such a place. Waits while all are in use.
            ///
            /// # Errors
            /// `TooLong`; and as of [`draft`](Self::draft).
            pub fn draft_for(&self, length: usize) -> Result<$crate::message::Draft<'_>, $crate::message::MailError> {
                $crate::message::mail_ways::lend(self.outgoing(), length, $crate::region::patience::Patience::Forever)
            }

            /// The same with room for so many bytes, if it can be had now; never waits.
            ///
            /// # Errors
            /// [`MailError`]($crate::message::MailError), except `TimedOut`.
            pub fn try_draft_for(
                &self,
                length: usize,
            ) -> Result<$crate::message::Draft<'_>, $crate::message::MailError> {
                $crate::message::mail_ways::lend(self.outgoing(), length, $crate::region::patience::Patience::None)
            }

            /// The same with room for so many bytes, waiting until `deadline` at most.
            ///
            /// # Errors
            /// [`MailError`]($crate::message::MailError), except `Full`.
            pub fn draft_for_deadline(
                &self,
                length: usize,
                deadline: $crate::sync::Deadline,
            ) -> Result<$crate::message::Draft<'_>, $crate::message::MailError> {
                let patience = $crate::region::patience::Patience::Until(deadline);
                $crate::message::mail_ways::lend(self.outgoing(), length, patience)
            }
        }
    };
}

/// What a handle has through which messages are received.
macro_rules! receives {
    ($handle:ident) => {
        impl $handle {
            /// Receives, waiting as long as it takes.
            ///
            /// # Errors
            /// `Closed`, `Corrupt`, `TooManyThreads`, `Unusable`.
            pub fn recv(&self) -> Result<$crate::message::Letter<'_>, $crate::message::MailError> {
                $crate::message::mail_ways::receive(self.incoming(), $crate::region::patience::Patience::Forever, None)
            }

            /// Receives if there is something; never waits.
            ///
            /// # Errors
            /// `Empty`, `Closed`, `Corrupt`, `TooManyThreads`, `Unusable`.
            pub fn try_recv(&self) -> Result<$crate::message::Letter<'_>, $crate::message::MailError> {
                $crate::message::mail_ways::receive(self.incoming(), $crate::region::patience::Patience::None, None)
            }

            /// Receives, waiting for `timeout` at most.
            ///
            /// # Errors
            /// As of [`recv_deadline`](Self::recv_deadline).
            pub fn recv_timeout(
                &self,
                timeout: core::time::Duration,
            ) -> Result<$crate::message::Letter<'_>, $crate::message::MailError> {
                self.recv_deadline($crate::sync::Deadline::after(timeout))
            }

            /// Receives, waiting until `deadline` at most.
            ///
            /// # Errors
            /// `TimedOut`, `Closed`, `Corrupt`, `TooManyThreads`, `Unusable`.
            pub fn recv_deadline(
                &self,
                deadline: $crate::sync::Deadline,
            ) -> Result<$crate::message::Letter<'_>, $crate::message::MailError> {
                let patience = $crate::region::patience::Patience::Until(deadline);
                $crate::message::mail_ways::receive(self.incoming(), patience, None)
            }

            /// Receives, waiting as long as it takes. The thread that polls never waits; one other does, for all futures of this
            /// region in this process but those that send, and takes one of the region's places for threads. It can be polled by
            /// any runtime. The message is the thread's that polled last: drop it before you wait for something else.
            ///
            /// # Errors
            /// Those of the future: as of [`recv`](Self::recv). `Os`: there is no thread.
            #[cfg(not(loom))]
            pub fn recv_async(&self) -> $crate::message::Fetching<'_> {
                $crate::message::Fetching::new(self.incoming())
            }

            /// A descriptor that becomes readable when there may be a message to receive: for `epoll`, or a runtime's reactor. It takes
            /// one of the region's places for threads, as futures do. Once it is readable, [`rearm`]($crate::message::MailFd::rearm)
            /// it, and then receive with `try_recv` until nothing is there.
            ///
            /// # Errors
            /// `Os`: there is no descriptor, or no thread. `Unusable`.
            #[cfg(not(loom))]
            pub fn descriptor(&self) -> Result<$crate::message::MailFd, $crate::message::MailError> {
                $crate::message::MailFd::of(self.incoming())
            }

            /// The messages, each waited for, until it is closed or anything else goes wrong. Each is to be dropped before the
            /// next is asked for, or it keeps its buffer.
            pub fn iter(&self) -> impl Iterator<Item = $crate::message::Letter<'_>> {
                core::iter::from_fn(|| self.recv().ok())
            }

            /// The messages that are there, until there is none.
            pub fn try_iter(&self) -> impl Iterator<Item = $crate::message::Letter<'_>> {
                core::iter::from_fn(|| self.try_recv().ok())
            }
        }
    };
}

/// What both sides of a mailbox have.
macro_rules! both_sides {
    ($handle:ident, $what:literal) => {
        impl $handle {
            /// How many messages are waiting, as of a moment ago; none with capacity zero.
            #[must_use]
            pub fn len(&self) -> usize {
                self.mail.len()
            }

            /// Whether no message is waiting, as of a moment ago.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// How many messages it holds at most; nothing, if it is unbounded.
            #[must_use]
            pub fn capacity(&self) -> Option<usize> {
                $crate::message::Capacity::of(self.mail.size()).bound()
            }

            /// The longest body that it takes, in bytes.
            #[must_use]
            pub fn longest(&self) -> usize {
                $crate::message::mail_ways::longest(&*self.mail)
            }

            /// How many buffers are in use, as of a moment ago: with messages that wait, or that are being written or read.
            #[must_use]
            pub fn in_use(&self) -> usize {
                self.mail.in_use()
            }

            /// How many processes have it open to send, as of a moment ago.
            #[must_use]
            pub fn correspondents(&self) -> usize {
                self.mail.standing($crate::primitives::ends::End::Senders)
            }

            /// How many processes receive from it, as of a moment ago.
            #[must_use]
            pub fn recipients(&self) -> usize {
                match self.mail.holder() {
                    $crate::primitives::right::Holder::Process(_) => 1,
                    $crate::primitives::right::Holder::Shared => {
                        self.mail.standing($crate::primitives::ends::End::Receivers)
                    }
                    _ => 0,
                }
            }

            #[doc = concat!("The same ", $what, " with another way to wait.")]
            #[must_use]
            pub fn with_wait(mut self, wait: $crate::primitives::waiting::Wait) -> Self {
                self.mail.set_wait(wait);
                self
            }

            /// The name by which it was made or opened.
            #[must_use]
            pub fn name(&self) -> &str {
                self.mail.name().as_str()
            }
        }

        impl core::fmt::Debug for $handle {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct(stringify!($handle))
                    .field("name", &self.name())
                    .field("len", &self.len())
                    .field("capacity", &self.capacity())
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(super) use {both_sides, receives, sends};
