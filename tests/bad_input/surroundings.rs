//! A file system that is full, a user who may not, a kernel that gives no thread.

use crate::place::{Place, options_at, set_mode, traces_of};
use crate::refused;
use crate::roles::{Running, say};
use rustix::process::{Resource, Rlimit, Uid, setrlimit};
use rustix::thread::{UnshareFlags, set_thread_res_uid};
use selvedge::region::{DirectoryFault, RegionErrorKind};
use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A user who owns nothing.
const NOBODY: u32 = 65_534;

/// Runs `test` in a thread of its own, whose panic is the caller's.
fn in_thread(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        if let Err(panic) = scope.spawn(test).join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn mount(kind: Option<&CStr>, target: &Path, flags: libc::c_ulong, options: &CStr) -> io::Result<()> {
    let target = CString::new(target.as_os_str().as_bytes())?;
    let kind = kind.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: all pointers are null or to strings that outlive the call.
    match unsafe { libc::mount(kind, target.as_ptr(), kind, flags, options.as_ptr().cast()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Mounts an empty tmpfs of one MiB for the calling thread alone.
fn mount_small_tmpfs(path: &Path) -> io::Result<()> {
    // SAFETY: the table of descriptors stays shared, since FILES is not among the flags.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount(None, Path::new("/"), libc::MS_REC | libc::MS_PRIVATE, c"")?;
    mount(Some(c"tmpfs"), path, 0, c"size=1m")
}

#[test]
fn a_full_file_system_is_an_error_and_what_fitted_stays_good() {
    let place = Place::new();
    in_thread(|| {
        if let Err(error) = mount_small_tmpfs(place.base()) {
            eprintln!("skipped: no tmpfs can be mounted here: {error}");
            return;
        }
        let options = place.options().arena(200 << 10);
        let mut fitted = Vec::new();
        let kind = loop {
            let name = fitted.len().to_string();
            let before = place.traces();
            match options.create(&name) {
                Ok(region) => {
                    *region.mutex("pieces", 0_u64).unwrap().lock().unwrap() = fitted.len() as u64;
                    fitted.push(region);
                }
                Err(error) => {
                    assert!(error.to_string().starts_with(&format!("region `{name}`: no memory for its ")), "{error}");
                    assert_eq!(place.traces(), before);
                    break error.kind().clone();
                }
            }
        };
        assert!(matches!(kind, RegionErrorKind::NoSpace { .. }), "{kind}");
        assert!((3..5).contains(&fitted.len()), "{} regions of 200 KiB fitted into 1 MiB", fitted.len());
        for (number, region) in fitted.iter().enumerate() {
            let pieces = region.mutex("pieces", 0_u64).unwrap();
            assert_eq!(*pieces.lock().unwrap(), number as u64);
            // Every byte that the region was given can be used: nothing is left to be found missing later.
            let table = region.segment("table", 150 << 10).unwrap();
            // SAFETY: nobody else knows of this region.
            unsafe { table.write(0, &vec![1; table.len()]) }.unwrap();
        }
        let last = (fitted.len() - 1).to_string();
        fitted.pop();
        options.remove(&last).unwrap();
        options.create(&last).expect("the memory of one that was removed is free");
    });
}

#[test]
fn a_user_who_may_not_is_told() {
    let place = Place::new();
    drop(place.options().create("stock").unwrap());
    set_mode(place.base(), 0o777);
    in_thread(|| {
        let nobody = Uid::from_raw(NOBODY);
        if let Err(error) = set_thread_res_uid(nobody, nobody, nobody) {
            eprintln!("skipped: this user cannot become another: {error}");
            return;
        }
        let before = traces_of(place.base());
        let error = place.options().open("stock").unwrap_err();
        let RegionErrorKind::Directory(directory) = error.kind() else { panic!("{error}") };
        assert_eq!(directory.fault(), DirectoryFault::OtherOwner { uid: 0 });
        assert!(error.to_string().starts_with("region `stock`: directory "), "{error}");
        assert_eq!(traces_of(place.base()), before);

        let own = place.base().join("own");
        let options = options_at(own.to_str().unwrap());
        options.create("stock").unwrap();
        set_mode(&own.join("stock"), 0o000);
        for error in [options.open("stock").unwrap_err(), options.remove("stock").unwrap_err()] {
            assert!(matches!(error.kind(), RegionErrorKind::PermissionDenied(_)), "{error}");
            assert_eq!(error.to_string(), "region `stock`: openat: Permission denied (os error 13)");
        }
        options.remove_anyway("stock").unwrap();

        set_mode(&own, 0o500);
        let error = options.create("stock").unwrap_err();
        assert!(matches!(error.kind(), RegionErrorKind::PermissionDenied(_)), "{error}");
        assert!(error.to_string().starts_with("region `stock`: "), "{error}");
        assert_eq!(traces_of(&own), []);
        set_mode(&own, 0o700);
    });
}

#[test]
fn a_directory_whose_parent_is_missing_is_named() {
    let place = Place::new();
    let options = options_at(place.base().join("no/such").to_str().unwrap());
    let kind = refused(&place, "stock", || options.create("stock"));
    assert!(matches!(&kind, RegionErrorKind::Directory(error) if error.path().ends_with("no/such")), "{kind}");
}

/// Runs as a child process, which may have no more threads: as a user to whom the limit applies.
pub(crate) fn play_without_a_keeper(path: &str) {
    let nobody = Uid::from_raw(NOBODY);
    let is_root = rustix::process::geteuid().is_root();
    if is_root && let Err(error) = set_thread_res_uid(nobody, nobody, nobody) {
        say("limited", format!("no, this user cannot become another: {error}"));
        return;
    }
    let options = options_at(path);
    options.create("before").unwrap();
    setrlimit(Resource::Nproc, Rlimit { current: Some(1), maximum: Some(1) }).unwrap();
    say("limited", "yes");
    // One process is there already: this one.
    say("create", options.create("stock").unwrap_err());
    say("open", options.open("before").unwrap_err());
    let traces = traces_of(Path::new(path));
    say("left", traces.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>().join(" "));
}

#[test]
fn a_region_whose_maker_gets_no_keeper_is_not_made() {
    let place = Place::new();
    set_mode(place.base(), 0o777);
    let mut child = Running::start("without a keeper", &[&place.argument()]);
    let limited = child.hear("limited");
    if limited != "yes" {
        eprintln!("skipped: {limited}");
        return;
    }
    let refused = child.hear("create");
    assert!(refused.starts_with("region `stock`: "), "{refused}");
    assert!(refused.ends_with("Resource temporarily unavailable (os error 11)"), "{refused}");
    let refused = child.hear("open");
    assert!(refused.starts_with("region `before`: "), "{refused}");
    assert_eq!(child.hear("left"), "before");
    child.succeed();
}
