//! A segment is a vector of bytes.

use crate::region;
use proptest::prelude::*;
use selvedge::region::OutOfRange;

const SIZE: usize = 300;

#[derive(Clone, Debug)]
enum Operation {
    Read { offset: usize, length: usize },
    Write { offset: usize, bytes: Vec<u8> },
}

/// Mostly ranges in the segment, some across its end, and offsets that no sum survives.
fn operation() -> impl Strategy<Value = Operation> {
    let offset = prop_oneof![20 => 0..SIZE + 20, 1 => Just(usize::MAX), 1 => Just(usize::MAX - 10)];
    let length = prop_oneof![4 => 0..40_usize, 1 => 0..SIZE + 20];
    prop_oneof![
        (offset.clone(), length).prop_map(|(offset, length)| Operation::Read { offset, length }),
        (offset, prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(offset, bytes)| Operation::Write { offset, bytes }),
    ]
}

proptest! {
    #[test]
    fn a_segment_is_a_vector_of_bytes(operations in prop::collection::vec((any::<bool>(), operation()), 0..100)) {
        let region = region(4, 4096);
        // Neighbours on both sides, which must stay as they are.
        let around = ["before", "after"].map(|name| (name, 64));
        let before = region.segment(around[0].0, around[0].1).unwrap();
        let handles = [region.segment("table", SIZE).unwrap(), region.segment("table", SIZE).unwrap()];
        let after = region.segment(around[1].0, around[1].1).unwrap();
        let mut model = vec![0_u8; SIZE];
        for (which, operation) in operations {
            let table = &handles[usize::from(which)];
            match operation {
                Operation::Read { offset, length } => {
                    let mut found = vec![0xaa; length];
                    // SAFETY: this thread alone uses the region.
                    let answer = unsafe { table.read(offset, &mut found) };
                    match offset.checked_add(length).and_then(|end| model.get(offset..end)) {
                        Some(expected) => {
                            prop_assert!(answer.is_ok());
                            prop_assert_eq!(found, expected);
                        }
                        None => {
                            let OutOfRange { segment, offset: at, length: long, size } = answer.unwrap_err();
                            prop_assert_eq!((segment.as_str(), at, long, size), ("table", offset, length, SIZE));
                            prop_assert!(found.iter().all(|byte| *byte == 0xaa), "something was copied");
                        }
                    }
                }
                Operation::Write { offset, bytes } => {
                    // SAFETY: as above.
                    let answer = unsafe { table.write(offset, &bytes) };
                    match offset.checked_add(bytes.len()).and_then(|end| model.get_mut(offset..end)) {
                        Some(place) => {
                            prop_assert!(answer.is_ok());
                            place.copy_from_slice(&bytes);
                        }
                        None => prop_assert!(answer.is_err()),
                    }
                }
            }
        }
        let mut found = vec![0; SIZE];
        // SAFETY: as above.
        unsafe { handles[0].read(0, &mut found) }.unwrap();
        prop_assert_eq!(found, model);
        for neighbour in [before, after] {
            let mut found = [1; 64];
            // SAFETY: as above.
            unsafe { neighbour.read(0, &mut found) }.unwrap();
            prop_assert_eq!(found, [0; 64], "{} was written to", neighbour.name());
        }
    }
}
