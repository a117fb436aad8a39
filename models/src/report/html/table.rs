//! Tables: all with a caption, column heads and a scope for each.

use super::prose::grouped;
use maud::{Markup, html};

/// A column's head, and whether it holds numbers.
pub(super) type Column = (&'static str, bool);

/// A table of these rows; sortable when scripts run.
pub(super) fn table(caption: &str, columns: &[Column], rows: &[Markup]) -> Markup {
    html! {
        div.wide tabindex="0" role="group" aria-label=(caption) {
            table.sortable {
                caption { (caption) }
                thead {
                    tr { @for (name, is_number) in columns { th scope="col" class=[is_number.then_some("number")] { (name) } } }
                }
                tbody { @for row in rows { (row) } }
            }
        }
    }
}

/// A cell with a number, which sorts by its value.
pub(super) fn number(value: u64) -> Markup {
    html! { td.number data-value=(value) { (grouped(value)) } }
}
