//! shuttle 0.9: sequentially consistent schedules, random or replayed, at high speed; no race detection on payload.
//!
//! Good for configurations that are too large to explore, and for nothing that depends on an ordering.

use super::Rmw;
use crate::sync::Ordering;
use shuttle::sync::atomic;

macro_rules! shuttle_word {
    ($name:ident, $inner:ident, $value:ty) => {
        #[derive(Debug)]
        pub(in crate::sync::model) struct $name(atomic::$inner);

        impl $name {
            pub(super) fn new(value: $value) -> Self {
                Self(atomic::$inner::new(value))
            }

            pub(super) fn load(&self, order: Ordering) -> $value {
                self.0.load(order)
            }

            pub(super) fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, order);
            }

            pub(super) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.0.compare_exchange(current, new, success, failure)
            }

            pub(super) fn rmw(&self, update: Rmw<$value>, order: Ordering) -> $value {
                match update {
                    Rmw::Swap(value) => self.0.swap(value, order),
                    Rmw::Add(value) => self.0.fetch_add(value, order),
                    Rmw::Sub(value) => self.0.fetch_sub(value, order),
                    Rmw::Or(value) => self.0.fetch_or(value, order),
                    Rmw::And(value) => self.0.fetch_and(value, order),
                }
            }
        }
    };
}

shuttle_word!(Word32, AtomicU32, u32);
shuttle_word!(Word64, AtomicU64, u64);

/// Every access is sequentially consistent already; a fence is a point at which another thread may run.
pub(super) fn fence(_order: Ordering) {
    switch();
}

/// A point at which another thread may run, and the calling one as well: to yield would be to ask not to.
pub(super) fn switch() {
    atomic::AtomicBool::new(false).load(Ordering::Relaxed);
}

pub(super) fn yield_now() {
    shuttle::thread::yield_now();
}
