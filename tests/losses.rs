//! Every loss of the library: its gradient against central differences, and the CPU against the reference evaluator.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{Both, cell, first_values, history, measurement, named, run, training, zero_states};
use ndarray::ArrayD;
use socrun::backend::cpu::{Cpu, LAYOUT};
#[cfg(feature = "gpu")]
use socrun::backend::gpu::Gpu;
use socrun::backend::reference::Reference;
use socrun::backend::{Executor, Fault, Feed};
use socrun::graph::{Op, Output, Program, ValueId};
use socrun::lower::{Cell, Training};
use socrun::plan;
use socrun::transform::optimise;

const LOSSES: &[&str] = &[
    "socm(_, _, M)",
    "socm_constant",
    "socm_adjoint",
    "adjoint_matching",
    "relative_entropy",
    "cross_entropy",
    "log_variance",
    "variance",
    "moment(_, _, y)",
    "socm_exp(_, _, γ)",
    "discrete_adjoint_matching",
    "landing_adjoint_matching",
    "masked_adjoint_matching",
];

/// Those for paths that stop.
const STOPPING: &[&str] = &[
    "socm_two_boundary(_, _, N, rates)",
    "socm_stopping(_, _, M, distance)",
    "relative_entropy_pathwise",
    "cross_entropy",
    "log_variance",
    "variance",
    "moment(_, _, y)",
];

fn losses_of(problem: &str) -> &'static [&'static str] {
    if problem == "molecular_dynamics" { STOPPING } else { LOSSES }
}

fn stopping_text(d: usize, batch: usize, grid: usize) -> String {
    format!(
        "use std.problems.molecular_dynamics
use std.losses.{{socm_two_boundary, socm_stopping, relative_entropy_pathwise, cross_entropy, log_variance, variance, moment}}
use std.nets.{{unet, matrix, constant, constants}}
let d = {d}
problem P = molecular_dynamics(d)
net V(x: R[d], t: R) -> R[d] = unet([8, 6, 4])(x, t)
net N(t: R, s: R, early: R) -> R[d, d] = matrix([8, 8], scale = 1)(t, s, early)
net M(t: R, s: R) -> R[d, d] = matrix([8, 8], scale = 1)(t, s)
net rates() -> R[3] = constants(3, 1.5)()
net y() -> R = constant(0.3)()
let distance(x) = x[1]
let u(x, t) = -P.σ(t)'*V(x, t)
sweep L in [{}]
train {{
  grid {grid}  batch {batch}  steps 10
  minimize L(P, u) over V by adam(1e-3), N by adam(1e-3), M by adam(1e-3), rates by adam(1e-3), y by adam(1e-3)
}}
",
        STOPPING.join(", ")
    )
}

fn text(problem: &str, d: usize, batch: usize, grid: usize) -> String {
    if problem == "molecular_dynamics" {
        return stopping_text(d, batch, grid);
    }
    format!(
        "use std.problems.{{quadratic_ou, linear_ou}}
use std.losses.{{socm, socm_constant, socm_exp, socm_adjoint, adjoint_matching, discrete_adjoint_matching, landing_adjoint_matching, masked_adjoint_matching, relative_entropy, cross_entropy, log_variance, variance, moment}}
use std.nets.{{unet, kernel, constant}}
let d = {d}
problem P = {problem}(d)
net V(x: R[d], t: R) -> R[d] = unet([8, 6, 4])(x, t)
net M(t: R, s: R) -> R[d, d] = kernel([8, 8], scale = 1)(t, s)
net γ() -> R = constant(1.5)()
net y() -> R = constant(0.3)()
let u(x, t) = -P.σ(t)'*V(x, t)
sweep L in [{}]
train {{
  grid {grid}  batch {batch}  steps 10
  minimize L(P, u) over V by adam(1e-3), M by adam(1e-3), γ by adam(1e-3), y by adam(1e-3)
}}
",
        LOSSES.join(", ")
    )
}

/// The program with parameters that stand under `detach` as inputs of their own, after the others: what a difference
/// quotient of a loss with detached parts must hold still.
fn split(program: &Program) -> Program {
    let mut program = program.clone();
    let n = program.parameters.len();
    let copies = program.parameters.clone();
    program.parameters.extend(copies);
    for i in 0..program.nodes.len() {
        if let Op::Detach(of) = program.nodes[i].op
            && let Op::Parameter(p) = program.node(of).op
        {
            program.nodes[i].op = Op::Parameter(p + n);
        }
    }
    program
}

