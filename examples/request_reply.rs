//! Questions to a server and answers to whoever has asked, while one of those who ask is killed, and the server too.
//!
//! The server receives from the port `requests`. A client has four requests outstanding, each with a number of its own, which is its
//! correlation. It receives the replies from a port of its own, whose name the server makes of the process that the library has
//! written into each request (`replies 3.1`, say). The server begins when as many requests wait as there is space for, and answers
//! the easiest first: replies overtake one another, and the client tells by the correlation what each of them answers.
//!
//! The first client is killed by `SIGKILL` when it has asked. That closes its mailbox, so that the server's replies to it fail at once,
//! and the server goes on. Later the server is killed with three requests in hand. A second server waits for the right to receive;
//! it is told that the owner before it died, and finds what is left in the mailbox. What the first one had in hand is gone with it:
//! whoever has asked asks again. For that each request has a deadline, after which no server cares to answer it.
//!
//! Each client checks all its answers. Run it with `cargo run --example request_reply`.

#![cfg_attr(loom, allow(dead_code, reason = "a model has no second process"))]

use selvedge::message::{Capacity, Letter, MailError, Mailbox, Message, Origin, PortOptions, Succession};
use selvedge::{Deadline, Region};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Display;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::time::Duration;

/// So many requests wait at most.
const WAITING: usize = 8;
/// So many requests each client has outstanding.
const OUTSTANDING: usize = 4;
/// So many questions each client has.
const QUESTIONS: u64 = 12;
/// So many requests the first server has in hand when it is killed.
const IN_HAND: usize = 3;
/// Who has no reply by then asks again.
const REPLY_WITHIN: Duration = Duration::from_secs(1);
/// Who waits longer waits for something that will not happen.
const PATIENCE: Duration = Duration::from_secs(20);

// What a message to the one who has started all others tells.
const SERVES: u32 = 1;
const HAS_ASKED: u32 = 2;
const HAS_IN_HAND: u32 = 3;
const IS_DONE: u32 = 4;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn waited_for<E: Display>(what: &str) -> impl FnOnce(E) -> String {
    move |why| format!("waited for {what}: {why}")
}

fn tell(region: &Region, message: Message<'_>) -> Outcome<()> {
    Ok(region.find_port("director")?.send_timeout(&message, PATIENCE).map_err(waited_for("the director"))?)
}

/// The question of a client that has this number: the first one is the hardest.
fn question(client: u64, number: u64) -> u64 {
    100 * (QUESTIONS - number) + client
}

/// The prime of this rank; that of the first is two.
fn prime(rank: u64) -> u64 {
    let is_prime = |n: &u64| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    (2..).filter(is_prime).zip(1..=rank).last().map_or(0, |(prime, _)| prime)
}

/// A client, which asks until it has all answers. The first one asks some questions, and waits to be killed.
fn ask(region: &Region, client: u64) -> Outcome<()> {
    let requests = region.find_port("requests")?;
    // There is space for a reply to each request outstanding, and nobody inherits them.
    let options = PortOptions::new(Capacity::Bounded(OUTSTANDING)).succession(Succession::Close);
    let mailbox = region.port(&format!("replies {}", region.participant_id()), &options)?.claim_timeout(PATIENCE)?;
    let request = |number: u64, by: Deadline| {
        match requests.send_deadline(&Message::of(&question(client, number)).correlation(number).deadline(by), by) {
            // If there was no space in time, it is asked again as if it had been lost.
            Ok(()) | Err(MailError::TimedOut) => Ok(by),
            Err(why) => Err(why),
        }
    };
    if client == 1 {
        (0..).take(OUTSTANDING).try_for_each(|number| request(number, Deadline::after(PATIENCE)).map(drop))?;
        tell(region, Message::bytes(b"").kind(HAS_ASKED))?;
        std::thread::sleep(PATIENCE);
        return Err("nobody killed this process".into());
    }
    let (end, mut questions, mut overtaken, mut again) = (Deadline::after(PATIENCE), 0..QUESTIONS, 0, BTreeSet::new());
    let mut outstanding: BTreeMap<u64, Deadline> = BTreeMap::new();
    loop {
        for number in questions.by_ref().take(OUTSTANDING - outstanding.len()) {
            outstanding.insert(number, request(number, Deadline::after(REPLY_WITHIN))?);
        }
        let Some(earliest) = outstanding.values().min() else { break };
        match mailbox.recv_deadline(*earliest) {
            // One that was asked for again may come twice.
            Ok(reply) if outstanding.remove(&reply.correlation()).is_some() => {
                let (rank, answer) = (question(client, reply.correlation()), reply.read::<u64>()?);
                if answer != prime(rank) {
                    return Err(format!("asked for prime {rank}, and was told {answer}").into());
                }
                overtaken += u64::from(outstanding.keys().any(|other| *other < reply.correlation()));
            }
            Ok(_) => {}
            Err(MailError::TimedOut) if !end.has_passed() => {
                for (number, by) in outstanding.iter_mut().filter(|(_, by)| by.has_passed()) {
                    *by = request(*number, Deadline::after(REPLY_WITHIN))?;
                    again.insert(*number);
                }
            }
            Err(why) => return Err(waited_for(&format!("replies to {outstanding:?}"))(why).into()),
        }
    }
    tell(region, Message::encode(&(overtaken, again))?.kind(IS_DONE))
}

