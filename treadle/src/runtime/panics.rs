//! Panics of a model's threads: noted, with their place, instead of printed.

use std::any::Any;
use std::cell::RefCell;
use std::sync::Once;

std::thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
    static PAYLOAD: RefCell<Option<Box<dyn Any + Send>>> = const { RefCell::new(None) };
}

/// Keeps what a thread panicked with.
pub(super) fn keep(payload: Box<dyn Any + Send>) {
    PAYLOAD.set(Some(payload));
}

/// What was kept last.
pub(crate) fn take() -> Option<Box<dyn Any + Send>> {
    PAYLOAD.take()
}

/// Has panics inside of models noted; all others go where they went before.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if super::is_inside() {
                LAST.set(info.location().map(ToString::to_string));
            } else {
                before(info);
            }
        }));
    });
}

/// The message of a panic, and its place if it is the last one that was noted.
pub(super) fn describe(payload: &(dyn Any + Send)) -> (String, Option<String>) {
    let message = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(message), _) => (*message).to_owned(),
        (None, Some(message)) => message.clone(),
        (None, None) => "a panic without a message".to_owned(),
    };
    (message, LAST.take())
}
