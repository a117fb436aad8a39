//! The objects, in a few lines each: what they do when one operation comes after the other.

mod channel;
mod event;
mod mailbox;
mod mutex;
mod queue;
mod rendezvous;
mod semaphore;
mod visited;

pub use channel::{Channel, ChannelOperation, ChannelOutcome, ChannelState};
pub use event::{Event, EventOperation, EventOutcome};
pub use mailbox::{Mailbox, MailboxOperation, MailboxState};
pub use mutex::{Mutex, MutexOperation, MutexOutcome, MutexState};
pub use queue::{Queue, QueueOperation, QueueOutcome};
pub use rendezvous::Rendezvous;
pub use semaphore::{Semaphore, SemaphoreOperation, SemaphoreOutcome};
pub use visited::{Visited, VisitedOperation};
