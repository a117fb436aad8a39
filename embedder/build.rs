//! Hands `--cfg loom` on to rustdoc, which does not read RUSTFLAGS: doctests then see the same library.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CARGO_CFG_LOOM");
    println!("cargo:rustc-check-cfg=cfg(loom)");
    if std::env::var_os("CARGO_CFG_LOOM").is_some() {
        println!("cargo:rustc-cfg=loom");
    }
}
