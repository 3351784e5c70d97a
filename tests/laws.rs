//! Laws of linear drifts against their closed forms, and on both machines.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{Both, history};

fn quantity(text: &str, name: &str) -> f64 {
    let [reference, _] = Both::all();
    history(&reference.run(text, 1), name)[0]
}

/// log N(x; m, v·I) in two dimensions.
fn log_normal(x: [f64; 2], m: [f64; 2], v: f64) -> f64 {
    let square = (x[0] - m[0]).powi(2) + (x[1] - m[1]).powi(2);
    -0.5 * square / v - (2.0 * std::f64::consts::PI * v).ln()
}

/// e^{-aτ} times the rotation by wτ, applied.
fn turned(a: f64, w: f64, time: f64, x: [f64; 2]) -> [f64; 2] {
    let (shrink, c, s) = ((-a * time).exp(), (w * time).cos(), (w * time).sin());
    [shrink * (c * x[0] + s * x[1]), shrink * (c * x[1] - s * x[0])]
}

#[test]
fn a_linear_drift_has_its_laws() {
    let (a, w, t, end) = (0.7, 2.0, 0.6, 1.0);
    let (start, x, x1) = ([1.0, -0.5], [0.3, 0.2], [-0.4, 0.9]);
    let variance = |time: f64| 0.81 * (1.0 - (-2.0 * a * time).exp()) / (2.0 * a);
    // Towards the turning point q, so that there is a constant in the drift.
    let q = [0.5, 0.25];
    let mean = |turn: f64, time: f64, from: [f64; 2]| {
        let moved = turned(a, turn, time, [from[0] - q[0], from[1] - q[1]]);
        [q[0] + moved[0], q[1] + moved[1]]
    };
    for (drift, turn) in [
        ("-0.7*(X - q)", 0.0),
        ("[[-0.7, 2], [-2, -0.7]]*(X - q)", w),
        ("[2*(X[2] - 0.25) - 0.7*(X[1] - 0.5), -0.7*(X[2] - 0.25) - 2*(X[1] - 0.5)]", w),
    ] {
        let text = format!(
            "problem spiral(T: R = 1) {{
  time t in 0..T
  state X: R[2]
  control u: R[2]
  noise W: R[2]
  let q: R[2] = [0.5, 0.25]
  dX = ({drift} + u) dt + 0.9 dW
  X(0) = [1, -0.5]
  cost = E[ ∫ ½*|u|² dt + |X(T)|² ]
}}
problem P = spiral()
measure {{
  batch 4
  z ~ normal(0, 1)
  let marginal = log_density(P.marginal(0.6), [0.3, 0.2]) + 0*E[ z ]
  let bridge = log_density(P.bridge(0.6, [-0.4, 0.9]), [0.3, 0.2])
  let transition = log_density(P.transition(0.25, [-0.4, 0.9], 0.6), [0.3, 0.2])
}}
"
        );
        let marginal = log_normal(x, mean(turn, t, start), variance(t));
        let transition = log_normal(x, mean(turn, 0.35, x1), variance(0.35));
        // The transpose of the rotation turns back.
        let left = end - t;
        let at_end = mean(turn, end, start);
        let back = turned(a, -turn, left, [x1[0] - at_end[0], x1[1] - at_end[1]]);
        let share = variance(t) / variance(end);
        let here = mean(turn, t, start);
        let centre = [here[0] + share * back[0], here[1] + share * back[1]];
        let width = variance(t) * (1.0 - (-2.0 * a * left).exp() * share);
        let bridge = log_normal(x, centre, width);
        for (name, expected) in [("marginal", marginal), ("bridge", bridge), ("transition", transition)] {
            let found = quantity(&text, name);
            assert!((found - expected).abs() < 1e-9, "{drift}, {name}: {found}, expected {expected}");
        }
    }
}