fn objective(machine: &mut Reference, program: &Program, moving: &[ArrayD<f64>], held: &[ArrayD<f64>]) -> f64 {
    let all: Vec<_> = moving.iter().chain(held).cloned().collect();
    let outputs = run(machine, program, &all, 0, 3);
    named(program, &outputs, Training::OBJECTIVE)
}

/// A direction that depends on its number alone.
fn direction(like: &[ArrayD<f64>], number: usize) -> Vec<ArrayD<f64>> {
    let mut k = number as f64;
    like.iter()
        .map(|p| {
            p.mapv(|_| {
                k += 1.0;
                (12.9898 * k + 78.233 * number as f64).sin()
            })
        })
        .collect()
}

fn check_gradients(problem: &str) {
    check_differences(&text(problem, 2, 6, 5), problem, losses_of(problem));
}

fn check_differences(text: &str, problem: &str, losses: &[&str]) {
    for (i, loss) in losses.iter().enumerate() {
        let cell = cell(text, &[i]);
        let program = split(&training(&cell).program);
        let parameters = first_values(&cell, 3);
        let mut machine = Reference::new(program.clone());
        let all: Vec<_> = parameters.iter().chain(&parameters).cloned().collect();
        let outputs = run(&mut machine, &program, &all, 0, 3);
        let gradient: Vec<&ArrayD<f64>> = (0..parameters.len())
            .map(|n| {
                let at = program.outputs.iter().position(|(o, _)| *o == Output::Gradient(n)).unwrap();
                &outputs[at]
            })
            .collect();
        for number in 0..8 {
            let delta = direction(&parameters, number);
            let h = 1e-6;
            let at =
                |s: f64| -> Vec<ArrayD<f64>> { parameters.iter().zip(&delta).map(|(p, d)| p + &(d * s)).collect() };
            let plus = objective(&mut machine, &program, &at(h), &parameters);
            let minus = objective(&mut machine, &program, &at(-h), &parameters);
            let quotient = (plus - minus) / (2.0 * h);
            let slope: f64 = gradient.iter().zip(&delta).map(|(g, d)| (*g * d).sum()).sum();
            let scale: f64 = gradient.iter().zip(&delta).map(|(g, d)| (*g * d).mapv(f64::abs).sum()).sum();
            let error = (quotient - slope).abs() / scale;
            assert!(
                error < 1e-5,
                "{problem} {loss}: slope {slope}, difference quotient {quotient}, relative error {error:.1e}"
            );
        }
    }
}

#[test]
fn gradients_match_differences_on_the_quadratic_problem() {
    check_gradients("quadratic_ou");
}

#[test]
fn gradients_match_differences_on_the_linear_problem() {
    check_gradients("linear_ou");
}

/// Losses that take a path, its noise and its weight from outside.
#[test]
fn gradients_match_differences_on_given_paths() {
    let losses = ["reweighted_log_variance", "reweighted_cross_entropy", "reweighted_matching"];
    let text = format!(
        "use std.problems.quadratic_ou
use std.methods.{{{0}}}
use std.nets.mlp
problem P = quadratic_ou(2)
net V(x: R[2], t: R) -> R[2] = mlp([6], act = tanh)(x, t)
let u(x, t) = -V(x, t)
sweep L in [{0}]
train {{
  grid 5  batch 6  steps 10
  let v = detach(u)
  path (X, W) of P under v
  let C = (∫ (½*|v(X, t)|² + P.f(X, t)) dt + P.g(X(T)))/P.λ + ∫ v(X, t)·dW(t)/√P.λ
  minimize L(P, u, v, X, W, -0.5*C, 0.7) over V by adam(1e-3)
}}
",
        losses.join(", ")
    );
    check_differences(&text, "quadratic_ou", &losses);
}

