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

/// A problem of which a share η of the cost is paid, with its best control. Reweighted by e^{-βC}, the paths of the best control for
/// 0.4 with β = 1/2 have the law of the best control for 1 - (1 - β)(1 - 0.4) = 0.7.
const SHARES: &str = "
use std.methods.{reweighted_log_variance, reweighted_cross_entropy, reweighted_matching}
problem pulled(η: R, T: R = 1) {
  time t in 0..T
  state X: R[2]
  control u: R[2]
  noise W: R[2]
  dX = (0.5*X + u) dt + 1 dW
  X(0) = [1, -0.5]
  cost = E[ ∫ (½*|u|² + 0.4*η*|X|²) dt + 0.8*η*|X(T)|² ]
  process F: R {
    F(T) = 0.8*η
    dF = -(F + 0.4*η - 2*F^2) dt
  }
  let optimal(x, t) = -2*F(t)*x
}
problem P = pulled(1)
problem now = pulled(0.4)
problem next = pulled(0.7)
let v(x, t) = now.optimal(x, t)
let above(x, t) = next.optimal(x, t) + 0.1*x
let below(x, t) = next.optimal(x, t) - 0.1*x
let at(x, t) = next.optimal(x, t)
measure {
  grid 200  batch 200_000
  path (X, W) of P under v
  let C = ∫ (½*|v(X, t)|² + P.f(X, t)) dt + P.g(X(T)) + ∫ v(X, t)·dW(t)
  let slope = LOSS(P, above, v, X, W, -0.5*C, 0.7) - LOSS(P, below, v, X, W, -0.5*C, 0.7)
  let bend = LOSS(P, above, v, X, W, -0.5*C, 0.7) + LOSS(P, below, v, X, W, -0.5*C, 0.7) - 2*LOSS(P, at, v, X, W, -0.5*C, 0.7)
  let distance = slope/bend*0.05
}
table slope, bend, distance
";

#[test]
fn the_best_control_for_the_next_share_minimises_every_reweighted_loss() {
    for loss in ["reweighted_log_variance", "reweighted_cross_entropy", "reweighted_matching"] {
        let outcome = Both::Cpu.run(&SHARES.replace("LOSS", loss), 1);
        let distance = history(&outcome, "distance")[0];
        assert!(history(&outcome, "bend")[0] > 1e-3, "{loss}");
        assert!(distance.abs() < 0.01, "{loss}: the minimum is off by {distance}*x");
    }
}
