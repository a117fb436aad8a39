//! The `selvedge` command, run as its users run it.
//!
//! Each test has a directory of regions of its own, which goes with it. Every wait has a deadline, and says who waited
//! for what when it is reached.
#![cfg(not(loom))]

mod death;
mod doctor;
mod inspection;
mod interruption;
mod mailboxes;
mod pipes;
mod support;
mod top;
mod torture;
mod transfer;
mod turns;
