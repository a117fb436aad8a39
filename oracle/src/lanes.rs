//! Programs as text: one column per thread.

use core::fmt;

use crate::program::{Op, Program};

/// The name under which a word is printed: `x`, `y`, `z`, then `w3`, `w4`, …
pub(crate) fn word_name(word: usize) -> String {
    match word {
        0 => "x".to_owned(),
        1 => "y".to_owned(),
        2 => "z".to_owned(),
        _ => format!("w{word}"),
    }
}

impl fmt::Display for Op {
    /// As it would be written in Rust: `x.store(1, Release)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Load { word, order } => write!(f, "{}.load({order:?})", word_name(word)),
            Self::Store { word, value, order } => write!(f, "{}.store({value}, {order:?})", word_name(word)),
            Self::FetchAdd { word, value, order } => write!(f, "{}.fetch_add({value}, {order:?})", word_name(word)),
            Self::Swap { word, value, order } => write!(f, "{}.swap({value}, {order:?})", word_name(word)),
            Self::CompareExchange { word, expected, new, success, failure } => {
                write!(f, "{}.compare_exchange({expected}, {new}, {success:?}, {failure:?})", word_name(word))
            }
            Self::Fence { order } => write!(f, "fence({order:?})"),
        }
    }
}

impl fmt::Display for Program {
    /// Lanes, one column per thread. Operations that read are numbered per thread, as in
    /// [`Outcome::reads`](crate::Outcome::reads).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lanes: Vec<Vec<String>> = self.threads().iter().enumerate().map(|(n, ops)| lane(n, ops)).collect();
        let widths: Vec<usize> = lanes.iter().map(|lane| lane.iter().map(String::len).max().unwrap_or(0)).collect();
        let height = lanes.iter().map(Vec::len).max().unwrap_or(0);
        for row in 0..height {
            let cells: Vec<String> = lanes
                .iter()
                .zip(&widths)
                .map(|(lane, &width)| format!("{:width$}", lane.get(row).map_or("", String::as_str)))
                .collect();
            writeln!(f, "{}", cells.join(" | ").trim_end())?;
        }
        Ok(())
    }
}

/// The cells of one column, the heading first.
fn lane(thread: usize, ops: &[Op]) -> Vec<String> {
    let mut reads = 0;
    let cells = ops.iter().map(|op| {
        if op.reads() {
            reads += 1;
            format!("r{} = {op}", reads - 1)
        } else {
            op.to_string()
        }
    });
    core::iter::once(format!("T{thread}")).chain(cells).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Order::{AcqRel, Acquire, Relaxed, Release, SeqCst};

    #[test]
    fn lanes_stand_side_by_side() -> Result<(), crate::ProgramError> {
        let program = Program::new(
            13,
            vec![
                vec![Op::store(0, 1, Release), Op::fence(SeqCst), Op::load(1, Relaxed), Op::load(12, Acquire)],
                vec![],
                vec![
                    Op::compare_exchange(2, 0, 7, AcqRel, Relaxed),
                    Op::swap(3, 2, SeqCst),
                    Op::fetch_add(0, 5, Relaxed),
                ],
            ],
        )?;
        let expected = "\
T0                     | T1 | T2
x.store(1, Release)    |    | r0 = z.compare_exchange(0, 7, AcqRel, Relaxed)
fence(SeqCst)          |    | r1 = w3.swap(2, SeqCst)
r0 = y.load(Relaxed)   |    | r2 = x.fetch_add(5, Relaxed)
r1 = w12.load(Acquire) |    |
";
        assert_eq!(program.to_string(), expected);
        Ok(())
    }
}
