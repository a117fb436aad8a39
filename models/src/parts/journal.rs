//! The file of a run that can be interrupted: its head, then a line for each unit, as soon as the unit is done.
//!
//! A process that is killed in the middle of a write leaves a line without an end, which is dropped when the run goes on.

use super::{Done, Head};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A file that is open for what is done next.
#[derive(Debug)]
pub struct Journal {
    file: Mutex<File>,
    path: PathBuf,
}

impl Journal {
    /// Opens the file of this run, or begins it; with what is done already, in the order in which it was.
    ///
    /// # Errors
    /// The file cannot be read or written, is of another run, is used by one that goes on, or has a line that is none of ours.
    pub fn open<R: DeserializeOwned>(path: &Path, head: &Head) -> io::Result<(Self, Vec<Done<R>>)> {
        let said = |why: String| io::Error::other(format!("{}: {why}", path.display()));
        let failed = |error: io::Error| said(error.to_string());
        let opened = OpenOptions::new().create(true).read(true).append(true).open(path);
        let mut file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(said("another run writes to it".to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let (whole_lines, half) = text.split_at(whole);
        if !half.is_empty() {
            file.set_len(u64::try_from(whole).map_err(io::Error::other)?).map_err(failed)?;
        }
        let journal = Self { file: Mutex::new(file), path: path.to_owned() };
        let mut lines = whole_lines.split_inclusive(|byte| *byte == b'\n');
        let Some(first) = lines.next() else {
            journal.write(head)?;
            return Ok((journal, Vec::new()));
        };
        let known: Head = serde_json::from_slice(first).map_err(|error| said(format!("no file of a run: {error}")))?;
        if let Some(difference) = known.difference(head) {
            return Err(said(format!("cannot go on: {difference}")));
        }
        if known.shard != head.shard {
            return Err(said(format!("cannot go on: it is shard {}, and not {}", known.shard, head.shard)));
        }
        let done: Result<Vec<Done<R>>, io::Error> = lines
            .enumerate()
            .map(|(index, line)| {
                serde_json::from_slice(line).map_err(|error| said(format!("line {} is damaged: {error}", index + 2)))
            })
            .collect();
        Ok((journal, done?))
    }

    /// Adds what came of a unit.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add<R: Serialize>(&self, done: &Done<R>) -> io::Result<()> {
        self.write(done)
    }

    /// One line, by one write: nothing waits in a buffer of this process.
    fn write(&self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let written = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text);
        written.map_err(|error| io::Error::other(format!("{}: {error}", self.path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::part;
    use super::*;

    /// A file with a whole run of four units, and its text.
    fn finished() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run");
        let part = part("1/1", 4);
        let (journal, known) = Journal::open::<u32>(&path, &part.head).expect("a journal");
        assert_eq!(known, []);
        part.done.iter().for_each(|done| journal.add(done).expect("a line"));
        let text = std::fs::read(&path).expect("text");
        (folder, path, text)
    }

    /// Wherever the writing was cut off, what is whole is known, and what is added next is a line of its own.
    #[test]
    fn a_half_written_line_is_dropped() {
        let (_folder, path, text) = finished();
        let part = part("1/1", 4);
        for length in 0..=text.len() {
            std::fs::write(&path, &text[..length]).expect("a shorter file");
            let (journal, known) = Journal::open::<u32>(&path, &part.head).expect("a journal");
            let ends = text[..length].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(known, part.done[..ends.saturating_sub(1)], "of {length} bytes");
            part.done.iter().skip(known.len()).for_each(|done| journal.add(done).expect("a line"));
            drop(journal);
            assert_eq!(std::fs::read(&path).expect("text"), text, "of {length} bytes");
        }
    }

    #[test]
    fn a_file_of_another_run_is_refused_and_left_alone() {
        let (_folder, path, text) = finished();
        let head = part("1/1", 4).head;
        let others = [
            (Head { sources: "t".to_owned(), ..head.clone() }, "other sources"),
            (Head { run: Vec::new(), ..head.clone() }, "something else was asked for"),
            (Head { units: 5, ..head.clone() }, "5"),
            (Head { shard: "1/2".parse().expect("a shard"), ..head.clone() }, "it is shard 1/1, and not 1/2"),
        ];
        for (other, why) in others {
            let refused = Journal::open::<u32>(&path, &other).expect_err("another run").to_string();
            assert!(refused.contains("cannot go on") && refused.contains(why), "{refused}");
        }
        assert_eq!(std::fs::read(&path).expect("text"), text);
        let (journal, _) = Journal::open::<u32>(&path, &head).expect("a journal");
        let used = Journal::open::<u32>(&path, &head).expect_err("it is used").to_string();
        assert!(used.contains("another run writes to it"), "{used}");
        drop(journal);
    }

    #[test]
    fn a_damaged_line_is_told() {
        let (_folder, path, text) = finished();
        let head = part("1/1", 4).head;
        let damaged = String::from_utf8(text).expect("text").replacen("\"number\":1", "\"numb\":1", 1);
        std::fs::write(&path, damaged).expect("a file");
        let told = Journal::open::<u32>(&path, &head).expect_err("it is damaged").to_string();
        assert!(told.contains("line 3 is damaged"), "{told}");
        std::fs::write(&path, "some notes\n").expect("a file");
        let told = Journal::open::<u32>(&path, &head).expect_err("it is something else").to_string();
        assert!(told.contains("no file of a run"), "{told}");
    }
}
