//! Running the command: a place of its own, children that never outlive their test, waits with an end.
//!
//! What a command prints goes to a file in memory. So nothing here feeds a command without a limit, and nothing reads
//! such a file to its end while it grows: it may grow as fast as it is read.

use crate::pipes::Input;
use rustix::process::{Pid, Signal, kill_process};
use selvedge::region::RegionOptions;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a test waits for what takes no time on an idle machine. Whoever reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A directory for a test's regions and files, gone when the test ends, however it ends.
pub(crate) struct Place {
    base: tempfile::TempDir,
    files: AtomicUsize,
}

impl Place {
    pub(crate) fn new() -> Self {
        let base = tempfile::Builder::new().prefix("selvedge-cli-").tempdir_in("/dev/shm").expect("a directory");
        Self { base, files: AtomicUsize::new(0) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    /// The directory of regions, made by the first of them.
    pub(crate) fn regions(&self) -> PathBuf {
        self.path("regions")
    }

    /// The names of the regions that there are.
    pub(crate) fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.regions()) else {
            return Vec::new();
        };
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name().into_string().ok();
        let mut names: Vec<String> = entries.filter_map(name).filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }

    /// How many processes are attached to region `s`.
    pub(crate) fn participants(&self) -> usize {
        let shown = self.run(&["stat", "--json", "s"]);
        if !shown.status.success() {
            return 0;
        }
        let alive = |one: &&serde_json::Value| one["alive"] == true;
        shown.json()["participants"].as_array().map_or(0, |all| all.iter().filter(alive).count())
    }

    /// How many bytes are in the stream of region `s`, which no receiver may have. None if there is none.
    pub(crate) fn pending(&self) -> usize {
        let look = || {
            let region = RegionOptions::new().directory(self.regions()).open("s").ok()?;
            let stream = region.objects().ok()?.pop()?;
            let stream = region.stream(&stream.name, stream.capacity.try_into().ok()?).ok()?;
            stream.try_reader().ok()?.pending().ok()
        };
        look().unwrap_or(0)
    }

    /// A file with `content`.
    pub(crate) fn file(&self, content: &[u8]) -> PathBuf {
        let path = self.unused();
        fs::write(&path, content).expect("a file in memory");
        path
    }

    fn unused(&self) -> PathBuf {
        self.path(&format!("file-{}", self.files.fetch_add(1, Ordering::Relaxed)))
    }

    /// A command line, not started yet.
    pub(crate) fn selvedge(&self, arguments: &[&str]) -> Line<'_> {
        let program = env!("CARGO_BIN_EXE_selvedge");
        let arguments = arguments.iter().map(|&one| one.to_owned()).collect();
        Line { place: self, program, arguments, stdin: Stdio::null() }
    }

    /// A command line under limits that a shell sets with `ulimit`, not started yet.
    pub(crate) fn limited(&self, limits: &str, arguments: &[&str]) -> Line<'_> {
        let script = format!("ulimit {limits}; exec \"$0\" \"$@\"");
        let line = ["-c", &script, env!("CARGO_BIN_EXE_selvedge")];
        Line { program: "sh", ..self.selvedge(&[&line, arguments].concat()) }
    }

    /// Runs a command line to its end, without input.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        self.selvedge(arguments).start().end()
    }

    /// Runs a command line to its end with `input` as standard input.
    #[track_caller]
    pub(crate) fn feed(&self, arguments: &[&str], input: &[u8]) -> Finished {
        self.selvedge(arguments).input(input).start().end()
    }
}

/// A command line.
pub(crate) struct Line<'a> {
    place: &'a Place,
    program: &'static str,
    arguments: Vec<String>,
    stdin: Stdio,
}

