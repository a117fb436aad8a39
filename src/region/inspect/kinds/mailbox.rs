//! What a mailbox says of itself.

use super::{Says, channel, queue, rendezvous, unbounded};
use crate::primitives::participants::ProcessClaim;
use crate::primitives::registry::Extent;
use crate::primitives::right::Holder as Right;
use crate::primitives::{RawMailbox, RawQueue, RawRendezvous, RawRight, RawUnbounded};
use crate::region::kind::Kind;
use crate::region::memory::Memory;

/// What the line of a mailbox says, and who has the right to receive.
pub(super) fn says(memory: &Memory, kind: Kind, extent: Extent) -> Option<Says> {
    let capacity = extent.shape.capacity;
    Some(match kind {
        Kind::UnboundedMailbox => {
            let (control, words) = memory.look::<RawMailbox<RawUnbounded>>(kind, extent)?;
            owned(unbounded(control.with(words).channel().line(), capacity), memory, control)
        }
        Kind::RendezvousMailbox => {
            let (control, words) = memory.look::<RawMailbox<RawRendezvous>>(kind, extent)?;
            owned(rendezvous(control.with(words).channel().line()), memory, control)
        }
        _ => {
            let (control, words) = memory.look::<RawMailbox<RawQueue>>(kind, extent)?;
            owned(queue(control.with(words).channel().line(), kind, capacity), memory, control)
        }
    })
}

/// The process that a word names.
fn process(memory: &Memory, claim: ProcessClaim) -> String {
    let entry = memory.participants().and_then(|table| table.processes().get(claim.index));
    entry.map_or("a process that no region has".to_owned(), |entry| format!("process {}", entry.pid.peek()))
}

/// What the name of a process says.
pub(super) fn name(memory: &Memory, right: &RawRight) -> Says {
    Says::state(match right.holder() {
        Right::Process(claim) => format!("the name of {}", process(memory, claim)),
        _ => "nobody has this name".to_owned(),
    })
}

fn owned<L>(line: Says, memory: &Memory, control: &RawMailbox<L>) -> Says {
    if line.is_damaged {
        return line;
    }
    let receives = match control.right().holder() {
        Right::Nobody => "nobody has claimed it yet".to_owned(),
        Right::Process(claim) => format!("{} receives", process(memory, claim)),
        Right::Offered(claim) => format!("it is offered to {}", process(memory, claim)),
        Right::Left => "who received has left it: whoever claims it has what is there".to_owned(),
        Right::Died => "who received has died: whoever claims it has what is there".to_owned(),
        Right::Shared => return channel(line, control.channel().ends()),
        Right::Closed => "closed".to_owned(),
    };
    Says { state: format!("{}; {receives}", line.state), ..line }
}
