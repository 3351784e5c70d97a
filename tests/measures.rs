//! Counts of evaluations, distances between samples, and laws of samples from files, on both machines.

#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

mod common;

use common::{Both, cell, history};
use socrun::diagnostic::{Sink, render};
use socrun::run::{Outcome, Silent, run_cell};
use socrun::source::SourceMap;
use socrun::syntax::{Entry, load_all};

/// Per step, on 8 samples and 4 times: the energy at x for its value and its gradient, at X(T), along the path, and in
/// every step of Y.
const COUNTED: &str = "
use std.problems.quadratic_ou
use std.nets.mlp
let energy(x: R[2]) = |x|^4 + |x|²
problem P = quadratic_ou(2)
net V(x: R[2], t: R) -> R[2] = mlp([4])(x, t)
let u(x, t) = -V(x, t)
train {
  grid 4  batch 8  steps 3
  x ~ normal(zeros[2], 1)
  path X of P under u
  process Y: R[2] { Y(0) = x   dY = -0.01*∇energy(Y) dt }
  let unused = energy(2*x)
  minimize E[ energy(x) + |∇energy(x)|² + energy(X(T)) + ∫ energy(X) dt + |Y(T)|² ] over V by adam(1e-3)
}
measure every 1 {
  batch 5
  x ~ normal(zeros[2], 1)
  let other = E[ energy(x) ]
  let calls = evaluations(energy)
  let nets = evaluations(V)
  let both = evaluations(energy) + evaluations(u)
}
table other, calls, nets, both
";

#[test]
fn every_point_of_the_training_counts_once() {
    for machine in Both::all() {
        let outcome = machine.run(COUNTED, 1);
        let step = f64::from(8 + 8 + 4 * 8 + 4 * 8);
        assert_eq!(history(&outcome, "calls"), [0.0, step, 2.0 * step, 3.0 * step]);
        assert_eq!(history(&outcome, "nets"), [0.0, 32.0, 64.0, 96.0]);
        assert_eq!(history(&outcome, "both"), [0.0, step + 32.0, 2.0 * (step + 32.0), 3.0 * (step + 32.0)]);
    }
}

/// A loop that is left early, a copy of a net, a buffer, and a root.
const IN_ORDER: &str = "
use std.nets.constant
net y() -> R = constant(1)()
net V(x: R) -> R = constant(1)()
let f(x: R) = x^3 + y()
let g(x: R) = x^2
train {
  buffer B: (x: R, v: R) capacity 100
  repeat 5 times {
    x ~ normal(0, 1), batch 4
    push (x, g(x)) -> B
    repeat 3 times {
      (x, v) ~ B, batch 16
      minimize E[ |f(x) - V(x) + (snapshot(V))(x) - v|² ] over y, V by sgd(0.01)
    }
    every 2 {
      solve β in 0..1: g(β) = 0.25
    }
    until g(3) > 5
  }
}
measure {
  batch 1
  let f_calls = evaluations(f)
  let g_calls = evaluations(g)
  let v_calls = evaluations(V)
}
table f_calls, g_calls, v_calls
";

#[test]
fn what_happens_in_order_is_counted_as_it_happens() {
    let text = IN_ORDER.replace("over y, V by sgd(0.01)", "over y by sgd(0.01), V by sgd(0.01)");
    for machine in Both::all() {
        let whole = machine.run(&text.replace("    until g(3) > 5\n", ""), 1);
        assert_eq!(history(&whole, "f_calls"), [5.0 * 3.0 * 16.0]);
        // Now, and at the copy of its parameters.
        assert_eq!(history(&whole, "v_calls"), [2.0 * 5.0 * 3.0 * 16.0]);
        let solved = history(&whole, "g_calls")[0] - 5.0 * 4.0;
        // Three roots, each after some trials, the same in every round.
        assert!(solved > 3.0 * 3.0 && solved % 3.0 == 0.0, "{solved}");
        let left = machine.run(&text, 1);
        assert_eq!(history(&left, "f_calls"), [3.0 * 16.0]);
    }
}

#[test]
fn counts_are_exact_beyond_single_precision() {
    let text = "
use std.nets.constant
net y() -> R = constant(1)()
let f(x: R) = x^2
train {
  batch 20_001  steps 901
  x ~ normal(0, 1)
  minimize |y() - E[ f(x) ]|² over y by sgd(0.01)
}
measure {
  batch 1
  let calls = evaluations(f)
}
table calls
";
    assert_eq!(history(&Both::Cpu.run(text, 1), "calls"), [20_001.0 * 901.0]);
}

const DISTANCES: &str = "
measure {
  batch 300
  x ~ normal(zeros[3], 1)
  y ~ normal(zeros[3], 1)
  let moved = W2(x, y + 0*x)
  let shifted = W2(x + [3, 4, 12], x)
  let line = W2(2*x[1], x[1])
  let near = W2(x[1], y[1])
  let ratio = W2(x + [3, 4, 12], x)/W2(x[1] + 2, x[1]) + E[ 0*x[1] ]
  let none = W2(x, x)
  let scale = √E[ x[1]^2 ]
}
table moved, shifted, line, near, ratio, none, scale
";

#[test]
fn distances_are_those_of_the_best_pairs() {
    for machine in Both::all() {
        let outcome = machine.run(DISTANCES, 3);
        let value = |name: &str| history(&outcome, name)[0];
        machine.close(&[value("shifted"), value("ratio"), value("none")], &[13.0, 6.5, 0.0]);
        // Numbers keep their order, so doubling moves each by its own size.
        machine.close(&[value("line")], &[value("scale")]);
        // In one dimension 300 normal numbers are about √(log n/n) from each other, in three about n^{-1/3}.
        assert!((0.02..0.25).contains(&value("near")), "{}", value("near"));
        assert!((0.3..0.8).contains(&value("moved")), "{}", value("moved"));
    }
}

