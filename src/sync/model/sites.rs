//! The places of the source at which operations stand: which are reached, which change what, and which of them the plan
//! makes weaker.

use super::plan::{Mutation, OrderSlot};
use super::run::{Run, current_lane};
use super::trace::{Change, Site, SiteKind, SiteRecord};
use crate::sync::Ordering;
use core::panic::Location;
use std::collections::{BTreeMap, BTreeSet};

impl Run {
    /// The sites reached, if the plan asks for them.
    pub fn sites(&self) -> BTreeMap<Site, SiteRecord> {
        self.sites.borrow().clone()
    }

    /// The changes of words by lanes, if the plan asks for them.
    pub fn changes(&self) -> BTreeSet<Change> {
        self.changes.borrow().clone()
    }

    pub(super) fn record_change(&self, change: Change) {
        if self.plan.record_changes && current_lane() != usize::MAX {
            self.changes.borrow_mut().insert(change);
        }
    }

    pub(super) fn record_site(&self, location: &'static Location<'static>, kind: SiteKind, record: SiteRecord) {
        // What is done before the lanes start and after they have ended cannot depend on an ordering.
        if !self.plan.record_sites || current_lane() == usize::MAX {
            return;
        }
        // Nearly every step is at a place that is known; one place may have several locations.
        let place = (core::ptr::from_ref(location), kind);
        let mut recorded = self.recorded.borrow_mut();
        if recorded.get(&place).is_some_and(|most| record.wakes <= *most) {
            return;
        }
        recorded.insert(place, record.wakes);
        let mut sites = self.sites.borrow_mut();
        let known = sites.entry(Site::new(location, kind)).or_insert(record);
        known.wakes = known.wakes.max(record.wakes);
    }

    /// The ordering at a site: the source's, unless the plan mutates it.
    pub(super) fn order_at(&self, site: Site, slot: OrderSlot, order: Ordering) -> Ordering {
        let planted = self.plan.mutations.iter().flatten().find_map(|mutation| match *mutation {
            Mutation::Order(at, of, to) if at == site && of == slot => Some(to),
            _ => None,
        });
        planted.unwrap_or(order)
    }

    pub(super) fn is_mutated(&self, location: &'static Location<'static>, kind: SiteKind) -> Option<Mutation> {
        let site = Site::new(location, kind);
        self.plan.mutations.iter().flatten().copied().find(|mutation| match mutation {
            Mutation::Order(at, ..)
            | Mutation::DropFence(at)
            | Mutation::DropWake(at)
            | Mutation::WakeOne(at)
            | Mutation::WaitBlindly(at) => *at == site,
        })
    }
}
