//! The header of a region, and how a file is recognised as a region.
//!
//! **Purpose.** Whoever opens a region believes nothing about the file before it has been checked: the name may bear a
//! stranger's file, one that was cut off or overwritten, or a region of another version of this crate. The check reads
//! the header as a file, before anything is mapped, so that a short file cannot raise SIGBUS.
//!
//! **Layout** of a region file, in words of eight bytes and the byte order of the machine:
//!
//! | word | content |
//! |---|---|
//! | 0 | [`MAGIC`] |
//! | 1 | [`VERSION`] of this format |
//! | 2 | layout hash, given by the layers above |
//! | 3 | size of the file in bytes, a multiple of the page size |
//! | 4, 5 | id of the region: random, never zero |
//! | 6, 7 | id of the boot in which the region was made |
//! | 8 | uid of the owner |
//! | 9 to 12 | limits: processes, threads of a process, objects, bytes of the arena |
//! | 13 | when it was made, nanoseconds of `CLOCK_REALTIME`; for people only |
//! | 14 | zero |
//! | 15 | checksum of words 0 to 14 (FNV-1a over their bytes) |
//! | 16 … | body, which belongs to the layers above |
//! | last | *alive word*: the checksum with its lowest bit set |
//!
//! **Invariants.**
//!
//! - I1 A file is a region if and only if the checksum is right, the words say what this build would write for the same
//!   limits, the file has the stated size, and the alive word is there.
//! - I2 Nobody writes these words once the region can be found. So an attached process that sees one of them changed
//!   knows that somebody overwrote the memory, by a hole punched into the file or by cutting and extending it again
//!   ([`Header::marks`]). The alive word lies in the last page because either can leave the first as it was.
//!   A hole in the middle shows in the objects that lay there.

use super::error::Unfit;
use super::limits::{LayoutOf, Limits};
use std::fmt;
use std::time::{Duration, SystemTime};
use zerocopy::{FromBytes, IntoBytes};

/// The first word of a region. Its bytes are no text, and a copy that changed line ends or cleared eighth bits differs.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"\x89slvdg\r\n");
/// The version of the file format.
pub(crate) const VERSION: u64 = 1;
/// Bytes of the header.
pub(crate) const HEADER_SIZE: usize = size_of::<Words>();
/// Where the body begins. Cache-line pairs begin here too.
pub(crate) const BODY_OFFSET: usize = HEADER_SIZE;
/// Bytes of the alive word at the end of the file.
pub(crate) const ALIVE_SIZE: usize = size_of::<u64>();

const _: () = assert!(BODY_OFFSET.is_multiple_of(128));

type Words = [u64; 16];

/// The random id of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RegionId(pub(crate) [u64; 2]);

impl fmt::Display for RegionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [high, low] = self.0;
        write!(f, "{high:016x}{low:016x}")
    }
}

/// What the header of a region says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) layout: u64,
    pub(crate) size: u64,
    pub(crate) id: RegionId,
    pub(crate) boot: [u64; 2],
    pub(crate) uid: u32,
    pub(crate) limits: Limits,
    pub(crate) created_ns: u64,
}

/// Against what a header is checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) file_size: u64,
    pub(crate) page_size: u64,
    pub(crate) boot: [u64; 2],
    pub(crate) uid: u32,
    pub(crate) layout_of: LayoutOf,
}

/// The size of the file of a region whose body has `body` bytes; none if no file is that large.
pub(crate) fn file_size(body: u64, page_size: u64) -> Option<u64> {
    const AROUND: u64 = (HEADER_SIZE + ALIVE_SIZE) as u64;
    // Offsets in files are signed.
    body.checked_add(AROUND)?.checked_next_multiple_of(page_size).filter(|size| i64::try_from(*size).is_ok())
}

impl Header {
    /// The header's bytes, and the alive word's.
    pub(crate) fn encode(&self) -> ([u8; HEADER_SIZE], [u8; ALIVE_SIZE]) {
        let words = self.words();
        (zerocopy::transmute!(words), alive_word(&words).to_ne_bytes())
    }

