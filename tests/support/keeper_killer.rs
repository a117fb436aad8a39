//! Kills a process's keeper, and nothing else of it, at a chosen moment: as a stray `tgkill` or a seccomp filter would.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use rustix::thread::set_no_new_privs;

/// What the keeper sleeps on beside the life words of other processes: the ring word and its command word.
const OWN_WORDS: u32 = 2;

/// Makes the kernel kill each thread that sleeps on the life words of `others` processes or more at once: the keeper of
/// every region that the calling thread attaches from now on, as soon as so many others are attached.
///
/// For the calling thread and those that it makes; neither of them ever calls `futex_waitv` itself.
pub(crate) fn kill_keepers_of_more_than(others: u32) {
    set_no_new_privs(true).expect("no privilege is needed for that");
    let most = OWN_WORDS + others;
    let futex_waitv = u32::try_from(libc::SYS_futex_waitv).expect("a small number");
    // Offsets in `struct seccomp_data`: the number of the call, and the lower half of its second argument.
    let (call, words) = (0, 24);
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0);
    let equal = |yes, no| (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, yes, no);
    let greater = |yes, no| (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, yes, no);
    let answer = (libc::BPF_RET | libc::BPF_K, 0, 0);
    let mut program = [
        instruction(load, call),
        instruction(equal(0, 3), futex_waitv),
        instruction(load, words),
        instruction(greater(0, 1), most),
        instruction(answer, libc::SECCOMP_RET_KILL_THREAD),
        instruction(answer, libc::SECCOMP_RET_ALLOW),
    ];
    let length = u16::try_from(program.len()).expect("six");
    let filter = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the kernel copies the program, which is whole and well formed.
    let answer = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
    assert_eq!(answer, 0, "a seccomp filter: {}", std::io::Error::last_os_error());
}

fn instruction((code, yes, no): (u32, u8, u8), value: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).expect("sixteen bits"), jt: yes, jf: no, k: value }
}
