//! Which units of a run are in a part: every n-th.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// Shard `index/count`, from `1/count` to `count/count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// All units.
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// Which shard it is, from 1.
    #[must_use]
    pub fn index(self) -> usize {
        self.index
    }

    /// Of how many.
    #[must_use]
    pub fn count(self) -> usize {
        self.count
    }

    /// Whether it has the unit with this number, from 0.
    #[must_use]
    pub fn has(self, number: usize) -> bool {
        number % self.count == self.index - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err(format!("`{text}` is no shard: those of three are 1/3, 2/3 and 3/3")),
        }
    }
}

impl TryFrom<String> for Shard {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_in_one_shard() {
        for count in 1..=7 {
            let shards: Vec<Shard> =
                (1..=count).map(|index| format!("{index}/{count}").parse().expect("a shard")).collect();
            for number in 0..20 {
                assert_eq!(shards.iter().filter(|shard| shard.has(number)).count(), 1, "unit {number} of {count}");
            }
        }
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        for text in ["0/3", "4/3", "1/0", "0/0", "1", "", "a/b", "1/2/3", "-1/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        assert_eq!("3/3".parse::<Shard>().expect("a shard").to_string(), "3/3");
    }
}
