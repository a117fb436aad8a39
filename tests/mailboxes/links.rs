//! Links: one for each pair of processes, whoever makes it, whatever they are called, until one of them dies.

use super::support::actors::{Ending, fork};
use super::support::alone::alone;
use super::support::patience::{PATIENCE, until};
use super::support::shared::Shared;
use super::support::sweep::sweep;
use super::{Board, LIMIT, SHORT, id_of, made, numbered, opened};
use selvedge::Region;
use selvedge::message::{Link, LinkError, LinkOptions, MailError, Message};
use selvedge::primitives::waiting::Wait;
use selvedge::region::{ObjectErrorKind, ParticipantId};

/// Small, so that a sender soon waits.
fn linked(region: &Region, peer: ParticipantId) -> Result<Link, LinkError> {
    let options = LinkOptions::new().capacity(2).body(64);
    region.link_with(peer, &options).map(|link| link.with_wait(Wait::Block))
}

fn link(region: &Region, peer: ParticipantId) -> Link {
    linked(region, peer).expect("it lives")
}

fn links(region: &Region) -> usize {
    region.objects().expect("they can be listed").iter().filter(|object| object.name.starts_with("link:")).count()
}

fn received(link: &Link) -> Result<u64, MailError> {
    link.recv_timeout(PATIENCE).map(|letter| letter.read().expect("a number"))
}

/// Nobody is left to receive: that may be told a moment later than that nobody is left to send.
fn is_over(link: &Link) {
    until("the other way is over, too", || link.try_send(&numbered(&6)) == Err(MailError::Closed));
}

/// The id of the process that has made the region: the first.
fn director(region: &Region) -> ParticipantId {
    region.process_named("director").expect("it can be asked").expect("it has that name")
}

/// A process that is attached and does nothing, until it is killed.
fn idle(board: &Board) -> ! {
    let _region = opened();
    board.ready.set(1);
    loop {
        std::thread::park();
    }
}

#[test]
fn both_make_it_at_once_and_it_is_one() {
    alone(LIMIT, || {
        let region = made();
        let _name = region.take_name("director").expect("nobody has it");
        for _ in 0..100 {
            let board = Shared::new(Board::default());
            let other = fork("the other", || {
                let region = opened();
                let director = director(&region);
                board.ready.set(1);
                board.go_on.wait("both begin");
                let link = link(&region, director);
                link.send_timeout(&numbered(&2), PATIENCE).expect("space");
                assert_eq!(received(&link), Ok(1));
                assert_eq!(received(&link), Err(MailError::Closed), "the director has hung up");
            });
            board.ready.wait("it is attached");
            let id = id_of(&region, &other);
            board.go_on.set(1);
            let link = link(&region, id);
            assert_eq!(link.peer(), id);
            link.send_timeout(&numbered(&1), PATIENCE).expect("space");
            let letter = link.recv_timeout(PATIENCE).expect("it sends");
            assert_eq!((letter.source(), letter.read()), (Some(id), Ok(2_u64)));
            drop(letter);
            assert_eq!(links(&region), 2, "one for each way");
            drop(link);
            other.succeed();
        }
        // The last may be there still: who has nothing to do with a process any more does not look whether it has died.
        assert!(links(&region) <= 2 * 2, "what nobody can use is taken away: {}", links(&region));
    });
}

#[test]
fn a_process_is_found_by_what_it_is_called_and_stays_the_same() {
    alone(LIMIT, || {
        let region = made();
        assert_eq!(region.process_named("printer"), Ok(None));
        assert_eq!(region.link("printer").map(drop), Err(LinkError::Unknown));
        assert_eq!(
            region.link(1).map(drop),
            Err(LinkError::Unknown),
            "of the first process of all there is no handle here"
        );
        assert_eq!(region.link(ParticipantId::from_bits(3)).map(drop), Err(LinkError::Gone));
        assert_eq!(region.link(std::process::id()).map(drop), Err(LinkError::WithItself));
        let _name = region.take_name("director").expect("nobody has it");
        let taken = region.take_name("director").map(drop).map_err(|error| error.kind());
        assert_eq!(taken, Err(ObjectErrorKind::AlreadyExists));
        let board = Shared::new(Board::default());
        let printer = fork("the printer", || {
            let region = opened();
            let name = region.take_name("printer").expect("nobody has it");
            let link = region.link("director").expect("it has that name");
            board.ready.set(1);
            assert_eq!(received(&link), Ok(1));
            // Another name, and nothing changes.
            let _other = region.take_name("plotter").expect("nobody has it");
            drop(name);
            board.ready.set(2);
            assert_eq!(received(&link), Ok(2));
            assert_eq!(received(&link), Ok(3));
            board.go_on.wait("the director has looked");
        });
        board.ready.wait("it has a name");
        let id = id_of(&region, &printer);
        let by_name = region.link("printer").expect("it has that name");
        let by_pid = region.link(printer.pid()).expect("it is there");
        assert_eq!((by_name.peer(), by_pid.peer()), (id, id));
        by_name.send(&numbered(&1)).expect("space");
        board.ready.wait_while(1, "it has another name");
        assert_eq!(region.link("printer").map(drop), Err(LinkError::Unknown));
        let by_other_name = region.link("plotter").expect("it has that name");
        by_name.send(&numbered(&2)).expect("space");
        by_other_name.send(&numbered(&3)).expect("space");
        until("all is read", || by_pid.unread() == 0);
        board.go_on.set(1);
        printer.succeed();
        until("the name is free", || region.process_named("plotter") == Ok(None));
        assert_eq!(region.link("plotter").map(drop), Err(LinkError::Unknown));
        let _mine = region.take_name("plotter").expect("nobody has it");
    });
}

