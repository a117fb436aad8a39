#![cfg(loom)]
#![allow(missing_docs)]
use rc11_oracle::random::{Generator, Mix, Profile};
use rc11_oracle::{Model, Op, Order, outcomes};
use selvedge::sync::model::Plan;
use selvedge_models::explore::{Effort, Verdict};
use selvedge_models::litmus::run;
use std::time::Instant;

#[test]
fn measure() {
    let n: usize = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    let cap: u64 = std::env::var("CAP").ok().and_then(|n| n.parse().ok()).unwrap_or(20000);
    for (name, profile) in [
        ("2x4 balanced", Profile { accesses: 8, ..Profile::new(2, 4, 2) }),
        ("3x2 balanced", Profile::new(3, 2, 2)),
        ("2x3 fences", Profile::new(2, 3, 2).fence_heavy()),
        ("3x2 fences", Profile::new(3, 2, 2).fence_heavy()),
        ("3x2 rlx/relacq no rmw", Profile::new(3, 2, 2).with_mix(Mix { read_modify_writes: 0, seq_cst: 0, ..Mix::BALANCED })),
        ("2x4 rlx/relacq no rmw", Profile::new(2, 4, 2).with_mix(Mix { read_modify_writes: 0, seq_cst: 0, ..Mix::BALANCED })),
        ("3x2 rlx/relacq", Profile::new(3, 2, 2).with_mix(Mix { seq_cst: 0, ..Mix::BALANCED })),
    ] {
        let mut generator = Generator::new(1, profile);
        let mut t = [0.0; 3];
        let mut ex = [0u64; 2];
        let mut miss = [0; 3];
        let mut extra = [0; 2];
        let mut inc = [0; 2];
        let mut bad = [0; 2];
        let mut shown = 0;
        for _ in 0..n {
            let program = generator.program().unwrap();
            let start = Instant::now();
            let truth = outcomes(&program, Model::Rc11);
            t[0] += start.elapsed().as_secs_f64();
            let mut sets = Vec::new();
            for (i, shadow) in [true, false].into_iter().enumerate() {
                let start = Instant::now();
                let seen = run(&program, Plan { shadow, ..Plan::default() }, Effort { executions: cap, ..Effort::loom(None) });
                t[i + 1] += start.elapsed().as_secs_f64();
                ex[i] += seen.executions;
                match &seen.verdict {
                    Verdict::Pass => {
                        miss[i] += usize::from(!truth.set.is_subset(&seen.outcomes));
                        extra[i] += usize::from(!seen.outcomes.is_subset(&truth.set));
                    }
                    Verdict::Fail(f) => { bad[i] += 1; if bad[i] < 2 { println!("{}", f.message); } }
                    Verdict::Inconclusive(_) => inc[i] += 1,
                }
                sets.push(seen.outcomes);
            }
            let union = &sets[0] | &sets[1];
            let gone: Vec<_> = truth.set.difference(&union).collect();
            if !gone.is_empty() {
                miss[2] += 1;
                if shown < std::env::var("SHOW").ok().and_then(|n| n.parse().ok()).unwrap_or(0) {
                    shown += 1;
                    println!("{program}missing {}", gone[0]);
                }
            }
            let _ = (Op::fence(Order::SeqCst), 0);
        }
        println!("{name}: oracle {:.2}s shadow {:.2}s {} ex, plain {:.2}s {} ex; miss shadow {} plain {} union {}; extra {:?}; inconclusive {:?} failed {:?}", t[0], t[1], ex[0], t[2], ex[1], miss[0], miss[1], miss[2], extra, inc, bad);
    }
}
