//! Two numbers of 128 bits that the kernel hands out as text: the id of this boot, and random ones.

use super::error::OsError;
use std::fs;
use std::sync::OnceLock;

/// The id of the boot that this process runs in.
pub(crate) fn of_this_boot() -> Result<[u64; 2], OsError> {
    static KNOWN: OnceLock<[u64; 2]> = OnceLock::new();
    if let Some(known) = KNOWN.get() {
        return Ok(*known);
    }
    let read = read("/proc/sys/kernel/random/boot_id", "read boot_id")?;
    Ok(*KNOWN.get_or_init(|| read))
}

/// A random number, never zero (six of its bits are fixed).
pub(crate) fn random() -> Result<[u64; 2], OsError> {
    read("/proc/sys/kernel/random/uuid", "read uuid")
}

fn read(path: &str, operation: &'static str) -> Result<[u64; 2], OsError> {
    const EBADMSG: i32 = 74;
    let text = fs::read_to_string(path).map_err(|error| OsError::from_io(operation, &error))?;
    parse(&text).ok_or(OsError::new(operation, EBADMSG))
}

/// Reads 32 hexadecimal digits with hyphens among them.
fn parse(text: &str) -> Option<[u64; 2]> {
    let digits: String = text.trim_end().chars().filter(|c| *c != '-').collect();
    if digits.len() != 32 {
        return None;
    }
    let (high, low) = digits.split_at_checked(16)?;
    Some([u64::from_str_radix(high, 16).ok()?, u64::from_str_radix(low, 16).ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_exactly_or_not_at_all() {
        assert_eq!(
            parse("01234567-89ab-cdef-fedc-ba9876543210\n"),
            Some([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210])
        );
        for bad in ["", "0123", "01234567-89ab-cdef-fedc-ba987654321", "01234567-89ab-cdef-fedc-ba987654321x"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        assert_eq!(parse(&"é".repeat(16)), None);
    }

    #[test]
    fn a_boot_has_one_id_and_random_ones_differ() {
        assert_eq!(of_this_boot().unwrap(), of_this_boot().unwrap());
        assert_ne!(random().unwrap(), random().unwrap());
        assert_ne!(of_this_boot().unwrap(), [0, 0]);
    }
}
