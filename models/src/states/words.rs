//! The words of which states are shown, and what their values mean to people: as the tables "Layout" at the heads of the
//! primitives have them. Numbers become 0, 1 and many, and versions, turns and slots are left out.

/// A word of a control block.
pub(super) struct Word {
    /// The primitive.
    pub(super) primitive: &'static str,
    /// What it is called there.
    pub(super) name: &'static str,
    /// Where it is changed.
    pub(super) changed: &'static [Changed],
    /// Only in these models, or those of these primitives (`mutex/`); in all of its own, if there are none.
    pub(super) models: &'static [&'static str],
    /// What it holds in fresh memory, if that means something.
    pub(super) first: Option<u64>,
    /// The state that a value is in.
    pub(super) state: fn(u64) -> Option<String>,
}

/// Changes of a word: those in a file that are made on something of this name, in these functions or, if there are none,
/// in all.
#[derive(Clone, Copy)]
pub(super) struct Changed {
    pub(super) file: &'static str,
    pub(super) receiver: &'static str,
    pub(super) functions: &'static [&'static str],
}

const fn changed(file: &'static str, receiver: &'static str, functions: &'static [&'static str]) -> Changed {
    Changed { file, receiver, functions }
}

/// What the kernel does to life words, as the models play it.
const KERNEL: [Changed; 2] =
    [changed("models/src/scene.rs", "life", &[]), changed("models/src/life.rs", "life", &["die"])];
/// Where the words of participants are changed.
const PARTICIPANTS: &str = "src/primitives/participants.rs";

/// A word of which nothing special is to be said.
const fn word(
    primitive: &'static str,
    name: &'static str,
    changed: &'static [Changed],
    state: fn(u64) -> Option<String>,
) -> Word {
    Word { primitive, name, changed, models: &[], first: Some(0), state }
}

/// A word of participants, which keepers change, too.
const fn of_participants(word: Word) -> Word {
    Word { models: &["participants/", "undertaker/"], ..word }
}