#[test]
fn whoever_waits_is_told_of_a_death_though_the_other_never_came() {
    alone(LIMIT, || {
        let region = made();
        for sends in [true, false] {
            let [dies, waits] = [(); 2].map(|()| Shared::new(Board::default()));
            let other = fork("one who never comes", || idle(&dies));
            dies.ready.wait("it is attached");
            let pid = other.pid();
            let waiter = fork("one who waits", || {
                let region = opened();
                let link =
                    link(&region, region.participants().into_iter().find(|one| one.pid == pid).expect("there").id());
                if sends {
                    link.send(&numbered(&1)).expect("space: it may come yet");
                    link.send(&numbered(&2)).expect("space: it may come yet");
                    assert_eq!(link.send_timeout(&numbered(&3), SHORT), Err(MailError::TimedOut));
                }
                waits.waits.set(1);
                let answer = if sends { link.send_timeout(&numbered(&3), PATIENCE) } else { received(&link).map(drop) };
                assert_eq!(answer, Err(MailError::Closed));
                assert_eq!(received(&link), Err(MailError::Closed));
                is_over(&link);
            });
            waits.until_waiting(&waiter);
            let id = id_of(&region, &other);
            other.kill();
            waiter.succeed();
            drop(other);
            until("it is known to be dead", || region.participant(id).is_none());
            assert_eq!(region.link(id).map(drop), Err(LinkError::Gone));
        }
        until("what nobody can use is taken away", || {
            let _ = region.link(ParticipantId::from_bits(1 << 40));
            links(&region) == 0
        });
    });
}

#[test]
fn what_the_dead_has_sent_is_received_even_by_one_who_comes_later() {
    alone(LIMIT, || {
        let region = made();
        let _name = region.take_name("director").expect("nobody has it");
        let board = Shared::new(Board::default());
        let other = fork("the other", || {
            let region = opened();
            let link = link(&region, director(&region));
            link.send(&numbered(&1)).expect("space");
            link.send(&numbered(&2)).expect("space");
            board.ready.set(1);
            loop {
                std::thread::park();
            }
        });
        board.ready.wait("both are sent");
        let id = id_of(&region, &other);
        other.kill();
        until("it is known to be dead", || region.participant(id).is_none());
        let late = link(&region, id);
        assert_eq!([received(&late), received(&late), received(&late)], [Ok(1), Ok(2), Err(MailError::Closed)]);
        is_over(&late);
        drop(late);
        assert_eq!(links(&region), 0, "nobody can come any more");
        assert_eq!(region.link(id).map(drop), Err(LinkError::Gone));
    });
}

#[test]
fn who_hangs_up_is_gone_until_it_comes_again() {
    alone(LIMIT, || {
        let region = made();
        let _name = region.take_name("director").expect("nobody has it");
        let board = Shared::new(Board::default());
        let other = fork("the other", || {
            let region = opened();
            let director = director(&region);
            drop(link(&region, director));
            board.ready.set(1);
            board.go_on.wait("the director knows");
            let again = link(&region, director);
            again.send(&numbered(&1)).expect("space");
            board.ready.set(2);
            assert_eq!(received(&again), Ok(2));
        });
        board.ready.wait("it has hung up");
        let mine = link(&region, id_of(&region, &other));
        assert_eq!(received(&mine), Err(MailError::Closed));
        is_over(&mine);
        board.go_on.set(1);
        board.ready.wait_while(1, "it is there again");
        assert_eq!(received(&mine), Ok(1));
        mine.send(&numbered(&2)).expect("it is there again");
        other.succeed();
        assert_eq!(received(&mine), Err(MailError::Closed));
    });
}

const NOTHING: &str = "nothing was sent";
const SENT: &str = "it was sent";

#[test]
fn one_is_killed_while_it_opens_the_link_and_sends() {
    alone(LIMIT, || {
        let region = made();
        let _name = region.take_name("director").expect("nobody has it");
        sweep("link: open, send", [NOTHING, SENT], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let region = opened();
                let director = director(&region);
                board.ready.set(1);
                board.go_on.wait("the director has the link");
                steps.take(|| link(&region, director).send(&numbered(&5)).expect("space"));
            });
            let mine = link(&region, id_of(&region, &victim));
            board.go_on.set(1);
            let ending = victim.end();
            let state = left(mine, &ending);
            until_none_is_left(&region);
            (ending, state)
        });
    });
}

