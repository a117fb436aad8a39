//! How many of all small programs of an object were checked.

use super::{Care, Clients, Row, Size};

/// The programs that are meant by "all".
pub const ALL: Size = Size { threads: 3, operations: 5 };

/// What was checked of all programs of an object, in which threads meet nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The object.
    pub object: &'static str,
    /// Whether each thread was killed at each step.
    pub kills: bool,
    /// How many different programs there are.
    pub all: u64,
    /// Of those, how many were checked.
    pub checked: u64,
}

/// Of each object, without and with kills.
#[must_use]
pub fn of(clients: &[Clients], rows: &[Row]) -> Vec<Coverage> {
    let one = |clients: &Clients, kills: bool| {
        let is_of = |row: &&Row| {
            let is_small = row.threads <= ALL.threads && row.operations <= ALL.operations;
            row.object == clients.object && row.kills == kills && !row.meets && is_small
        };
        let all = clients.distinct(ALL, Care { kills, meets: false, budget: 0 }).len();
        // The rows of an object have programs in common: the largest counts.
        let checked = rows.iter().filter(is_of).map(|row| row.checked).max().unwrap_or(0);
        Coverage { object: clients.object, kills, all: u64::try_from(all).unwrap_or(u64::MAX), checked }
    };
    clients.iter().flat_map(|clients| [one(clients, false), one(clients, true)]).collect()
}

impl Coverage {
    /// The share that was checked, in percent.
    #[must_use]
    pub fn percent(&self) -> String {
        let checked = 1000 * self.checked / self.all.max(1);
        format!("{}.{}", checked / 10, checked % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_row_counts_and_its_share_is_rounded_down() {
        let event: Vec<Clients> = super::super::all().into_iter().filter(|one| one.object == "event").collect();
        let row = |operations: usize, kills: bool, meets: bool, checked: u64| Row {
            object: "event".to_owned(),
            threads: 3,
            operations,
            kills,
            meets,
            budget: 1,
            programs: checked,
            distinct: checked,
            checked,
            executions: checked,
        };
        let rows = [
            row(4, false, false, 986),
            row(5, false, false, 5238),
            row(5, false, true, 9999),
            row(3, true, false, 158),
        ];
        let found = of(&event, &rows);
        let all = found[0].all;
        assert_eq!((found[0].checked, all, found[0].percent().as_str()), (5238, 5242, "99.9"));
        assert_eq!((found[1].checked, found[1].kills), (158, true));
        assert!(found[1].all >= all);
    }
}