#[test]
fn a_distance_of_averages_over_steps_is_refused() {
    let text = "
measure {
  batch 10
  x ~ normal(0, 1)
  let strange = W2(x, 2*x)*ema(E[x], rate = 0.1)
  let mean = ema(E[x], rate = 0.1)
}
table strange, mean
";
    let Err(error) = socrun::lower::cell(&common::checked(text), &[]) else { panic!("it is lowered") };
    assert!(error.what.contains("averaged over steps"), "{error}");
}

/// Runs the first cell of a text beside files.
fn beside(files: &[(&str, &str)], text: &str, machine: Both) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let (mut map, mut sink) = (SourceMap::new(), Sink::new());
    let entry = Entry::Text { name: "test.soc", text, folder: Some(folder.path()) };
    let modules = load_all(&mut map, entry, &mut sink);
    let checked = socrun::check::check(modules, &[], &mut sink, &mut map);
    let checked = checked.unwrap_or_else(|| panic!("{}", render(&sink.into_reports(), &map)));
    let cell = socrun::lower::cell(&checked, &[]).unwrap();
    let outcome = run_cell(&cell, &machine, 1, &mut Silent).unwrap();
    assert!(outcome.failure.is_none());
    outcome
}

const FROM_FILES: &str = "
use std.nets.constant
let p = empirical(\"points.csv\")
let numbers = empirical(\"numbers.csv\")
problem P() {
  time t in 0..1
  state X: R[2]
  control u: R[2]
  noise W: R[2]
  dX = u dt + 0 dW
  X(0) ~ p
  cost = E[ ∫ ½*|u|² dt ]
}
problem Q = P()
net m() -> R = constant(0)()
train {
  batch 64  steps 200
  x ~ p
  minimize E[ |x[2] - m()|² ] over m by sgd((k) => 0.5/(k + 1))
}
measure every 100 {
  batch 4000  grid 2
  path X of Q
  x ~ p
  y ~ p
  n ~ numbers
  z ~ mixture([p, normal([100, 100], 0.1)])
  let mean = E[ x[1] ]
  let product = E[ x[1]*x[2] ]
  let independent = E[ (x[1] - 2)*(y[1] - 2) ]
  let strangers = E[ if (x[1] - 1)*(x[1] - 2)*(x[1] - 3) = 0 and x[2] = x[1]^2 then 0 else 1 ]
  let start = E[ X(0)[1] ]
  let number = E[ n ]
  let far = E[ if z[1] > 50 then 1 else 0 ]
  let learned = m()
}
table mean, product, independent, strangers, start, number, far, learned
";

#[test]
fn samples_of_files_are_drawn_with_replacement() {
    let files = [("points.csv", "x,y\n1,1\n2,4\n3,9\n"), ("numbers.csv", "0\n0\n0\n1\n")];
    let truth = beside(&files, FROM_FILES, Both::Reference);
    let last = |name: &str| *history(&truth, name).last().unwrap();
    // Means of 4,000 draws, within four standard errors.
    for (name, value, error) in [
        ("mean", 2.0, 0.052),
        ("product", 12.0, 0.75),
        ("independent", 0.0, 0.043),
        ("strangers", 0.0, 0.0),
        ("start", 2.0, 0.052),
        ("number", 0.25, 0.028),
        ("far", 0.5, 0.032),
        // The mean of 12,800 draws.
        ("learned", 14.0 / 3.0, 0.12),
    ] {
        assert!((last(name) - value).abs() <= error, "{name}: {}", last(name));
    }
    let every = history(&truth, "mean");
    assert!(every.windows(2).all(|two| two[0] != two[1]), "every measurement draws anew: {every:?}");
    let found = beside(&files, FROM_FILES, Both::Cpu);
    for name in ["mean", "product", "start", "number", "far", "learned"] {
        Both::Cpu.close(&history(&found, name), &history(&truth, name));
    }
}

#[test]
fn every_backend_is_fed_the_same_program() {
    // A count and a distance are read from memory cells: no operation of the graph belongs to them.
    let lowered = cell(COUNTED, &[]);
    let measurement = &lowered.running_measures[0];
    assert_eq!((measurement.distances.len(), measurement.after.is_none()), (0, true));
    let lowered = cell(DISTANCES, &[]);
    let measurement = common::measurement(&lowered);
    // One distance for each two sets, however often it is named.
    assert_eq!(measurement.distances.len(), 6);
    assert!(measurement.after.as_ref().is_some_and(|program| program.outputs.len() == 6));
}

/// The largest of some values is their quantile at a share above all but one, however the ends of its range are rounded.
#[test]
fn the_highest_quantile_is_the_largest_value() {
    let text = "
use std.nets.constant
net y() -> R = constant(1)()
train {
  batch 6  steps 300
  x ~ normal(3, 1)
  minimize E[ |y() - x|² ] over y by sgd(0.01)
  measure every 1 {
    let gap = max[sample](x) - quantile[sample](x, 0.95)
  }
}
measure {
  batch 1
  let last = y()
}
table gap, last
";
    for machine in Both::all() {
        let outcome = machine.run(text, 1);
        assert!(history(&outcome, "gap").iter().all(|gap| *gap == 0.0));
    }
}
