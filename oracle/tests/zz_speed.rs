//! x
use rc11_oracle::mutant::*;
use rc11_oracle::random::*;
use rc11_oracle::*;
#[test]
fn speed() {
    let f = Mix::FENCE_HEAVY;
    let mixes = [
        ("bal", Mix::BALANCED),
        ("sc", Mix::SEQ_CST_HEAVY),
        ("fence", f),
        ("fence90", Mix { fence_percent: 90, ..f }),
        ("fence90,ar4", Mix { fence_percent: 90, acquire_release: 4, ..f }),
    ];
    for (mn, mix) in mixes {
        for (th, per, words, ops) in
            [(4, 5, 2, 10), (4, 4, 2, 8), (4, 5, 3, 10), (4, 3, 2, 8), (3, 4, 2, 8), (4, 3, 3, 8), (4, 3, 3, 10)]
        {
            let p = Profile { accesses: ops, mix, ..Profile::new(th, per, words) };
            let mut g = Generator::new(5, p);
            let mut worst = (0.0, String::new());
            let t0 = std::time::Instant::now();
            let mut graphs = 0;
            let n = 1000;
            let mut ps = vec![];
            for _ in 0..n {
                let pr = g.program().unwrap();
                let t = std::time::Instant::now();
                let o = outcomes(&pr, Model::Rc11);
                graphs += o.graphs;
                let e = t.elapsed().as_secs_f64();
                if e > worst.0 {
                    worst = (e, format!("{pr}{} graphs", o.graphs));
                }
                ps.push((pr, o));
            }
            println!(
                "{mn} {th}x{per}x{words} {ops}: avg {:.3} ms, graphs avg {}, worst {:.1} ms",
                t0.elapsed().as_secs_f64() * 1e3 / n as f64,
                graphs / n,
                worst.0 * 1e3
            );
            if std::env::var("MUT").is_ok() {
                for m in Mutant::ALL {
                    if matches!(m, Mutant::Incoherent | Mutant::TornReadModifyWrite | Mutant::ThinAir) {
                        continue;
                    }
                    let (mut d, mut s) = (0, 0);
                    for (p, o) in &ps {
                        let x = outcomes_of_mutant(p, m);
                        d += usize::from(&x != o);
                        s += usize::from(x.set != o.set);
                    }
                    print!("  {m:?} {s}");
                }
                println!("  weak {}", ps.iter().filter(|(p, o)| outcomes(p, Model::Sc).set != o.set).count());
            }
        }
    }
}
