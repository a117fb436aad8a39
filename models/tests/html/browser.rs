//! A browser without a window, if there is one.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

pub(crate) struct Browser(PathBuf);

/// What a page became.
pub(crate) struct Seen {
    /// The document after all scripts.
    pub(crate) document: String,
    /// What they said to the console, errors that nobody caught included.
    pub(crate) console: Vec<String>,
}

/// Longest time for a page. It takes seconds.
const PATIENCE: Duration = Duration::from_secs(240);

/// The first one on the path. Without one a test cannot run: it says so, and fails where `ci/browser` has found one.
pub(crate) fn find() -> Option<Browser> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    let found = candidates.find(|file| file.is_file()).map(Browser);
    if found.is_none() {
        let missing = format!("no browser ({}) on the path; on Debian: apt-get install chromium", NAMES.join(", "));
        assert!(std::env::var_os("SELVEDGE_BROWSER").is_none(), "{missing}");
        println!("skipped: {missing}");
    }
    found
}

impl Browser {
    /// Opens a page to which a script is added at the end.
    pub(crate) fn open(&self, page: &str, probe: &str) -> Seen {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("report.html");
        let (before, after) = page.rsplit_once("</body>").expect("a body");
        std::fs::write(&file, format!("{before}<script>{probe}</script></body>{after}")).expect("the page");
        let mut command = Command::new(&self.0);
        // Nothing comes from outside, and containers have no user namespaces for a sandbox.
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
        command.args(["--enable-logging=stderr", "--log-level=0", "--virtual-time-budget=60000", "--dump-dom"]);
        command.arg(format!("--user-data-dir={}", folder.path().join("profile").display()));
        command.arg(format!("file://{}", file.display()));
        let [document, said] = ["document", "said"].map(|name| folder.path().join(name));
        command.stdout(File::create(&document).expect("a file")).stderr(File::create(&said).expect("a file"));
        let mut running = command.spawn().expect("the browser starts");
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = running.try_wait().expect("it is ours") {
                break Some(status);
            }
            if Instant::now() > deadline {
                running.kill().expect("it is ours");
                running.wait().expect("it is ours");
                break None;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let read = |file| String::from_utf8_lossy(&std::fs::read(file).expect("what it wrote")).into_owned();
        let said = read(said);
        assert!(status.is_some(), "the browser has not shown the page within {PATIENCE:?}:\n{said}");
        assert!(status.is_some_and(|status| status.success()), "the browser failed:\n{said}");
        let console = said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
        Seen { document: read(document), console }
    }
}
