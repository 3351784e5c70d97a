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
