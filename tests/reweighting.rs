//! Laws of paths that are reweighted, and the losses that aim at them.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{Both, history};

/// The relative entropy of reweighted samples, as its definition says; the reweighted losses where they are known, and the
/// wells by a finer quadrature.
const REWEIGHTED: &str = "
use std.problems.quadratic_ou
use std.methods.{entropy, reweighted_log_variance, reweighted_cross_entropy}
use std.losses.log_variance
use std.targets.{many_well, many_well_log_Z}
problem P = quadratic_ou(2)
let v(x, t) = 0.5*x
measure {
  grid 6  batch 400
  path (X, W) of P under v
  let C = (∫ (½*|v(X, t)|² + P.f(X, t)) dt + P.g(X(T)))/P.λ + ∫ v(X, t)·dW(t)/√P.λ
  let w = exp(-C)/(Σ[sample] exp(-C))
  let step = entropy(-C, 400) - Σ[sample] w*log(400*w)
  let none = entropy(0, 400)
  let still = reweighted_log_variance(P, v, v, X, W, -C, 1) - Var[ C ]
  let nowhere = reweighted_cross_entropy(P, v, v, X, W, -C, 1)
  let energy = (many_well(3, 2, 4))([1, 2, 3]) - 13.5
  let wells = many_well_log_Z(5, 5, 2)
  let more = many_well_log_Z(50, 5, 4)
}
table step, none, still, nowhere, energy, wells, more
";

#[test]
fn reweighting_is_what_it_says() {
    let truth = Both::Reference.run(REWEIGHTED, 1);
    for name in ["step", "none", "still", "nowhere", "energy"] {
        let found = history(&truth, name)[0];
        assert!(found.abs() < 1e-11, "{name}: {found}");
    }
    for (name, exact) in [("wells", 1.465_008_68), ("more", 40.811_178_48)] {
        let found = history(&truth, name)[0];
        assert!((found - exact).abs() < 1e-8, "{name}: {found}, by quadrature {exact}");
    }
}

/// Paths of a control that is the best one for nothing, v = 0.3x, reweighted by e^{-βC} with β = 1/2. By the Riccati equation of the
/// problem that this law is the optimal one of, its control is known.
const HALFWAY: &str = "
use std.methods.{reweighted_log_variance, reweighted_cross_entropy, reweighted_matching}
problem pulled(T: R = 1) {
  time t in 0..T
  state X: R[2]
  control u: R[2]
  noise W: R[2]
  dX = (0.5*X + u) dt + 1 dW
  X(0) = [1, -0.5]
  cost = E[ ∫ (½*|u|² + 0.4*|X|²) dt + 0.8*|X(T)|² ]
}
problem P = pulled()
let β = 0.5
let k = 0.3
let v(x, t) = k*x
measure {
  grid 200  batch 200_000
  path (X, W) of P under v
  process F: R {
    F(T) = 0.8*β
    dF = -(2*(0.5 + (1 - β)*k)*F + β*(0.4 + ½*(1 - β)*k^2) - 2*F^2) dt
  }
  let aimed(x, t) = (1 - β)*v(x, t) - 2*F(t)*x
  let above(x, t) = aimed(x, t) + 0.1*x
  let below(x, t) = aimed(x, t) - 0.1*x
  let C = ∫ (½*|v(X, t)|² + P.f(X, t)) dt + P.g(X(T)) + ∫ v(X, t)·dW(t)
  let up = LOSS(P, above, v, X, W, -β*C, β)
  let down = LOSS(P, below, v, X, W, -β*C, β)
  let slope = up - down
  let bend = up + down - 2*LOSS(P, aimed, v, X, W, -β*C, β)
  let distance = slope/bend*0.05
}
table slope, bend, distance
";

#[test]
fn every_reweighted_loss_is_least_at_the_control_of_the_reweighted_law() {
    for loss in ["reweighted_log_variance", "reweighted_cross_entropy", "reweighted_matching"] {
        let outcome = Both::Cpu.run(&HALFWAY.replace("LOSS", loss), 1);
        let distance = history(&outcome, "distance")[0];
        assert!(history(&outcome, "bend")[0] > 1e-3, "{loss}");
        assert!(distance.abs() < 0.02, "{loss}: the minimum is off by {distance}*x");
    }
}
