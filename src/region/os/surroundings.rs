//! What the tests of the region layer ask of the kernel: a small file system, another user, a death at a chosen call.
//!
//! Each says on standard error why it did nothing where the machine does not let it.

use rustix::process::Signal;
use rustix::thread::UnshareFlags;
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::null_mut;

/// A user who owns nothing and may do nothing.
pub(crate) const NOBODY: u32 = 65_534;

/// Runs `test` in a thread of its own, and its panic is the caller's.
fn in_thread<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(test).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Runs `test` with the path of an empty tmpfs of `size`, in a mount namespace that ends with it.
pub(crate) fn in_small_tmpfs(size: &str, test: impl FnOnce(&Path) + Send) {
    let root = tempfile::tempdir().unwrap();
    in_thread(|| match mount_tmpfs(root.path(), size) {
        Ok(()) => test(root.path()),
        Err(error) => eprintln!("skipped: no tmpfs of {size} can be mounted here: {error}"),
    });
}

fn mount_tmpfs(path: &Path, size: &str) -> io::Result<()> {
    // SAFETY: the table of descriptors stays shared, since FILES is not among the flags.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount(None, Path::new("/"), libc::MS_REC | libc::MS_PRIVATE, "")?;
    mount(Some(c"tmpfs"), path, 0, &format!("size={size}"))
}

fn mount(kind: Option<&std::ffi::CStr>, target: &Path, flags: libc::c_ulong, options: &str) -> io::Result<()> {
    let target = CString::new(target.as_os_str().as_bytes())?;
    let options = CString::new(options)?;
    let kind = kind.map_or(std::ptr::null(), std::ffi::CStr::as_ptr);
    // SAFETY: all pointers are null or to strings that outlive the call.
    match unsafe { libc::mount(kind, target.as_ptr(), kind, flags, options.as_ptr().cast()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Runs `test` in a thread that has become [`NOBODY`] for ever; only root can do so.
pub(crate) fn as_nobody(test: impl FnOnce() + Send) {
    in_thread(|| {
        let nobody = rustix::process::Uid::from_raw(NOBODY);
        match rustix::thread::set_thread_res_uid(nobody, nobody, nobody) {
            Ok(()) => test(),
            Err(error) => eprintln!("skipped: this user cannot become another: {error}"),
        }
    });
}

/// Lets the parent process trace the calling thread from its next stop on.
///
/// # Errors
/// If the machine forbids tracing.
pub(crate) fn let_parent_trace() -> io::Result<()> {
    // SAFETY: a request without memory arguments.
    match unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<libc::c_void>(), null_mut::<libc::c_void>()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Stops the calling thread until its tracer lets it go on.
pub(crate) fn stop_here() {
    let (process, thread) = (rustix::process::getpid(), rustix::thread::gettid());
    // SAFETY: sends a signal to the calling thread, which is no memory access.
    let sent =
        unsafe { libc::syscall(libc::SYS_tgkill, process.as_raw_nonzero(), thread.as_raw_nonzero(), libc::SIGSTOP) };
    assert_eq!(sent, 0, "tgkill: {}", io::Error::last_os_error());
}

/// What became of a traced thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traced {
    /// It was killed at the chosen call, before the kernel did anything of it.
    Killed,
    /// It came to its second stop before that call.
    Finished,
}

/// Lets a thread of a child process, which lets it do so and has [stopped](stop_here), go on, and kills its process when it is about to
/// make its system call number `kill_at`, counted from 0 and from there; or else when it stops again.
///
/// Must be called by the thread that started the child process. Does not reap the process.
pub(crate) fn kill_at_call(process: u32, thread: u32, kill_at: usize) -> Traced {
    let thread = libc::pid_t::try_from(thread).unwrap();
    assert_eq!(next_stop(thread), Some(libc::SIGSTOP), "the first stop");
    let options = libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACESYSGOOD;
    request(libc::PTRACE_SETOPTIONS, thread, options);
    let mut calls = 0;
    let mut is_in_call = false;
    let end = loop {
        request(libc::PTRACE_SYSCALL, thread, 0);
        match next_stop(thread).expect("the traced process ended by itself") {
            stop if stop == libc::SIGTRAP | 0x80 => {
                if !is_in_call && calls == kill_at {
                    break Traced::Killed;
                }
                calls += usize::from(!is_in_call);
                is_in_call = !is_in_call;
            }
            libc::SIGSTOP => break Traced::Finished,
            other => panic!("stopped by signal {other}"),
        }
    };
    let process = rustix::process::Pid::from_raw(process.try_into().unwrap()).unwrap();
    rustix::process::kill_process(process, Signal::KILL).unwrap();
    // A traced thread is a zombie of its own until its tracer has heard of its end.
    while next_stop(thread).is_some() {}
    end
}

/// Waits until the traced thread stops, and says by which signal; none once it has ended.
fn next_stop(thread: libc::pid_t) -> Option<i32> {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the answer.
    let answer = unsafe { libc::waitpid(thread, &raw mut status, libc::__WALL) };
    (answer == thread && libc::WIFSTOPPED(status)).then(|| libc::WSTOPSIG(status))
}

fn request(request: libc::c_uint, thread: libc::pid_t, data: libc::c_int) {
    // SAFETY: these requests take no pointer; `data` is an option set or zero.
    let answer = unsafe { libc::ptrace(request, thread, null_mut::<libc::c_void>(), libc::c_long::from(data)) };
    assert_eq!(answer, 0, "ptrace: {}", io::Error::last_os_error());
}
