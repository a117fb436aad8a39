//! Panics of models are results, not noise: they are caught with their message and place, and printed by nobody.

use std::cell::{Cell, RefCell};
use std::sync::Once;

std::thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `body` with panics of this OS thread kept for [`take_message`] instead of printed.
pub(crate) fn quietly<R>(body: impl FnOnce() -> R) -> R {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if QUIET.try_with(Cell::get).unwrap_or(false) {
                let text = info.payload_as_str().map(|text| match info.location() {
                    Some(place) => format!("{text} (at {}:{})", place.file(), place.line()),
                    None => text.to_owned(),
                });
                // The first panic is the cause; what follows while others unwind is not.
                LAST.with_borrow_mut(|last| {
                    if last.is_none() {
                        *last = text;
                    }
                });
            } else {
                loud(info);
            }
        }));
    });
    let was = QUIET.replace(true);
    LAST.set(None);
    let result = body();
    QUIET.set(was);
    result
}

/// The message of the first panic since [`quietly`] began.
pub(crate) fn take_message() -> Option<String> {
    LAST.take()
}
