//! Bytes cut into whole lines.

use std::io::{self, ErrorKind, Read};

/// Least bytes that are asked for at once.
const CHUNK: usize = 256 << 10;

/// Reads a source and gives it out in batches of whole lines.
///
/// ```text
/// buffer  ░░░░░░░░▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▒▒▒▒▒▒▒░░░░░░
///                 start             end
///                 └─── searched ───┘          (no line ends there)
/// ```
#[derive(Debug)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    searched: usize,
    /// Longest batch of several lines.
    batch: usize,
    /// Longest line.
    most: usize,
    at_end: bool,
}

/// A line is longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Lines {
    /// Lines of up to `most` bytes, in batches of a quarter of that.
    pub(crate) fn new(most: usize) -> Self {
        let batch = most.div_ceil(4).min(CHUNK);
        Self { buffer: vec![0; CHUNK], start: 0, end: 0, searched: 0, batch, most, at_end: false }
    }

    /// What was read and not consumed.
    pub(crate) fn rest(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether the source is at its end and everything was consumed.
    pub(crate) fn is_done(&self) -> bool {
        self.at_end && self.start == self.end
    }

    /// The next lines, as far as they have been read whole; the last one may lack its end. `None`: read on.
    pub(crate) fn whole(&mut self) -> Result<Option<usize>, TooLong> {
        let rest = self.buffer.get(self.start..self.end).unwrap_or_default();
        let ends = |byte: &u8| *byte == b'\n';
        let batch = rest.get(self.searched..rest.len().min(self.batch)).unwrap_or_default();
        if let Some(at) = batch.iter().rposition(ends) {
            return Ok(Some(self.searched + at + 1));
        }
        let from = self.searched.max(rest.len().min(self.batch));
        let line = rest.get(from..rest.len().min(self.most)).unwrap_or_default();
        if let Some(at) = line.iter().position(ends) {
            return Ok(Some(from + at + 1));
        }
        self.searched = rest.len().min(self.most);
        match rest.len() > self.most {
            true => Err(TooLong),
            false => Ok(self.at_end.then_some(rest.len()).filter(|count| *count > 0)),
        }
    }

    /// Gives the first `count` bytes of the rest away.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
        self.searched = 0;
    }

    /// Reads what the source has, waiting for it.
    pub(crate) fn read_more(&mut self, source: &mut impl Read) -> io::Result<()> {
        self.make_room();
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        match source.read(room) {
            Ok(0) => self.at_end = true,
            Ok(count) => self.end = self.buffer.len().min(self.end + count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Moves the rest to the front; a rest that takes more than half gets twice the room.
    fn make_room(&mut self) {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end > self.buffer.len() / 2 {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, TooLong};
    use std::io::{self, Read};

    /// A source that gives out at most `piece` bytes at once.
    struct Pieces<'a> {
        text: &'a [u8],
        piece: usize,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let room = into.len().min(self.piece);
            self.text.read(&mut into[..room])
        }
    }

    /// Takes all batches out of `text`, which is read in pieces of `piece` bytes.
    fn batches(text: &[u8], most: usize, piece: usize) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut source = Pieces { text, piece };
        let mut lines = Lines::new(most);
        let mut batches = Vec::new();
        while !lines.is_done() {
            match lines.whole()? {
                Some(count) => {
                    // Batches of nothing would never come to an end, nor would this list of them.
                    assert!(count > 0, "an empty batch");
                    batches.push(lines.rest()[..count].to_vec());
                    lines.consume(count);
                }
                None => lines.read_more(&mut source).expect("a slice"),
            }
        }
        Ok(batches)
    }

    fn assert_whole(text: &[u8], most: usize) {
        for piece in [1, 2, 3, 7, 64, 4096, text.len().max(1)] {
            if text.len() / piece > 1 << 10 {
                continue;
            }
            let batches = batches(text, most, piece).unwrap_or_else(|_| panic!("no line is longer than {most}"));
            assert!(batches.concat() == text, "pieces of {piece} do not make up the text");
            for (index, batch) in batches.iter().enumerate() {
                assert!(batch.len() <= most);
                assert!(batch.ends_with(b"\n") || index + 1 == batches.len(), "cut within a line");
            }
        }
    }

    #[test]
    fn batches_hold_whole_lines() {
        assert_whole(b"", 8);
        assert_whole(b"\n", 1);
        assert_whole(b"\n\n\n", 1);
        assert_whole(b"one\ntwo\nthree\n", 6);
        assert_whole(b"one\ntwo\nno end", 6);
        assert_whole(b"a\nbcdefghijklmnopqrstuvw\nx\n", 40);
        assert_whole(b"seven77\n", 8);
        assert_whole(b"no end at all", 13);
    }

    #[test]
    fn a_line_that_does_not_fit_is_an_error_and_those_before_it_are_not_lost() {
        for piece in [1, 5, 100] {
            assert_eq!(batches(b"12345678\n", 8, piece), Err(TooLong));
            assert_eq!(batches(b"123456789", 8, piece), Err(TooLong));
        }
        let mut lines = Lines::new(4);
        lines.read_more(&mut &b"abc\nabcdefgh"[..]).expect("a slice");
        assert_eq!(lines.whole(), Ok(Some(4)));
        lines.consume(4);
        assert_eq!(lines.whole(), Err(TooLong));
        assert_eq!(lines.rest(), b"abcdefgh");
    }

    #[test]
    fn a_line_longer_than_the_first_buffer_fits() {
        let text = [vec![b'x'; 3 * super::CHUNK], b"\nend\n".to_vec()].concat();
        assert_whole(&text, 4 * super::CHUNK);
    }
}
