//! The stream of bytes: records that are written whole and read in pieces of whole records. See the ledger for what is
//! promised of each.

use crate::torture::fault::{Fault, Outcome};
use crate::torture::hand::{Hand, give_up, take_over};
use crate::torture::journal::Lane;
use crate::torture::ledger::{Excuse, Message, Table, message};
use crate::torture::subject::{Subject, View};
use selvedge::region::{ByteReader, ByteStream, ByteWriter, IfGone, RoleError, StreamError};
use selvedge::sync::Ordering;
use selvedge::{Deadline, Region};
use std::io::{self, ErrorKind, Read};
use std::time::Duration;

const POINTS: &[&str] = &[
    "in writer",
    "has the writer",
    "in write",
    "in drop of the writer",
    "in reader",
    "has the reader",
    "in read",
    "in drop of the reader",
];
const IN_WRITER: usize = 0;
const HAS_WRITER: usize = 1;
const IN_WRITE: usize = 2;
const IN_WRITER_DROP: usize = 3;
const IN_READER: usize = 4;
const HAS_READER: usize = 5;
const IN_READ: usize = 6;
const IN_READER_DROP: usize = 7;

/// Lane word: how many records the reader's call may take out.
const ASKED: usize = 0;
/// Lane word: what was received last before that.
const LAST: usize = 1;
/// Common words: who has the ends.
const WRITER: usize = 0;
const READER: usize = 1;
/// Its place among the ledgers.
const CHANNEL: usize = 1;
const RECORD: usize = size_of::<Message>();
/// How many records the stream holds, and how many one call writes or reads at most.
const CAPACITY: usize = 5;
const MOST: usize = 3;
/// Most calls of a turn.
const CALLS: u64 = 4;
/// A timed call that may run out.
const SHORT: Duration = Duration::from_micros(300);

#[derive(Default)]
pub(crate) struct Streams {
    open: Option<ByteStream>,
    excuses: Vec<Excuse>,
}

fn claimed<End>(answer: Result<End, RoleError>) -> Outcome<Option<End>> {
    match answer {
        Ok(end) => Ok(Some(end)),
        Err(RoleError::Taken | RoleError::TimedOut) => Ok(None),
        Err(error) => Err(Fault::refused("taking an end of the stream", error)),
    }
}

/// None: the call ran out, or told of a death, once.
fn granted<T>(answer: io::Result<T>) -> Outcome<Option<T>> {
    match answer {
        Ok(done) => Ok(Some(done)),
        Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => Ok(None),
        Err(error) if StreamError::departure_in_io(&error).is_some() => Ok(None),
        Err(error) => Err(Fault::refused("a call of the stream", error)),
    }
}

/// Writes `numbers` as one batch.
fn write(writer: &mut ByteWriter, numbers: &[u64]) -> io::Result<()> {
    let words = numbers.iter().flat_map(|number| message(*number));
    let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    writer.write_whole(&bytes)
}

/// Reads as many records as there are, `most` at most.
fn read(reader: &mut ByteReader, most: usize) -> io::Result<Vec<Message>> {
    let mut bytes = [0; RECORD * CAPACITY];
    let length = reader.read(&mut bytes[..RECORD * most])?;
    if length % RECORD != 0 {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("{length} bytes are no whole records")));
    }
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    let record = |bytes: &[u8]| std::array::from_fn(|index| word(&bytes[index * 8..][..8]));
    Ok(bytes[..length].chunks(RECORD).map(record).collect())
}

impl Streams {
    fn open(&self) -> Outcome<&ByteStream> {
        self.open.as_ref().ok_or_else(|| Fault::new("a worker took a turn and was not attached"))
    }

    fn write(stream: &ByteStream, hand: &mut Hand<'_>) -> Outcome {
        let how = hand.numbers.below(3);
        let claim = hand.call(IN_WRITER, || match how {
            0 => stream.try_writer(),
            1 => stream.writer_timeout(SHORT),
            _ => stream.writer(),
        });
        let Some(mut writer) = claimed(claim)? else { return Ok(()) };
        take_over(hand, WRITER, writer.predecessor())?;
        writer.set_if_gone(IfGone::Wait);
        let table = Table::of(hand.journal, CHANNEL);
        for _ in 0..1 + hand.numbers.below(CALLS) {
            hand.at(HAS_WRITER);
            hand.linger();
            let count = 1 + hand.numbers.index(MOST);
            let numbers = table.begin_batch(count);
            if numbers.is_empty() {
                break;
            }
            writer.set_deadline(hand.numbers.once_in(4).then(|| Deadline::after(SHORT)));
            let written = granted(hand.call(IN_WRITE, || write(&mut writer, &numbers)))?.is_some();
            numbers.iter().for_each(|number| table.end(*number, written));
            if !written {
                break;
            }
        }
        give_up(hand.journal, hand.subject, WRITER);
        hand.call(IN_WRITER_DROP, || drop(writer));
        Ok(())
    }

