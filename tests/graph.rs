//! Passes keep what programs compute, and make of them what they are for.

mod graph_support;

use graph_support::{Numbers, close, random, run};
use socrun::graph::Program;
use socrun::transform::{PASSES, optimise};

fn same(what: &str, before: &Program, after: &Program, seed: u64) {
    let mut numbers = Numbers(seed + 1);
    let at: Vec<_> = random::SHAPES.iter().map(|s| numbers.array(s)).collect();
    let names = |p: &Program| p.outputs.iter().map(|o| o.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(before), names(after), "{what}");
    let (x, y) = (run(before, &at), run(after, &at));
    for ((x, y), (name, _)) in x.iter().zip(&y).zip(&before.outputs) {
        close(&format!("{what}: {name:?}"), y, x, 1e-9);
    }
}

#[test]
fn every_pass_keeps_values() {
    for seed in 0..400 {
        let mut program = random::program(seed);
        for (i, pass) in PASSES.iter().enumerate() {
            let after = (pass.run)(program.clone());
            same(&format!("seed {seed}, pass {i}, {}", pass.name), &program, &after, seed);
            program = after;
        }
    }
}

#[test]
fn optimising_again_changes_no_value() {
    for seed in 0..50 {
        let once = optimise(random::program(seed));
        same(&format!("seed {seed}"), &once, &optimise(once.clone()), seed);
    }
}
