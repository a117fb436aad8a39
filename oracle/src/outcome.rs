//! What an execution lets its observers see.

use core::fmt;
use std::collections::BTreeSet;

use crate::lanes::word_name;

/// The observable result of one execution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outcome {
    /// Per thread, the value returned by each operation that reads, in program order.
    pub reads: Vec<Vec<u64>>,
    /// Per word, the value of the last write in coherence order.
    pub finals: Vec<u64>,
}

impl fmt::Display for Outcome {
    /// `T0: 1 0 | T1: - | x=1 y=2`: what each thread read, then the final values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (thread, reads) in self.reads.iter().enumerate() {
            write!(f, "T{thread}:")?;
            if reads.is_empty() {
                write!(f, " -")?;
            }
            for value in reads {
                write!(f, " {value}")?;
            }
            write!(f, " | ")?;
        }
        let finals = self.finals.iter().enumerate().map(|(word, value)| format!("{}={value}", word_name(word)));
        write!(f, "{}", finals.collect::<Vec<_>>().join(" "))
    }
}

/// Everything that a program can do under a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// The distinct outcomes.
    pub set: BTreeSet<Outcome>,
    /// How many consistent complete execution graphs there are. A graph is told from another by what each read reads
    /// from and by the coherence order of each word, initial writes included.
    pub graphs: u64,
}

impl fmt::Display for Outcomes {
    /// One outcome a line, then the counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.set {
            writeln!(f, "{outcome}")?;
        }
        write!(f, "{} outcomes, {} graphs", self.set.len(), self.graphs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_print_as_one_line_each() {
        let outcome = Outcome { reads: vec![vec![1, 0], vec![]], finals: vec![1, 2] };
        assert_eq!(outcome.to_string(), "T0: 1 0 | T1: - | x=1 y=2");
        let outcomes = Outcomes { set: BTreeSet::from([outcome]), graphs: 3 };
        assert_eq!(outcomes.to_string(), "T0: 1 0 | T1: - | x=1 y=2\n1 outcomes, 3 graphs");
    }
}
