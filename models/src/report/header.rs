//! What a primitive is for, as the head of its file says.

use std::io;
use std::path::Path;

/// The beginning of a primitive's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The file's name without its ending.
    pub name: String,
    /// Its first sentence.
    pub title: String,
    /// The paragraph "Purpose", as Markdown.
    pub purpose: String,
}

/// Reads the heads of the primitives in a folder, by name: those that have a paragraph that says what they are for.
pub(super) fn read(folder: &Path) -> io::Result<Vec<Header>> {
    let mut headers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        if path.extension().is_none_or(|ending| ending != "rs") || name == "mod" {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        headers.extend(parse(&name, &text));
    }
    headers.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(headers)
}

fn parse(name: &str, text: &str) -> Option<Header> {
    let head = text.lines().map_while(|line| line.strip_prefix("//!"));
    let head: Vec<&str> = head.map(str::trim).collect();
    let mut paragraphs = head.split(|line| line.is_empty()).map(|lines| lines.join(" "));
    let title = paragraphs.next()?;
    let purpose = paragraphs.find_map(|text| Some(text.strip_prefix("**Purpose.**")?.trim().to_owned()))?;
    Some(Header { name: name.to_owned(), title, purpose })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_purpose_is_one_paragraph() {
        let text = "//! A lock.\n//!\n//! **Purpose.** One holds\n//! it.\n//!\n//! **Layout.** No.\nfn main() {}\n";
        let header = parse("lock", text).expect("a header");
        assert_eq!((header.title.as_str(), header.purpose.as_str()), ("A lock.", "One holds it."));
        assert_eq!(parse("lock", "//! A lock.\n\n//! **Purpose.** Too late.\n"), None);
    }
}