/// All of them.
pub(super) const ALL: &[Word] = &[
    word("barrier", "word", &[changed("src/primitives/barrier.rs", "word", &[])], |value| {
        let arrived = number(value & 0x3fff);
        flags(&format!("{arrived} arrived"), value, &[(30, "broken"), (31, "waiters")])
    }),
    word("barrier", "place of a member", &[changed("src/primitives/barrier.rs", "place", &[])], |value| {
        one_of(if value >> 31 == 1 { 2 } else { value.min(1) }, &["free", "member", "dead member"])
    }),
    Word {
        models: &["choice/", "select/"],
        ..word("choice", "word", &[changed("src/primitives/choice.rs", "word", &[])], |value| {
            one_of((value & 3).min(2), &["closed", "open", "chosen"])
        })
    },
    word("condvar", "word", &[changed("src/primitives/condvar.rs", "word", &[])], |value| {
        one_of(value >> 31, &["nobody waits", "waiters"])
    }),
    word("ends", "processes at an end, of 64", &[changed("src/primitives/ends.rs", "bits", &[])], |value| {
        one_of(u64::from(value.count_ones()).min(2), &["nobody", "one", "several"])
    }),
    word("ends", "how often somebody came", &[changed("src/primitives/ends.rs", "came", &[])], |value| {
        one_of(value.min(2), &["nobody yet", "once", "more than once"])
    }),
    word("commit", "changes", &[changed("src/primitives/commit.rs", "changes", &[])], |value| {
        one_of(value & 1, &["the first copy is current", "the second"])
    }),
    word("event", "word", &[changed("src/primitives/event.rs", "word", &[])], |value| {
        flags(if value >> 30 & 1 == 1 { "set" } else { "not set" }, value, &[(31, "waiters")])
    }),
    word("gate", "word", &[changed("src/primitives/gate.rs", "word", &[])], |value| {
        flags(if value & 1 == 1 { "sleepers" } else { "nobody sleeps" }, value, &[(1, "apart")])
    }),
    word("mutex", "word", &[changed("src/primitives/mutex.rs", "word", &[])], |value| {
        let held = if value & 0x1_ffff == 0 { "unlocked" } else { "locked" };
        let held = if value >> 30 & 1 == 1 { "owner died" } else { held };
        flags(if value >> 29 & 1 == 1 { "not recoverable" } else { held }, value, &[(31, "waiters")])
    }),
    word("once", "state", &[changed("src/primitives/once.rs", "state", &[])], |value| {
        one_of(value, &["fresh", "begun", "done"])
    }),
    Word {
        primitive: "owned_semaphore",
        name: "word, with one permit",
        changed: &[changed("src/primitives/owned_semaphore.rs", "word", &[])],
        // The layout depends on the numbers of permits and of slots: it is the same in all of these.
        models: &[
            "owned_semaphore/two_share_one_permit",
            "owned_semaphore/two_share_one_permit_twice",
            "owned_semaphore/holder_dies_permit_comes_home",
            "owned_semaphore/releaser_dies_permit_is_there",
            "owned_semaphore/two_die_all_comes_home",
            "owned_semaphore/thread_ends_with_a_permit",
            "owned_semaphore/timed_acquire_leaves_no_trace",
        ],
        first: Some(1),
        state: |value| flags(&format!("{} there", value & 1), value, &[(1, "waiters"), (2, "all returned")]),
    },
    of_participants(word(
        "participants",
        "process word",
        &[changed(PARTICIPANTS, "word", &["begin", "swing"])],
        |value| one_of(value & 7, &["free", "being made", "live", "dead", "walked"]),
    )),
    of_participants(word(
        "participants",
        "life word",
        &[
            KERNEL[0],
            KERNEL[1],
            changed(PARTICIPANTS, "word", &["claim_process", "claim_slot", "put_back", "release_life", "reset_block"]),
            changed(PARTICIPANTS, "word", &["take_dead_life"]),
        ],
        |value| {
            one_of(
                if value >> 30 & 1 == 1 { 2 } else { u64::from(value & 0x3fff_ffff != 0) },
                &["nobody's", "owned", "died"],
            )
        },
    )),
    word("pool", "word of a buffer", &[changed("src/primitives/pool.rs", "word", &[])], buffer),
    word("pool", "word of an annex", &[changed("src/primitives/pool/annexes.rs", "word", &[])], |value| {
        one_of(u64::from(value & 0xf_ffff != 0), &["nobody's", "a buffer's"])
    }),
    word(
        "queue",
        "slot",
        &[changed("src/primitives/queue.rs", "slot", &[]), changed("src/primitives/queue/repair.rs", "slot", &[])],
        |value| one_of(value & 3, &["empty", "full", "taken"]),
    ),
    word(
        "queue",
        "word of a buffer",
        &[
            changed("src/primitives/pool.rs", "word", &[]),
            changed("src/primitives/queue.rs", "word", &[]),
            changed("src/primitives/queue/repair.rs", "word", &[]),
        ],
        buffer,
    ),
    word("registry", "state of an entry", &[changed("src/primitives/registry.rs", "state", &[])], |value| {
        one_of(value & 3, &["empty", "ready", "unnamed"])
    }),
    word("registry", "who has an entry open", &[changed("src/primitives/registry.rs", "bits", &[])], |value| {
        Some(format!("{} open", number(value.count_ones().into())))
    }),
    Word {
        models: &["rendezvous/", "select/"],
        ..word(
            "rendezvous",
            "word",
            &[changed("src/primitives/rendezvous.rs", "word", &["swing", "wait_for"])],
            |value| {
                let states = ["idle", "offered", "taken", "requested", "given", "open offer", "open request"];
                one_of((value & 7).min(6), &states)
            },
        )
    },
    word("ring", "index of a side", &[changed("src/primitives/ring.rs", "index", &[])], |value| {
        flags("position", value, &[(31, "waiters"), (30, "bell")])
    }),
    word(
        "right",
        "word",
        &[
            changed("src/primitives/right.rs", "word", &[]),
            changed("src/primitives/right.rs", "self", &["offer", "leave", "bury"]),
        ],
        |value| one_of(value & 7, &["nobody yet", "held", "offered", "left", "died", "shared", "closed"]),
    ),
    word("role", "word", &[changed("src/primitives/role.rs", "word", &[])], |value| {
        one_of(value >> 30, &["never opened", "held", "closed", "died"])
    }),
    word("rwlock", "state, waiters left out", &[changed("src/primitives/rwlock.rs", "state", &[])], |value| {
        let stage = ["free", "wanted", "", "writing"].get(usize::try_from(value >> 1 & 3).ok()?)?;
        flags(stage, value, &[(3, "inconsistent"), (4, "orphaned")])
    }),
    word("rwlock", "place of a thread", &[changed("src/primitives/rwlock.rs", "place", &[])], |value| {
        flags(
            ["no reader", "reads", "reads again"].get(usize::try_from((value & 0x7fff_ffff).min(2)).ok()?)?,
            value,
            &[(31, "waited for")],
        )
    }),
    Word {
        first: None,
        ..word("semaphore", "word, without MANY", &[changed("src/primitives/semaphore.rs", "word", &[])], |value| {
            flags(&format!("{} there", number(value & 0x3fff_ffff)), value, &[(31, "waiters")])
        })
    },
    word(
        "unbounded",
        "word of a node",
        &[changed("src/primitives/pool.rs", "word", &[]), changed("src/primitives/unbounded.rs", "word", &[])],
        buffer,
    ),
    word("unbounded", "link of a node", &[changed("src/primitives/unbounded.rs", "link", &[])], |value| {
        one_of(u64::from(value & 0xf_ffff != 0), &["the last", "linked on"])
    }),
    of_participants(word(
        "undertaker",
        "hazard",
        &[changed("src/primitives/undertaker.rs", "hazard", &[]), changed(PARTICIPANTS, "hazard", &[])],
        |value| one_of(value.min(1), &["works on nobody", "works on a dead one"]),
    )),
    of_participants(word(
        "undertaker",
        "walked",
        &[changed("src/primitives/undertaker.rs", "walked", &[]), changed(PARTICIPANTS, "walked", &[])],
        |value| one_of(value, &["not walked", "walked"]),
    )),
    word("waiting", "what a thread waits for", &[changed("src/primitives/waiting.rs", "waiting", &[])], |value| {
        one_of(value.min(1), &["nothing named", "object named"])
    }),
];

fn buffer(value: u64) -> Option<String> {
    let state = ["free", "filled", "queued", "held", "returned", "held, first", "first", "returned, first"];
    let state = state.get(usize::try_from(value & 7).ok()?)?;
    flags(state, value, &[(3, "again"), (19, "for good")])
}

fn number(value: u64) -> &'static str {
    match value {
        0 => "0",
        1 => "1",
        _ => "many",
    }
}

fn one_of(index: u64, names: &[&str]) -> Option<String> {
    names.get(usize::try_from(index).ok()?).map(|name| (*name).to_owned())
}

/// The state, with the names of the bits that are set.
fn flags(state: &str, value: u64, bits: &[(u32, &str)]) -> Option<String> {
    let set = bits.iter().filter(|(bit, _)| value >> bit & 1 == 1).map(|(_, name)| *name);
    (!state.is_empty()).then(|| std::iter::once(state).chain(set).collect::<Vec<_>>().join(", "))
}
