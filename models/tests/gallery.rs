//! The race gallery, pinned: outcomes, failure messages and pictures are those of the snapshots.
#![cfg(loom)]
#![allow(missing_docs)]

use selvedge_models::gallery;
use std::collections::BTreeSet;

fn pinned(name: &str) {
    let exhibit = gallery::all().into_iter().find(|exhibit| exhibit.name == name).expect("an exhibit of that name");
    match exhibit.show() {
        Ok(text) => insta::assert_snapshot!(name, text),
        Err(text) => panic!("not what the exhibit promises:\n{text}"),
    }
}

macro_rules! exhibits {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                pinned(stringify!($name));
            }
        )*

        #[test]
        fn every_exhibit_is_pinned() {
            let pinned = BTreeSet::from([$(stringify!($name)),*]);
            let all: BTreeSet<&str> = gallery::all().iter().map(|exhibit| exhibit.name).collect();
            assert_eq!(pinned, all);
        }
    };
}

exhibits! {
    aba,
    check_then_act,
    claim,
    counter,
    embrace,
    handover,
    lost_wake,
    milk_1,
    milk_2,
    milk_3,
    peterson,
}
