//! Hands `--cfg loom` on to rustdoc, which does not read RUSTFLAGS: doctests then see the same library. And names the sources
//! of the harness and of what is below it by one number, which is kept with the parts of a run (`src/parts/sources.rs`).

use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

/// All that the result of a run depends on, as far as it is in this repository.
const SOURCES: [&str; 8] = [
    "src",
    "Cargo.toml",
    "../src",
    "../Cargo.toml",
    "../Cargo.lock",
    "../treadle/src",
    "../witness/src",
    "../oracle/src",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CARGO_CFG_LOOM");
    println!("cargo:rustc-check-cfg=cfg(loom)");
    if std::env::var_os("CARGO_CFG_LOOM").is_some() {
        println!("cargo:rustc-cfg=loom");
    }
    let mut hasher = DefaultHasher::new();
    for source in SOURCES.map(Path::new) {
        if source.exists() {
            println!("cargo:rerun-if-changed={}", source.display());
            add(source, &mut hasher);
        }
    }
    println!("cargo:rustc-env=SELVEDGE_SOURCES={:016x}", hasher.finish());
}

fn add(path: &Path, hasher: &mut DefaultHasher) {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("a readable folder");
        let mut entries: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        entries.sort();
        return entries.iter().for_each(|entry| add(entry, hasher));
    }
    let text = std::fs::read(path).expect("a readable file");
    for bytes in [path.to_string_lossy().as_bytes(), &text] {
        hasher.write_usize(bytes.len());
        hasher.write(bytes);
    }
}
