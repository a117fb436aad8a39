//! The objects of a region are a map from names, over an arena of which each object keeps its part for ever.

use crate::region;
use proptest::prelude::*;
use selvedge::Region;
use selvedge::region::{Kind, Mutex, ObjectErrorKind, Segment, Semaphore};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const OBJECTS: usize = 5;
const ARENA: u64 = 1024;
/// Every object begins at a multiple of this.
const ALIGN: u64 = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Word,
    Words,
    Permits,
    Bytes(usize),
}

impl Shape {
    fn kind(self) -> Kind {
        match self {
            Self::Word | Self::Words => Kind::Mutex,
            Self::Permits => Kind::Semaphore,
            Self::Bytes(_) => Kind::Segment,
        }
    }

    /// Bytes of one element.
    fn element(self) -> u64 {
        match self {
            Self::Word => 8,
            Self::Words => 24,
            Self::Permits => 0,
            Self::Bytes(_) => 1,
        }
    }

    /// How much of the arena it takes: the word of a mutex or semaphore, and what follows, aligned.
    fn bytes(self) -> u64 {
        match self {
            Self::Word => 8 + 8,
            Self::Words => 8 + 24,
            Self::Permits => 4,
            Self::Bytes(bytes) => bytes as u64,
        }
    }

    /// What is said to who asks for `self` and finds `found`.
    fn refusal(self, found: Self) -> ObjectErrorKind {
        if found.kind() != self.kind() {
            return ObjectErrorKind::WrongKind { found: number(found.kind()), expected: number(self.kind()) };
        }
        match (found, self) {
            (Self::Bytes(found), Self::Bytes(expected)) => {
                ObjectErrorKind::WrongCapacity { found: found as u64, expected: expected as u64 }
            }
            _ => ObjectErrorKind::WrongSize { found: found.element(), expected: self.element() },
        }
    }
}

/// The number of a kind in the shared format.
fn number(kind: Kind) -> u32 {
    match kind {
        Kind::Mutex => 1,
        Kind::Semaphore => 2,
        Kind::Segment => 5,
        other => panic!("no {other} is made here"),
    }
}

/// A handle of any shape, with one value that can be read and written.
enum Handle {
    Word(Mutex<u64>),
    Words(Mutex<[u64; 3]>),
    Permits(Semaphore),
    Bytes(Segment),
}

impl Handle {
    fn obtain(region: &Region, name: &str, shape: Shape, value: u64) -> Result<Self, ObjectErrorKind> {
        let made = match shape {
            Shape::Word => region.mutex(name, value).map(Self::Word),
            Shape::Words => region.mutex(name, [value; 3]).map(Self::Words),
            Shape::Permits => region.semaphore(name, u32::try_from(value).unwrap()).map(Self::Permits),
            Shape::Bytes(bytes) => region.segment(name, bytes).map(Self::Bytes),
        };
        made.map_err(|error| {
            assert_eq!(error.object(), name);
            error.kind()
        })
    }

    /// The value that a new object has if it was made with `value`.
    fn first(shape: Shape, value: u64) -> u64 {
        if matches!(shape, Shape::Bytes(_)) { 0 } else { value }
    }

    fn value(&self) -> u64 {
        match self {
            Self::Word(mutex) => *mutex.lock().unwrap(),
            Self::Words(mutex) => {
                let words = mutex.lock().unwrap();
                assert!(words.iter().all(|word| *word == words[0]), "{words:?}");
                words[0]
            }
            Self::Permits(permits) => permits.available().into(),
            Self::Bytes(table) => {
                let mut bytes = vec![0; table.len()];
                // SAFETY: this thread alone uses the region.
                unsafe { table.read(0, &mut bytes) }.unwrap();
                assert!(bytes.iter().all(|byte| *byte == bytes[0]), "{bytes:?}");
                bytes[0].into()
            }
        }
    }

