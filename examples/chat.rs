//! A chat of three, of whom one is killed in the middle of a sentence: the others notice, and leave notes for whoever comes after.
//!
//! Each has a mailbox that is named after its nickname, `chat ada` say. To say something is to send it to the mailboxes of the
//! others; the type of a message tells what it is: somebody has joined, says something, or leaves. Who sent it is what the library
//! wrote into it: it is Ada's if the process that sent it is the one that receives from `chat ada`.
//!
//! The lines are written below, and who is to say one waits until it has heard those before. Ben is killed by `SIGKILL` after his
//! second line. The others see that the owner of his mailbox has died, say so, and go on, to his mailbox too: it is inherited, and
//! keeps what it is sent. Then another Ben claims it, is told that its owner died, and reads what he has missed. Each checks that it
//! has heard all that the others said, in the order of each, and from whom. Run it with `cargo run --example chat`.

#![cfg_attr(loom, allow(dead_code, reason = "a model has no second process"))]

use selvedge::message::{Capacity, Mailbox, Message, Origin, Owner, Port, PortOptions};
use selvedge::region::ParticipantId;
use selvedge::{Deadline, Region};
use std::collections::BTreeMap;
use std::error::Error;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::time::Duration;

const SCRIPT: [(&str, &str); 10] = [
    ("ada", "Is anybody there?"),
    ("ben", "I am."),
    ("cleo", "So am I."),
    ("ada", "Ben, how was the harvest?"),
    ("ben", "Oh, good. But listen, in the barn there"),
    ("ada", "Ben?"),
    ("cleo", "He is gone, and we shall not know what is in the barn."),
    ("ada", "Whoever comes after him, please look."),
    ("ben", "I am here in his place, and have read your notes. It is a cat."),
    ("cleo", "Then all is well. Good night."),
];
/// The line after which Ben is killed.
const LAST_WORDS: usize = 4;
/// The next line that is a Ben's. Those between are said while there is none.
const FIRST_WORDS: usize = 8;

// What a message is.
const JOINED: u32 = 1;
const SAID: u32 = 2;
const LEFT: u32 = 3;

/// Who waits longer waits for something that will not happen.
const PATIENCE: Duration = Duration::from_secs(20);

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The mailbox of this nickname, which whoever comes first makes: he who has it, or somebody who writes to him.
fn port(region: &Region, nickname: &str) -> Outcome<Port> {
    Ok(region.port(&format!("chat {nickname}"), &PortOptions::new(Capacity::Bounded(32)))?)
}

