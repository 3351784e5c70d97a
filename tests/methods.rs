//! Algorithms with a schedule and a memory, carried out by both machines and compared with the same steps by hand.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{Both, history};

/// A number that descends towards 3, and copies of it.
const COPIES: &str = "
use std.nets.constant
net y() -> R = constant(1)()
train {
  batch 1  steps 6
  minimize |y() - 3|² + 0*snapshot(y)() over y by sgd(0.1)
}
measure every 1 {
  let plain = y()
  let averaged = (ema(y, decay = 0.75))()
  let first = (snapshot(y))()
  let renewed = (snapshot(y, every = 2))()
}
table plain, averaged, first, renewed
";

#[test]
fn copies_follow_the_parameters() {
    for machine in Both::all() {
        let outcome = machine.run(COPIES, 1);
        let (mut x, mut mean) = (1.0, 1.0);
        let mut plain = vec![x];
        let mut means = vec![x];
        for _ in 0..6 {
            x -= 0.1 * 2.0 * (x - 3.0);
            mean = 0.75 * mean + 0.25 * x;
            plain.push(x);
            means.push(mean);
        }
        let renewed: Vec<f64> = (0..7).map(|k| plain[k - k % 2]).collect();
        machine.close(&history(&outcome, "plain"), &plain);
        machine.close(&history(&outcome, "averaged"), &means);
        machine.close(&history(&outcome, "first"), &[1.0; 7]);
        machine.close(&history(&outcome, "renewed"), &renewed);
    }
}

/// The average of a control is a control: its paths and its derivatives are those of the averaged net.
const CONTROL: &str = "
use std.problems.quadratic_ou
use std.losses.{relative_entropy}
use std.nets.mlp
problem P = quadratic_ou(2)
net V(x: R[2], t: R) -> R[2] = mlp([8])(x, t)
let u(x, t) = -V(x, t)
train {
  grid 6  batch 16  steps 5
  minimize relative_entropy(P, u) over V by adam(1e-2)
}
measure every 1 {
  path X of P under ema(u, 0.9)
  let v(x) = (ema(u, 0.9))(x, 0)
  let w(x) = (snapshot(u))(x, 0)
  let size = E[ |X(T)|² ]
  let slope = E[ div v(X(T)) - div w(X(T)) ]
}
table size, slope
";

#[test]
fn averaged_controls_run_alike_on_both_machines() {
    let [reference, cpu] = Both::all();
    let (truth, found) = (reference.run(CONTROL, 2), cpu.run(CONTROL, 2));
    for name in ["size", "slope"] {
        cpu.close(&history(&found, name), &history(&truth, name));
    }
    let slope = history(&truth, "slope");
    assert!(slope[0].abs() < 1e-12 && slope[5].abs() > 1e-5, "{slope:?}");
}

/// Two numbers that move in turn, a state, a condition and a loop inside a loop.
const TURNS: &str = "
use std.nets.constant
net a() -> R = constant(4)()
net b() -> R = constant(0)()
train {
  rate := 0.5
  repeat 3 times {
    repeat 2 times {
      minimize ½*|a() - b()|² over a by sgd(rate)
    }
    every 2 {
      minimize ½*|b() - a()|² over b by sgd(0.25)
    }
    rate := rate/2
    until rate < 0.2
  }
}
measure every 1 {
  batch 1
  let x = a()
  let y = b()
}
table x, y
";

#[test]
fn loops_states_and_turns_happen_in_order() {
    let (mut x, mut y, mut rate) = (4.0_f64, 0.0_f64, 0.5_f64);
    let (mut xs, mut ys) = (vec![x], vec![y]);
    for round in 0..3 {
        for _ in 0..2 {
            x -= rate * (x - y);
            xs.push(x);
            ys.push(y);
        }
        if round % 2 == 0 {
            y -= 0.25 * (y - x);
            xs.push(x);
            ys.push(y);
        }
        rate /= 2.0;
        if rate < 0.2 {
            break;
        }
    }
    for machine in Both::all() {
        let outcome = machine.run(TURNS, 1);
        machine.close(&history(&outcome, "x"), &xs);
        machine.close(&history(&outcome, "y"), &ys);
        assert_eq!(outcome.steps, 5);
    }
}

