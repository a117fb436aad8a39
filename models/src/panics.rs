//! Panics of models are results, not noise: they are caught with their message and place, and printed by nobody.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// What was in place before: it prints the panics of everybody else.
static LOUD: OnceLock<Hook> = OnceLock::new();

std::thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `body` with panics of this OS thread kept for [`take_message`] instead of printed.
pub(crate) fn quietly<R>(body: impl FnOnce() -> R) -> R {
    LOUD.get_or_init(|| {
        let loud = std::panic::take_hook();
        // shuttle puts a hook of its own on top at its first run, which announces every failure: it is replaced below.
        let mut config = shuttle::Config::new();
        config.silence_warnings = true;
        config.failure_persistence = shuttle::FailurePersistence::None;
        shuttle::Runner::new(shuttle::scheduler::RandomScheduler::new(1), config).run(|| {});
        loud
    });
    // Again each time: an engine that drops a coroutine in the middle takes the hook away and puts it back, and two
    // that do so at the same time can put back the wrong one.
    std::panic::set_hook(Box::new(keep_or_print));
    let was = QUIET.replace(true);
    LAST.set(None);
    let result = body();
    QUIET.set(was);
    result
}

fn keep_or_print(info: &PanicHookInfo<'_>) {
    if !QUIET.try_with(Cell::get).unwrap_or(false) {
        if let Some(loud) = LOUD.get() {
            loud(info);
        }
        return;
    }
    let text = info.payload_as_str().map(|text| match info.location() {
        // Where an engine noticed it, in a folder of this machine, tells nobody anything.
        Some(place) if !place.file().starts_with('/') => format!("{text} (at {}:{})", place.file(), place.line()),
        _ => text.to_owned(),
    });
    // The first panic is the cause; what follows while others unwind is not.
    LAST.with_borrow_mut(|last| {
        if last.is_none() {
            *last = text;
        }
    });
}

/// The message of the first panic since [`quietly`] began, or, if the hook was not called, that of `payload`.
pub(crate) fn take_message(payload: &(dyn Any + Send)) -> String {
    let carried = || {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| payload.downcast_ref::<&str>().copied()).map(str::to_owned)
    };
    LAST.take().or_else(carried).unwrap_or_else(|| "panic without a message".to_owned())
}
