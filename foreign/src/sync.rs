//! What the structures are written on: atomics of the core library, or the instrumented ones of the model build.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::*;
#[cfg(loom)]
pub(crate) use selvedge_models::sync::*;
