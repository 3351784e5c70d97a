//! Adjoints of the discrete step, times that are drawn, quantiles: against derivatives, sums and orders of the values.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{Both, history};

/// The value of a quantity that is measured once.
fn found(machine: Both, text: &str, name: &str) -> f64 {
    history(&machine.run(text, 1), name)[0]
}

/// Two states, noise before which they stand, coefficients that depend on the time.
const SWING: &str = "
use std.nets.constants
problem swing(T: R = 1.5) {
  time t in 0..T
  state X: R[2]
  control u: R[2]
  noise W: R[2]
  let spread(x, t) = [(0.3 + 0.1*t)*cos(x[2]), 0.2*x[1]]
  dX = ([sin(X[2]) - t*X[1], X[1]*X[2]] + u) dt + diag(spread(X, t)) dW
  X(0) = [0.4, -0.7]
  cost = E[ ∫ (½*|u|² + cos(X[1])*X[2]) dt + X(T)[1]^2*X(T)[2] ]
}
problem P = swing()
net θ() -> R[2] = constants(2, 0.3)()
measure {
  grid 12  batch 16
  use P.{b, f, g}
  path (X, W) of P under (x, t) => θ()
  process a: R[2] by transposed {
    a(T) = ∇g(X(T))
    da = -(∂b(X, t)'*a + ∇f(X, t)) dt - ∂P.spread(X, t)'*diag(a) dW(t)
  }
  let cost = E[ ∫ P.running(X, θ(), t) dt + P.terminal(X(T)) ]
  let slope = ∂[θ] cost
  let push = E[ ∫ (a(next(t)) + θ()) dt ]
  let gap = |[slope[1], slope[2]] - push|/|slope|
  let size = |slope|
}
table gap, size
";

#[test]
fn the_transposed_step_is_the_derivative_of_the_simulation() {
    for (machine, tolerance) in Both::all().into_iter().zip([1e-12, 1e-5]) {
        let (gap, size) = (found(machine, SWING, "gap"), found(machine, SWING, "size"));
        assert!(gap < tolerance && size > 0.1, "gap {gap:.2e} of {size}");
    }
    // Without the noise of the steps, or with coefficients at the wrong end, it is another number.
    for other in [SWING.replace(" - ∂P.spread(X, t)'*diag(a) dW(t)", ""), SWING.replace("a(next(t))", "a(t)")] {
        let gap = found(Both::Reference, &other, "gap");
        assert!(gap > 1e-3, "gap {gap:.2e}");
    }
}

/// E ∫ |u + σ'a|² for the best control u, with the lean adjoint and with the whole one.
fn residuals(grid: usize) -> (f64, f64) {
    let text = format!(
        "use std.problems.quadratic_ou
problem P = quadratic_ou(2, a = 0.4, p = 0.6, q = 0.5)
let u(x, t) = P.optimal(x, t)
measure {{
  grid {grid}  batch 2000
  use P.{{b, σ, f, g}}
  path (X, W) of P under u
  process a: R[2] by transposed {{
    a(T) = ∇g(X(T))
    da = -(∂b(X, t)'*a + ∇f(X, t)) dt
  }}
  let drift(x, t) = b(x, t) + σ(t)*u(x, t)
  process c: R[2] by transposed {{
    c(T) = ∇g(X(T))
    dc = -(∂drift(X, t)'*c + ∂u(X, t)'*u(X, t) + ∇f(X, t)) dt - ∂u(X, t)' dW(t)
  }}
  let lean = E[ ∫ |u(X, t) + σ(t)'*a(next(t))|² dt ]
  let whole = E[ ∫ |u(X, t) + σ(t)'*c(next(t))|² dt ]
}}
table lean, whole
"
    );
    let outcome = Both::Cpu.run(&text, 3);
    (history(&outcome, "lean")[0], history(&outcome, "whole")[0])
}

#[test]
fn the_whole_adjoint_has_no_noise_at_the_optimum() {
    let ((lean, coarse), (other, fine)) = (residuals(20), residuals(40));
    assert!((lean / other - 1.0).abs() < 0.15, "the lean residuals are {lean} and {other}");
    assert!(coarse < 0.2 * lean, "the whole residual is {coarse}, the lean {lean}");
    let ratio = coarse / fine;
    assert!((1.7..2.4).contains(&ratio), "the whole residuals are {coarse} and {fine}, of the order of the step");
}

const TIMES: &str = "
use std.problems.quadratic_ou
problem P = quadratic_ou(2)
measure {
  grid 12  batch 3000
  path (X, W) of P under (x, t) => -x
  let all = E[ mean[t ~ choose(12)] |X(t)|²*t ]
  let sum = E[ ∫ |X|²*t dt ]
  let few = E[ mean[t ~ choose(5)] |X(t)|²*t ]
  let error = √(Var[ mean[t ~ choose(5)] |X(t)|²*t ]/3000)
  let late = E[ mean[t ~ choose(2, 0.75, 1)] t ]
  let late_square = E[ mean[t ~ choose(2, 0.75, 1)] t^2 ]
  let moved = E[ mean[t ~ choose(12)] (X(next(t)) - X(t))·X(t) - ∫ X·dX/12 ]
  let length = E[ mean[t ~ choose(3)] (next(t) - t) ]
  let to_go = E[ mean[t ~ choose(12)] (∫[t..1] |X|² ds) ]
  let each(t) = ∫[t..1] |X|² ds
  let went = E[ ∫ each(t) dt ]
  let after = E[ mean[t ~ choose(12)] (∫[next(t)..1] |X|² ds) + ∫ |X|² dt/12 ]
}
table all, sum, few, error, late, late_square, moved, length, to_go, went, after
";

#[test]
fn drawn_times_stand_for_all() {
    for machine in Both::all() {
        let outcome = machine.run(TIMES, 1);
        let value = |name: &str| history(&outcome, name)[0];
        machine.close(&[value("all"), value("moved"), value("length")], &[value("sum"), 0.0, 1.0 / 12.0]);
        machine.close(&[value("to_go"), value("after")], &[value("went"), value("went")]);
        let off = (value("few") - value("sum")).abs() / value("error");
        assert!(off < 4.0, "{off} standard errors");
        // The steps from 0.75 begin at 9, 10 and 11 twelfths.
        let twelfths = |power: i32| [9.0, 10.0, 11.0].map(|k: f64| (k / 12.0).powi(power)).iter().sum::<f64>() / 3.0;
        assert!((value("late") - twelfths(1)).abs() < 3e-3, "{}", value("late"));
        assert!((value("late_square") - twelfths(2)).abs() < 5e-3, "{}", value("late_square"));
    }
}

/// The count of samples that do not exceed a quantile, the distance to the nearest of them, and the derivative.
#[test]
fn a_quantile_is_one_of_the_values() {
    for (q, count) in [(0.9, 270.0), (0.5, 150.0), (0.001, 1.0), (0.999, 300.0)] {
        let text = format!(
            "use std.nets.constant
net c() -> R = constant(2)()
measure {{
  batch 300
  z ~ student(1, 0, 3)
  let x = c()*z
  let top = quantile[sample](x, {q})
  let below = Σ[sample] (if x ≤ top then 1 else 0)
  let nearest = -max[sample](-|x - top|)
  let slope = (∂[c] top)[1] - top/c()
  let mean_below = E[ x | x ≤ top ] - (Σ[sample] (if x ≤ top then x else 0))/{count}
  let finite = E[ 1/(x - top) | x < top or x > top ]
}}
table below, nearest, slope, mean_below, finite
"
        );
        for machine in Both::all() {
            let outcome = machine.run(&text, 5);
            let value = |name: &str| history(&outcome, name)[0];
            machine.close(&[value("below"), value("nearest")], &[count, 0.0]);
            let scale = value("mean_below").abs().max(1.0);
            machine.close(&[value("slope") / scale.max(1e3), value("mean_below") / scale], &[0.0, 0.0]);
        }
    }
}
