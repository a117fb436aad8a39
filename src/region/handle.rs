//! The region itself, as its users hold it.

#[cfg(loom)]
use super::attachment::Place;
use super::core::{Attached, BACKSTOP, Core};
#[cfg(not(loom))]
use super::error::RegionErrorKind;
use super::error::{ObjectError, ObjectErrorKind, RegionError};
#[cfg(not(loom))]
use super::file::RegionFile;
#[cfg(not(loom))]
use super::header::RegionId;
use super::kind::Kind;
use super::layout::layout_of;
use super::limits::Limits;
#[cfg(not(loom))]
use super::memory;
use super::memory::Memory;
#[cfg(not(loom))]
use super::name::RegionName;
use super::object::{padded, refusal, unpadded};
#[cfg(not(loom))]
use super::store::{Entry, Store};
use crate::primitives::registry::Shape;
use crate::primitives::waiting::Wait;
use crate::sync::Deadline;
use core::time::Duration;
#[cfg(not(loom))]
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
#[cfg(not(loom))]
use std::{fs::File, path::PathBuf};

/// How long creating, removing and finding wait for others who do the same.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a region is to be, when it is made.
///
/// ```
/// use selvedge::region::RegionOptions;
///
/// let region = RegionOptions::new().arena(1 << 20).processes(8).anonymous()?;
/// # drop(region);
/// # Ok::<(), selvedge::region::RegionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RegionOptions {
    limits: Limits,
    backstop: Option<Duration>,
    #[cfg(not(loom))]
    directory: Option<PathBuf>,
}

impl Default for RegionOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl RegionOptions {
    /// 64 processes of 32 threads each, 256 objects, 16 MiB for them.
    #[must_use]
    pub fn new() -> Self {
        Self {
            limits: Limits { processes: 64, threads: 32, objects: 256, arena: 16 << 20 },
            backstop: Some(BACKSTOP),
            #[cfg(not(loom))]
            directory: None,
        }
    }

    /// How many processes can be attached at once: 1 to 120.
    #[must_use]
    pub fn processes(mut self, processes: u32) -> Self {
        self.limits.processes = processes;
        self
    }

    /// How many threads of each process can use it at once: 1 to 256.
    #[must_use]
    pub fn threads(mut self, threads: u32) -> Self {
        self.limits.threads = threads;
        self
    }

    /// How many named objects it can hold: at least 1.
    #[must_use]
    pub fn objects(mut self, objects: u32) -> Self {
        self.limits.objects = objects;
        self
    }

    /// How many bytes it has for objects. They are reserved when the region is made.
    #[must_use]
    pub fn arena(mut self, bytes: u64) -> Self {
        self.limits.arena = bytes;
        self
    }

    /// Longest sleep of a blocked call of this process between two looks for the dead; `None` leaves every repair to the
    /// keepers, so that a test sees what they do alone.
    #[doc(hidden)]
    #[must_use]
    pub fn backstop(mut self, every: Option<Duration>) -> Self {
        self.backstop = every;
        self
    }

    /// Makes a region without a name and attaches this process.
    ///
    /// Another process gets it by inheriting or being sent its descriptor ([`Region::as_fd`]), see
    /// [`Region::from_fd`].
    ///
    /// # Errors
    /// No memory, a limit that is not possible, or no thread for the keeper.
    #[cfg(not(loom))]
    pub fn anonymous(&self) -> Result<Region, RegionError> {
        let limits = self.limits;
        let (file, descriptor) =
            RegionFile::anonymous(limits, layout_of, |mapping| memory::write_empty(mapping, &limits))?;
        Region::attach(file, None, Some(descriptor.into()), self.backstop)
    }

    /// Makes a region on the heap: the stand-in for models.
    ///
    /// # Errors
    /// A limit that is not possible.
    #[cfg(loom)]
    pub fn anonymous(&self) -> Result<Region, RegionError> {
        let make = || {
            layout_of(&self.limits)?;
            Core::attach(Memory::new(&self.limits), self.limits, None, Place, self.backstop)
        };
        make().map(|core| Region { attached: Attached::new(&core) }).map_err(RegionError::anonymous)
    }
}