/// Langevin steps with a learned step and noise, with a loop in the loop.
const LOOPS: &str = "
use std.nets.constant
net a() -> R = constant(0.3)()
net c() -> R[2] = constants(2, 0.2)()
use std.nets.constants
loss settled(goal: R) {
  x ~ normal(zeros[2], 1)
  y := x
  total := 0
  repeat 3 times {
    z := y
    repeat 2 times {
      w ~ normal(zeros[2], 1)
      let pull = z - goal*ones[2]
      z := z - a()*pull + diag(c())*w
    }
    y := z
    total := total + |y|²
  }
  return E[ |y - goal*ones[2]|² + 0.1*total ]
}
sweep L in [settled]
train {
  batch 7  steps 10
  minimize L(0.5) over a by adam(1e-3), c by adam(1e-3)
}
";

/// All pairs of samples, and Sinkhorn's iteration, where samples meet inside of a loop.
const PAIRS: &str = "
use std.measures.{mmd, gaussian_kernel, entropic_cost}
use std.nets.constants
net m() -> R[2] = constants(2, 0.4)()
loss by_kernel(x: Samples[2], y: Samples[2]) {
  return mmd(gaussian_kernel(1), x + m(), y) + 0.1*E[ quantile[other](|x + m() - other(y)|², 0.3) ]
}
loss by_transport(x: Samples[2], y: Samples[2]) {
  return entropic_cost(2, x + m(), diag(m())*y, 0.5, 3)
}
sweep L in [by_kernel, by_transport]
train {
  batch 70  steps 10
  x ~ normal(zeros[2], 1)
  y ~ normal([1, 0], 0.5)
  minimize L(x, y) over m by adam(1e-3)
}
";

#[test]
fn gradients_go_through_loops() {
    check_text(LOOPS, &["settled"]);
}

#[test]
fn gradients_go_through_pairs_of_samples() {
    check_text(PAIRS, &["by_kernel", "by_transport"]);
}

fn check_text(text: &str, losses: &[&str]) {
    check_differences(text, "given samples", losses);
    for loss in 0..losses.len() {
        check_machines(&cell(text, &[loss]));
    }
}

/// Holds all machines against the reference evaluator.
fn check_machines(cell: &Cell) {
    let program = &training(cell).program;
    let parameters = first_values(cell, 5);
    let mut machine = Reference::new(program.clone());
    let truth = run(&mut machine, program, &parameters, 0, 5);
    let program = optimise(program.clone());
    for threads in [1, 2] {
        let mut cpu = Cpu::new(program.clone(), threads).unwrap();
        for (found, truth) in run(&mut cpu, &program, &parameters, 0, 5).iter().zip(&truth) {
            assert!(distance(found, truth) < 1e-5, "{found} on the CPU, {truth} by the reference");
        }
    }
    #[cfg(feature = "gpu")]
    if let Some(device) = common::device() {
        let mut gpu = Gpu::new(program.clone(), &device).unwrap();
        for (found, truth) in run(&mut gpu, &program, &parameters, 0, 5).iter().zip(&truth) {
            assert!(distance(found, truth) < 1e-5, "{found} on a device, {truth} by the reference");
        }
    }
}

#[test]
fn gradients_match_differences_where_paths_stop() {
    check_gradients("molecular_dynamics");
}

#[test]
fn gradients_go_through_schemes_that_hold_a_jacobian() {
    for scheme in ["implicit", "exponential"] {
        let text = format!(
            "use std.problems.quadratic_ou
use std.nets.constant
problem P = quadratic_ou(2)
net y() -> R = constant(0.4)()
train {{
  grid 5  batch 3  steps 1
  path X of P
  process F: R[2] by {scheme} {{
    F(T) = [1, y()]
    dF = [F[1] - y()*F[2]^2 + X[1]*F[2], t*F[1] + y()*F[2]] dt
  }}
  minimize E[ |F(0)|² ] over y by sgd(1e-3)
}}
"
        );
        let cell = cell(&text, &[]);
        let program = &training(&cell).program;
        let parameters = first_values(&cell, 3);
        let mut machine = Reference::new(program.clone());
        let slot = program.outputs.iter().position(|(o, _)| *o == Output::Gradient(0)).unwrap();
        let outputs = run(&mut machine, program, &parameters, 0, 3);
        let slope = *outputs[slot].first().unwrap();
        let mut at = |s: f64| {
            let moved: Vec<_> = parameters.iter().map(|p| p + s).collect();
            named(program, &run(&mut machine, program, &moved, 0, 3), Training::OBJECTIVE)
        };
        let quotient = (at(1e-6) - at(-1e-6)) / 2e-6;
        assert!((quotient - slope).abs() < 1e-6 * slope.abs(), "{scheme}: {slope}, difference quotient {quotient}");
        let program = optimise(program.clone());
        let mut cpu = Cpu::new(program.clone(), 1).unwrap();
        let found = run(&mut cpu, &program, &parameters, 0, 3);
        for (a, b) in found.iter().zip(&outputs) {
            assert!(distance(a, b) < 1e-4, "{scheme}: {a} on the CPU, {b} by the reference");
        }
    }
}