    fn write(&self, value: u64) {
        match self {
            Self::Word(mutex) => *mutex.lock().unwrap() = value,
            Self::Words(mutex) => *mutex.lock().unwrap() = [value; 3],
            Self::Permits(permits) => {
                permits.acquire_many(permits.available()).unwrap();
                permits.release_many(u32::try_from(value).unwrap()).unwrap();
            }
            Self::Bytes(table) => {
                let bytes = vec![u8::try_from(value).unwrap(); table.len()];
                // SAFETY: as above.
                unsafe { table.write(0, &bytes) }.unwrap();
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Obtain { name: usize, shape: Shape, value: u8 },
    Remove { name: usize },
    Write { handle: usize, value: u8 },
    Clone { handle: usize },
    Close { handle: usize },
}

fn operation() -> impl Strategy<Value = Operation> {
    let shape = prop_oneof![
        Just(Shape::Word),
        Just(Shape::Words),
        Just(Shape::Permits),
        Just(Shape::Bytes(100)),
        Just(Shape::Bytes(300)),
    ];
    prop_oneof![
        6 => (0..NAMES.len(), shape, any::<u8>())
            .prop_map(|(name, shape, value)| Operation::Obtain { name, shape, value }),
        3 => (0..NAMES.len()).prop_map(|name| Operation::Remove { name }),
        2 => (any::<usize>(), any::<u8>()).prop_map(|(handle, value)| Operation::Write { handle, value }),
        1 => any::<usize>().prop_map(|handle| Operation::Clone { handle }),
        4 => any::<usize>().prop_map(|handle| Operation::Close { handle }),
    ]
}

/// An entry as the model has it: it keeps shape and place for ever.
struct Entry {
    name: Option<usize>,
    shape: Shape,
    end: u64,
    value: u64,
    handles: usize,
}

/// What the region must do.
#[derive(Default)]
struct Model {
    entries: Vec<Entry>,
}

impl Model {
    fn named(&self, name: usize) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name == Some(name))
    }

    /// The entry that a call gets, or why it gets none.
    fn obtain(&mut self, name: usize, shape: Shape, value: u64) -> Result<usize, ObjectErrorKind> {
        if let Some(index) = self.named(name) {
            let entry = &mut self.entries[index];
            if entry.shape != shape {
                return Err(shape.refusal(entry.shape));
            }
            entry.handles += 1;
            return Ok(index);
        }
        let first = Handle::first(shape, value);
        let vacant = |entry: &Entry| entry.name.is_none() && entry.handles == 0 && entry.shape == shape;
        if let Some(index) = self.entries.iter().position(vacant) {
            let entry = &mut self.entries[index];
            (entry.name, entry.value, entry.handles) = (Some(name), first, 1);
            return Ok(index);
        }
        if self.entries.len() == OBJECTS {
            return Err(ObjectErrorKind::TooManyObjects { limit: OBJECTS.try_into().unwrap() });
        }
        let start = self.entries.last().map_or(0, |entry| entry.end.next_multiple_of(ALIGN));
        let end = start + shape.bytes();
        if end > ARENA {
            return Err(ObjectErrorKind::OutOfMemory { needed: shape.bytes() });
        }
        self.entries.push(Entry { name: Some(name), shape, end, value: first, handles: 1 });
        Ok(self.entries.len() - 1)
    }

    /// The list of named objects: in the order of their entries.
    fn objects(&self) -> Vec<(String, Kind, u64)> {
        let named = |entry: &Entry| Some((NAMES[entry.name?].to_owned(), entry.shape.kind(), entry.shape.bytes()));
        self.entries.iter().filter_map(named).collect()
    }
}

fn objects(region: &Region) -> Vec<(String, Kind, u64)> {
    let entries = region.objects().unwrap().into_iter();
    entries.map(|entry| (entry.name, entry.kind.unwrap(), entry.bytes)).collect()
}

proptest! {
    #[test]
    fn objects_are_a_map_over_an_arena(operations in prop::collection::vec(operation(), 0..80)) {
        let region = region(OBJECTS.try_into().unwrap(), ARENA);
        let mut model = Model::default();
        let mut handles: Vec<(usize, Handle)> = Vec::new();
        for operation in operations {
            match operation {
                Operation::Obtain { name, shape, value } => {
                    let answer = Handle::obtain(&region, NAMES[name], shape, value.into());
                    match (model.obtain(name, shape, value.into()), answer) {
                        (Ok(index), Ok(handle)) => handles.push((index, handle)),
                        (expected, answer) => prop_assert_eq!(answer.map(drop), expected.map(drop)),
                    }
                }
                Operation::Remove { name } => {
                    let answer = region.remove_object(NAMES[name]).map_err(|error| error.kind());
                    match model.named(name) {
                        Some(index) => {
                            prop_assert_eq!(answer, Ok(()));
                            model.entries[index].name = None;
                        }
                        None => prop_assert_eq!(answer, Err(ObjectErrorKind::NotFound)),
                    }
                }
                _ if handles.is_empty() => {}
                Operation::Write { handle, value } => {
                    let (index, handle) = &handles[handle % handles.len()];
                    handle.write(value.into());
                    model.entries[*index].value = value.into();
                }
                Operation::Clone { handle } => {
                    let (index, handle) = &handles[handle % handles.len()];
                    let copy = match handle {
                        Handle::Word(mutex) => Handle::Word(mutex.clone()),
                        Handle::Words(mutex) => Handle::Words(mutex.clone()),
                        Handle::Permits(permits) => Handle::Permits(permits.clone()),
                        Handle::Bytes(table) => Handle::Bytes(table.clone()),
                    };
                    model.entries[*index].handles += 1;
                    handles.push((*index, copy));
                }
                Operation::Close { handle } => {
                    let (index, _) = handles.swap_remove(handle % handles.len());
                    model.entries[index].handles -= 1;
                }
            }
            prop_assert_eq!(objects(&region), model.objects());
            for (index, handle) in &handles {
                prop_assert_eq!(handle.value(), model.entries[*index].value);
            }
        }
    }
}