/// Two trainings: what the first one learned stays as it is in the second, and each counts its own steps and measurements.
const IN_A_ROW: &str = "
use std.nets.constant
net a() -> R = constant(4)()
net b() -> R = constant(0)()
train {
  batch 1  steps 3
  minimize ½*a()^2 + 0*ema(a(), rate = 0.5) over a by sgd(0.5)
}
measure every 1 {
  let x = a()
  let average = ema(a(), rate = 0.4)
}
measure every 2 {
  let seldom = ema(a(), rate = 0.4)
}
train {
  repeat 2 times {
    minimize ½*(a() + b())^2 over b by sgd(0.5)
  }
}
measure every 1 {
  batch 1
  let y = a() + b()
  let later = ema(a() + b(), rate = 0.4)
}
measure {
  batch 1
  let end = a()
}
table x, average, seldom, y, later, end
";

#[test]
fn trainings_follow_each_other() {
    for machine in Both::all() {
        let outcome = machine.run(IN_A_ROW, 1);
        machine.close(&history(&outcome, "x"), &[4.0, 2.0, 1.0, 0.5]);
        machine.close(&history(&outcome, "average"), &[4.0, 3.0, 2.2, 1.52]);
        machine.close(&history(&outcome, "seldom"), &[4.0, 2.5, 1.7]);
        machine.close(&history(&outcome, "y"), &[0.5, 0.25, 0.125]);
        machine.close(&history(&outcome, "later"), &[0.5, 0.375, 0.275]);
        machine.close(&history(&outcome, "end"), &[0.5]);
        assert_eq!(outcome.steps, 2);
        let steps: Vec<u64> = outcome.quantity("y").unwrap().points.iter().map(|point| point.0).collect();
        assert_eq!(steps, [0, 1, 2]);
    }
}

/// A method with a buffer of points, a buffer of paths, a snapshot, a root and weights.
const METHOD: &str = "
use std.problems.quadratic_ou
use std.nets.mlp

method rounds(P: Problem, u: P.Control, opt: Optimizer, times: Nat = 2, keep: Nat = 12, rows: Nat = 8)
  requires P.quadratic_control and P.matched_noise
{
  use P.{f, g, λ}
  buffer A: (X: P.Path, W: P.Brownian, C: R) capacity keep
  buffer B: (x: P.State, w: R) capacity keep
  repeat times times {
    let v = snapshot(u)
    path (X, W) of P under v, batch 8
    let C = (∫ (½*|v(X, t)|² + f(X, t)) dt + g(X(T)))/λ + ∫ v(X, t)·dW(t)/√λ
    push (X, W, C) -> A
    push (X(T), softmax[sample](-C)) -> B
    solve β in 0..1: Σ[sample] softmax[sample](-β*C)^2 = 1/6 else 1
    repeat 2 times {
      (X, W, C) ~ A, batch rows
      let gap = ∫ (u(X, t) - v(X, t))·dW(t)/√λ - ½*∫ |u(X, t) - v(X, t)|² dt/λ + β*C
      minimize Var[ gap ] over u by opt
    }
    (x, w) ~ B, batch 5, weight w
    minimize E[ |u(x, 0)|² ] over u by opt
  }
}

problem P = quadratic_ou(2)
net V(x: R[2], t: R) -> R[2] = mlp([8])(x, t)
let u(x, t) = -V(x, t)
train {
  grid 6
  run rounds(P, u, adam(1e-2))
}
measure every 1 {
  batch 16
  path X of P under u
  let size = E[ |X(T)|² ]
}
table size
";

#[test]
fn a_method_runs_alike_on_both_machines() {
    let [reference, cpu] = Both::all();
    let (truth, found) = (reference.run(METHOD, 3), cpu.run(METHOD, 3));
    assert_eq!(truth.steps, 6);
    let sizes = history(&truth, "size");
    assert!(sizes.windows(2).all(|pair| pair[0] != pair[1]), "{sizes:?}");
    cpu.close(&history(&found, "size"), &sizes);
}

/// Draws and densities of laws, and the law of a process without control: variance 4(1 − 16^{−t}) by the time t.
const LAWS: &str = "
use std.problems.{sampler, geometric}
let p = mixture([normal([1, 2], 0.5), normal([-1, 0], 0.25)], weights = [0.25, 0.75])
let q(x) = log_density(p, x)
let roots = [√(i + 10*j) for i in 1..2 for j in 0..1]
problem P = sampler(2, (x) => -q(x), geometric(0.5, 2))
measure {
  batch 40_000
  x ~ p
  y ~ normal([1, -1], [[1, 0], [2, 0.5]])
  z ~ P.marginal(0.25)
  w ~ P.bridge(0.25, [1, -2])
  let density = q([0, 1])
  let matrix = log_density(normal([1, -1], [[1, 0], [2, 0.5]]), [2, 0])
  let tails = log_density(student(3, [1, 0], 2), [0, 1])
  let heavy = log_density(student(2, 0, 1), 1)
  v ~ student(5, [1, 0], 2)
  let wide = E[ min(v[1], 21) ]
  let spread_out = E[ if |v[2]/2| < 1 then 1 else 0 ]
  let flat = log_density(uniform(0, 2), 0.5)
  let slope = ∇q([0, 1])·[1, 0]
  let entry = roots[2]
  let mean = E[ x·[1, 0] ]
  let second = E[ |x|² ]
  let together = E[ (y - [1, -1])·[1, 0]*((y - [1, -1])·[0, 1]) ]
  let free = E[ |z|² ]
  let between = E[ w·[0, 1] ]
  let spread = E[ |w|² ]
}
table density, matrix, tails, heavy, wide, spread_out, flat, slope, entry, mean, second, together, free, between, spread
";