#[cfg(not(loom))]
impl RegionOptions {
    /// In which directory named regions are looked for and made, instead of `/dev/shm/selvedge-<uid>` or the one in
    /// the environment variable `SELVEDGE_DIR`. It must be the user's own and have mode 0700; it is made if need be.
    #[must_use]
    pub fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.directory = Some(path.into());
        self
    }

    fn store(&self) -> Store {
        match &self.directory {
            Some(path) => Store::at(path, layout_of),
            None => Store::of_user(layout_of),
        }
    }

    fn name(name: &str) -> Result<RegionName, RegionError> {
        RegionName::new(name).map_err(Into::into)
    }

    /// Makes the region `name`, which must not exist, and attaches this process.
    ///
    /// # Errors
    /// `AlreadyExists`, and all that can go wrong with files and memory; then nothing is left behind.
    pub fn create(&self, name: &str) -> Result<Region, RegionError> {
        let (limits, valid) = (self.limits, Self::name(name)?);
        let deadline = Deadline::after(PATIENCE);
        let store = self.store();
        let file = store.create(&valid, limits, deadline, |mapping| memory::write_empty(mapping, &limits))?;
        Region::attach_new(file, &store, &valid, self.backstop)
    }

    /// Attaches this process to the region `name`, which must exist. Its limits are those that it was made with.
    ///
    /// # Errors
    /// `NotFound`; `Unfit` with the reason if what bears the name is no region for this process; `TooManyProcesses`.
    pub fn open(&self, name: &str) -> Result<Region, RegionError> {
        let (store, valid) = (self.store(), Self::name(name)?);
        let deadline = Deadline::after(PATIENCE);
        loop {
            let file = store.open(&valid)?;
            let identity = file.identity();
            let region = Region::attach(file, Some((&store, &valid)), None, self.backstop)?;
            // It may have been removed, and another made, between the two.
            if store.still_named(&valid, identity)? {
                return Ok(region);
            }
            if deadline.has_passed() {
                return Err(RegionError::new(name, RegionErrorKind::Busy));
            }
        }
    }

    /// Attaches this process to the region `name`, which is made with these limits if there is none.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`open`](Self::open), `AlreadyExists` and `NotFound` excepted.
    pub fn open_or_create(&self, name: &str) -> Result<Region, RegionError> {
        let (store, limits, valid) = (self.store(), self.limits, Self::name(name)?);
        let deadline = Deadline::after(PATIENCE);
        loop {
            let (file, made) =
                store.open_or_create(&valid, limits, deadline, |mapping| memory::write_empty(mapping, &limits))?;
            if made {
                return Region::attach_new(file, &store, &valid, self.backstop);
            }
            let identity = file.identity();
            let region = Region::attach(file, Some((&store, &valid)), None, self.backstop)?;
            if store.still_named(&valid, identity)? {
                return Ok(region);
            }
            if deadline.has_passed() {
                return Err(RegionError::new(name, RegionErrorKind::Busy));
            }
        }
    }

    /// Maps the region `name` to read it only; and where it was found.
    pub(super) fn open_to_look(&self, name: &str) -> Result<(RegionFile, Store, RegionName), RegionError> {
        let (store, valid) = (self.store(), Self::name(name)?);
        Ok((store.open_to_look(&valid)?, store, valid))
    }

    /// Removes the name of a region, of another version or boot too. Who is attached stays so; the memory goes with the
    /// last.
    ///
    /// # Errors
    /// `NotFound`; `Unfit` if what bears the name is no region, see [`remove_anyway`](Self::remove_anyway).
    pub fn remove(&self, name: &str) -> Result<(), RegionError> {
        let valid = Self::name(name)?;
        self.store().remove(&valid, Deadline::after(PATIENCE)).map(drop)
    }

    /// Removes the name of a region, whatever it refers to: a damaged one, or a file that is none.
    ///
    /// # Errors
    /// `NotFound`, or the kernel refused.
    pub fn remove_anyway(&self, name: &str) -> Result<(), RegionError> {
        let valid = Self::name(name)?;
        self.store().remove_anyway(&valid, Deadline::after(PATIENCE)).map(drop)
    }

    /// The directory in which named regions are looked for and made.
    #[must_use]
    pub fn location(&self) -> PathBuf {
        self.store().path().to_owned()
    }

    /// All named regions, damaged ones included, without attaching to any.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn list(&self) -> Result<Vec<Entry>, RegionError> {
        self.store().list().map_err(|error| RegionError::anonymous(error.into()))
    }
}