impl Line<'_> {
    /// Standard input is a file with this in it.
    pub(crate) fn input(mut self, input: &[u8]) -> Self {
        self.stdin = File::open(self.place.file(input)).expect("a file").into();
        self
    }

    /// Standard input is this.
    pub(crate) fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// Standard input is a pipe, see [`Running::write`].
    pub(crate) fn piped(mut self) -> Self {
        self.stdin = Stdio::piped();
        self
    }

    #[track_caller]
    pub(crate) fn start(self) -> Running {
        let output = self.place.unused();
        let stdout = File::create(&output).expect("a file");
        self.start_onto(stdout, output)
    }

    /// Starts with `stdout` as standard output, which is no file that could be looked into.
    #[track_caller]
    pub(crate) fn start_into(self, stdout: impl Into<Stdio>) -> Running {
        let output = self.place.unused();
        self.start_onto(stdout, output)
    }

    #[track_caller]
    fn start_onto(self, stdout: impl Into<Stdio>, output: PathBuf) -> Running {
        let errors = self.place.unused();
        let stderr = File::create(&errors).expect("a file");
        self.start_with(stdout, output, stderr, errors)
    }

    #[track_caller]
    pub(crate) fn start_with(
        self,
        stdout: impl Into<Stdio>,
        output: PathBuf,
        stderr: impl Into<Stdio>,
        errors: PathBuf,
    ) -> Running {
        let mut command = Command::new(self.program);
        command
            .args(&self.arguments)
            .env("SELVEDGE_DIR", self.place.regions())
            .env("TERM", "xterm")
            .stdin(self.stdin)
            .stdout(stdout)
            .stderr(stderr);
        // A shell that runs these tests in the background has them, and so the command, ignore Ctrl-C.
        let as_in_a_terminal = || {
            // SAFETY: `signal(2)` may be called between fork and exec, and SIG_DFL is no handler.
            unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
            Ok(())
        };
        // SAFETY: the closure only makes a system call; it neither allocates nor takes a lock.
        unsafe { std::os::unix::process::CommandExt::pre_exec(&mut command, as_in_a_terminal) };
        let mut child = command.spawn().expect("the command starts");
        let line = self.arguments.join(" ");
        let input = child.stdin.take().map(|pipe| Input::of(pipe, &line));
        Running { child, input, output, errors, line }
    }
}

/// A running command, killed and reaped at the latest when this is dropped.
pub(crate) struct Running {
    child: Child,
    input: Option<Input>,
    output: PathBuf,
    errors: PathBuf,
    line: String,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    line: String,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Takes away its standard input, a pipe, which then stays open for as long as the caller likes.
    #[track_caller]
    pub(crate) fn input(&mut self) -> Input {
        self.input.take().expect("a pipe")
    }