fn distance(a: &ArrayD<f64>, b: &ArrayD<f64>) -> f64 {
    let size = b.mapv(|x| x * x).sum().sqrt();
    let off = (a - b).mapv(|x| x * x).sum().sqrt();
    if size > 0.0 { off / size } else { off }
}

/// Whether a fault is that of a product with a factor that half precision cannot hold.
fn is_beyond_half(program: &Program, fault: &Fault, feed: &Feed<'_>) -> bool {
    let mut program = program.clone();
    let Op::Contract(_, a, b) = &program.node(fault.value).op else { return false };
    program.outputs = [*a, *b].map(|v| (Output::Named(format!("{v:?}")), v)).into();
    let factors = Reference::new(program).execute(feed).unwrap();
    factors.iter().flatten().any(|x| x.abs() > 65_504.0)
}

/// How far values and gradients may be off the reference, relative to their norm.
const BOUNDS: [f64; 2] = [1e-5, 1e-4];

/// Holds a machine against the reference evaluator: values and gradients to these bounds, for two runs.
fn check_against_the_reference(
    problem: &str,
    loss: usize,
    [d, batch, grid]: [usize; 3],
    bounds: [f64; 2],
    load: impl FnOnce(Program) -> Box<dyn Executor>,
) {
    let cell = cell(&text(problem, d, batch, grid), &[loss]);
    let raw = &training(&cell).program;
    let program = optimise(raw.clone());
    let parameters = first_values(&cell, 5);
    let mut states = zero_states(&program);
    let mut machine = load(program.clone());
    let mut reference = Reference::new(raw.clone());
    let mut furthest = [0.0_f64; 2];
    // The second run reads the memory cells that the first wrote.
    for step in 0..2 {
        let feed = Feed { parameters: &parameters, states: &states, step, seed: 5 };
        let found = match machine.execute(&feed) {
            Ok(found) => found,
            Err(fault) => {
                assert!(bounds != BOUNDS && is_beyond_half(&program, &fault, &feed), "{problem} {loss}: {fault:?}");
                return eprintln!("{problem} {}: a factor has no place in half precision", losses_of(problem)[loss]);
            }
        };
        let truth = reference.execute(&feed).unwrap();
        for (((output, _), a), b) in program.outputs.iter().zip(&found).zip(&truth) {
            let gradient = matches!(output, Output::Gradient(_));
            let bound = bounds[usize::from(gradient)];
            let off = distance(a, b);
            furthest[usize::from(gradient)] = furthest[usize::from(gradient)].max(off);
            assert!(off < bound, "{problem} {} {output:?} at step {step}: off by {off:.1e}", losses_of(problem)[loss]);
        }
        for ((output, _), b) in program.outputs.iter().zip(&truth) {
            if let Output::State(n) = output {
                states[*n] = b.clone();
            }
        }
    }
    let [values, gradients] = furthest;
    eprintln!("{problem} {}: values off by {values:.1e}, gradients by {gradients:.1e}", losses_of(problem)[loss]);
}

#[test]
fn the_cpu_agrees_with_the_reference_on_every_loss() {
    for problem in ["quadratic_ou", "linear_ou", "molecular_dynamics"] {
        for loss in 0..losses_of(problem).len() {
            // 37 leaves a part of a tile.
            check_against_the_reference(problem, loss, [5, 37, 12], BOUNDS, |p| Box::new(Cpu::new(p, 2).unwrap()));
        }
    }
}