/// A region that this process is attached to. Clones are handles of one attachment; objects keep it attached too.
///
/// The process is detached when the last handle is gone, and with it the thread that dropped it; other threads that
/// have used the region give back their places when they end, or when they next use any region.
///
/// ```
/// use selvedge::Region;
///
/// let region = Region::anonymous()?;
/// let stock = region.mutex("stock", 0_u64)?;
/// *stock.lock().unwrap() += 1;
/// assert_eq!(*stock.lock().unwrap(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Region {
    attached: Attached,
    #[cfg(not(loom))]
    descriptor: Option<Arc<OwnedFd>>,
    /// Where its name stands, and that name.
    #[cfg(not(loom))]
    named: Option<Arc<(Store, RegionName)>>,
}

/// A named object, as [`Region::objects`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectEntry {
    /// Its name.
    pub name: String,
    /// What it is; `None` for a kind that this version does not know.
    pub kind: Option<Kind>,
    /// Size of one element, in bytes.
    pub element: u64,
    /// Number of elements.
    pub capacity: u64,
    /// Bytes of the region that it takes.
    pub bytes: u64,
}

impl Region {
    /// A region without a name, with the default limits. See [`RegionOptions::anonymous`].
    ///
    /// # Errors
    /// As there.
    pub fn anonymous() -> Result<Self, RegionError> {
        RegionOptions::new().anonymous()
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        self.attached.core()
    }

    #[cfg(not(loom))]
    pub(super) fn attached(&self) -> &Attached {
        &self.attached
    }

    /// What it was made for.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.core().limits()
    }

    /// Whether the region's memory is what it was when this process attached: false if somebody overwrote its header or
    /// its end, by punching a hole into the file for instance. A few loads.
    #[cfg(not(loom))]
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.core().memory().file().still_valid()
    }

    /// The random id that tells the region from every other one, also of the same name.
    #[cfg(not(loom))]
    #[must_use]
    pub fn id(&self) -> RegionId {
        self.core().memory().file().id()
    }

    /// When it was made, as its maker's clock had it.
    #[cfg(not(loom))]
    #[must_use]
    pub fn created(&self) -> std::time::SystemTime {
        self.core().memory().file().created()
    }

    /// Its name, if it was made or opened by one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.core().name()
    }

    /// Removes the name of an object. Who has it open keeps it; its memory then serves objects of the same shape.
    ///
    /// # Errors
    /// `NotFound`; the region can be used no longer.
    pub fn remove_object(&self, name: &str) -> Result<(), ObjectError> {
        let remove = || -> Result<(), ObjectErrorKind> {
            let padded = padded(name)?;
            let caller = self.core().caller(Wait::default())?;
            let deadline = Some(Deadline::after(PATIENCE));
            let removed = self.core().memory().registry().remove(&caller, deadline, &padded);
            removed.map_err(|error| refusal(error, Shape::default(), self.limits().objects))
        };
        remove().map_err(|kind| ObjectError::new(name, kind))
    }

    /// The named objects.
    ///
    /// # Errors
    /// The region can be used no longer.
    pub fn objects(&self) -> Result<Vec<ObjectEntry>, ObjectError> {
        let list = || -> Result<Vec<ObjectEntry>, ObjectErrorKind> {
            let caller = self.core().caller(Wait::default())?;
            let mut entries = Vec::new();
            let deadline = Some(Deadline::after(PATIENCE));
            let listed = self.core().memory().registry().list(&caller, deadline, &mut |name, found| {
                let shape = found.extent.shape;
                entries.push(ObjectEntry {
                    name: unpadded(name),
                    kind: Kind::from_number(shape.kind),
                    element: shape.element,
                    capacity: shape.capacity,
                    bytes: shape.bytes,
                });
            });
            listed.map_err(|error| refusal(error, Shape::default(), self.limits().objects))?;
            Ok(entries)
        };
        list().map_err(|kind| ObjectError::new("(directory)", kind))
    }
}

#[cfg(not(loom))]
impl Region {
    /// Makes the region `name`, with the default limits. See [`RegionOptions::create`].
    ///
    /// # Errors
    /// As there.
    pub fn create(name: &str) -> Result<Self, RegionError> {
        RegionOptions::new().create(name)
    }

