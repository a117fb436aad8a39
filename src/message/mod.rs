//! Message passing: channels with two ends, over the verified queues.
//!
//! A [channel](crate::Region::channel) has a name in its region, a type of message and a [`Capacity`]; any number of processes have
//! [senders](Sender) and [receivers](Receiver) of it. Who knows the channels of crossbeam or of the standard library knows
//! these. What is different: messages are [plain bytes](crate::region::Shared), a process may be killed at any moment, and
//! errors say what can go wrong with shared memory.
//!
//! A [port](crate::Region::port) is a name under which messages reach whoever receives there: a [`Mailbox`], which one process has
//! at a time, and another after it. These messages have a header, which says what they are and who sent them, and bodies of any
//! length up to one that is chosen.

mod capacity;
#[cfg(not(loom))]
mod descriptor;
mod draft;
mod effects;
mod envelope;
mod error;
#[cfg(not(loom))]
mod future;
mod iter;
mod letter;
mod link;
mod loan;
mod mail_error;
#[cfg(not(loom))]
mod mail_future;
mod mail_ways;
mod mailbox;
mod port;
mod port_options;
mod receiver;
mod select;
mod sender;

pub use capacity::Capacity;
#[cfg(not(loom))]
pub use descriptor::{MailFd, PostFd, ReceiverFd, SenderFd};
pub use draft::Draft;
pub use effects::{Effect, Effects, EffectsError};
pub use envelope::Message;
pub use error::{RecvError, SendError};
#[cfg(not(loom))]
pub use future::{Receiving, Sending};
pub use iter::{Iter, TryIter};
pub use letter::{Letter, WrongLength};
pub use link::{Link, LinkError, LinkOptions, Peer};
pub use loan::{Loan, Received};
pub use mail_error::{ClaimError, MailError};
#[cfg(not(loom))]
pub use mail_future::{Fetching, Posting};
pub use mail_ways::{Posts, Receives};
pub use mailbox::{GiveError, Mailbox};
pub use port::{Owner, Port};
pub use port_options::{PortOptions, Receivers};
pub use receiver::Receiver;
pub use select::{Select, SelectError, Selected};
pub use sender::Sender;

pub use crate::primitives::queue::Delivery;
pub use crate::primitives::right::{Origin, Succession};