    fn read(stream: &ByteStream, hand: &mut Hand<'_>) -> Outcome {
        let how = hand.numbers.below(3);
        let claim = hand.call(IN_READER, || match how {
            0 => stream.try_reader(),
            1 => stream.reader_timeout(SHORT),
            _ => stream.reader(),
        });
        let Some(mut reader) = claimed(claim)? else { return Ok(()) };
        take_over(hand, READER, reader.predecessor())?;
        reader.set_if_gone(IfGone::Wait);
        let table = Table::of(hand.journal, CHANNEL);
        for _ in 0..1 + hand.numbers.below(CALLS) {
            hand.at(HAS_READER);
            hand.linger();
            let most = 1 + hand.numbers.index(MOST);
            hand.word(ASKED).store(most as u64, Ordering::Release);
            hand.word(LAST).store(table.last(), Ordering::Release);
            reader.set_deadline(hand.numbers.once_in(4).then(|| Deadline::after(SHORT)));
            let Some(found) = granted(hand.call(IN_READ, || read(&mut reader, most)))? else { break };
            found.into_iter().try_for_each(|record| table.receive(record))?;
        }
        give_up(hand.journal, hand.subject, READER);
        hand.call(IN_READER_DROP, || drop(reader));
        Ok(())
    }
}

impl Subject for Streams {
    fn name(&self) -> &'static str {
        "stream"
    }

    fn points(&self) -> &'static [&'static str] {
        POINTS
    }

    fn attach(&mut self, region: &Region) -> Outcome {
        let stream = region.stream("stream", CAPACITY * RECORD).map_err(|error| Fault::refused("stream", error))?;
        self.open = Some(stream);
        Ok(())
    }

    fn detach(&mut self) {
        self.open = None;
    }

    fn work(&mut self, hand: &mut Hand<'_>) -> Outcome {
        let stream = self.open()?;
        if hand.numbers.once_in(2) { Self::write(stream, hand) } else { Self::read(stream, hand) }
    }

    fn bury(&mut self, view: View<'_>, lane: &Lane, point: usize) {
        if point == IN_READ {
            self.excuses.push(Excuse { last: view.word(lane, LAST), most: view.word(lane, ASKED) });
        }
    }

    fn relieve(&mut self, view: View<'_>) -> Outcome {
        let (stream, table) = (self.open()?, Table::of(view.journal, CHANNEL));
        let (certain, possible) = table.pending(&self.excuses);
        if view.lanes_at(IN_READ).next().is_some()
            && certain == 0
            && let Some(mut writer) = claimed(stream.try_writer())?
            && let Some(number) = table.begin()
        {
            give_up(view.journal, view.subject, WRITER);
            writer.set_nonblocking(true);
            table.end(number, granted(write(&mut writer, &[number]))?.is_some());
        }
        if view.lanes_at(IN_WRITE).next().is_some()
            // Those that wait to be written are among them.
            && possible > CAPACITY as u64
            && let Some(mut reader) = claimed(stream.try_reader())?
        {
            give_up(view.journal, view.subject, READER);
            reader.set_nonblocking(true);
            let found = granted(read(&mut reader, 1))?.unwrap_or_default();
            found.into_iter().try_for_each(|record| table.receive(record))?;
        }
        Ok(())
    }

    fn check(&mut self, view: View<'_>) -> Outcome {
        let (stream, table) = (self.open()?, Table::of(view.journal, CHANNEL));
        let free = || Fault::new("an end of the stream is taken, and nobody is there");
        let mut reader = claimed(stream.try_reader())?.ok_or_else(free)?;
        let writer = claimed(stream.try_writer())?.ok_or_else(free)?;
        reader.set_nonblocking(true);
        while reader.pending().map_err(|error| Fault::refused("pending", error))? > 0 {
            let found = granted(read(&mut reader, 1))?.unwrap_or_default();
            found.into_iter().try_for_each(|record| table.receive(record))?;
        }
        drop(writer);
        table.check(&self.excuses)
    }

    fn begin(&mut self, view: View<'_>) {
        view.clear();
        Table::of(view.journal, CHANNEL).clear();
        self.excuses.clear();
    }

    fn state(&self, _view: View<'_>) -> String {
        format!("{:?}, {:?}", self.open, self.excuses)
    }
}
