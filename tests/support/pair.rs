//! A message that shows when it is torn.

/// Two words that belong together.
pub(crate) type Pair = [u64; 2];

/// The message that carries `number`.
pub(crate) fn pair(number: u64) -> Pair {
    [number, !number]
}

/// The number in a message, which must be whole.
#[track_caller]
pub(crate) fn number([number, check]: Pair) -> u64 {
    assert_eq!(check, !number, "a torn message");
    number
}
