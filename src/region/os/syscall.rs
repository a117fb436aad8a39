//! System calls that neither `rustix` nor a libc function can make for us.
//!
//! **Purpose.** A keeper (see [`keeper`](super::keeper)) has no thread-local storage of its own, so it must not enter
//! the C library, whose `syscall(2)` stores `errno` there. `rustix` makes its calls inline, but it offers neither the
//! robust-list calls nor a signal mask without holes (the C library's own leaves out the two signals that it keeps
//! for itself).

use core::arch::asm;
use rustix::io::Errno;

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the robust-list layout and the system-call sequence here are those of x86-64");

/// Makes the system call `number`, one whose result says nothing but success.
///
/// # Errors
/// What the kernel answers.
///
/// # Safety
/// The call must be sound with these arguments; a call that takes fewer of them ignores the rest.
#[inline]
pub(super) unsafe fn syscall(number: libc::c_long, arguments: [usize; 4]) -> Result<(), Errno> {
    let [first, second, third, fourth] = arguments;
    let answer: libc::c_long;
    // SAFETY: the caller vouches for the call. The instruction overwrites rcx and r11, which are declared, and leaves
    // the stack alone; memory counts as read and written because no option says otherwise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => answer,
            in("rdi") first,
            in("rsi") second,
            in("rdx") third,
            in("r10") fourth,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    // The kernel's errors are -4095 to -1.
    match i32::try_from(answer) {
        Ok(error @ -4095..0) => Err(Errno::from_raw_os_error(-error)),
        _ => Ok(()),
    }
}