/// Nobody else has it yet: what was made half stands in nobody's way, and what was sent is there for who asks after that.
#[test]
fn one_is_killed_while_it_makes_the_link_and_sends() {
    alone(LIMIT, || {
        let region = made();
        let _name = region.take_name("director").expect("nobody has it");
        sweep("link: make, send", [NOTHING, SENT], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let region = opened();
                let director = director(&region);
                board.ready.set(1);
                board.go_on.wait("the director knows who it is");
                steps.take(|| link(&region, director).send(&numbered(&5)).expect("space"));
            });
            let id = id_of(&region, &victim);
            board.go_on.set(1);
            let ending = victim.end();
            let state = match linked(&region, id) {
                Ok(mine) => left(mine, &ending),
                Err(LinkError::Gone) => NOTHING,
                Err(error) => panic!("{error}"),
            };
            until_none_is_left(&region);
            (ending, state)
        });
    });
}

/// Whichever comes first: who lives is told of the death of who dies, or that it has gone.
#[test]
fn one_of_two_is_killed_who_make_the_link_at_once() {
    alone(LIMIT, || {
        let region = made();
        let _name = region.take_name("director").expect("nobody has it");
        sweep("link: make, both at once", [DIES, LIVES], |round| {
            let board = Shared::new(Board::default());
            let victim = round.victim(&board.ready, |steps| {
                let region = opened();
                let director = director(&region);
                board.ready.set(1);
                board.go_on.wait("both begin");
                steps.take(|| drop(link(&region, director)));
                board.waits.wait("the director has it, too");
            });
            let id = id_of(&region, &victim);
            board.go_on.set(1);
            let mine = linked(&region, id);
            board.waits.set(1);
            let ending = victim.end();
            match mine {
                Ok(mine) => assert_eq!(left(mine, &ending), NOTHING),
                Err(error) => assert!(matches!(error, LinkError::Gone) && ending != Ending::DONE, "{error}"),
            }
            until_none_is_left(&region);
            let state = if ending == Ending::DONE { LIVES } else { DIES };
            (ending, state)
        });
    });
}

const DIES: &str = "it has died";
const LIVES: &str = "it lives";

/// What the other one has sent before its end, of which this one is told.
fn left(mine: Link, ending: &Ending) -> &'static str {
    let first = received(&mine);
    let over = if first == Ok(5) { received(&mine) } else { first.clone() };
    assert_eq!(over, Err(MailError::Closed), "{ending:?}");
    is_over(&mine);
    if first.is_ok() { SENT } else { NOTHING }
}

/// Whoever asks for a link takes those away that nobody can use any more.
fn until_none_is_left(region: &Region) {
    until("what nobody can use is taken away", || {
        let _ = region.link(ParticipantId::from_bits(1 << 40));
        links(region) == 0
    });
}

/// Long bodies, each way; a place comes home with its buffer.
#[test]
fn long_bodies_have_places_each_way() {
    const LONG: usize = 10_000;
    let options = LinkOptions::new().capacity(4).body(64).long_bodies(2, LONG);
    let body = |number: u8| vec![number; LONG];
    alone(LIMIT, || {
        let region = made();
        let _name = region.take_name("director").expect("nobody has it");
        let board = Shared::new(Board::default());
        let other = fork("the other", || {
            let region = opened();
            let link = region.link_with("director", &options).expect("it lives");
            board.ready.set(1);
            for number in 0..3 {
                link.send_timeout(&Message::bytes(&body(number)), PATIENCE).expect("a place comes back");
            }
            board.go_on.wait("two are sent");
            let letter = link.recv_timeout(PATIENCE).expect("it is sent");
            assert_eq!(letter.to_vec(), body(7));
            board.ready.set(2);
            loop {
                std::thread::park();
            }
        });
        board.ready.wait("it has made the link");
        let id = id_of(&region, &other);
        let plain = region.link_with(id, &LinkOptions::new().capacity(4).body(64)).map(drop);
        assert!(
            matches!(&plain, Err(LinkError::Object(error)) if matches!(error.kind(), ObjectErrorKind::OtherTerms { .. })),
            "{plain:?}"
        );
        let link = region.link_with(id, &options).expect("it lives");
        assert_eq!(link.longest(), LONG.next_multiple_of(64));
        for number in 0..3 {
            let letter = link.recv_timeout(PATIENCE).expect("it is sent");
            assert!(letter.bytes() == body(number), "letter {number} is another");
        }
        for number in 7..9 {
            link.send(&Message::bytes(&body(number))).expect("a place");
        }
        let more = body(9);
        assert_eq!(link.try_send(&Message::bytes(&more)), Err(MailError::Full));
        board.go_on.set(1);
        until("it has a letter", || board.ready.get() == 2);
        assert_eq!(link.try_send(&Message::bytes(&more)), Err(MailError::Full), "it has that in hand");
        other.kill_and_reap();
        // Whoever was to receive is gone; what it had in hand is free, and nobody is left to say so to.
        is_over(&link);
    });
}
