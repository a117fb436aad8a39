//! A board of prices that one process writes and many read: nobody who reads ever holds the writer up, whatever becomes of him.
//!
//! **Which object.** A queue, channel or ring hands each message to one receiver, and a full one makes the sender wait for the
//! slowest. One [readers-writer lock](selvedge::region::RwLock) around the prices would do while all are well: it knows the dead,
//! but a reader that is *stopped* in the middle is not dead, and the writer would wait for it. So the board has several pages, each
//! behind a readers-writer lock of its own, two more than there are readers. A reader has one page at a time; so there always is a
//! page that nobody reads and that is not the newest. The writer takes that (`try_write`, which never waits), and writes
//! the next prices there, all of them. Who reads looks at all pages (`try_read`, which never waits either) for the newest.
//!
//! The program starts itself as a writer and six readers. The first reader stops in the middle of a page: the writer goes on.
//! Then it is killed by `SIGKILL`: all go on. Each price follows from the number of its page, so that a torn page would show.
//! Run it with `cargo run --example price_board`.

#![cfg_attr(loom, allow(dead_code, reason = "a model has no second process"))]

use selvedge::Region;
use selvedge::message::{Capacity, Receiver, Sender};
use selvedge::region::{ReadGuard, RwLock, RwLockError, Shared, Tag};
use std::error::Error;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const READERS: u64 = 6;
/// One for each who reads, of whom this process is one; the newest; and one to write.
const PAGES: u64 = READERS + 1 + 2;
const ARTICLES: usize = 63;
/// The writer gets so far while the first reader is in the middle of a page, and so far again when that one is dead.
const FURTHER: u64 = 10_000;
/// Who waits longer waits for something that will not happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// All prices, as they were at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Page {
    /// Later pages have higher ones. 0: nothing was written yet.
    number: u64,
    prices: [u64; ARTICLES],
}

impl Shared for Page {
    const TAG: Tag = Tag::new("price-board.page/1");
}

/// What the price of an article was at that time.
fn price(number: u64, article: usize) -> u64 {
    (number ^ article as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
}

impl Page {
    /// Whether all prices are of one time.
    fn is_whole(&self) -> bool {
        self.number == 0 || (0..).zip(&self.prices).all(|(article, seen)| *seen == price(self.number, article))
    }
}

/// What a process has to say: who it is (0 is the writer), which page it has come to, and what it has counted.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Report {
    who: u64,
    number: u64,
    count: u64,
}

impl Shared for Report {
    const TAG: Tag = Tag::new("price-board.report/1");
}

struct Board(Vec<RwLock<Page>>);

impl Board {
    fn open(region: &Region) -> Result<Self, Box<dyn Error>> {
        let empty = Page { number: 0, prices: [0; ARTICLES] };
        let page = |number| region.rwlock(&format!("page {number}"), empty);
        Ok(Self((1..=PAGES).map(page).collect::<Result<_, _>>()?))
    }

    /// The newest page that can be read now, if it is newer than `number`. Never waits.
    ///
    /// One page at a time: who has two in his hands takes one from the writer.
    fn newer(&self, mut number: u64) -> Result<Option<ReadGuard<'_, Page>>, Box<dyn Error>> {
        let mut newest = None;
        for page in &self.0 {
            match page.try_read() {
                Ok(page) if page.number > number => number = page.number,
                // A page that a writer left half written when it died is nobody's news.
                Ok(_) | Err(RwLockError::WouldBlock | RwLockError::OwnerDied(_)) => continue,
                Err(error) => return Err(error.give_up().into()),
            }
            newest = Some(page);
        }
        // It may have been written anew by now, and is whole and newer still.
        match newest.map(RwLock::try_read) {
            Some(Ok(page)) => Ok(Some(page)),
            None | Some(Err(RwLockError::WouldBlock | RwLockError::OwnerDied(_))) => Ok(None),
            Some(Err(error)) => Err(error.give_up().into()),
        }
    }

    /// Writes a page that nobody reads, other than `newest`. Which one; none, if somebody was seen on each: readers look at all.
    fn write(&self, number: u64, newest: usize) -> Result<Option<usize>, Box<dyn Error>> {
        for (index, page) in self.0.iter().enumerate().filter(|(index, _)| *index != newest) {
            let mut page = match page.try_write() {
                Ok(page) => page,
                Err(RwLockError::OwnerDied(mut page)) => {
                    page.mark_consistent();
                    page
                }
                Err(RwLockError::WouldBlock) => continue,
                Err(error) => return Err(error.give_up().into()),
            };
            page.number = number;
            for (article, written) in (0..).zip(&mut page.prices) {
                *written = price(number, article);
            }
            return Ok(Some(index));
        }
        Ok(None)
    }
}

