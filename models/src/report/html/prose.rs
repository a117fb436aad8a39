//! Text as it stands at the heads of the sources: code, emphasis and links of Markdown, and nothing else of it.

use maud::{Markup, html};

/// A paragraph. Links to neighbours (`super::gate`) lead to the pages of `primitives`; others become plain text.
pub(super) fn inline(text: &str, primitives: &[&str]) -> Markup {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '[', '*']) {
        let (plain, marked) = rest.split_at(at);
        parts.push(html! { (plain) });
        match next(marked, primitives) {
            Some((part, after)) => {
                parts.push(part);
                rest = after;
            }
            None => {
                let (mark, after) = marked.split_at(1);
                parts.push(html! { (mark) });
                rest = after;
            }
        }
    }
    html! { @for part in parts { (part) } (rest) }
}

/// What begins here, and what comes after it.
fn next<'a>(marked: &'a str, primitives: &[&str]) -> Option<(Markup, &'a str)> {
    let mark = marked.get(..1)?;
    if mark != "[" {
        let (inside, after) = marked.get(1..)?.split_once(mark)?;
        let part = if mark == "`" {
            html! { code { (inside) } }
        } else {
            html! { em { (inside) } }
        };
        return (!inside.is_empty()).then_some((part, after));
    }
    let (inside, after) = marked.get(1..)?.split_once(']')?;
    let label = inline(inside, primitives);
    let Some((target, after)) = after.strip_prefix('(').and_then(|after| after.split_once(')')) else {
        return Some((label, after));
    };
    let page = target.strip_prefix("super::").filter(|name| primitives.contains(name));
    Some(match page {
        Some(name) => (html! { a href={ "#" (name) } { (label) } }, after),
        None => (label, after),
    })
}

/// `owned_semaphore` as people write it.
pub(super) fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

/// A number in groups of three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html_and_nothing_escapes() {
        let text = "A [gate](super::gate) of `a < b`, *not* [`Caller`] or [x](y::z), 2 * 3 <b>";
        let html = inline(text, &["gate"]).into_string();
        assert_eq!(
            html,
            "A <a href=\"#gate\">gate</a> of <code>a &lt; b</code>, <em>not</em> <code>Caller</code> or x, 2 * 3 &lt;b&gt;"
        );
    }

    #[test]
    fn digits_stand_in_threes() {
        assert_eq!([0, 999, 1000, 28_390_803].map(grouped), ["0", "999", "1\u{202f}000", "28\u{202f}390\u{202f}803"]);
    }
}
