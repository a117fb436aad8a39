//! What an operation is called on, as the source has it: `self.word.swap(…)` is called on `word`.

/// The last name before the method call that stands at this line and column, both from 1.
pub(super) fn receiver(source: &str, line: u32, column: u32) -> Option<String> {
    let lines: Vec<&str> = source.lines().collect();
    let line = usize::try_from(line).ok()?.checked_sub(1)?;
    let column = usize::try_from(column).ok()?.checked_sub(1)?;
    let mut before: Vec<char> = lines.get(..line)?.join("\n").chars().collect();
    before.push('\n');
    before.extend(lines.get(line)?.chars().take(column));
    skip_blanks(&mut before);
    before.pop_if(|c| *c == '.')?;
    skip_blanks(&mut before);
    // `self.link(node)?` is called on what `link` gives.
    while let Some(c) = before.last().copied() {
        match c {
            '?' => drop(before.pop()),
            ')' | ']' => skip_brackets(&mut before)?,
            _ => break,
        }
    }
    let name: String = before.iter().rev().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
    let name: String = name.chars().rev().collect();
    (!name.is_empty()).then_some(name)
}

fn skip_blanks(text: &mut Vec<char>) {
    while text.pop_if(|c| c.is_whitespace()).is_some() {}
}

/// Takes a pair of brackets and what is in it from the end.
fn skip_brackets(text: &mut Vec<char>) -> Option<()> {
    let mut depth = 0_usize;
    loop {
        match text.pop()? {
            ')' | ']' => depth += 1,
            '(' | '[' if depth == 1 => return Some(()),
            '(' | '[' => depth -= 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::receiver;

    #[test]
    fn receivers_are_made_out() {
        let of = |text: &str| {
            let (before, _) = text.split_once('^').expect("a place");
            let line = before.lines().count();
            let column = before.lines().last().map_or(0, |line| line.chars().count()) + 1;
            let source = text.replace('^', "");
            receiver(&source, u32::try_from(line).expect("few"), u32::try_from(column).expect("few"))
        };
        assert_eq!(of("self.word.^swap(0)").as_deref(), Some("word"));
        assert_eq!(of("let x = word.^load(Relaxed);").as_deref(), Some("word"));
        assert_eq!(of("match self\n    .state\n    .^compare_exchange(\n").as_deref(), Some("state"));
        assert_eq!(of("self.link(f(node))?.^store(0)").as_deref(), Some("link"));
        assert_eq!(of("self.places[0].word.^load(X)").as_deref(), Some("word"));
        assert_eq!(of("^fence(SeqCst)"), None);
    }
}