    /// Writes to its standard input, a pipe.
    #[track_caller]
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.input.as_mut().expect("a pipe").write(bytes);
    }

    /// Writes as much as its standard input, a pipe, takes at once. How much.
    #[track_caller]
    pub(crate) fn offer(&mut self, bytes: &[u8]) -> usize {
        self.input.as_mut().expect("a pipe").offer(bytes)
    }

    /// How many bytes it has printed so far.
    pub(crate) fn printed(&self) -> usize {
        fs::metadata(&self.output).map_or(0, |file| usize::try_from(file.len()).expect("64 bits"))
    }

    /// What it has printed so far.
    pub(crate) fn stdout(&self) -> Vec<u8> {
        let mut printed = Vec::new();
        if let Ok(file) = File::open(&self.output) {
            file.take(self.printed() as u64).read_to_end(&mut printed).expect("a file in memory");
        }
        printed
    }

    /// What it has said so far.
    pub(crate) fn stderr(&self) -> String {
        fs::read(&self.errors).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// How far it has read the file that is its standard input.
    pub(crate) fn has_read(&self) -> u64 {
        let information = fs::read_to_string(format!("/proc/{}/fdinfo/0", self.pid())).unwrap_or_default();
        let position = information.lines().find_map(|line| line.strip_prefix("pos:"));
        position.and_then(|position| position.trim().parse().ok()).unwrap_or(0)
    }

    /// Looks again and again until `condition` holds; fails if the command ends before.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        loop {
            let ended = self.child.try_wait().expect("a child");
            if condition(self) {
                return;
            }
            let line = &self.line;
            assert!(ended.is_none(), "`{line}` ended ({ended:?}) before: {what}; it said: {}", self.stderr());
            if start.elapsed() >= PATIENCE {
                panic!("`{line}`: waited {PATIENCE:?} in vain for: {what}; it said: {}", self.stderr());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until it has said `text` on standard error.
    #[track_caller]
    pub(crate) fn until_says(&mut self, text: &str) {
        self.until(&format!("it says {text:?}"), |running| running.stderr().contains(text));
    }

    /// Waits until it has printed at least this many bytes.
    #[track_caller]
    pub(crate) fn until_printed(&mut self, bytes: usize) {
        self.until(&format!("it has printed {bytes} bytes"), |running| running.printed() >= bytes);
    }

    /// Waits until `count` processes are attached to region `s` and this one, of them, sleeps: it goes on only
    /// when somebody else has acted.
    #[track_caller]
    pub(crate) fn until_idle(&mut self, place: &Place, count: usize) {
        self.until(&format!("{count} processes are attached and it sleeps"), |running| {
            place.participants() == count && running.is_asleep()
        });
    }

    /// Waits until it has printed this many bytes, taken them out of the region, and sleeps for more.
    #[track_caller]
    pub(crate) fn until_taken(&mut self, bytes: usize) {
        self.until_printed(bytes);
        self.until("it sleeps", Self::is_asleep);
    }

    /// Whether all its threads sleep.
    pub(crate) fn is_asleep(&self) -> bool {
        let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", self.pid())) else {
            return false;
        };
        tasks.flatten().all(|task| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'))
        })
    }

    /// Waits until its standard input, a file, has been read up to `position`.
    #[track_caller]
    pub(crate) fn until_read(&mut self, position: u64) {
        self.until(&format!("it has read {position} bytes"), |running| running.has_read() >= position);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().try_into().expect("a process id")).expect("a process id");
        kill_process(pid, signal).expect("the child is not reaped yet");
    }

    /// Sends SIGKILL and reaps.
    #[track_caller]
    pub(crate) fn kill(mut self) -> Finished {
        self.child.kill().expect("the child is not reaped yet");
        self.end()
    }

    /// Waits until it has ended. Its standard input, if a pipe, is closed before.
    #[track_caller]
    pub(crate) fn end(mut self) -> Finished {
        drop(self.input.take());
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            let line = &self.line;
            if start.elapsed() >= PATIENCE {
                panic!("waited {PATIENCE:?} in vain for `{line}` to end; it said: {}", self.stderr());
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        Finished { status, stdout: self.stdout(), stderr: self.stderr(), line: self.line.clone() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it was reaped already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// It ended with this exit code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "`{}` ({}) said: {}", self.line, self.status, self.stderr);
        self
    }

    /// It did what it was asked, and had nothing to say.
    #[track_caller]
    pub(crate) fn silent(self) -> Self {
        let done = self.code(0);
        assert_eq!(done.stderr, "", "`{}`", done.line);
        done
    }

    /// It was killed.
    #[track_caller]
    pub(crate) fn killed(self) -> Self {
        assert_eq!(self.status.signal(), Some(9), "`{}`: {}", self.line, self.status);
        self
    }

    /// It said this on standard error.
    #[track_caller]
    pub(crate) fn said(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "`{}` did not say {text:?}, but: {}", self.line, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn printed(self, expected: &[u8]) -> Self {
        assert_same(&self.stdout, expected, &self.line);
        self
    }

    /// Its standard output, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("`{}`: {error}", self.line))
    }

    /// Its standard error, each line as JSON.
    #[track_caller]
    pub(crate) fn reports(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        self.stderr.lines().map(parse).collect()
    }
}

/// Fails with the place of the first difference, not with megabytes of text.
#[track_caller]
pub(crate) fn assert_same(found: &[u8], expected: &[u8], what: &str) {
    if found != expected {
        let at = found.iter().zip(expected).position(|(one, other)| one != other);
        let (found, expected) = (found.len(), expected.len());
        panic!("{what}: {found} bytes where {expected} were expected; the first difference is at {at:?}");
    }
}

/// Numbers that look random and are the same in each run.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Any bytes.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut numbers = Numbers(seed);
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| numbers.next().to_le_bytes()).collect();
    bytes.truncate(length);
    bytes
}

/// Lines of 0 to 200 bytes, each of which begins with `mark` and its number.
pub(crate) fn lines(seed: u64, mark: &str, count: usize) -> Vec<u8> {
    let mut numbers = Numbers(seed);
    let mut text = Vec::new();
    for number in 0..count {
        text.extend_from_slice(format!("{mark} {number} ").as_bytes());
        let length = usize::try_from(numbers.below(200)).expect("small");
        text.extend(bytes(numbers.next(), length).iter().map(|byte| b'a' + byte % 26));
        text.push(b'\n');
    }
    text
}

/// The content of a file.
#[track_caller]
pub(crate) fn content(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