    /// Where the alive word lies.
    pub(crate) fn alive_offset(&self) -> u64 {
        self.size.saturating_sub(ALIVE_SIZE as u64)
    }

    /// Whether `bytes`, read at [`Header::alive_offset`], are the alive word.
    pub(crate) fn is_alive(&self, bytes: [u8; ALIVE_SIZE]) -> bool {
        u64::from_ne_bytes(bytes) == alive_word(&self.words())
    }

    /// Words of the file that show whether it still is the region that was opened, and the offsets where they belong.
    pub(crate) fn marks(&self) -> [(u64, u64); 4] {
        let words = self.words();
        let [magic, _, _, _, id_high, id_low, ..] = words;
        [(0, magic), (32, id_high), (40, id_low), (self.alive_offset(), alive_word(&words))]
    }

    /// When the region was made, as its maker's clock had it.
    pub(crate) fn created(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.created_ns)
    }

    fn words(&self) -> Words {
        let Self { layout, size, id: RegionId([id_high, id_low]), boot: [boot_high, boot_low], .. } = *self;
        let Limits { processes, threads, objects, arena } = self.limits;
        let mut words = [
            MAGIC,
            VERSION,
            layout,
            size,
            id_high,
            id_low,
            boot_high,
            boot_low,
            self.uid.into(),
            processes.into(),
            threads.into(),
            objects.into(),
            arena,
            self.created_ns,
            0,
            0,
        ];
        let sum = checksum(&words);
        let [.., last] = &mut words;
        *last = sum;
        words
    }
}

/// Checks the first bytes of a file, as many as there are up to [`HEADER_SIZE`], and says what they say.
pub(crate) fn validate(bytes: &[u8], expected: &Expected) -> Result<Header, Unfit> {
    let words = recognise(bytes, expected.file_size)?;
    let [_, _, layout, size, id_high, id_low, boot_high, boot_low, uid, processes, threads, objects, arena, ..] = words;
    let [.., created_ns, _, _] = words;
    let narrow = |word: u64| u32::try_from(word).map_err(|_| Unfit::Corrupt);
    let header = Header {
        layout,
        size,
        id: RegionId([id_high, id_low]),
        boot: [boot_high, boot_low],
        uid: narrow(uid)?,
        limits: Limits { processes: narrow(processes)?, threads: narrow(threads)?, objects: narrow(objects)?, arena },
        created_ns,
    };
    match expected.file_size {
        actual if actual < size => return Err(Unfit::Truncated { stated: size, actual }),
        actual if actual > size => return Err(Unfit::Overlong { stated: size, actual }),
        _ => {}
    }
    if header.uid != expected.uid {
        return Err(Unfit::OtherOwner { uid: header.uid });
    }
    if header.boot != expected.boot {
        return Err(Unfit::OtherBoot);
    }
    header.limits.check().map_err(|_| Unfit::Corrupt)?;
    let own = (expected.layout_of)(&header.limits).map_err(|_| Unfit::Corrupt)?;
    if layout != own.hash || file_size(own.body, expected.page_size) != Some(size) {
        return Err(Unfit::OtherLayout { found: layout, expected: own.hash });
    }
    Ok(header)
}

/// Whether `bytes` begin as a region of this version does, whatever else they say.
fn recognise(bytes: &[u8], file_size: u64) -> Result<Words, Unfit> {
    let magic = MAGIC.to_ne_bytes();
    let cut_off = Unfit::Truncated { stated: HEADER_SIZE as u64, actual: file_size };
    if bytes.is_empty() {
        return Err(cut_off);
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return Err(Unfit::Zeroed);
    }
    if bytes.iter().zip(magic).any(|(byte, expected)| *byte != expected) {
        return Err(Unfit::NotARegion);
    }
    // The version stands before all that another version may have changed.
    let version = bytes.get(size_of_val(&magic)..).and_then(|rest| u64::read_from_prefix(rest).ok());
    match version {
        Some((VERSION, _)) => {}
        Some((found, _)) => return Err(Unfit::OtherVersion { found, expected: VERSION }),
        None => return Err(cut_off),
    }
    let (words, _) = Words::read_from_prefix(bytes).map_err(|_| cut_off)?;
    let [.., reserved, sum] = words;
    if sum != checksum(&words) || reserved != 0 { Err(Unfit::Corrupt) } else { Ok(words) }
}

