//! Sequential consistency: program order, reads-from, coherence and reads-before have no cycle together.

use crate::graph::{Clock, EventId, Graph, Kind, NONE};

/// Whether there is a total order of all events in which each read reads the last write before it.
pub(crate) fn is_sequentially_consistent(graph: &Graph) -> bool {
    let count = graph.len();
    let mut waiting_for = vec![0_u32; count];
    let mut successors: Vec<Vec<EventId>> = vec![Vec::new(); count];
    for id in 0..graph.next_id() {
        let mut after = |other: Option<EventId>| {
            if let Some(other) = other.filter(|&other| other != NONE) {
                successors[id as usize].push(other);
                waiting_for[other as usize] += 1;
            }
        };
        let event = graph.event(id);
        let row = graph.row(event.thread.into());
        after(row.get(usize::from(event.pos) + 1).copied());
        match event.kind {
            Kind::Spawn => after(graph.row(event.link as usize).first().copied()),
            Kind::Write => after(graph.location(event.loc).writes.get(event.place as usize + 1).copied()),
            // The reading half is followed by its own writing half anyway.
            Kind::Read => after(graph.location(event.loc).writes.get(graph.span(id).1).copied()),
            _ => {}
        }
    }
    for id in 0..graph.next_id() {
        let event = graph.event(id);
        if event.kind == Kind::Quiet {
            let past = graph.clock(id, Clock::Porf);
            for last in (0..graph.threads())
                .filter_map(|thread| graph.row(thread).get(usize::from(past[thread]).checked_sub(1)?))
            {
                if *last != id {
                    successors[*last as usize].push(id);
                    waiting_for[id as usize] += 1;
                }
            }
        }
        let source = match event.kind {
            Kind::Read | Kind::Woken if event.link != NONE => event.link,
            Kind::Join => match graph.row(event.link as usize).last() {
                Some(&last) => last,
                None => continue,
            },
            _ => continue,
        };
        successors[source as usize].push(id);
        waiting_for[id as usize] += 1;
    }
    let mut ready: Vec<EventId> = (0..graph.next_id()).filter(|&id| waiting_for[id as usize] == 0).collect();
    let mut ordered = 0;
    while let Some(id) = ready.pop() {
        ordered += 1;
        for &next in &successors[id as usize] {
            waiting_for[next as usize] -= 1;
            if waiting_for[next as usize] == 0 {
                ready.push(next);
            }
        }
    }
    ordered == count
}
