//! What is printed: the machine, and medians with their ratios.

use std::fs;

/// What one contestant took, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Sample {
    name: String,
    values: Vec<f64>,
}

impl Sample {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), values: Vec::new() }
    }

    /// One value more.
    pub fn add(&mut self, ns: f64) {
        self.values.push(ns);
    }

    /// The value below which a share of the values lie.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index, rounded")]
        let index = (share * last as f64).round() as usize;
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }

    /// The median.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

/// Prints quartiles, medians, and the ratio of each of the first `ours` medians to each of the others'.
pub fn print(title: &str, samples: &[Sample], ours: usize) {
    println!("\n{title}");
    println!("{:<36} {:>10} {:>10} {:>10} {:>6}", "", "quartile", "median", "quartile", "n");
    for sample in samples {
        let [low, median, high] = [0.25, 0.5, 0.75].map(|share| sample.quantile(share));
        println!("{:<36} {low:>10.1} {median:>10.1} {high:>10.1} {:>6}", sample.name, sample.values.len());
    }
    let (ours, peers) = samples.split_at(ours);
    for own in ours {
        for peer in peers {
            println!("{} / {} = {:.2}", own.name, peer.name, own.median() / peer.median());
        }
    }
}

/// Prints what the numbers depend on.
pub fn print_machine() {
    let first = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
        line.unwrap_or_default().trim_start_matches(['\t', ' ', ':']).trim().to_owned()
    };
    println!("processor  {}", first("/proc/cpuinfo", "model name"));
    println!("cores      {}", std::thread::available_parallelism().map_or(0, usize::from));
    println!("kernel     {}", first("/proc/sys/kernel/osrelease", ""));
    println!("load       {}", first("/proc/loadavg", ""));
    println!("build      {}", if cfg!(debug_assertions) { "debug: worthless, use --release" } else { "release" });
}