#[test]
fn laws_are_drawn_and_weighed() {
    let bell = |squared: f64, s: f64| (-squared / (2.0 * s * s)).exp() / (std::f64::consts::TAU * s * s);
    let (a, b) = (0.25 * bell(2.0, 0.5), 0.75 * bell(2.0, 0.25));
    let exact = [
        ("density", (a + b).ln()),
        // z = L⁻¹(x − m) = (1, −2), |det L| = ½.
        ("matrix", -2.5 - std::f64::consts::TAU.ln() + 2.0_f64.ln()),
        (
            "tails",
            2.0 * ((2.0 / (std::f64::consts::PI * 3.0_f64.sqrt() * 2.0)).ln() - 2.0 * (1.0 + 0.25_f64 / 3.0).ln()),
        ),
        ("heavy", -(3.0_f64.sqrt() * 3.0).ln()),
        ("flat", -2.0_f64.ln()),
        ("slope", (a / 0.25 - b / 0.0625) / (a + b)),
        ("entry", 11.0_f64.sqrt()),
    ];
    let (share, rest) = (2.0 / 3.75, 1.75);
    let drawn = [
        ("wide", 1.0, 0.05),
        // P(|t| < 1) with 5 degrees of freedom.
        ("spread_out", 0.636_783, 0.01),
        ("mean", -0.5, 0.01),
        ("second", 0.25 * 5.5 + 0.75 * 1.125, 0.03),
        ("together", 2.0, 0.05),
        ("free", 4.0, 0.06),
        ("between", -2.0 * share, 0.015),
        ("spread", 5.0 * share * share + 2.0 * share * rest, 0.05),
    ];
    let [reference, cpu] = Both::all();
    let (truth, found) = (reference.run(LAWS, 1), cpu.run(LAWS, 1));
    for (name, value) in exact {
        reference.close(&history(&truth, name), &[value]);
        cpu.close(&history(&found, name), &[value]);
    }
    for (name, value, noise) in drawn {
        let mean = history(&truth, name)[0];
        assert!((mean - value).abs() < noise, "{name}: {mean}, exact {value}");
        cpu.close(&history(&found, name), &[mean]);
    }
}

/// The library's methods on two modes.
const SAMPLING: &str = "
use std.problems.{sampler, geometric}
use std.methods.{adjoint_sampling, weighted_adjoint_sampling}
use std.nets.residual_net
let target = mixture([normal([1, 0], 0.5), normal([-1, 0], 0.5)])
let energy(x: R[2]) = -log_density(target, x)
problem P = sampler(2, energy, geometric(0.2, 2))
net V(x: R[2], t: R) -> R[2] = residual_net(8, 2)(x, t)
let u(x, t) = P.σ(t)*V(x, t)
train {
  grid 8
  run METHOD(P, u, adam(1e-3), rounds = 3, fresh = 16, inner = 2, keep = 32, rows = 8, clip = 20)
}
measure every 2 {
  batch 32
  path X of P under u
  let size = E[ |X(T)|² ]
  let value = E[ P.g(X(T)) ]
  let calls = evaluations(energy)
}
table size, value, calls
";

#[test]
fn adjoint_sampling_runs_alike_on_both_machines() {
    for method in ["adjoint_sampling(P, u, adam(1e-3),", "weighted_adjoint_sampling(P, u, adam(1e-3), spread = 0.7,"] {
        let text = SAMPLING.replace("METHOD(P, u, adam(1e-3),", method);
        let [reference, cpu] = Both::all();
        let (truth, found) = (reference.run(&text, 3), cpu.run(&text, 3));
        assert_eq!(truth.steps, 6);
        for name in ["size", "value", "calls"] {
            cpu.close(&history(&found, name), &history(&truth, name));
        }
        // A value and a gradient at one point are one evaluation.
        assert_eq!(history(&truth, "calls"), [0.0, 16.0, 32.0, 48.0], "{method}");
    }
}

