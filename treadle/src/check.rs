//! One worker's part of a check: run after run.

use crate::explore::{Budgets, Explorer, Frame};
use crate::failure::{Failure, Problem, describe};
use crate::faults::Faults;
use crate::model::{Builder, Search};
use crate::report::{Script, draw};
use crate::runtime::{End, Execution, Fault, Names, Pool, Task, install_hook, run_once};
use std::sync::Arc;

/// What is run in every execution.
pub(crate) type Body = Arc<dyn Fn() + Sync + Send>;

/// What has to be known before an exploration starts, and is found out in the middle of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Threads for which clocks have room.
    threads: usize,
    /// Locations on which threads wait.
    queued: Vec<bool>,
}

impl Default for Known {
    fn default() -> Self {
        Self { threads: 8, queued: Vec::new() }
    }
}

/// Work that one worker gives to another.
pub(crate) struct Share {
    frame: Frame,
    names: Names,
}

/// How a run ended, for the check.
pub(crate) enum Ran {
    /// The exploration has to start anew: that is known now.
    Anew(Known),
    /// Without failure; complete, or given up.
    Ended(bool),
    Failed(Box<Failure>),
}

/// A check in progress.
pub(crate) struct Check<'a> {
    builder: &'a Builder,
    body: Body,
    pool: Pool,
    known: Known,
    pub(crate) script: Option<Script>,
    execution: Option<Box<Execution>>,
}

impl<'a> Check<'a> {
    pub(crate) fn new(builder: &'a Builder, body: &Body, known: Known) -> Self {
        install_hook();
        let pool = Pool::new(builder.stack_size);
        Self { builder, body: Arc::clone(body), pool, known, script: None, execution: None }
    }

    /// Forgets all executions so far.
    pub(crate) fn start_anew(&mut self, known: Known) {
        self.known = known;
        self.execution = None;
    }

    /// Goes on with what another worker gave away; false if nothing is to be done there after all.
    pub(crate) fn take_up(&mut self, share: Share) -> bool {
        let mut execution = self.execution.take().unwrap_or_else(|| self.fresh());
        execution.names = share.names;
        execution.explorer.adopt(share.frame);
        let any = execution.explorer.advance();
        self.execution = Some(execution);
        any
    }

    /// Gives away some of what is left to do.
    pub(crate) fn give_away(&mut self) -> Option<Share> {
        let execution = self.execution.as_mut()?;
        let frame = execution.explorer.donate()?;
        Some(Share { frame, names: execution.names.clone() })
    }

    pub(crate) fn execution(&self) -> &Execution {
        self.execution.as_ref().expect("it has been run")
    }

    /// The execution, whose counts are to be read and reset.
    pub(crate) fn counted(&mut self) -> Option<&mut Execution> {
        self.execution.as_deref_mut()
    }

    fn execution_mut(&mut self) -> &mut Execution {
        self.execution.as_mut().expect("it has been run")
    }

    fn fresh(&self) -> Box<Execution> {
        let Builder { deaths, spurious_failures, memory_model, schedule, max_events, planted, .. } = *self.builder;
        let deviations = match self.builder.search {
            Search::Deviations(most) => most,
            _ => u32::MAX,
        };
        let budgets = Budgets { deaths, spurious: spurious_failures, deviations };
        let mut explorer = Explorer::new(memory_model, self.known.threads, budgets, Faults::from_bits(planted));
        let walks = matches!(self.builder.search, Search::Random { .. }) && self.script.is_none();
        if let Search::Random { seed, .. } = self.builder.search
            && walks
        {
            explorer.walk(seed);
        }
        let mut execution =
            Execution::new(explorer, schedule, Names::new(self.known.queued.clone()), max_events.min(60_000));
        execution.script.clone_from(&self.script);
        execution.schedule_each |= walks;
        Box::new(execution)
    }

    /// Goes on to the next execution, if there is one.
    pub(crate) fn advance(&mut self, runs_so_far: u64) -> bool {
        match self.builder.search {
            Search::Random { runs, .. } => {
                self.execution_mut().explorer.start_over();
                runs_so_far < runs
            }
            _ => self.execution_mut().explorer.advance(),
        }
    }

    pub(crate) fn run(&mut self) -> Ran {
        const MOST_THREADS: usize = 1024;
        let body = Arc::clone(&self.body);
        let task: Task = Box::new(move || body());
        let execution = self.execution.take().unwrap_or_else(|| self.fresh());
        let (execution, end) = run_once(execution, &mut self.pool, task);
        let fault = match end {
            End::Complete => Ok(true),
            End::Redundant => Ok(false),
            End::Deadlock => Err((Problem::Deadlock, "deadlock: nobody can go on".to_owned())),
            End::Fault(Fault::MoreThreads) if self.known.threads < MOST_THREADS => {
                return Ran::Anew(Known { threads: self.known.threads * 2, ..self.known.clone() });
            }
            End::Fault(Fault::NewQueue) => {
                return Ran::Anew(Known { queued: execution.names.queued, ..self.known.clone() });
            }
            End::Fault(fault) => Err(describe(&fault)),
        };
        let ran = match fault {
            Ok(complete) => Ran::Ended(complete),
            Err((problem, message)) => {
                let picture = draw(&execution);
                Ran::Failed(Box::new(Failure { problem, message, picture, executions: 0 }))
            }
        };
        self.execution = Some(execution);
        ran
    }
}
