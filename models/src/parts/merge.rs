//! One result from the parts of all shards, or why there is none.

use super::{Difference, Done, Part, Shard};
use core::fmt;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why parts do not make a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// There are none.
    Nothing,
    /// A part is one of another run than the first.
    Foreign(PathBuf, Difference),
    /// A part was split otherwise than the first.
    Split(PathBuf, Shard, Shard),
    /// Two are the same shard.
    Twice(PathBuf, PathBuf, Shard),
    /// Nobody has this shard.
    Missing(Shard),
    /// A part has not what its shard has.
    Incomplete(PathBuf, usize),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("there are no parts"),
            Self::Foreign(file, difference) => write!(f, "{}: {difference}", file.display()),
            Self::Split(file, one, other) => {
                write!(f, "{}: it is shard {one}, where others are shards of {}", file.display(), other.count())
            }
            Self::Twice(one, other, shard) => {
                write!(f, "{} and {} overlap: both are shard {shard}", one.display(), other.display())
            }
            Self::Missing(shard) => write!(f, "shard {shard} is missing"),
            Self::Incomplete(file, number) => {
                write!(f, "{}: its unit {number} is missing, or not its own", file.display())
            }
        }
    }
}

/// The whole of these parts, each with the file that it comes from.
///
/// # Errors
/// Every problem that there is.
pub fn merge<R>(parts: Vec<(PathBuf, Part<R>)>) -> Result<Part<R>, Vec<Problem>> {
    let Some((_, first)) = parts.first() else { return Err(vec![Problem::Nothing]) };
    let head = first.head.clone();
    let mut problems = Vec::new();
    let mut of_shard: BTreeMap<usize, &Path> = BTreeMap::new();
    for (file, part) in &parts {
        let shard = part.head.shard;
        if let Some(difference) = part.head.difference(&head) {
            problems.push(Problem::Foreign(file.clone(), difference));
        } else if shard.count() != head.shard.count() {
            problems.push(Problem::Split(file.clone(), shard, head.shard));
        } else if let Some(other) = of_shard.insert(shard.index(), file) {
            problems.push(Problem::Twice(other.to_owned(), file.clone(), shard));
        }
        let expected = (0..head.units).filter(|number| shard.has(*number));
        problems.extend(first_difference(&part.done, expected).map(|unit| Problem::Incomplete(file.clone(), unit)));
    }
    let shards = (1..=head.shard.count()).filter_map(|index| format!("{index}/{}", head.shard.count()).parse().ok());
    problems.extend(shards.filter(|shard: &Shard| !of_shard.contains_key(&shard.index())).map(Problem::Missing));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut done: Vec<Done<R>> = parts.into_iter().flat_map(|(_, part)| part.done).collect();
    done.sort_by_key(|done| done.number);
    Ok(Part { head: super::Head { shard: Shard::WHOLE, ..head }, done })
}

/// The first number that one of them has and not the other.
fn first_difference<R>(done: &[Done<R>], expected: impl Iterator<Item = usize>) -> Option<usize> {
    let mut numbers = done.iter().map(|done| done.number);
    let mut expected = expected;
    loop {
        match (numbers.next(), expected.next()) {
            (None, None) => return None,
            (one, other) if one == other => {}
            (one, other) => return other.or(one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Head;
    use super::super::tests::part;
    use super::*;

    fn merged(parts: &[(&str, Part<u32>)]) -> Result<Part<u32>, String> {
        let parts = parts.iter().map(|(file, part)| (PathBuf::from(file), part.clone())).collect();
        merge(parts).map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn all_shards_are_the_whole_in_any_order() {
        for units in [0, 1, 2, 7] {
            let all = [("b", part("2/3", units)), ("c", part("3/3", units)), ("a", part("1/3", units))];
            assert_eq!(merged(&all), Ok(part("1/1", units)));
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let [one, two] = ["1/3", "2/3"].map(|shard| part(shard, 7));
        assert_eq!(merged(&[]), Err("there are no parts".to_owned()));
        let missing = merged(&[("a", one.clone()), ("b", two.clone())]);
        assert_eq!(missing, Err("shard 3/3 is missing".to_owned()));
        let three = part("3/3", 7);
        let twice = merged(&[("a", one.clone()), ("b", two.clone()), ("c", three.clone()), ("d", two.clone())]);
        assert_eq!(twice, Err("b and d overlap: both are shard 2/3".to_owned()));
        let foreign = Part { head: Head { sources: "t".to_owned(), ..three.head.clone() }, ..three.clone() };
        let foreign = merged(&[("a", one.clone()), ("b", two.clone()), ("c", foreign)]).expect_err("foreign");
        assert!(foreign.contains("c: it comes from other sources (t, and not s)"), "{foreign}");
        let otherwise = merged(&[("a", one.clone()), ("b", part("2/2", 7))]).expect_err("otherwise split");
        assert!(otherwise.contains("b: it is shard 2/2, where others are shards of 3"), "{otherwise}");
        for change in [|part: &mut Part<u32>| drop(part.done.remove(1)), |part: &mut Part<u32>| part.done[1].number = 6]
        {
            let mut changed = three.clone();
            change(&mut changed);
            let incomplete = merged(&[("a", one.clone()), ("b", two.clone()), ("c", changed)]);
            assert_eq!(incomplete, Err("c: its unit 5 is missing, or not its own".to_owned()));
        }
    }
}