    /// Attaches to the region `name`. See [`RegionOptions::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open(name: &str) -> Result<Self, RegionError> {
        RegionOptions::new().open(name)
    }

    /// Attaches to the region `name`, and makes it if need be. See [`RegionOptions::open_or_create`].
    ///
    /// # Errors
    /// As there.
    pub fn open_or_create(name: &str) -> Result<Self, RegionError> {
        RegionOptions::new().open_or_create(name)
    }

    /// Removes the name of a region. See [`RegionOptions::remove`].
    ///
    /// # Errors
    /// As there.
    pub fn remove(name: &str) -> Result<(), RegionError> {
        RegionOptions::new().remove(name)
    }

    /// All named regions. See [`RegionOptions::list`].
    ///
    /// # Errors
    /// As there.
    pub fn list() -> Result<Vec<Entry>, RegionError> {
        RegionOptions::new().list()
    }

    /// Attaches to an anonymous region of which this process was handed the descriptor.
    ///
    /// # Errors
    /// `Unfit` if the descriptor is of no region, or of one that is not sealed; `AlreadyAttached`.
    pub fn from_fd(descriptor: OwnedFd) -> Result<Self, RegionError> {
        let file = File::from(descriptor);
        let region = RegionFile::adopt(&file, layout_of)?;
        Self::attach(region, None, Some(file.into()), Some(BACKSTOP))
    }

    /// The descriptor of an anonymous region, to be passed on. It is closed at exec unless the flag is cleared.
    #[must_use]
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.descriptor.as_ref().map(|descriptor| descriptor.as_fd())
    }

    /// Whether its name still refers to this region: false once it was removed, another in its place or not. An
    /// anonymous region has no name.
    ///
    /// # Errors
    /// The directory of the names cannot be used.
    pub fn is_named(&self) -> Result<bool, RegionError> {
        match self.named.as_deref() {
            Some((store, name)) => store.still_named(name, self.core().memory().file().identity()),
            None => Ok(false),
        }
    }

    /// Removes this region's name, if it still refers to this region and not to a successor. Who is attached stays so.
    /// An anonymous region has no name: nothing happens.
    ///
    /// # Errors
    /// `NotFound` if the name is gone, `Replaced` if another region bears it by now.
    pub fn unlink(&self) -> Result<(), RegionError> {
        let Some(named) = &self.named else { return Ok(()) };
        let (store, name) = &**named;
        store.remove_exact(name, self.core().memory().file().identity(), Deadline::after(PATIENCE)).map(drop)
    }

    /// Attaches to a region that this call has made; if that fails, it has made none.
    fn attach_new(
        file: RegionFile,
        store: &Store,
        name: &RegionName,
        backstop: Option<Duration>,
    ) -> Result<Self, RegionError> {
        let identity = file.identity();
        Self::attach(file, Some((store, name)), None, backstop).inspect_err(|_| {
            // Whoever has opened it by now keeps it, as after any removal. Of two failures the first is reported.
            let _ = store.remove_exact(name, identity, Deadline::after(PATIENCE));
        })
    }

    fn attach(
        file: RegionFile,
        named: Option<(&Store, &RegionName)>,
        descriptor: Option<OwnedFd>,
        backstop: Option<Duration>,
    ) -> Result<Self, RegionError> {
        let name = named.map(|(_, name)| name.as_str());
        let refused = |kind| match name {
            Some(name) => RegionError::new(name, kind),
            None => RegionError::anonymous(kind),
        };
        let (limits, size) = (file.limits(), file.mapping().size() as u64);
        // This thread may have been the last to use the region before.
        super::threads::release_abandoned();
        let place = super::attachment::Place::take(file.id()).map_err(refused)?;
        let too_small = || refused(RegionErrorKind::TooSmall { needed: u64::MAX, given: size });
        let memory = Memory::new(file).ok_or_else(too_small)?;
        let core = Core::attach(memory, limits, name, place, backstop).map_err(refused)?;
        let named = named.map(|(store, name)| Arc::new((store.clone(), name.clone())));
        Ok(Self { attached: Attached::new(&core), descriptor: descriptor.map(Arc::new), named })
    }
}
