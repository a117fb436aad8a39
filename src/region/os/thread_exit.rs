//! A callback when a thread ends in the regular way.
//!
//! **Purpose.** A thread that ends while its process lives on takes itself off its robust list and gives back its
//! slots; nobody else is told of its end. This must happen after everything that may still use a region on that
//! thread, and destructors of `thread_local!` values may.
//!
//! **Order.** A key of `pthread_key_create` rather than a `thread_local!`: glibc runs the destructors of C++ and Rust
//! thread-locals first, then those of keys. A destructor of *another* key may run later still and use the region
//! again; a pointer that is set anew then gets another round (POSIX promises at least four).
//!
//! **When it does not run.** Killed threads, `_exit`, a keeper, and the thread that returns from `main` or calls
//! `exit`: there the kernel's mark of the life word does the work. In a forked child it does run, on the thread that
//! forked and with the parent's pointer: the callback asks a [`ForkMark`](super::fork::ForkMark) first.
//!
//! **References.** `pthread_key_create(3p)`; `start_thread` in glibc's `nptl/pthread_create.c`.

use core::ffi::c_void;
use rustix::io::Errno;

/// What runs at the end of a thread, with the pointer that the thread has set.
///
/// Thread-locals may be gone by then (use `try_with`), and a panic ends the process.
pub(crate) type AtThreadExit = unsafe extern "C" fn(*mut c_void);

/// One pointer for each thread, and what happens to it when the thread ends.
///
/// Meant for a `static`: a process has 1024 keys at most. One that is dropped forgets the pointers of all threads
/// without calling anything.
#[derive(Debug)]
pub(crate) struct ThreadExitHook {
    key: libc::pthread_key_t,
}

impl ThreadExitHook {
    /// A hook that calls `callback` at the end of each thread that has set a pointer.
    ///
    /// # Errors
    /// `EAGAIN`: the process has no key left. `ENOMEM`.
    pub(crate) fn new(callback: AtThreadExit) -> Result<Self, Errno> {
        let mut key = 0;
        // SAFETY: stores the key at the given place; the callback's contract is that of `set`.
        match unsafe { libc::pthread_key_create(&raw mut key, Some(callback)) } {
            0 => Ok(Self { key }),
            error => Err(Errno::from_raw_os_error(error)),
        }
    }

    /// Sets the calling thread's pointer: the callback gets it when the thread ends. Null: no callback.
    ///
    /// # Errors
    /// `ENOMEM`: the C library could not make room; nothing is set.
    ///
    /// # Safety
    /// When this thread ends, the callback may be called with `pointer` unless another pointer was set before that.
    /// The code of the callback is still loaded then.
    pub(crate) unsafe fn set(&self, pointer: *mut c_void) -> Result<(), Errno> {
        // SAFETY: the key exists as long as `self`.
        match unsafe { libc::pthread_setspecific(self.key, pointer) } {
            0 => Ok(()),
            error => Err(Errno::from_raw_os_error(error)),
        }
    }

    /// The calling thread's pointer; null if it has set none, and while its own callback runs.
    ///
    /// Unlike a `thread_local!` it can be asked for at any time in a thread's life.
    #[must_use]
    pub(crate) fn get(&self) -> *mut c_void {
        // SAFETY: the key exists as long as `self`.
        unsafe { libc::pthread_getspecific(self.key) }
    }
}

impl Drop for ThreadExitHook {
    fn drop(&mut self) {
        // SAFETY: the key is `self`'s own and not used again.
        unsafe { libc::pthread_key_delete(self.key) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    /// What the threads of one test report, in order. A test passes a pointer to its own.
    #[derive(Debug, PartialEq, Eq)]
    enum Report {
        ThreadLocalDropped,
        Hook { seen: bool },
    }

    struct Observer {
        reports: Mutex<Sender<Report>>,
        hook: Option<ThreadExitHook>,
    }

    fn report(observer: *mut c_void, report: Report) {
        // SAFETY: the tests join their threads before the observer goes.
        let observer = unsafe { &*observer.cast::<Observer>() };
        let _ = observer.reports.lock().map(|reports| reports.send(report));
    }

    unsafe extern "C" fn at_exit(observer: *mut c_void) {
        // SAFETY: as in `report`.
        let seen = unsafe { &*observer.cast::<Observer>() }.hook.as_ref().is_some_and(|hook| !hook.get().is_null());
        report(observer, Report::Hook { seen });
    }

    struct ReportsItsDrop(*mut c_void);
    impl Drop for ReportsItsDrop {
        fn drop(&mut self) {
            report(self.0, Report::ThreadLocalDropped);
        }
    }
    std::thread_local! {
        static LOCAL: core::cell::RefCell<Option<ReportsItsDrop>> = const { core::cell::RefCell::new(None) };
    }

    /// Runs `body` on a thread of its own, with the hook and the observer's address, and collects the reports.
    fn reports_of(body: impl FnOnce(&ThreadExitHook, *mut c_void) + Send) -> Vec<Report> {
        let (sender, receiver) = channel();
        let hook = ThreadExitHook::new(at_exit).expect("a key");
        let observer = Observer { reports: Mutex::new(sender), hook: Some(hook) };
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let hook = observer.hook.as_ref().expect("made above");
                body(hook, (&raw const observer).cast_mut().cast());
            });
            // A scope waits for the closure only; joining waits for the end of the thread, hooks included.
            thread.join().expect("the thread ends");
        });
        drop(observer);
        receiver.iter().collect()
    }

    #[test]
    fn the_hook_runs_after_thread_locals_whichever_came_first() {
        let expected = vec![Report::ThreadLocalDropped, Report::Hook { seen: false }];
        let hook_first = reports_of(|hook, observer| {
            // SAFETY: the thread is joined before the observer goes.
            unsafe { hook.set(observer) }.expect("room for a pointer");
            LOCAL.with(|local| *local.borrow_mut() = Some(ReportsItsDrop(observer)));
        });
        assert_eq!(hook_first, expected);
        let local_first = reports_of(|hook, observer| {
            LOCAL.with(|local| *local.borrow_mut() = Some(ReportsItsDrop(observer)));
            // SAFETY: as above.
            unsafe { hook.set(observer) }.expect("room for a pointer");
        });
        assert_eq!(local_first, expected);
    }

    #[test]
    fn a_pointer_that_was_taken_back_calls_nothing() {
        let reports = reports_of(|hook, observer| {
            // SAFETY: taken back before the thread ends.
            unsafe { hook.set(observer) }.expect("room for a pointer");
            assert_eq!(hook.get(), observer);
            // SAFETY: null calls nothing.
            unsafe { hook.set(core::ptr::null_mut()) }.expect("room for a pointer");
            assert!(hook.get().is_null());
        });
        assert_eq!(reports, Vec::new());
    }

    #[test]
    fn each_thread_has_a_pointer_of_its_own() {
        let reports = reports_of(|hook, observer| {
            // SAFETY: the thread is joined before the observer goes.
            unsafe { hook.set(observer) }.expect("room for a pointer");
            let elsewhere = std::thread::scope(|scope| {
                let thread = scope.spawn(|| hook.get().addr());
                thread.join().expect("the thread ends")
            });
            assert_eq!(elsewhere, 0);
        });
        assert_eq!(reports, [Report::Hook { seen: false }]);
    }

    #[test]
    fn hooks_do_not_use_up_the_keys() {
        for _ in 0..3000 {
            assert!(ThreadExitHook::new(at_exit).is_ok(), "dropping a hook gives its key back");
        }
    }
}
