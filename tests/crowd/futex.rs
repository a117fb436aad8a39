//! How many futex calls a thread and all that comes from it make: the kernel counts each, and nothing is estimated.
//!
//! A tracer would count as well, and change what it counts: it holds up every call for so long that the word on which a thread
//! was about to sleep is another one meanwhile, and it calls again. The kernel's own counters of its trace points hold up nobody.
//! To read where they are one has to be root.
//!
//! Calls on memory that is not shared (the C library's own) are none of a channel's, and not counted.

use rustix::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ffi::{CStr, CString};
use std::fs;
use std::io;

/// Calls by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Calls {
    /// To sleep.
    pub(crate) waits: u64,
    /// To wake others.
    pub(crate) wakes: u64,
}

impl Calls {
    /// All of them.
    pub(crate) fn all(self) -> u64 {
        self.waits + self.wakes
    }

    /// Those that came after `earlier` ones.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { waits: self.waits - earlier.waits, wakes: self.wakes - earlier.wakes }
    }
}

/// Counts.
#[derive(Debug)]
pub(crate) struct Counter {
    /// Calls that sleep, calls that wake, calls that sleep on several words.
    events: [Event; 3],
}

impl Counter {
    /// Of the calling thread, and of all threads and processes that come from it from now on.
    ///
    /// # Errors
    /// This machine forbids it, and why.
    pub(crate) fn install() -> io::Result<Self> {
        let wake = libc::FUTEX_WAKE;
        let waits = format!("op != {wake} && !(op & {})", libc::FUTEX_PRIVATE_FLAG);
        let events = [
            Event::open("sys_enter_futex", Some(&waits))?,
            Event::open("sys_enter_futex", Some(&format!("op == {wake}")))?,
            Event::open("sys_enter_futex_waitv", None)?,
        ];
        Ok(Self { events })
    }

    /// How many there were so far.
    pub(crate) fn so_far(&self) -> Calls {
        let [waits, wakes, several] = self.events.each_ref().map(Event::count);
        Calls { waits: waits + several, wakes }
    }
}

/// The beginning of the kernel's `perf_event_attr`, which is all of it that matters here.
#[repr(C)]
#[derive(Debug, Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    breakpoint_address: u64,
}

const TRACEPOINT: u32 = 2;
const INHERITED: u64 = 2;
const SET_FILTER: u64 = 0x4008_2406;

/// One counter of the kernel's.
#[derive(Debug)]
struct Event(OwnedFd);

impl Event {
    /// Of a trace point of system calls, those calls for which the condition holds.
    fn open(point: &str, condition: Option<&str>) -> io::Result<Self> {
        let id = fs::read_to_string(format!("/sys/kernel/tracing/events/syscalls/{point}/id"))?;
        let config = id.trim().parse().map_err(io::Error::other)?;
        let attributes = Attributes {
            kind: TRACEPOINT,
            size: u32::try_from(size_of::<Attributes>()).expect("small"),
            config,
            flags: INHERITED,
            ..Attributes::default()
        };
        let (this_thread, any_processor, no_group, flags) = (0, -1, -1, 0_usize);
        // SAFETY: the attributes are valid until the call returns, and say how long they are.
        let opened = unsafe {
            let call = libc::SYS_perf_event_open;
            libc::syscall(call, &raw const attributes, this_thread, any_processor, no_group, flags)
        };
        let descriptor = libc::c_int::try_from(opened).ok().filter(|descriptor| *descriptor >= 0);
        let descriptor = descriptor.ok_or_else(io::Error::last_os_error)?;
        // SAFETY: made just now, for `self` alone.
        let event = Self(unsafe { OwnedFd::from_raw_fd(descriptor) });
        condition.map_or(Ok(()), |condition| event.select(&CString::new(condition).expect("no zeros")))?;
        Ok(event)
    }

    fn select(&self, condition: &CStr) -> io::Result<()> {
        // SAFETY: the condition is valid until the call returns.
        let answer = unsafe { libc::ioctl(self.0.as_raw_fd(), SET_FILTER, condition.as_ptr()) };
        if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn count(&self) -> u64 {
        let mut count = [0; size_of::<u64>()];
        rustix::io::read(&self.0, &mut count).expect("a counter");
        u64::from_ne_bytes(count)
    }
}
