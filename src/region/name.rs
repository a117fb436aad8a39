//! Names of regions.
//!
//! **Purpose.** A region's name is the name of its file in the [directory](super::store) of regions, so it must not
//! lead out of that directory, hide in it, or be mistaken for a file on its way to become a region. It is also shown
//! to people, so it must be printable.
//!
//! **Valid** are 1 to 200 bytes of printable UTF-8 that hold no `/` and do not begin with `.`. Staged files begin with
//! `.`, which makes them unnameable.

use std::fmt;

/// The name of a region: 1 to 200 bytes, printable, no `/`, not beginning with `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionName(Box<str>);

impl RegionName {
    /// The longest name, in bytes.
    pub const MAX_LENGTH: usize = 200;

    /// Checks `name`.
    ///
    /// # Errors
    /// What is wrong with it, if it cannot be the name of a region.
    pub fn new(name: &str) -> Result<Self, BadName> {
        match fault_of(name) {
            None => Ok(Self(name.into())),
            Some(fault) => Err(BadName::new(name, fault)),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RegionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for RegionName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for RegionName {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        Self::new(name)
    }
}

impl TryFrom<&str> for RegionName {
    type Error = BadName;

    fn try_from(name: &str) -> Result<Self, BadName> {
        Self::new(name)
    }
}

/// Names are compared byte by byte, as file names are: two spellings of one accented letter are two names.
fn fault_of(name: &str) -> Option<NameFault> {
    if name.is_empty() {
        return Some(NameFault::Empty);
    }
    if name.len() > RegionName::MAX_LENGTH {
        return Some(NameFault::TooLong { length: name.len() });
    }
    if name.starts_with('.') {
        return Some(NameFault::LeadingDot);
    }
    name.chars().find_map(|c| match c {
        '/' => Some(NameFault::Slash),
        '\0' => Some(NameFault::Nul),
        c if !is_printable(c) => Some(NameFault::NotPrintable(c)),
        _ => None,
    })
}

/// Whether `c` shows, and shows as itself: no control, no separator but the space, nothing that turns the direction of
/// writing, nothing unassigned.
fn is_printable(c: char) -> bool {
    // std knows these tables but shows them through escaping only. Behind a letter it escapes no combining mark.
    matches!(c, '\'' | '"' | '\\') || !String::from_iter(['a', c]).escape_debug().any(|shown| shown == '\\')
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameFault {
    /// It is empty.
    Empty,
    /// It has more than [`RegionName::MAX_LENGTH`] bytes.
    TooLong {
        /// How many it has.
        length: usize,
    },
    /// It begins with a dot.
    LeadingDot,
    /// It holds a slash.
    Slash,
    /// It holds a NUL.
    Nul,
    /// It holds a character that does not show as itself.
    NotPrintable(char),
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong { length } => {
                write!(f, "it has {length} bytes, {} are possible", RegionName::MAX_LENGTH)
            }
            Self::LeadingDot => f.write_str("it begins with a dot"),
            Self::Slash => f.write_str("it holds a slash"),
            Self::Nul => f.write_str("it holds a NUL"),
            Self::NotPrintable(c) => write!(f, "it holds the character U+{:04X}", u32::from(*c)),
        }
    }
}

/// A name that cannot be a region's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName {
    shown: Box<str>,
    fault: NameFault,
}

impl BadName {
    fn new(name: &str, fault: NameFault) -> Self {
        // Whoever gave a megabyte does not need it back in a message.
        let shown = name.chars().take(RegionName::MAX_LENGTH).collect::<String>().escape_debug().to_string();
        Self { shown: shown.into(), fault }
    }

    /// The beginning of the name, escaped.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn fault(&self) -> NameFault {
        self.fault
    }
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` cannot be the name of a region: {}", self.shown, self.fault)
    }
}

impl std::error::Error for BadName {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::error::RegionError;
    use proptest::prelude::*;

    #[test]
    fn names_that_people_use_are_valid() {
        for name in
            ["a", "stock", "a b", "x.y", "Größe", "e\u{301}t\u{e9}", "в-запасе", "在庫", "it's \"q\" \\ 100%", "-rf"]
        {
            assert_eq!(RegionName::new(name).map(|valid| valid.as_str().to_owned()), Ok(name.to_owned()));
        }
        assert!(RegionName::new(&"x".repeat(200)).is_ok());
    }

    #[test]
    fn each_fault_is_told_apart() {
        let fault = |name: &str| RegionName::new(name).map_err(|bad| bad.fault());
        assert_eq!(fault(""), Err(NameFault::Empty));
        assert_eq!(fault(&"x".repeat(201)), Err(NameFault::TooLong { length: 201 }));
        assert_eq!(fault(&"é".repeat(101)), Err(NameFault::TooLong { length: 202 }));
        for name in [".", "..", ".hidden"] {
            assert_eq!(fault(name), Err(NameFault::LeadingDot));
        }
        for name in ["/", "a/b", "a/../b"] {
            assert_eq!(fault(name), Err(NameFault::Slash));
        }
        assert_eq!(fault("a\0b"), Err(NameFault::Nul));
        for c in ['\n', '\x1b', '\x7f', '\u{85}', '\u{a0}', '\u{200e}', '\u{202e}', '\u{2028}', '\u{feff}', '\u{e000}']
        {
            assert_eq!(fault(&format!("a{c}b")), Err(NameFault::NotPrintable(c)));
        }
    }

    #[test]
    fn the_message_shows_the_name_escaped_and_cut() {
        let bad = RegionName::new("a\n\u{202e}b").unwrap_err();
        assert_eq!(bad.to_string(), r"`a\n\u{202e}b` cannot be the name of a region: it holds the character U+000A");
        assert_eq!(
            RegionError::from(bad).to_string(),
            r"region `a\n\u{202e}b`: not a region name: it holds the character U+000A"
        );
        assert_eq!(RegionName::new(&"x".repeat(1 << 20)).unwrap_err().shown().len(), RegionName::MAX_LENGTH);
    }

    proptest! {
        #[test]
        fn a_valid_name_is_one_component_of_a_path(name in ".*") {
            if let Ok(valid) = RegionName::new(&name) {
                let path = std::path::Path::new("/base").join(valid.as_str());
                prop_assert_eq!(path.parent(), Some(std::path::Path::new("/base")));
                prop_assert_eq!(path.file_name().and_then(|last| last.to_str()), Some(name.as_str()));
            }
        }
    }
}
