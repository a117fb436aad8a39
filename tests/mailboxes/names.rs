//! Ports are made, found as they were made, refused on other terms, removed, and their names used again.

use super::{CAPACITIES, numbered, options, there};
use selvedge::message::{Capacity, ClaimError, MailError, Owner, PortOptions, Receivers, Succession};
use selvedge::region::{Kind, ObjectErrorKind};

#[test]
fn a_port_is_found_as_it_was_made() {
    let region = options().anonymous().expect("a region");
    assert_eq!(region.find_port("port").map(drop).map_err(|error| error.kind()), Err(ObjectErrorKind::NotFound));
    for capacity in CAPACITIES {
        for receivers in [Receivers::One, Receivers::Several] {
            for succession in [Succession::Inherit, Succession::Close] {
                let terms = PortOptions::new(capacity).body(1000).receivers(receivers).succession(succession);
                let made = region.port("port", &terms).expect("a port");
                let found = region.find_port("port").expect("it was made");
                assert!(made.same_port(&found) && found.same_port(&region.port("port", &terms).expect("the same")));
                let bound = match capacity {
                    Capacity::Zero => Some(0),
                    Capacity::Bounded(bound) => Some(bound),
                    Capacity::Unbounded { .. } => None,
                };
                assert_eq!((found.longest(), found.capacity(), found.succession()), (1024, bound, succession));
                let owner = if receivers == Receivers::One { Owner::Nobody } else { Owner::Several(0) };
                assert_eq!((found.owner(), found.correspondents()), (owner, 1));
                region.remove_object("port").expect("it is there");
            }
        }
    }
}

#[test]
fn other_terms_are_told() {
    let region = options().anonymous().expect("a region");
    let terms = PortOptions::new(Capacity::Bounded(2)).body(100);
    let _port = region.port("port", &terms).expect("a port");
    let refusal = |terms: PortOptions| region.port("port", &terms).map(drop).map_err(|error| error.kind());
    assert_eq!(refusal(terms.body(128)), Ok(()), "that is as long");
    assert_eq!(refusal(terms.body(129)), Err(ObjectErrorKind::WrongSize { found: 192, expected: 256 }));
    let other = PortOptions::new(Capacity::Bounded(3)).body(100);
    assert_eq!(refusal(other), Err(ObjectErrorKind::WrongCapacity { found: 2, expected: 3 }));
    let other = PortOptions::new(Capacity::Zero).body(100);
    assert!(matches!(refusal(other), Err(ObjectErrorKind::WrongKind { .. })));
    for (terms, expected) in [
        (terms.succession(Succession::Close), "has one receiver at a time and is closed with it"),
        (terms.receivers(Receivers::Several), "has several receivers and outlives them"),
    ] {
        let found = "has one receiver at a time and is inherited";
        assert_eq!(refusal(terms), Err(ObjectErrorKind::OtherTerms { found, expected }));
    }
    assert_eq!(
        refusal(PortOptions::new(Capacity::Bounded(0)))
            .map_err(|kind| matches!(kind, ObjectErrorKind::BadCapacity { .. })),
        Err(true)
    );
    let huge = region.port("huge", &terms.body(usize::MAX)).map(drop).map_err(|error| error.kind());
    assert!(matches!(huge, Err(ObjectErrorKind::OutOfMemory { .. })), "{huge:?}");
    region.semaphore("semaphore", 1).expect("a semaphore");
    let found = region.find_port("semaphore").map(drop).map_err(|error| error.to_string());
    assert_eq!(found, Err("object `semaphore`: is a semaphore, not a mailbox".to_owned()));
    region.channel::<u64>("channel", Capacity::Bounded(2)).expect("a channel");
    assert!(region.find_port("channel").is_err());
}

#[test]
fn a_name_is_used_again_and_the_old_port_goes_on() {
    let region = options().anonymous().expect("a region");
    let terms = PortOptions::new(Capacity::Bounded(2));
    let old = region.port("port", &terms).expect("a port");
    let mailbox = old.claim().expect("nobody has it");
    old.send(&numbered(&1)).expect("space");
    region.remove_object("port").expect("it is there");
    let new = region.port("port", &PortOptions::new(Capacity::Unbounded { quota: 4 })).expect("another port");
    assert!(!new.same_port(&old) && region.find_port("port").expect("the new one").same_port(&new));
    new.send(&numbered(&2)).expect("memory");
    old.send(&numbered(&3)).expect("space");
    assert_eq!(there(&mailbox), [1, 3]);
    assert_eq!(there(&new.claim().expect("nobody has it")), [2]);
}

#[test]
fn several_receive_and_who_closes_it_ends_it() {
    let region = options().anonymous().expect("a region");
    for succession in [Succession::Inherit, Succession::Close] {
        let terms = PortOptions::new(Capacity::Bounded(2)).receivers(Receivers::Several).succession(succession);
        let port = region.port("port", &terms).expect("a port");
        port.send(&numbered(&1)).expect("nobody has come yet");
        let [first, second] = [(); 2].map(|()| port.claim().expect("any may"));
        assert_eq!((port.owner(), first.origin()), (Owner::Several(1), None), "one process");
        assert_eq!((there(&first), there(&second)), (vec![1], vec![]));
        drop((first, second));
        let alone = if succession == Succession::Close { Err(MailError::Closed) } else { Ok(()) };
        assert_eq!(port.send(&numbered(&2)), alone);
        let again = port.claim().expect("it was not closed for good");
        port.send(&numbered(&3)).expect("somebody has come");
        port.close().expect("it can be closed");
        assert_eq!((port.owner(), port.is_closed()), (Owner::Closed, true));
        assert_eq!(port.send(&numbered(&4)), Err(MailError::Closed));
        assert_eq!(port.try_claim().map(drop), Err(ClaimError::Closed));
        let left = if alone.is_ok() { vec![2, 3] } else { vec![3] };
        assert_eq!(there(&again), left);
        assert_eq!(again.try_recv().map(drop), Err(MailError::Closed));
        assert_eq!(again.recv().map(drop), Err(MailError::Closed));
        region.remove_object("port").expect("it is there");
    }
}

#[test]
fn what_can_be_seen_from_outside_says_who_receives() {
    let region = options().anonymous().expect("a region");
    let state = || {
        let inspection = region.inspect();
        let object = inspection.objects.iter().find(|object| object.name == "port").expect("it is there");
        (object.kind, object.depth, object.capacity, object.state.clone())
    };
    let port = region.port("port", &PortOptions::new(Capacity::Bounded(2))).expect("a port");
    port.send(&numbered(&1)).expect("space");
    let said = |end: &str| (Some(Kind::Mailbox), Some(1), Some(2), format!("1 of 2 messages; {end}"));
    assert_eq!(state(), said("nobody has claimed it yet"));
    let mailbox = port.claim().expect("nobody has it");
    assert_eq!(state(), said(&format!("process {} receives", std::process::id())));
    mailbox.give(region.participant_id()).expect("this process lives");
    assert_eq!(state(), said(&format!("it is offered to process {}", std::process::id())));
    drop(port.claim().expect("it was given"));
    assert_eq!(state(), said("who received has left it: whoever claims it has what is there"));
    port.close().expect("it can be closed");
    assert_eq!(state(), said("closed"));
}