/// For ends of the law that is aimed at and bridges to them, the gradient of the terminal cost at the end and the negative slope of
/// the transition have one mean given the state in between: their difference is orthogonal to functions of it.
#[test]
fn gradients_and_transitions_have_one_mean() {
    let text = "
use std.problems.{sampler, geometric}
let target = mixture([normal([1, 0], 0.5), normal([-1, 0.5], 0.4)], weights = [0.3, 0.7])
let energy(x: R[2]) = -log_density(target, x)
problem P = sampler(2, energy, geometric(0.2, 2))
measure {
  grid 2000  batch 100_000
  path X of P
  y ~ target
  t ~ uniform(0, 0.9)
  x ~ P.bridge(t, y)
  let onward(z) = log_density(P.transition(t, z, P.T), y)
  let last(z) = P.g(z)
  let first = ∇last(y)
  let second = -∇onward(x)
  let gap = E[ (first - second)·[1, 0] ]
  let slope = E[ (first - second)·x ]
  let bend = E[ (first - second)·[x[2]^2, x[1]^2] ]
  let size = E[ |first|² ] + 0*E[ |X(T)|² ]
}
table gap, slope, bend, size
";
    let [_, cpu] = Both::all();
    let found = cpu.run(text, 1);
    assert!(history(&found, "size")[0] > 1.0);
    for (name, noise) in [("gap", 0.03), ("slope", 0.06), ("bend", 0.08)] {
        let mean = history(&found, name)[0];
        assert!(mean.abs() < noise, "{name}: {mean}");
    }
}

/// The regression at a few times, without outliers.
const FINE_TUNING: &str = "
use std.problems.quadratic_ou
use std.methods.adjoint_matching_finetune
use std.nets.mlp
problem P = quadratic_ou(2, a = 0.4, p = 0.6, q = 0.5)
net V(x: R[2], t: R) -> R[2] = mlp([16], act = tanh)(x, t)
let u(x, t) = -V(x, t)
train {
  grid 10  batch 64
  run adjoint_matching_finetune(P, u, adam(1e-2), rounds = ROUNDS, early = 1, late = 2, share = 0.8)
}
measure every ROUNDS {
  batch 256
  path X of P under u
  let error = E[ ∫ |u(X, t) - P.optimal(X, t)|² dt ]
  let size = E[ ∫ |P.optimal(X, t)|² dt ]
}
table error, size
";

#[test]
fn fine_tuning_runs_alike_on_both_machines() {
    let text = FINE_TUNING.replace("ROUNDS", "3");
    let [reference, cpu] = Both::all();
    let (truth, found) = (reference.run(&text, 3), cpu.run(&text, 3));
    for name in ["error", "size"] {
        cpu.close(&history(&found, name), &history(&truth, name));
    }
}

#[test]
fn fine_tuning_at_a_few_times_comes_to_the_optimum() {
    let outcome = Both::Cpu.run(&FINE_TUNING.replace("ROUNDS", "400"), 3);
    let (error, size) = (history(&outcome, "error"), history(&outcome, "size"));
    assert!(error[1] < 0.1 * size[1] && error[1] < 0.1 * error[0], "the error {error:?} of {size:?}");
}

/// Steps of bounded length with a loss of the library, one of the text, and one without a name.
const STEPS: &str = "
use std.problems.quadratic_ou
use std.methods.{trust_region, reweighted_log_variance, reweighted_cross_entropy, reweighted_matching}
use std.nets.mlp
loss distance(P: Problem, u: P.Control, v: P.Control, X: P.Path, W: P.Brownian, ℓ: R, β: R)
  requires P.matched_noise
{
  let along(Y: P.Path) = ∫ |u(Y, t) - β*v(Y, t)|² dt
  return E[ exp(-|ℓ|)*along(X) ] + E[ |∫ (u(X, t) - v(X, t))·dW(t)|² ]
}
problem P = quadratic_ou(2)
net V(x: R[2], t: R) -> R[2] = mlp([8])(x, t)
let u(x, t) = -V(x, t)
train {
  grid 6
  run trust_region(P, u, LOSS(P, _, _, _, _, _, _), adam(1e-2), rounds = 2, fresh = 16, inner = 2, rows = 8, ε = 0.02)
}
measure every 1 {
  batch 16
  path X of P under u
  let size = E[ |X(T)|² ]
}
table size
";

