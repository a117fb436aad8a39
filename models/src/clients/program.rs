//! Programs: what each thread calls, one after the other; and all of them up to a size.

use std::collections::BTreeMap;

/// How large programs may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Threads at most; each calls something.
    pub threads: usize,
    /// Operations at most, of all threads together.
    pub operations: usize,
}

/// The letters of each thread, by their numbers in the alphabet.
pub type Program = Vec<Vec<usize>>;

/// How many programs there are: threads are told apart, and each sequence of letters counts.
#[must_use]
pub fn count(letters: usize, size: Size) -> u64 {
    let words = |operations: usize| letters.pow(u32::try_from(operations).unwrap_or(u32::MAX)) as u64;
    let sizes =
        (1..=size.operations).flat_map(|operations| (1..=size.threads).map(move |threads| (operations, threads)));
    // Operations are shared out among threads in as many ways as there are places for borders between them.
    sizes.map(|(operations, threads)| choose(operations - 1, threads - 1) * words(operations)).sum()
}

fn choose(from: usize, taken: usize) -> u64 {
    (0..taken).fold(1, |ways, index| ways * (from.saturating_sub(index)) as u64 / (index as u64 + 1))
}

/// One program for each class of those that are the same but for the order of the threads; those in which a thread calls what
/// it cannot call there are the same as smaller ones, and left out. The small ones come first.
#[must_use]
pub fn distinct(letters: usize, size: Size, can: &dyn Fn(&[usize]) -> bool) -> Vec<Program> {
    let words = words(letters, size.operations, can);
    let mut found = Vec::new();
    extend(&words, size, &mut Vec::new(), (1, 0), 0, &mut found);
    found.sort_by_key(|program: &Program| (program.iter().map(Vec::len).sum::<usize>(), program.len()));
    found
}

/// What a thread can call, by length.
fn words(letters: usize, longest: usize, can: &dyn Fn(&[usize]) -> bool) -> BTreeMap<usize, Vec<Vec<usize>>> {
    let mut words = BTreeMap::from([(0, vec![Vec::new()])]);
    for length in 1..=longest {
        let shorter = words.get(&(length - 1)).cloned().unwrap_or_default();
        let longer = shorter.iter().flat_map(|word| {
            (0..letters).map(move |letter| word.iter().copied().chain([letter]).collect::<Vec<usize>>())
        });
        words.insert(length, longer.filter(|word| can(word)).collect());
    }
    words
}

/// Adds threads, each with a word that is not before that of the thread before it: not shorter, and not smaller.
fn extend(
    words: &BTreeMap<usize, Vec<Vec<usize>>>,
    size: Size,
    program: &mut Program,
    (length, index): (usize, usize),
    used: usize,
    found: &mut Vec<Program>,
) {
    if !program.is_empty() {
        found.push(program.clone());
    }
    if program.len() == size.threads {
        return;
    }
    let left = size.operations.saturating_sub(used);
    for (&next, of_length) in words.range(length..).take_while(|(next, _)| **next <= left) {
        let first = if next == length { index } else { 0 };
        for (number, word) in of_length.iter().enumerate().skip(first) {
            program.push(word.clone());
            extend(words, size, program, (next, number), used + next, found);
            program.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// All programs, threads told apart, by counting up.
    fn every(letters: usize, size: Size) -> Vec<Program> {
        let words: Vec<Vec<usize>> = words(letters, size.operations, &|_| true).into_values().flatten().collect();
        let mut programs: Vec<Program> = vec![Vec::new()];
        let mut all = Vec::new();
        for _ in 0..size.threads {
            programs = programs
                .iter()
                .flat_map(|program| words.iter().map(|word| [program.clone(), vec![word.clone()]].concat()))
                .filter(|program| program.iter().map(Vec::len).sum::<usize>() <= size.operations)
                .filter(|program| program.iter().all(|word| !word.is_empty()))
                .collect();
            all.extend(programs.clone());
        }
        all
    }

    #[test]
    fn the_number_is_that_of_all() {
        for (letters, threads, operations) in [(2, 1, 3), (3, 2, 4), (2, 3, 5), (4, 3, 3)] {
            let size = Size { threads, operations };
            assert_eq!(count(letters, size), every(letters, size).len() as u64);
        }
    }

    #[test]
    fn each_class_is_there_once() {
        let size = Size { threads: 3, operations: 4 };
        let sorted = |program: &Program| {
            let mut program = program.clone();
            program.sort();
            program
        };
        let classes: BTreeSet<Program> = every(3, size).iter().map(sorted).collect();
        let distinct = distinct(3, size, &|_| true);
        assert_eq!(distinct.iter().map(sorted).collect::<BTreeSet<_>>(), classes);
        assert_eq!(distinct.len(), classes.len());
    }
}
