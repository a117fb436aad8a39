//! Memory does not grow with the number of executions. A test binary of its own: nothing else runs in the process.
#![cfg(not(loom))]

mod support;

use support::clients::buffer;
use treadle::Builder;

/// Resident memory of this process (`VmRSS` of `proc_pid_status(5)`).
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is there");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn half_a_million_executions_take_no_more_memory_than_a_few() {
    let run = |runs| {
        let mut builder = Builder::new();
        builder.max_runs = Some(runs);
        let report = builder.explore(|| buffer(3)).expect("it is right");
        assert!(report.executions >= runs && report.inconclusive.is_some());
    };
    run(20_000);
    let before = resident_kib();
    run(500_000);
    let after = resident_kib();
    assert!(after <= before + 1024, "{before} KiB before, {after} KiB after");
}
