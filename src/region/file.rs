//! A region as a file: filled in by whoever makes it, checked by whoever opens it.
//!
//! **Purpose.** The steps that named and anonymous regions have in common. A maker gives the file its pages, its header
//! and its alive word, and lets the layers above fill in the body, all before anybody else can find the file. An opener
//! looks at the file through the descriptor, and maps it only if it is a region that this process can use.
//!
//! **Anonymous regions** have no name: they are memory files, found by whoever is handed the descriptor. Their size is
//! sealed, and a descriptor without these seals is refused, since its sender could cut the file under the receiver.

use super::error::{OsError, RegionError, RegionErrorKind, Unfit};
use super::header::{self, ALIVE_SIZE, Expected, HEADER_SIZE, Header, RegionId};
use super::limits::{Layout, LayoutOf, Limits};
use super::os::directory::{Identity, own_uid};
use super::os::memory::{self, Mapping, Purpose};
use super::uuid;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::SystemTime;

/// A region that this process has mapped.
#[derive(Debug)]
pub(crate) struct RegionFile {
    mapping: Mapping,
    header: Header,
    identity: Identity,
}

impl RegionFile {
    /// Makes a region without a name. Whoever is given the file can [adopt](Self::adopt) it.
    pub(crate) fn anonymous(
        limits: Limits,
        layout_of: LayoutOf,
        init: impl FnOnce(&Mapping) -> Result<(), RegionErrorKind>,
    ) -> Result<(Self, File), RegionError> {
        let make = || {
            let header = plan(limits, layout_of)?;
            let file = memory::sealed_file("selvedge", header.size)?;
            Ok((Self::fill(&file, header, init)?, file))
        };
        make().map_err(RegionError::anonymous)
    }

    /// Maps a region of which this process was handed the file.
    pub(crate) fn adopt(file: &File, layout_of: LayoutOf) -> Result<Self, RegionError> {
        let adopt = || match memory::is_sealed(file)? {
            true => Self::open(file, layout_of),
            false => Err(Unfit::Unsealed.into()),
        };
        adopt().map_err(RegionError::anonymous)
    }

    /// Makes the file, which has its pages and which nobody else can find yet, a region.
    pub(crate) fn fill(
        file: &File,
        header: Header,
        init: impl FnOnce(&Mapping) -> Result<(), RegionErrorKind>,
    ) -> Result<Self, RegionErrorKind> {
        let mapping = Mapping::map(file, header.size)?;
        let (bytes, alive) = header.encode();
        let refused = |error| OsError::from_io("pwrite", &error);
        file.write_all_at(&bytes, 0).map_err(refused)?;
        file.write_all_at(&alive, header.alive_offset()).map_err(refused)?;
        init(&mapping)?;
        let facts = Facts::of(file)?;
        Ok(Self { mapping, header, identity: facts.identity })
    }

    /// Maps the region in `file`, if it is one that this process can use.
    pub(crate) fn open(file: &File, layout_of: LayoutOf) -> Result<Self, RegionErrorKind> {
        let (header, facts) = inspect(file, layout_of)?;
        Ok(Self { mapping: Mapping::map(file, header.size)?, header, identity: facts.identity })
    }

    /// Maps the region in `file` to read it, if it is one that this process could use.
    pub(crate) fn open_to_look(file: &File, layout_of: LayoutOf) -> Result<Self, RegionErrorKind> {
        let (header, facts) = inspect(file, layout_of)?;
        let mapping = Mapping::map_for(Purpose::Look, file, header.size)?;
        Ok(Self { mapping, header, identity: facts.identity })
    }

    /// Its memory.
    pub(crate) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// What it was made for.
    pub(crate) fn limits(&self) -> Limits {
        self.header.limits
    }

    /// Its random id.
    pub(crate) fn id(&self) -> RegionId {
        self.header.id
    }

    /// When it was made, as its maker's clock had it.
    pub(crate) fn created(&self) -> SystemTime {
        self.header.created()
    }

    /// Which file it is, to be compared with the one that bears a name by now. Good while this value lives.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether nobody has overwritten its header or its end since it was made: a few loads, for use now and then.
    pub(crate) fn still_valid(&self) -> bool {
        self.header.marks().into_iter().all(|(offset, mark)| {
            let word = usize::try_from(offset).ok().and_then(|offset| self.mapping.word(offset));
            // No step of any protocol: the answer is about the past anyway, and nothing is read on the strength of it.
            word.is_some_and(|word| word.peek() == mark)
        })
    }
}

/// The header of a region that this process is about to make.
pub(crate) fn plan(limits: Limits, layout_of: LayoutOf) -> Result<Header, RegionErrorKind> {
    limits.check()?;
    let Layout { hash, body } = layout_of(&limits)?;
    let size = header::file_size(body, memory::page_size()).ok_or(RegionErrorKind::NoSpace { needed: body })?;
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(Header {
        layout: hash,
        size,
        id: RegionId(uuid::random()?),
        boot: uuid::of_this_boot()?,
        uid: own_uid(),
        limits,
        created_ns: u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX),
    })
}

/// What the file system says of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) size: u64,
    pub(crate) identity: Identity,
    uid: u32,
    mode: u32,
    is_regular: bool,
}

impl Facts {
    pub(crate) fn of(file: &File) -> Result<Self, OsError> {
        let stat = file.metadata().map_err(|error| OsError::from_io("fstat", &error))?;
        Ok(Self {
            size: stat.len(),
            identity: Identity { device: stat.dev(), inode: stat.ino() },
            uid: stat.uid(),
            mode: stat.mode() & 0o7777,
            is_regular: stat.is_file(),
        })
    }

    fn check(&self) -> Result<(), Unfit> {
        if !self.is_regular {
            Err(Unfit::NotRegular)
        } else if self.uid != own_uid() {
            Err(Unfit::OtherOwner { uid: self.uid })
        } else if self.mode & 0o077 != 0 {
            Err(Unfit::Exposed { mode: self.mode })
        } else {
            Ok(())
        }
    }
}

/// Looks at a file without mapping it, and says whether it is a region that this process can use.
pub(crate) fn inspect(file: &File, layout_of: LayoutOf) -> Result<(Header, Facts), RegionErrorKind> {
    let facts = Facts::of(file)?;
    facts.check()?;
    let mut bytes = [0; HEADER_SIZE];
    let length = read_up_to(file, &mut bytes)?;
    let expected = Expected {
        file_size: facts.size,
        page_size: memory::page_size(),
        boot: uuid::of_this_boot()?,
        uid: own_uid(),
        layout_of,
    };
    let header = header::validate(bytes.get(..length).unwrap_or_default(), &expected)?;
    let mut alive = [0; ALIVE_SIZE];
    match file.read_exact_at(&mut alive, header.alive_offset()) {
        Ok(()) if header.is_alive(alive) => Ok((header, facts)),
        Ok(()) => Err(Unfit::Zeroed.into()),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Err(Unfit::Truncated { stated: header.size, actual: Facts::of(file)?.size }.into())
        }
        Err(error) => Err(OsError::from_io("pread", &error).into()),
    }
}

/// Reads from the beginning of the file until the buffer is full or the file ends.
fn read_up_to(file: &File, buffer: &mut [u8]) -> Result<usize, OsError> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, length as u64) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(OsError::from_io("pread", &error)),
        }
    }
    Ok(length)
}
