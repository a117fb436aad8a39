//! The properties that models check, by id. "Killed" is SIGKILL before any synchronisation step, that of whoever repairs
//! included.

/// A property.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    /// As models name it.
    pub id: &'static str,
    /// What holds.
    pub what: &'static str,
}

const fn property(id: &'static str, what: &'static str) -> Property {
    Property { id, what }
}

/// All of them, in the order in which the report shows them.
pub const ALL: &[Property] = &[
    property("G1", "payload is never accessed by two threads at once unless both only read"),
    property("G2", "a blocked call returns once what it waits for holds: no wake-up is lost"),
    property("G3", "a call that does not block never does, and one that gives up leaves no trace and swallows no wake"),
    property("G4", "after any kill the survivors go on, and nothing that the dead had finished is lost"),
    property("G6", "an operation that does not block ends when it runs alone, wherever all others have stopped"),
    property("S1", "never more permits are held than there are, and their number is never negative"),
    property("S2", "who acquires a permit sees what was done before its release"),
    property("S3", "no kill loses a permit of an owned semaphore or makes one"),
    property("S4", "several permits are acquired all or none, and nobody sleeps on who could have them"),
    property("M1", "at most one holds the mutex"),
    property("M2", "no wake-up is lost by lock and unlock"),
    property("M3", "who locks sees all that was done before the unlock"),
    property("M4", "when the owner dies exactly one heir is told, and sees what the dead one wrote"),
    property("M5", "when the heir dies the next one is told"),
    property("M6", "who sleeps is not forgotten by a takeover"),
    property("C1", "a notification wakes a wait that had begun before it"),
    property("C2", "a notification never blocks, however many waiters were killed"),
    property("B1", "the death of a member is told to the others of a barrier, and nobody waits for it"),
    property("R1", "a dead reader does not count"),
    property("R2", "a writer that waits keeps new readers out"),
    property(
        "Q1",
        "a queue is linearizable, first in, first out: no message lost, made or given twice, and empty and full are true answers",
    ),
    property("Q2", "there are never more messages than the capacity; full blocks the sender, empty the receiver"),
    property("Q3", "a message is seen whole or not at all"),
    property("Q4", "a sender that is killed or stopped in the middle blocks nobody"),
    property(
        "Q5",
        "the message of a receiver that is killed is gone with it, or goes to another, marked, as the queue was made",
    ),
    property("Q6", "what the dead left half done is completed or undone, and every buffer comes home"),
    property("U1", "the unbounded queue does as Q1 and Q3 to Q6 say"),
    property("U2", "the memory of messages that were received, or whose owner died, is used again"),
    property("Z1", "a rendezvous send returns only when a receiver has the message"),
    property("Z2", "if one side dies in the middle the other learns which of the two holds"),
    property("Z3", "no message is left behind by a rendezvous"),
    property("P1", "what one sender sends is received in the order in which it was sent"),
    property(
        "P2",
        "when nobody is left to send, what was sent is received, and then it is told; so is a sender when nobody is left to receive",
    ),
    property("P3", "what names a dead process is never taken for a later one in its place"),
    property(
        "P4",
        "a name is made, found and taken away by several at once, and by some who die, and leads to one object or none",
    ),
    property(
        "P5",
        "at most one process at a time has the right to receive; it passes on when it is given, left, or its holder dies, or is closed then by choice, and those who wait are told",
    ),
    property(
        "P6",
        "who wants messages of one type receives the first of those that are there; the others stay, in their order, for whoever wants them",
    ),
    property(
        "P7",
        "what a receiver looked at when it died is there again; what it was given is gone with it, or there again, as the mailbox was made",
    ),
    property(
        "P8",
        "what is too long for a buffer has a place that goes where the buffer goes, and is free when the buffer is, whoever dies",
    ),
    property(
        "L1",
        "whoever waits at its end of a link is told when the other process dies, come or not; that two have one link is N1, of its names",
    ),
    property(
        "E1",
        "what is changed in one commit has changed as a whole or not at all, whoever was killed; and so a message can take effect once",
    ),
    property("X1", "a select does one of its operations, no other, and knows which; and leaves no trace at the others"),
    property("F1", "a death is seen, once, by everybody who waits for what the dead held or would have done"),
    property("F2", "nothing is taken from a thread that can still run"),
    property("F3", "a slot is used again only when every word that names it is clear and nobody works on it still"),
    property("F5", "a live process that is taken for dead notices and keeps out"),
    property(
        "N1",
        "objects are made, opened and removed by several at once, and nobody gets half an object or two of one name",
    ),
];

/// The property with this id.
#[must_use]
pub fn named(id: &str) -> Option<&'static Property> {
    ALL.iter().find(|property| property.id == id)
}