#[cfg(feature = "gpu")]
#[test]
fn a_device_agrees_with_the_reference_on_every_loss() {
    let Some(device) = common::device() else { return };
    let bounds = BOUNDS.map(|given| common::bound(&device, given));
    // 21 samples as they are, and in pieces of which the last has fewer, with loops cut in parts.
    for device in [device.clone(), device.in_pieces(8).with_dispatches_of(60_000)] {
        let load = |p| Box::new(Gpu::new(p, &device).unwrap()) as Box<dyn Executor>;
        for loss in 0..LOSSES.len() {
            check_against_the_reference("quadratic_ou", loss, [3, 21, 6], bounds, load);
        }
        for loss in 0..STOPPING.len() {
            check_against_the_reference("molecular_dynamics", loss, [2, 21, 6], bounds, load);
        }
    }
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    for (i, loss) in LOSSES.iter().enumerate() {
        let cell = cell(&text("quadratic_ou", 5, 150, 8), &[i]);
        let program = optimise(training(&cell).program.clone());
        let parameters = first_values(&cell, 5);
        let bits = |threads: usize| -> Vec<Vec<u64>> {
            let mut cpu = Cpu::new(program.clone(), threads).unwrap();
            let outputs = run(&mut cpu, &program, &parameters, 0, 5);
            outputs.iter().map(|o| o.iter().map(|x| x.to_bits()).collect()).collect()
        };
        let one = bits(1);
        assert!(one == bits(2) && one == bits(5), "{loss} depends on the number of threads");
    }
}

/// The values inside a scan's body that evaluate the net of the control.
fn contractions_per_path(program: &Program) -> usize {
    let sample = program.axes.iter().position(|a| a.name == "sample").unwrap() as u32;
    (0..program.nodes.len())
        .filter(|i| {
            let node = program.node(ValueId(*i as u32));
            matches!(node.op, Op::Contract(..)) && node.ty.axes.iter().any(|a| a.0 == sample)
        })
        .count()
}

#[test]
fn the_kernel_is_evaluated_per_pair_of_times_and_never_per_path() {
    for (problem, loss) in [("quadratic_ou", 0), ("molecular_dynamics", 0), ("molecular_dynamics", 1)] {
        let cell = cell(&text(problem, 3, 7, 5), &[loss]);
        let program = optimise(training(&cell).program.clone());
        let axis = |name: &str| program.axes.iter().position(|a| a.name == name).unwrap() as u32;
        let (sample, first, second) = (axis("sample"), axis("time"), axis("time2"));
        for node in &program.nodes {
            let over = |a: u32| node.ty.axes.iter().any(|x| x.0 == a);
            assert!(
                !(over(sample) && over(first) && over(second) && node.ty.shape.len() > 1),
                "a matrix per path and pair of times: {:?}",
                node.op
            );
            assert!(!(over(sample) && node.ty.shape == [3, 3]), "a matrix per path: {:?}", node.op);
        }
    }
}

#[test]
fn a_control_of_the_rollout_is_not_evaluated_again() {
    // Six layers make nine affine maps; the rollout has them once, the end point once more, the backward pass nine for
    // the inputs at the steps and nine at the end, less the first layers, whose input needs no gradient.
    let cell = cell(&text("quadratic_ou", 3, 7, 5), &[6]);
    let before = contractions_per_path(&training(&cell).program);
    let after = contractions_per_path(&optimise(training(&cell).program.clone()));
    assert!(after < before, "{after} contractions per path, {before} before the passes");
    let forward = optimise(training(&cell).program.clone());
    let in_scans = forward.nodes.iter().filter(|n| n.region.0 != 0 && matches!(n.op, Op::Contract(..))).count();
    let outside = contractions_per_path(&forward) - in_scans;
    assert!(outside < 9 + 9, "{outside} contractions per path outside of the rollout: the net is evaluated again");
}