/// Waits until it is so.
fn until(who: &str, what: &str, mut is_so: impl FnMut() -> bool) -> Outcome<()> {
    let end = Deadline::after(PATIENCE);
    while !is_so() {
        if end.has_passed() {
            return Err(format!("{who} has waited {PATIENCE:?} in vain for {what}").into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// One of the others, as this process knows it.
struct Friend {
    nickname: &'static str,
    port: Port,
    /// Which process goes by this nickname now.
    id: Option<ParticipantId>,
    /// The lines of the script that it is still to say, by their places.
    to_say: Vec<usize>,
    has_left: bool,
}

struct Chat<'a> {
    nickname: &'a str,
    mailbox: Mailbox,
    others: Vec<Friend>,
}

impl<'a> Chat<'a> {
    /// Joins in the script from line `begin` on, with the mailbox of this nickname.
    fn join(region: &Region, nickname: &'a str, begin: usize) -> Outcome<Self> {
        let claimed = port(region, nickname)?.claim_timeout(PATIENCE);
        let mailbox = claimed.map_err(|why| format!("{nickname} claims his or her mailbox: {why}"))?;
        let mut others = Vec::new();
        for other in ["ada", "ben", "cleo"].into_iter().filter(|other| *other != nickname) {
            let to_say = (begin..SCRIPT.len()).filter(|line| SCRIPT[*line].0 == other).collect();
            others.push(Friend { nickname: other, port: port(region, other)?, id: None, to_say, has_left: false });
        }
        let chat = Self { nickname, mailbox, others };
        chat.tell(JOINED, nickname)?;
        Ok(chat)
    }

    /// Tells all others.
    fn tell(&self, kind: u32, text: &str) -> Outcome<()> {
        for Friend { nickname, port, .. } in &self.others {
            let sent = port.send_timeout(&Message::bytes(text).kind(kind), PATIENCE);
            sent.map_err(|why| format!("{} tells {nickname} `{text}`: {why}", self.nickname))?;
        }
        Ok(())
    }

    /// Hears one message, which must be the next that its sender has to say.
    fn hear(&mut self, waits_for: &str) -> Outcome<()> {
        let received = self.mailbox.recv_timeout(PATIENCE);
        let letter = received.map_err(|why| format!("{} waits for {waits_for}: {why}", self.nickname))?;
        let text = String::from_utf8(letter.to_vec())?;
        let of = |friend: &&mut Friend| match letter.kind() {
            JOINED => friend.nickname == text,
            // Who joined before this process did has not told it. His mailbox is his name, while he has it.
            _ if friend.id.is_none() => Some(friend.port.owner()) == letter.source().map(Owner::Process),
            _ => friend.id == letter.source(),
        };
        let unknown = || format!("{} has heard `{text}` from a stranger, {:?}", self.nickname, letter.source());
        let friend = self.others.iter_mut().find(of).ok_or_else(unknown)?;
        let as_expected = match letter.kind() {
            JOINED => friend.id.is_none() && Some(friend.port.owner()) == letter.source().map(Owner::Process),
            SAID => !friend.to_say.is_empty() && SCRIPT[friend.to_say.remove(0)].1 == text,
            LEFT => friend.to_say.is_empty() && !std::mem::replace(&mut friend.has_left, true),
            _ => false,
        };
        friend.id = letter.source();
        if !as_expected {
            return Err(format!("{} has heard {letter:?}, `{text}`, out of turn", self.nickname).into());
        }
        Ok(())
    }

    /// Hears all lines before this one.
    fn hear_before(&mut self, line: usize) -> Outcome<()> {
        let next = |chat: &Self| chat.others.iter().flat_map(|friend| &friend.to_say).copied().min();
        while let Some(missing) = next(self).filter(|next| *next < line) {
            self.hear(&format!("line {missing} of the script, which is for {} to say", SCRIPT[missing].0))?;
        }
        Ok(())
    }

    /// Waits, once, until it is seen that Ben has died: nobody has his mailbox any more.
    fn notice(&mut self) -> Outcome<()> {
        let ben = self.others.iter_mut().find(|friend| friend.nickname == "ben").ok_or("this is Ben himself")?;
        if ben.id.take().is_none() {
            return Ok(());
        }
        until(self.nickname, "the death of Ben to be noticed", || ben.port.owner() == Owner::Died)?;
        println!("({} sees that the owner of `{}` has died)", self.nickname, ben.port.name());
        Ok(())
    }
}

/// One of the chatters, from line `begin` of the script on. The first Ben waits in the middle to be killed.
fn chat(region: &Region, nickname: &str, begin: usize) -> Outcome<()> {
    let mut chat = Chat::join(region, nickname, begin)?;
    let expected = if begin == 0 { Origin::First } else { Origin::Died };
    if chat.mailbox.origin() != Some(expected) {
        return Err(format!("{nickname} has the mailbox from {:?}", chat.mailbox.origin()).into());
    }
    if begin > 0 {
        let waiting = chat.mailbox.len();
        println!("(another {nickname} has claimed the mailbox: its owner has died, and {waiting} messages wait)");
    }
    for line in (begin..SCRIPT.len()).filter(|line| SCRIPT[*line].0 == nickname) {
        chat.hear_before(line)?;
        if (LAST_WORDS + 1..FIRST_WORDS).contains(&line) {
            chat.notice()?;
        }
        let text = SCRIPT[line].1;
        println!("{nickname}: {text}");
        chat.tell(SAID, text)?;
        if line == LAST_WORDS {
            region.event("last words")?.set()?;
            std::thread::sleep(PATIENCE);
            return Err("nobody killed this process".into());
        }
    }
    chat.hear_before(SCRIPT.len())?;
    chat.tell(LEFT, "")?;
    while let Some(nickname) = chat.others.iter().find(|friend| !friend.has_left).map(|friend| friend.nickname) {
        chat.hear(&format!("{nickname} to leave"))?;
    }
    Ok(())
}

/// The chatters, of whom none outlives the one who started them.
#[derive(Default)]
struct Chatters(BTreeMap<&'static str, Child>);

impl Chatters {
    fn start(&mut self, region: &Region, nickname: &'static str, begin: usize) -> Outcome<()> {
        let arguments = [region.name().unwrap_or_default().to_owned(), nickname.to_owned(), begin.to_string()];
        self.0.insert(nickname, Command::new(std::env::current_exe()?).args(arguments).spawn()?);
        Ok(())
    }

    /// Waits for it to end as it is to: well, or by `SIGKILL`, which it is sent.
    fn end(&mut self, nickname: &str, kill: bool) -> Outcome<()> {
        let child = self.0.get_mut(nickname).ok_or("nobody has this nickname")?;
        if kill {
            child.kill()?;
        }
        until("the director", &format!("{nickname} to end"), || !matches!(child.try_wait(), Ok(None)))?;
        let status = child.wait()?;
        let expected = if kill { status.signal() == Some(9) } else { status.success() };
        if expected { Ok(()) } else { Err(format!("{nickname}: {status}").into()) }
    }
}

impl Drop for Chatters {
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
    if let [region, nickname, begin] = arguments.as_slice() {
        return chat(&Region::open(region)?, nickname, begin.parse()?);
    }
    let region = Region::create(&format!("chat-{}", std::process::id()))?;
    let outcome = direct(&region);
    region.unlink()?;
    outcome
}

fn direct(region: &Region) -> Outcome<()> {
    let mut chatters = Chatters::default();
    for nickname in ["ada", "ben", "cleo"] {
        chatters.start(region, nickname, 0)?;
    }
    let said = region.event("last words")?.wait_timeout(PATIENCE);
    said.map_err(|why| format!("the director waits for Ben's last words: {why}"))?;
    println!("(ben is killed)");
    chatters.end("ben", true)?;
    let (of_ben, notes) = (port(region, "ben")?, FIRST_WORDS - LAST_WORDS - 1);
    until("the director", "what is said after Ben's death", || of_ben.len() == notes)?;
    chatters.start(region, "ben", LAST_WORDS + 1)?;
    ["ada", "ben", "cleo"].into_iter().try_for_each(|nickname| chatters.end(nickname, false))?;
    println!("all have left, and each has heard all that the others said, in order, and from whom");
    Ok(())
}

#[cfg(loom)]
fn main() {}
