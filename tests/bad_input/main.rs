//! Bad input: each gets a typed error that names the region or the object; nothing panics, nothing is lost, nothing is
//! left behind.

#![cfg(not(loom))]

mod damage;
mod objects;
#[path = "../support/place.rs"]
mod place;
mod regions;
#[path = "../support/roles.rs"]
mod roles;
mod surroundings;

use place::Place;
use selvedge::Region;
use selvedge::region::{ObjectError, ObjectErrorKind, RegionError, RegionErrorKind};

#[test]
#[ignore = "other tests run it as a child process"]
fn play_a_role() {
    roles::play(|role, arguments| match (role, arguments) {
        ("attach", [path]) => regions::play_attach(path),
        ("forked", []) => objects::play_forked(),
        ("without a keeper", [path]) => surroundings::play_without_a_keeper(path),
        unknown => panic!("no such role: {unknown:?}"),
    });
}

/// Makes a call on the region `shown` that must be refused, and looks whether the refusal names it and left the
/// directory as it was.
#[track_caller]
fn refused<T>(place: &Place, shown: &str, call: impl FnOnce() -> Result<T, RegionError>) -> RegionErrorKind {
    let before = place.traces();
    let Err(error) = call() else { panic!("a call on region `{shown}` was not refused") };
    assert_eq!(error.region(), Some(shown));
    assert!(error.to_string().starts_with(&format!("region `{shown}`: ")), "{error}");
    assert_eq!(place.traces(), before, "{error}: something changed in the directory");
    error.kind().clone()
}

/// Makes a call on an object that must be refused, and looks whether the refusal names it and left the region as it
/// was.
#[track_caller]
fn refused_object<T>(region: &Region, object: &str, call: impl FnOnce() -> Result<T, ObjectError>) -> ObjectErrorKind {
    let before = region.objects().unwrap();
    let Err(error) = call() else { panic!("a call on object `{object}` was not refused") };
    assert_eq!(error.object(), object);
    assert!(error.to_string().starts_with(&format!("object `{}`: ", object.escape_debug())), "{error}");
    assert_eq!(region.objects().unwrap(), before, "{error}: something changed in the region");
    assert!(region.is_intact());
    error.kind()
}