#[test]
fn a_running_mean_is_plain_at_first_and_exponential_after() {
    let text = "net y() -> R = constant(2)()
use std.nets.constant
train {
  batch 4  steps 10
  z ~ normal(0, 1)
  minimize E[ 0*z ] + y() + 0*ema(3*y(), rate = 0.125) over y by sgd(1e-3)
}
";
    let cell = cell(text, &[]);
    let program = optimise(training(&cell).program.clone());
    let parameters = first_values(&cell, 1);
    let mut cpu = Cpu::new(program.clone(), 1).unwrap();
    let next = program.outputs.iter().position(|(o, _)| matches!(o, Output::State(_))).unwrap();
    let mut mean_at = |step: u64, before: f64| {
        let states = [ArrayD::from_elem(vec![], before)];
        *cpu.execute(&Feed { parameters: &parameters, states: &states, step, seed: 1 }).unwrap()[next].first().unwrap()
    };
    // The value is 6 throughout; at the first step nothing stood before, and what the cell holds does not count.
    assert!((mean_at(0, 100.0) - 6.0).abs() < 1e-5);
    assert!((mean_at(3, 2.0) - (2.0 + 4.0 / 4.0)).abs() < 1e-5);
    assert!((mean_at(500, 2.0) - (2.0 + 4.0 / 8.0)).abs() < 1e-5);
}

/// The derivative of a loss in the parameters of a net, measured.
const SLOPES: &str = "
use std.problems.quadratic_ou
use std.losses.{relative_entropy, socm}
use std.nets.{mlp, kernel}
problem P = quadratic_ou(2)
net V(x: R[2], t: R) -> R[2] = mlp([3], act = tanh)(x, t)
net M(t: R, s: R) -> R[2, 2] = kernel([3])(t, s)
let u(x, t) = -V(x, t)
train {
  grid 5  batch 8  steps 1
  minimize relative_entropy(P, u) over V by adam(1e-3)
}
measure {
  grid 5  batch 8
  let value = relative_entropy(P, u)
  let slope = ∂[u] value
  let gradient = |slope|²
  let alike = |slope - ∂[V] value|²
  let matching = |ema(∂[u] socm(P, u, M), rate = 0.1)|²
  let kernel = |∂[M] socm(P, u, M)|²
  let apart = |∂[M] value|²
}
table value, gradient, alike, matching, kernel, apart
";

#[test]
fn derivatives_in_parameters_match_differences() {
    let cell = cell(SLOPES, &[]);
    let program = &measurement(&cell).program;
    let mut machine = Reference::new(program.clone());
    let parameters = first_values(&cell, 3);
    let mut value = |parameters: &[ArrayD<f64>], name: &str| {
        let outputs = run(&mut machine, program, parameters, 0, 3);
        named(program, &outputs, name)
    };
    let h = 1e-5;
    let mut sum = 0.0;
    for (number, name) in cell.parameters.iter().enumerate().filter(|(_, name)| name.starts_with("V.")) {
        for entry in 0..parameters[number].len() {
            let mut moved = |by: f64| {
                let mut parameters = parameters.clone();
                *parameters[number].iter_mut().nth(entry).expect(name) += by;
                value(&parameters, "value")
            };
            sum += ((moved(h) - moved(-h)) / (2.0 * h)).powi(2);
        }
    }
    let found = value(&parameters, "gradient");
    assert!((found - sum).abs() < 1e-6 * sum, "{found}, by differences {sum}");
    assert_eq!((value(&parameters, "alike"), value(&parameters, "apart")), (0.0, 0.0));
    let [reference, cpu] = Both::all();
    let (truth, found) = (reference.run(SLOPES, 3), cpu.run(SLOPES, 3));
    for name in ["value", "gradient", "matching", "kernel"] {
        assert!(history(&truth, name)[0] > 0.0, "{name}");
        cpu.close(&history(&found, name), &history(&truth, name));
    }
}

#[test]
fn an_objective_over_many_paths_is_made_tile_by_tile() {
    let text = "
use std.problems.double_well
use std.nets.unet
problem P = double_well()
net V(x: R[10], t: R) -> R[10] = unet([256, 128, 64])(x, t)
measure {
  grid 200  batch 65_536
  path (X, W) of P under V
  let J = ∫ P.running(X, V(X, t), t) dt + P.terminal(X(T))
  let objective = E[ J ]
  let deviation = √Var[ J ]
  let ℓ = -J - ∫ V(X, t)·dW(t)
  let w = softmax[sample](ℓ)
  let effective = 1/(Σ[sample] w^2)
}
";
    let program = optimise(measurement(&cell(text, &[])).program.clone());
    let needed = plan::check_with(&program, 500 << 20, 2, LAYOUT).map(|(_, summary)| summary.bytes);
    assert!(needed.is_ok(), "{needed:?}");
}
