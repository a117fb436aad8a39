//! What was run, in one number: parts of other sources do not belong together.

use core::hash::Hasher as _;
use std::hash::DefaultHasher;
use std::io;
use std::path::{Path, PathBuf};

/// The harness, and what it is made of: as the build script of this crate found it.
const HARNESS: &str = env!("SELVEDGE_SOURCES");

/// The harness together with these files, and all files in these folders. What is not there counts as that.
///
/// # Errors
/// Something is there and cannot be read.
pub fn with(paths: &[PathBuf]) -> io::Result<String> {
    let mut hasher = DefaultHasher::new();
    hasher.write(HARNESS.as_bytes());
    for path in paths {
        add(path, &mut hasher)?;
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn add(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    if path.is_dir() {
        let entries: io::Result<Vec<PathBuf>> =
            std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect();
        let mut entries = entries?;
        entries.sort();
        return entries.iter().try_for_each(|entry| add(entry, hasher));
    }
    let text = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        text => text?,
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // With their lengths, so that nothing moves from one file to the next unnoticed.
    for bytes in [name.as_bytes(), &text] {
        hasher.write_usize(bytes.len());
        hasher.write(bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_every_file_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("src")).expect("a folder");
        let now = || with(&[path("src"), path("kept.json")]).expect("a number");
        let mut seen = vec![now()];
        let texts =
            [("src/a.rs", "one"), ("src/b.rs", "two"), ("src/a.rs", "onet"), ("src/b.rs", "wo"), ("kept.json", "[]")];
        for (name, text) in texts {
            std::fs::write(path(name), text).expect("a file");
            assert!(!seen.contains(&now()), "{name} says {text}");
            seen.push(now());
        }
        assert_eq!(now(), now());
        std::fs::remove_file(path("kept.json")).expect("it was there");
        assert_eq!(now(), seen[seen.len() - 2]);
    }
}