fn checksum(words: &Words) -> u64 {
    let [sealed @ .., _] = words;
    sealed
        .as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Never zero, unlike a checksum, and different for each region.
fn alive_word(words: &Words) -> u64 {
    checksum(words) | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::error::RegionErrorKind;
    use crate::region::limits::Layout;
    use proptest::prelude::*;

    const PAGE: u64 = 4096;

    fn layout_of(limits: &Limits) -> Result<Layout, RegionErrorKind> {
        let slots = u64::from(limits.processes) * u64::from(limits.threads) * 64;
        let body = slots.checked_add(limits.arena).ok_or(RegionErrorKind::NoSpace { needed: u64::MAX })?;
        Ok(Layout { hash: 0x5eed, body })
    }

    fn header() -> Header {
        let limits = Limits { processes: 4, threads: 8, objects: 16, arena: 10_000 };
        Header {
            layout: 0x5eed,
            size: file_size(layout_of(&limits).unwrap().body, PAGE).unwrap(),
            id: RegionId([3, 4]),
            boot: [1, 2],
            uid: 1000,
            limits,
            created_ns: 1_700_000_000_000_000_000,
        }
    }

    fn expected() -> Expected {
        Expected { file_size: header().size, page_size: PAGE, boot: [1, 2], uid: 1000, layout_of }
    }

    fn refused(header: &Header) -> Unfit {
        validate(&header.encode().0, &expected()).unwrap_err()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (bytes, alive) = header().encode();
        let read = validate(&bytes, &expected()).unwrap();
        assert_eq!(read, header());
        assert!(read.is_alive(alive));
        assert!(!read.is_alive([0; ALIVE_SIZE]));
        assert_eq!(read.created().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(), 1_700_000_000);
    }

    #[test]
    fn the_size_of_a_file_is_whole_pages_and_holds_all_three_parts() {
        let around = (HEADER_SIZE + ALIVE_SIZE) as u64;
        assert_eq!(file_size(0, PAGE), Some(PAGE));
        assert_eq!(file_size(PAGE - around, PAGE), Some(PAGE));
        assert_eq!(file_size(PAGE - around + 1, PAGE), Some(2 * PAGE));
        assert_eq!(file_size(i64::MAX.unsigned_abs(), PAGE), None);
        assert_eq!(file_size(u64::MAX, PAGE), None);
    }

    #[test]
    fn a_foreign_file_is_not_a_region() {
        for foreign in [&b"hello"[..], &b"\x7fELF"[..], &[0xff; 4096][..], &b"\x89slvdg\n\n01234567"[..]] {
            assert_eq!(validate(foreign, &expected()), Err(Unfit::NotARegion));
        }
    }

    #[test]
    fn a_zeroed_header_is_told_from_a_foreign_file() {
        assert_eq!(validate(&[0; HEADER_SIZE], &expected()), Err(Unfit::Zeroed));
        assert_eq!(validate(&[0; 3], &expected()), Err(Unfit::Zeroed));
    }

    #[test]
    fn a_header_cut_off_anywhere_is_truncated() {
        let (bytes, _) = header().encode();
        for length in 0..HEADER_SIZE {
            let found = Expected { file_size: length as u64, ..expected() };
            let stated = HEADER_SIZE as u64;
            assert_eq!(
                validate(&bytes[..length], &found),
                Err(Unfit::Truncated { stated, actual: length as u64 }),
                "cut to {length} bytes"
            );
        }
    }

    #[test]
    fn a_file_of_another_length_than_stated_is_refused() {
        let (bytes, _) = header().encode();
        let stated = header().size;
        let with_size = |actual| validate(&bytes, &Expected { file_size: actual, ..expected() });
        assert_eq!(with_size(stated - 1), Err(Unfit::Truncated { stated, actual: stated - 1 }));
        assert_eq!(with_size(HEADER_SIZE as u64), Err(Unfit::Truncated { stated, actual: HEADER_SIZE as u64 }));
        assert_eq!(with_size(stated + 1), Err(Unfit::Overlong { stated, actual: stated + 1 }));
    }

    #[test]
    fn another_version_is_named_even_if_its_header_is_shorter() {
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend(7_u64.to_ne_bytes());
        assert_eq!(validate(&bytes, &expected()), Err(Unfit::OtherVersion { found: 7, expected: VERSION }));
    }

    #[test]
    fn another_layout_owner_or_boot_is_told_apart() {
        assert_eq!(
            refused(&Header { layout: 0xbad, ..header() }),
            Unfit::OtherLayout { found: 0xbad, expected: 0x5eed }
        );
        assert_eq!(refused(&Header { uid: 1001, ..header() }), Unfit::OtherOwner { uid: 1001 });
        assert_eq!(refused(&Header { boot: [2, 1], ..header() }), Unfit::OtherBoot);
    }

    #[test]
    fn limits_that_do_not_fit_the_file_are_another_layout_and_impossible_ones_are_damage() {
        let with = |limits| refused(&Header { limits, ..header() });
        let limits = header().limits;
        assert!(matches!(with(Limits { arena: limits.arena + PAGE, ..limits }), Unfit::OtherLayout { .. }));
        for impossible in [
            Limits { processes: 0, ..limits },
            Limits { processes: Limits::MAX_PROCESSES + 1, ..limits },
            Limits { threads: 0, ..limits },
            Limits { threads: Limits::MAX_THREADS + 1, ..limits },
            Limits { objects: 0, ..limits },
            Limits { arena: u64::MAX, ..limits },
        ] {
            assert_eq!(with(impossible), Unfit::Corrupt, "{impossible:?}");
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let (bytes, _) = header().encode();
        for bit in 0..HEADER_SIZE * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            let answer = validate(&damaged, &expected());
            match bit / 64 {
                0 => assert_eq!(answer, Err(Unfit::NotARegion), "bit {bit}"),
                1 => assert!(matches!(answer, Err(Unfit::OtherVersion { .. })), "bit {bit}: {answer:?}"),
                _ => assert_eq!(answer, Err(Unfit::Corrupt), "bit {bit}"),
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), file_size: u64) {
            let expected = Expected { file_size, ..expected() };
            prop_assert!(validate(&bytes, &expected).is_err());
        }

        #[test]
        fn no_words_behind_a_right_checksum_make_it_panic(random: [u64; 12], file_size: u64) {
            let mut words: Words = [0; 16];
            words[0] = MAGIC;
            words[1] = VERSION;
            words[2..14].copy_from_slice(&random);
            words[15] = checksum(&words);
            let expected = Expected { file_size, ..expected() };
            prop_assert!(validate(words.as_bytes(), &expected).is_err());
        }

        #[test]
        fn only_what_fits_the_machine_is_accepted(
            processes in 0..130_u32, threads in 0..300_u32, arena in 0..20_000_u64, size in 0..20_u64,
        ) {
            let limits = Limits { processes, threads, objects: 1, arena };
            let header = Header { limits, size: size * PAGE, ..header() };
            let answer = validate(&header.encode().0, &Expected { file_size: header.size, ..expected() });
            let body = layout_of(&limits).unwrap().body;
            let fits = limits.check().is_ok() && file_size(body, PAGE) == Some(header.size);
            prop_assert_eq!(answer.is_ok(), fits);
        }
    }
}