/// Answers those that are not late, the easiest first. How many replies there is nobody to receive.
fn answer(region: &Region, batch: Vec<Letter<'_>>) -> Outcome<u64> {
    let mut easiest_first = BTreeSet::new();
    for letter in batch.into_iter().filter(|letter| !letter.is_late()) {
        let client = letter.source().ok_or("nobody has asked")?;
        easiest_first.insert((letter.read::<u64>()?, client, letter.correlation()));
    }
    let mut for_nobody = 0;
    for (rank, client, correlation) in easiest_first {
        let port = region.find_port(&format!("replies {client}"))?;
        match port.try_send(&Message::of(&prime(rank)).correlation(correlation)) {
            // A client that has no space was told more than it waits for. It asks again.
            Ok(()) | Err(MailError::Full) => {}
            Err(MailError::Closed) => for_nobody += 1,
            Err(why) => return Err(format!("replies to {client}: {why}").into()),
        }
    }
    Ok(for_nobody)
}

/// A server, until the port is closed. The first one stops with requests in hand, and waits to be killed.
fn serve(region: &Region, server: u64) -> Outcome<()> {
    let claimed = region.find_port("requests")?.claim_timeout(PATIENCE);
    let mailbox = claimed.map_err(waited_for("the right to receive requests"))?;
    if mailbox.origin() != Some(if server == 1 { Origin::First } else { Origin::Died }) {
        return Err(format!("has the mailbox from {:?}", mailbox.origin()).into());
    }
    tell(region, Message::of(&(mailbox.len() as u64)).kind(SERVES))?;
    region.event("open")?.wait_timeout(PATIENCE).map_err(waited_for("the opening"))?;
    loop {
        let mut batch = match mailbox.recv_timeout(PATIENCE) {
            Ok(first) => vec![first],
            Err(MailError::Closed) => return Ok(()),
            Err(why) => return Err(waited_for("requests")(why).into()),
        };
        batch.extend(mailbox.try_iter().take(WAITING - 1));
        let for_nobody = answer(region, batch)?;
        if server == 1 {
            let more = (0..IN_HAND).map(|_| mailbox.recv_timeout(PATIENCE));
            let in_hand: Vec<Letter<'_>> = more.collect::<Result<_, _>>().map_err(waited_for("more requests"))?;
            let asked = in_hand.iter().map(|letter| (letter.source().map(|it| it.to_bits()), letter.correlation()));
            tell(region, Message::encode(&(for_nobody, asked.collect::<Vec<_>>()))?.kind(HAS_IN_HAND))?;
            std::thread::sleep(PATIENCE);
            return Err("nobody killed this process".into());
        }
    }
}