/// Writes until the closing bell rings, and reports the last page. It waits for nobody.
fn write(region: &Region, reports: &Sender<Report>) -> Result<(), Box<dyn Error>> {
    let (board, closing) = (Board::open(region)?, region.event("closing")?);
    let (mut number, mut newest, mut in_vain) = (0, 0, 0);
    while !closing.is_set()? {
        match board.write(number + 1, newest)? {
            Some(index) => (number, newest) = (number + 1, index),
            None => in_vain += 1,
        }
    }
    reports.send_timeout(Report { who: 0, number, count: in_vain }, PATIENCE)?;
    Ok(())
}

/// Reads until the page of which the writer said that it is the last. The first reader stops in the middle of one.
fn read(region: &Region, reports: &Sender<Report>, who: u64) -> Result<(), Box<dyn Error>> {
    let board = Board::open(region)?;
    let last = region.once::<u64>("last page")?;
    let (start, mut number, mut seen) = (Instant::now(), 0, 0);
    loop {
        if let Some(page) = board.newer(number)? {
            (number, seen) = (page.number, seen + 1);
            if !page.is_whole() {
                return Err(format!("reader {who}: page {number} is torn").into());
            }
            if who == 1 {
                reports.send_timeout(Report { who, number, count: seen }, PATIENCE)?;
                std::thread::sleep(PATIENCE);
                return Err("nobody killed this process".into());
            }
        }
        if last.get()? == Some(number) {
            reports.send_timeout(Report { who, number, count: seen }, PATIENCE)?;
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("reader {who} has waited {PATIENCE:?} for the last page").into());
        }
    }
}

/// The processes, of which none outlives the one who started them.
#[derive(Default)]
struct Children(Vec<Child>);

impl Children {
    /// Kills the first one, by `SIGKILL`. How it ended.
    fn kill_first(&mut self) -> Result<ExitStatus, Box<dyn Error>> {
        let first = self.0.first_mut().ok_or("nobody was started")?;
        first.kill()?;
        let status = first.wait()?;
        self.0.drain(..1);
        Ok(status)
    }

    fn start(&mut self, region: &Region, who: u64) -> Result<(), Box<dyn Error>> {
        let arguments = [region.name().unwrap_or_default().to_owned(), who.to_string()];
        self.0.push(Command::new(std::env::current_exe()?).args(arguments).spawn()?);
        Ok(())
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Both fail if it has ended already, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(not(loom))]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [region, who] = arguments.as_slice() {
        let region = Region::open(region)?;
        let reports = region.sender("reports", Capacity::Bounded(16))?;
        return match who.parse()? {
            0 => write(&region, &reports),
            who => read(&region, &reports, who),
        };
    }
    let region = Region::create(&format!("price-board-{}", std::process::id()))?;
    let outcome = watch(&region);
    region.unlink()?;
    outcome
}

/// Looks at the board until its number is so high.
fn until(board: &Board, number: u64) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    while board.newer(number - 1)?.is_none() {
        if start.elapsed() > PATIENCE {
            return Err(format!("page {number} has not been written for {PATIENCE:?}").into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn watch(region: &Region) -> Result<(), Box<dyn Error>> {
    let (board, closing) = (Board::open(region)?, region.event("closing")?);
    let last = region.once::<u64>("last page")?;
    let reports: Receiver<Report> = region.receiver("reports", Capacity::Bounded(16))?;
    let mut children = Children::default();
    for who in 1..=READERS {
        children.start(region, who)?;
    }
    children.start(region, 0)?;
    let Report { number, .. } = reports.recv_timeout(PATIENCE)?;
    println!("reader 1 is in the middle of a page");
    until(&board, number + FURTHER)?;
    println!("the writer has written {FURTHER} more");
    println!("reader 1: {}", children.kill_first()?);
    let number = board.newer(number)?.map_or(number + FURTHER, |page| page.number);
    until(&board, number + FURTHER)?;
    println!("the writer has written {FURTHER} more");
    closing.set()?;
    let Report { number, count: in_vain, .. } = reports.recv_timeout(PATIENCE)?;
    last.get_or_init(|| number)?;
    let mut seen = Vec::new();
    for _ in 2..=READERS {
        let Report { who, number: reached, count } = reports.recv_timeout(PATIENCE)?;
        if reached != number {
            return Err(format!("reader {who} took page {reached} for the last, which is {number}").into());
        }
        seen.push(count);
    }
    for child in &mut children.0 {
        let status = child.wait()?;
        if !status.success() {
            return Err(format!("a process of the board: {status}").into());
        }
    }
    println!("{} readers have come to the last page, and have seen no torn one", seen.len());
    println!("{number} pages were written; the readers have seen {seen:?} of them");
    println!("the writer looked for another page at once, {in_vain} times, when it had found somebody on each");
    Ok(())
}

#[cfg(loom)]
fn main() {}
