//! Message passing: channels with two ends, over the verified queues.
//!
//! A [channel](crate::Region::channel) has a name in its region, a type of message and a [`Capacity`]; any number of processes have
//! [senders](Sender) and [receivers](Receiver) of it. Who knows the channels of crossbeam or of the standard library knows
//! these. What is different: messages are [plain bytes](crate::region::Shared), a process may be killed at any moment, and
//! errors say what can go wrong with shared memory.

mod capacity;
mod error;
#[cfg(not(loom))]
mod future;
mod iter;
mod loan;
mod receiver;
mod select;
mod sender;

pub use capacity::Capacity;
pub use error::{RecvError, SendError};
#[cfg(not(loom))]
pub use future::{ReceiverFd, Receiving, Sending};
pub use iter::{Iter, TryIter};
pub use loan::{Loan, Received};
pub use receiver::Receiver;
pub use select::{Select, SelectError, Selected};
pub use sender::Sender;