/// Two processes that pull back at rates of their own, seen in axes that turn: a matrix that couples the states, changes with
/// the time, and at different times does not commute.
#[test]
fn a_drift_that_turns_with_the_time_has_its_laws() {
    let text = "problem turning(T: R = 1) {
  time t in 0..T
  state X: R[2]
  control u: R[2]
  noise W: R[2]
  let q: R[2] = [0.5, 0.25]
  let angle(t) = t + t^2/2
  let c(t) = cos(2*angle(t))
  let s(t) = sin(2*angle(t))
  let pull(t) = [[c(t)/2 - 1, s(t)/2], [s(t)/2, -c(t)/2 - 1]]
  dX = (pull(t)*(X - q) + (1 + t)*[[0, -1], [1, 0]]*(X - q) + u) dt + 0.9 dW
  X(0) = [1, -0.5]
  cost = E[ ∫ ½*|u|² dt + |X(T)|² ]
}
problem P = turning()
measure {
  batch 4
  z ~ normal(0, 1)
  let marginal = log_density(P.marginal(0.6), [0.3, 0.2]) + 0*E[ z ]
  let bridge = log_density(P.bridge(0.6, [-0.4, 0.9]), [0.3, 0.2])
  let transition = log_density(P.transition(0.25, [-0.4, 0.9], 0.6), [0.3, 0.2])
}
";
    let (start, x, x1) = ([1.0, -0.5], [0.3, 0.2], [-0.4, 0.9]);
    let (t, end) = (0.6, 1.0);
    let rates: [f64; 2] = [0.5, 1.5];
    // In the axes of a time, about the point q.
    let seen = |x: [f64; 2], time: f64| {
        let (s, c) = (time + 0.5 * time * time).sin_cos();
        let x = [x[0] - 0.5, x[1] - 0.25];
        [c * x[0] + s * x[1], c * x[1] - s * x[0]]
    };
    let normal = |x: f64, m: f64, v: f64| -0.5 * ((x - m).powi(2) / v + (2.0 * std::f64::consts::PI * v).ln());
    let variance = |k: usize, time: f64| 0.81 * (1.0 - (-2.0 * rates[k] * time).exp()) / (2.0 * rates[k]);
    let onward = |k: usize, from: [f64; 2], s: f64, t: f64, x: [f64; 2]| {
        let mean = (-rates[k] * (t - s)).exp() * seen(from, s)[k];
        normal(seen(x, t)[k], mean, variance(k, t - s))
    };
    let both = |f: &dyn Fn(usize) -> f64| f(0) + f(1);
    let marginal = both(&|k| onward(k, start, 0.0, t, x));
    let transition = both(&|k| onward(k, x1, 0.25, t, x));
    let bridge = both(&|k| onward(k, start, 0.0, t, x) + onward(k, x, t, end, x1) - onward(k, start, 0.0, end, x1));
    for (name, expected) in [("marginal", marginal), ("bridge", bridge), ("transition", transition)] {
        let found = quantity(text, name);
        assert!((found - expected).abs() < 1e-7, "{name}: {found}, expected {expected}");
    }
}

/// Draws at times that differ from sample to sample, on both machines, and what the laws say of each other.
#[test]
fn a_drift_that_couples_and_changes_has_its_laws_on_both_machines() {
    let text = "problem swell(T: R = 1) {
  time t in 0..T
  state X: R[2]
  control u: R[2]
  noise W: R[2]
  dX = (sin(3*t)*[[-1, 1], [0, -2]]*X + t^2*[[-1, 1], [3, -2]]*X + [t, 1] + u) dt + (0.5 + t)*[[1, 0], [0.5, 1]] dW
  X(0) = [1, -0.5]
  cost = E[ ∫ ½*|u|² dt + |X(T)|² ]
}
problem P = swell()
measure {
  grid 400  batch 8000
  path X of P
  t ~ uniform(0.1, 0.9)
  x ~ P.marginal(t)
  y ~ P.transition(t, x, 1)
  b ~ P.bridge(t, y)
  let first = E[ y[1] - X(T)[1] ]
  let second = E[ |y|² - |X(T)|² ]
  let mixed = E[ y[1]*y[2] - X(T)[1]*X(T)[2] ]
  let between = E[ |b|² - |x|² ]
  let across = E[ b·y - x·y ]
  let density = E[ log_density(P.bridge(t, y), x) ]
}
table first, second, mixed, between, across, density
";
    let [reference, cpu] = Both::all();
    let (truth, found) = (reference.run(text, 1), cpu.run(text, 1));
    // Standard errors are between a hundredth and a thirtieth.
    for (name, noise) in [("first", 0.05), ("second", 0.12), ("mixed", 0.08), ("between", 0.12), ("across", 0.12)] {
        let mean = history(&truth, name)[0];
        assert!(mean.abs() < noise, "{name}: {mean}");
        cpu.close(&history(&found, name), &[mean]);
    }
    cpu.close(&history(&found, "density"), &history(&truth, "density"));
}

/// Paths without control that are moved to end in given samples have, for the control σ'c, the log-weight c·y − ½|c|²h(T) whatever they do
/// before, on every grid: its stochastic integral along them adds up to where they end.
#[test]
fn pinned_paths_weigh_a_constant_pull_by_their_ends() {
    let text = "
use std.problems.{sampler, geometric}
let c = [0.7, -0.4]
problem P = sampler(2, (x: R[2]) => ½*|x|², geometric(0.3, 2))
measure {
  grid 7  batch 50
  let still(x, t) = zeros[2]
  let v(x, t) = P.σ(t)'*c
  path (Y, B) of P under still
  y ~ normal(ones[2], 0.5)
  let pull = (y - Y(T))/P.h(T)
  let Q(t) = Y(t) + P.h(t)*pull
  let k = ∫ (v(Q(t), t)·(P.σ(t)'*pull) - ½*|v(Q(t), t)|²) dt + ∫ v(Q(t), t)·dB(t)
  let off = E[ (k - c·y + ½*|c|²*P.h(T))² ]
  let end = E[ |Q(T) - y|² ]
}
table off, end
";
    assert!(quantity(text, "off") < 1e-20 && quantity(text, "end") < 1e-20);
}