#[test]
fn a_method_takes_a_loss_over_given_paths() {
    for loss in ["reweighted_log_variance", "reweighted_cross_entropy", "reweighted_matching", "distance"] {
        let text = STEPS.replace("LOSS", loss);
        let [reference, cpu] = Both::all();
        let (truth, found) = (reference.run(&text, 3), cpu.run(&text, 3));
        let sizes = history(&truth, "size");
        assert_eq!(truth.steps, 4);
        assert!(sizes.windows(2).all(|pair| pair[0] != pair[1]), "{loss}: {sizes:?}");
        cpu.close(&history(&found, "size"), &sizes);
    }
}

/// A rate that follows the step: the slope is 1, so every step moves by the rate.
const RATES: &str = "
use std.nets.constant
use std.schedules.{warm_cosine, warm_up, cosine, decaying}
net a() -> R = constant(0)()
net b() -> R = constant(0)()
net c() -> R = constant(0)()
net e() -> R = constant(0)()
train {
  batch 1  steps 6
  minimize a() + b() + c() + e() over
    a by sgd(warm_up(0.4, 4)), b by sgd(cosine(0.4, 4)), c by sgd(warm_cosine(0.4, 2, 4)), e by sgd(decaying(0.4, 0.25, 2))
}
measure every 1 {
  batch 1
  let up = -a()
  let wave = -b()
  let both = -c()
  let half = -e()
}
table up, wave, both, half
";

#[test]
fn rates_follow_their_schedules() {
    let root = 0.5_f64.sqrt();
    let expected = [
        ("up", [0.1, 0.2, 0.3, 0.4, 0.4, 0.4]),
        ("wave", [0.4, 0.2 * (1.0 + root), 0.2, 0.2 * (1.0 - root), 0.0, 0.0]),
        ("both", [0.2, 0.4, 0.4, 0.2, 0.0, 0.0]),
        ("half", [0.4, 0.2, 0.1, 0.05, 0.025, 0.0125]),
    ];
    for machine in Both::all() {
        let outcome = machine.run(RATES, 1);
        for (name, rates) in expected {
            let mut sums = vec![0.0];
            for rate in rates {
                sums.push(sums[sums.len() - 1] + rate);
            }
            machine.close(&history(&outcome, name), &sums);
        }
    }
}

/// Functions of the text between layers, entry by entry; energies at points where they were worked out by hand.
const TEXTS: &str = "
use std.nets.{mlp, silu, gelu, leaky}
use std.targets.{funnel, pair_wells, lennard_jones, gaussian_grid, gaussian_grid_second, centred}
let bent(act: (R) -> R, x: R[2]) = sum(act(x))
let curved(x: R[2]) = bent(silu, x)
let step(k) = (y) => if y > k then k*y else detach(y)
net V(x: R[2]) -> R[3] = mlp([4], act = gelu)(x)
measure {
  batch 20_000
  let s = bent(silu, [1, -2])
  let g = bent(gelu, [1, -2])
  let l = bent((y) => leaky(y, slope = 0.5), [1, -2])
  let c = bent((y) => 3, [1, -2])
  let n = bent(step(0.5), [1, -2])
  let slope = sum(∇curved([1, -2]))
  x ~ gaussian_grid(3, 5, 0.5)
  let size = E[ |V(x)|² ]
  let second = E[ |x|² ] - gaussian_grid_second(3, 5, 0.5)
  let narrow = (funnel(3))([0.5, 1, 2])
  let wells = (pair_wells(4, 2))([1, 2, 3, 0.5, -1, 0.3])
  let held = (lennard_jones(3, 2))([1, 2, -1, 0.3])
  let frame = tr(centred(5)*centred(5)')
}
table s, g, l, c, n, slope, size, second, narrow, wells, held, frame
";

#[test]
fn texts_of_the_library_have_their_values() {
    let [reference, cpu] = Both::all();
    let (truth, found) = (reference.run(TEXTS, 1), cpu.run(TEXTS, 1));
    for (name, exact) in TEXT_VALUES {
        reference.close(&history(&truth, name), &[exact]);
        cpu.close(&history(&found, name), &[exact]);
    }
    for name in ["size", "second"] {
        cpu.close(&history(&found, name), &history(&truth, name));
    }
    assert!(history(&truth, "second")[0].abs() < 0.5, "{:?}", history(&truth, "second"));
}

const TEXT_VALUES: [(&str, f64); 9] = [
    ("s", 0.492_652_734_585_769_8),
    ("g", 0.795_844_482_172_184_5),
    ("l", 0.0),
    ("c", 6.0),
    ("n", -1.5),
    ("slope", 0.836_886_263_086_591_3),
    ("narrow", 5.885_643_426_452_599),
    ("wells", 20.891_529_803_938_685),
    ("held", 2.908_739_748_497_763_5),
];
