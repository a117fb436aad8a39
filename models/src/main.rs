//! `cargo prove`.

fn main() {}