/// Waits until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Outcome<()> {
    let end = Deadline::after(PATIENCE);
    while !is_so() {
        if end.has_passed() {
            return Err(format!("waited {PATIENCE:?} for {what}").into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// The clients and servers, of whom none outlives the one who started them.
#[derive(Default)]
struct Children(BTreeMap<String, Child>);

impl Children {
    fn start(&mut self, region: &Region, role: &str, number: u64) -> Outcome<()> {
        let arguments = [region.name().unwrap_or_default(), role, &number.to_string()].map(str::to_owned);
        let child = Command::new(std::env::current_exe()?).args(arguments).spawn()?;
        self.0.insert(format!("{role} {number}"), child);
        Ok(())
    }

    /// Waits for it to end as it is to: well, or by `SIGKILL`, which it is sent.
    fn end(&mut self, who: &str, kill: bool) -> Outcome<()> {
        let child = self.0.get_mut(who).ok_or("nobody was started")?;
        if kill {
            child.kill()?;
        }
        until(&format!("{who} to end"), || !matches!(child.try_wait(), Ok(None)))?;
        let status = child.wait()?;
        let expected = if kill { status.signal() == Some(9) } else { status.success() };
        if expected { Ok(()) } else { Err(format!("{who}: {status}").into()) }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in self.0.values_mut() {
            // Both fail if it has ended already, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(not(loom))]
fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [region, role, number] = arguments.as_slice() {
        let act = if role == "client" { ask } else { serve };
        return act(&Region::open(region)?, number.parse()?).map_err(|why| format!("{role} {number} {why}").into());
    }
    let region = Region::create(&format!("request-reply-{}", std::process::id()))?;
    let outcome = direct(&region);
    region.unlink()?;
    outcome.map_err(|why| format!("the director {why}").into())
}

/// What the director is told next, which must be what it waits for.
fn told<'a>(mailbox: &'a Mailbox, kind: u32, what: &str) -> Outcome<Letter<'a>> {
    let letter = mailbox.recv_timeout(PATIENCE).map_err(waited_for(what))?;
    if letter.kind() == kind { Ok(letter) } else { Err(format!("waited for {what}, and was told {letter:?}").into()) }
}

fn direct(region: &Region) -> Outcome<()> {
    let news = region.port("director", &PortOptions::new(Capacity::Bounded(8)))?.claim_timeout(PATIENCE)?;
    let requests = region.port("requests", &PortOptions::new(Capacity::Bounded(WAITING)))?;
    let mut children = Children::default();
    children.start(region, "server", 1)?;
    drop(told(&news, SERVES, "server 1 to serve")?);
    children.start(region, "server", 2)?;

    children.start(region, "client", 1)?;
    let client = told(&news, HAS_ASKED, "client 1 to ask")?.source().ok_or("client 1 is nobody")?;
    println!("client 1 has {OUTSTANDING} requests outstanding, and is killed");
    children.end("client 1", true)?;
    let of_the_dead = region.find_port(&format!("replies {client}"))?;
    until("the mailbox of client 1 to be closed", || of_the_dead.is_closed())?;
    (2..=3).try_for_each(|number| children.start(region, "client", number))?;
    until("the mailbox of the server to be full", || requests.is_full())?;
    region.event("open")?.set()?;

    let letter = told(&news, HAS_IN_HAND, "server 1 to have requests in hand")?;
    let (for_nobody, lost) = letter.decode::<(usize, BTreeSet<(Option<u64>, u64)>)>()?;
    println!("server 1 goes on: for {for_nobody} replies there is nobody");
    until("other requests to wait", || requests.len() >= 2 * OUTSTANDING - IN_HAND)?;
    println!("server 1 has {} requests in hand, and is killed", lost.len());
    children.end("server 1", true)?;
    let left = told(&news, SERVES, "server 2 to serve")?.read::<u64>()?;
    println!("server 2 takes over, and finds {left} requests");

    let (mut overtaken, mut again) = (0, BTreeSet::new());
    for _ in 2..=3 {
        let letter = told(&news, IS_DONE, "clients 2 and 3 to have their answers")?;
        let (of_it, numbers) = letter.decode::<(u64, BTreeSet<u64>)>()?;
        overtaken += of_it;
        again.extend(numbers.into_iter().map(|number| (letter.source().map(|client| client.to_bits()), number)));
    }
    requests.close()?;
    ["client 2", "client 3", "server 2"].into_iter().try_for_each(|who| children.end(who, false))?;
    println!("clients 2 and 3 have {QUESTIONS} right answers each");
    if for_nobody != OUTSTANDING || overtaken == 0 || !again.is_superset(&lost) {
        return Err(format!("{for_nobody} for nobody, {overtaken} overtaken, {lost:?} lost, {again:?} again").into());
    }
    println!("what server 1 had in hand was asked again; {} requests were, in all", again.len());
    println!("{overtaken} replies have overtaken others");
    Ok(())
}

#[cfg(loom)]
fn main() {}
