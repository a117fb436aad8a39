//! Lanes that are killed or frozen: by the plan, before a step that it names, or by an engine that tries every point.

use super::run::{Killed, LaneState, Run};

impl Run {
    /// In how many executions so far the planned kill or freeze of `lane` before `step` took place.
    pub fn hits(&self, lane: usize, step: u64) -> u64 {
        self.hits.borrow().get(&(lane, step)).copied().unwrap_or(0)
    }

    /// The lane has been killed by the engine, before the step that it was at, or asleep; what repairs after it goes on in
    /// its place.
    #[track_caller]
    pub fn was_killed(&self, lane: usize, asleep: bool) {
        let Some(steps) = self.with_lane(lane, |lane| lane.steps) else { return };
        // Its step was counted when it began; that of a sleeper is over.
        let step = if asleep { steps } else { steps.saturating_sub(1) };
        *self.hits.borrow_mut().entry((lane, step)).or_insert(0) += 1;
        let mut deaths = self.deaths.borrow_mut();
        self.pairs_hit.borrow_mut().extend(deaths.iter().map(|&before| {
            let mut pair = [before, (lane, step)];
            pair.sort_unstable();
            pair
        }));
        deaths.push((lane, step));
        if self.is_tracing() {
            // Payload is noted before it is touched.
            let mut trace = self.trace.borrow_mut();
            if trace.last().is_some_and(|last| last.lane == lane && last.step == step && !asleep) {
                trace.pop();
            }
            drop(trace);
            self.remark(lane, if asleep { "KILLED asleep".to_owned() } else { "KILLED before this".to_owned() });
        }
        self.set_state(lane, LaneState::Dead);
    }

    /// The points at which the engine killed somebody: lane and step.
    pub fn points_hit(&self) -> usize {
        self.hits.borrow().len()
    }

    /// The pairs of points at which the engine killed two in one execution.
    pub fn pairs_hit(&self) -> usize {
        self.pairs_hit.borrow().len()
    }

    #[track_caller]
    pub(super) fn stop_lane(&self, lane: usize, step: u64, frozen: bool) {
        *self.hits.borrow_mut().entry((lane, step)).or_insert(0) += 1;
        self.remark(lane, if frozen { "FROZEN before this".to_owned() } else { "KILLED before this".to_owned() });
        self.set_state(lane, LaneState::Dead);
        std::panic::resume_unwind(Box::new(Killed { frozen }));
    }
}
