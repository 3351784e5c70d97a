//! Problems against what is known of them in closed form.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{Both, cell, checked, history, measure, measurement};
use socrun::graph::Op;

fn quantity(text: &str, name: &str) -> f64 {
    measure(text, 1).into_iter().find(|(n, _)| n == name).unwrap().1
}

/// F' = -2aF + 2F² - p, F(1) = q, by a step so small that it counts as exact; also ∫F.
fn riccati(a: f64, p: f64, q: f64) -> (f64, f64) {
    let n = 200_000;
    let h = 1.0 / f64::from(n);
    let rhs = |f: f64| -(2.0 * a * f - 2.0 * f * f + p);
    let (mut f, mut sum) = (q, 0.0);
    for _ in 0..n {
        let k1 = rhs(f);
        let k2 = rhs(f - 0.5 * h * k1);
        let k3 = rhs(f - 0.5 * h * k2);
        let k4 = rhs(f - h * k3);
        let next = f - h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4);
        sum += 0.5 * h * (f + next);
        f = next;
    }
    (f, sum)
}

#[test]
fn the_riccati_process_converges_at_the_order_of_its_scheme() {
    let error = |scheme: &str, grid: usize| {
        let text = format!(
            "problem Q(a: R = 0.2, p: R = 0.2, q: R = 0.1) {{
  time t in 0..1
  state X: R[1]
  control u: R[1]
  noise W: R[1]
  dX = (a*X + u) dt + 1 dW
  X(0) = ones[1]
  cost = E[ ∫ (½*|u|² + p*|X|²) dt + q*|X(1)|² ]
  process F: R by {scheme} {{
    F(1) = q
    dF = -(2*a*F - 2*F² + p) dt
  }}
  let gain(x) = F(0)
}}
problem P = Q()
measure {{
  grid {grid}  batch 2
  path X of P
  let gain = E[ P.gain(X(0)) + 0*X(0)[1] ]
}}
"
        );
        (quantity(&text, "gain") - 0.292_553_916_7_f64).abs()
    };
    for (scheme, order) in [("euler", 1.0), ("heun", 2.0), ("rk4", 4.0), ("implicit", 1.0), ("exponential", 2.0)] {
        let (coarse, fine) = (error(scheme, 5), error(scheme, 10));
        let seen = (coarse / fine).log2();
        assert!((seen - order).abs() < 0.35, "{scheme}: errors {coarse:.2e}, {fine:.2e}, order {seen:.2}");
    }
}

/// The cost under the optimal control with its standard error, in the notation of the language.
fn optimal_cost(problem: &str, grid: usize) -> (f64, f64) {
    let text = format!(
        "use std.problems.{{quadratic_ou, linear_ou}}
problem P = {problem}
let u(x, t) = P.optimal(x, t)
measure {{
  grid {grid}  batch 20000
  path X of P under u
  let J = ∫ P.running(X, u(X, t), t) dt + P.terminal(X(T))
  let cost = E[ J ]
  let error = √(Var[ J ]/20000)
  let start = E[ |X(0)|² + 0*|X(T)|² ]
}}
"
    );
    let found = measure(&text, 7);
    let get = |name: &str| found.iter().find(|(n, _)| n == name).unwrap().1;
    (get("cost"), get("error"))
}

#[test]
fn the_quadratic_problem_costs_what_its_value_function_says() {
    let (f0, integral) = riccati(0.2, 0.2, 0.1);
    assert!((f0 - 0.292_553_916_7).abs() < 1e-9 && (integral - 0.202_769_106_2).abs() < 1e-9);
    // |X(0)|² of the one-dimensional instance.
    let start = {
        let text = "use std.problems.quadratic_ou
problem P = quadratic_ou(1)
measure { grid 1 batch 2
  path X of P
  let start = E[ |X(0)|² + 0*|X(T)|² ] }
";
        quantity(text, "start")
    };
    let truth = f0 * start + integral;
    let (cost, error) = optimal_cost("quadratic_ou(1)", 200);
    // The left sums of a grid of 200 shift the cost by about 1e-3 of itself, well inside the noise.
    assert!((cost - truth).abs() < 3.0 * error, "{cost} ± {error}, closed form {truth}");
}

#[test]
fn the_linear_problem_costs_what_its_value_function_says() {
    // J* = -½∫|u*|², from X(0) = 0; u* depends on time alone, so its cost is a number.
    let text = "use std.problems.linear_ou
problem P = linear_ou(3)
measure { grid 2000 batch 2
  path X of P
  let value = E[ -½*∫ |P.optimal(X, t)|² dt + 0*|X(T)|² ] }
";
    let truth = quantity(text, "value");
    let (cost, error) = optimal_cost("linear_ou(3)", 200);
    assert!((cost - truth).abs() < 3.0 * error, "{cost} ± {error}, closed form {truth}");
}

/// The best cost on K steps: the value function stays quadratic under Euler–Maruyama and left sums.
fn riccati_on_grid(a: f64, p: f64, q: f64, steps: u32) -> (f64, f64) {
    let h = 1.0 / f64::from(steps);
    let (mut f, mut sum) = (q, 0.0);
    for _ in 0..steps {
        sum += h * f;
        f = h * p + f * (1.0 + h * a).powi(2) / (1.0 + 2.0 * h * f);
    }
    (f, sum)
}

#[test]
fn the_published_start_gives_the_published_optimum() {
    let start = quantity(
        "use std.problems.quadratic_ou
use std.published.normals_20
let d = 20
problem P = quadratic_ou(d, x0 = if d = 20 then 0.5*normals_20 else 0.5*randn[d](seed = 0))
measure { grid 1 batch 2
  path X of P
  let start = E[ |X(0)|² + 0*|X(T)|² ] }
",
        "start",
    );
    assert!((start - 6.025_701_9).abs() < 1e-6, "{start}");
    for (a, p, q, optimum, on_grid) in
        [(0.2, 0.2, 0.1, 5.818_224_82, 5.790_446_21), (1.0, 1.0, 0.5, 28.611_741_47, 28.748_805_66)]
    {
        let (f, sum) = riccati(a, p, q);
        assert!((f * start + 20.0 * sum - optimum).abs() < 1e-6 * optimum);
        let (f, sum) = riccati_on_grid(a, p, q, 50);
        assert!((f * start + 20.0 * sum - on_grid).abs() < 1e-6 * on_grid);
    }
}

#[test]
fn the_published_matrix_gives_the_published_optimum() {
    let text = |grid: usize| {
        format!(
            "use std.problems.linear_ou
use std.published.normals_10_10
problem P = linear_ou(10, ξ = 0.1*normals_10_10)
measure {{ grid {grid} batch 2
  path X of P
  process y: R[10] by euler {{
    y(T) = ones[10]
    dy = -P.A'*y dt
  }}
  let value = E[ -½*trapezoid ∫ |P.optimal(X, t)|² dt + 0*|X(T)|² ]
  let on_grid = E[ -½*right ∫ |P.σ(t)'*y|² dt + 0*|X(T)|² ]
  let speed = E[ |P.optimal(X(0), 0)| + 0*|X(T)|² ] }}
"
        )
    };
    assert!((quantity(&text(400), "value") + 2.856_301_32).abs() < 1e-5);
    assert!((quantity(&text(400), "speed") - 1.452_029).abs() < 1e-5);
    // The optimum of a hundred steps: the adjoint of Euler–Maruyama in place of the exponential.
    assert!((quantity(&text(100), "on_grid") + 2.874_074_62).abs() < 1e-6);
}

#[test]
fn double_wells_have_their_optimum_on_a_grid() {
    let found = |nodes: usize| {
        let text = format!(
            "use std.problems.double_well
problem P = double_well(2, hard = 1, nodes = {nodes})
problem Q = double_well(10, nodes = {nodes})
measure {{ grid 20 batch 2
  path X of P
  let value = Q.value(zeros[10], 0)
  let near = (P.optimal([0.5, 0.5], 0))[2]
  let far = (P.optimal([0.5, 0.5], 0))[1] }}
"
        );
        let all = measure(&text, 1);
        ["value", "near", "far"].map(|name| all.iter().find(|(n, _)| n == name).unwrap().1)
    };
    let (coarse, fine) = (found(49), found(97));
    let errors = [coarse[0], fine[0]].map(|value| (value - 2.087_426_0).abs());
    assert!(errors[1] < 3e-4, "{errors:?}");
    let order = (errors[0] / errors[1]).log2();
    assert!((order - 2.0).abs() < 0.35, "{errors:?}, order {order:.2}");
    assert!((fine[1] - 1.537_30e-2).abs() < 1e-5, "{fine:?}");
    assert!((fine[2] - 1.75e-8).abs() < 2e-9, "{fine:?}");
}

#[test]
fn agents_pay_inside_an_obstacle() {
    let text = "use std.problems.{multi_agent, thresholded}
problem P = multi_agent()
let inside = [0, 5, -7, 4.5, -4, 1.5, -7, 1.5, -4, -1.5, -7, -1.5, -4, -4.5, -7, -4.5]
measure { grid 2 batch 2
  path X of P
  let free = P.f(P.start, 0)
  let blocked = P.f(inside, 0)
  let home = P.g(P.target)
  let away = P.g(P.start)
  let jump = (thresholded(0.050001*ones[8]) - thresholded(0.049999*ones[8]))[1] }
";
    let all = measure(text, 1);
    let get = |name: &str| all.iter().find(|(n, _)| n == name).unwrap().1;
    assert!((get("free") + 134.0).abs() < 1e-9);
    assert!((get("blocked") - (0.05 * (20.0 * 180.0 - 680.0) - 100.0)).abs() < 1e-9, "{}", get("blocked"));
    assert!((get("home") + 320.0).abs() < 1e-9);
    assert!((get("away") - 2.0 * (4.0 * 64.0 + 4.0 * 196.0 - 160.0)).abs() < 1e-9);
    assert!((get("jump") - (0.05 - (1.0 + 1.0_f64.exp()).ln() / 20.0)).abs() < 1e-5, "{}", get("jump"));
}

/// Mean of the weights over the value that they should have, its standard error, and their relative deviation.
fn weights(control: &str, grid: usize, batch: usize) -> (f64, f64, f64) {
    let (f0, integral) = riccati(0.2, 0.2, 0.1);
    let text = format!(
        "use std.problems.quadratic_ou
problem P = quadratic_ou(2)
measure {{ grid {grid} batch {batch}
  path X of P{control}
  let mean = E[ P.weight(X) ]
  let deviation = √(Var[ P.weight(X) ])
  let start = E[ |X(0)|² + 0*|X(T)|² ] }}
"
    );
    let found = measure(&text, 11);
    let get = |name: &str| found.iter().find(|(n, _)| n == name).unwrap().1;
    let truth = (-(f0 * get("start") + 2.0 * integral)).exp();
    (get("mean") / truth, get("deviation") / truth / (batch as f64).sqrt(), get("deviation") / truth)
}

#[test]
fn weights_average_to_the_value_function() {
    // E[α] e^{V(x, 0)/λ} = 1 for any control, here none at all and the optimal one; the grid shifts it by O(1/200).
    for control in ["", " under P.optimal"] {
        let (ratio, error, _) = weights(control, 200, 20_000);
        assert!((ratio - 1.0).abs() < 3.0 * error + 5e-3, "under `{control}`: E[α]/ψ = {ratio} ± {error}");
    }
}

#[test]
fn weights_of_the_optimal_control_do_not_vary_in_the_limit() {
    // The Itô sums of an optimal control leave an error of order √h.
    let (coarse, fine) = (weights(" under P.optimal", 25, 8_000).2, weights(" under P.optimal", 400, 8_000).2);
    let order = (coarse / fine).log2() / 4.0;
    assert!(fine < 0.03 && (order - 0.5).abs() < 0.1, "deviations {coarse}, {fine}: order {order}");
}

#[test]
fn predicates_follow_from_the_equations() {
    let text = "problem Q(d: Nat) {
  time t in 0..1
  state X: R[d], V: R[d]
  control u: R[d]
  noise W: R[d]
  dX = V dt
  dV = (u - X) dt + √2*I[d] dW
  X(0) = ones[d]
  V(0) = zeros[d]
  cost = E[ ∫ (½*|u|² + |X|²) dt ]
}
";
    let checked = checked(text);
    let structure = checked.structures.values().next().unwrap();
    let holds = |name: &str| {
        let (p, ..) = socrun::typed::Predicate::ALL.iter().find(|(_, n, _)| *n == name).unwrap();
        structure.facts.iter().find(|f| f.predicate == *p).unwrap().holds
    };
    for name in ["control_affine", "quadratic_control", "additive_noise", "matched_noise"] {
        assert!(holds(name), "{name}");
    }
    for name in ["invertible_noise", "driftless", "has_optimal"] {
        assert!(!holds(name), "{name}");
    }
}

#[test]
fn splines_are_what_their_coefficients_say() {
    let text = "use std.splines.{linear_spline, cubic_spline}
use std.nets.values
let c = [1, 3, 2]
let line = [-3, -1, 1, 3, 5]
net k() -> R[5, 2] = values(1)()
measure {
  batch 1
  let inside = linear_spline(c, 0, 4, 3)
  let slope(x) = ∂[x] linear_spline(c, 0, 4, x)
  let falls = slope(3.5)
  let rise(x) = ∂[x] cubic_spline(line, 0, 2, x)
  let bend(x) = ∂[x] rise(x)
  let straight = |cubic_spline(line, 0, 2, 0.3) + 0.4| + |rise(1.7) - 2| + |bend(1.7)|
  let one = [0, 0, 1, 0, 0]
  let curve(x) = cubic_spline(one, 0, 2, x)
  let curves = curve(1) + 10*curve(0) + 100*curve(2)
  let dcurve(x) = ∂[x] curve(x)
  let h = 1e-4
  let difference = |(curve(0.6 + h) - curve(0.6 - h))/(2*h) - dcurve(0.6)|
  let point = cubic_spline(k(), 0, 2, 0.7)
  let constant = |point - ones[2]|²
  let coefficients = |∂[k] point[1]|² - |∂[k] point[2]|²
}
";
    let found = |name: &str| quantity(text, name);
    for (name, value) in [
        ("inside", 2.5),
        ("falls", -0.5),
        ("straight", 0.0),
        ("curves", 2.0 / 3.0 + 110.0 / 6.0),
        ("constant", 0.0),
        ("coefficients", 0.0),
    ] {
        assert!((found(name) - value).abs() < 1e-12, "{name}: {}, exact {value}", found(name));
    }
    assert!(found("difference") < 1e-8, "{}", found("difference"));
}

/// Tridiagonal matrices beside the same as full arrays.
const NEIGHBOURS: &str = "
use std.problems.quadratic_ou
let n = 9
problem P = quadratic_ou(1)
let below = [0.1*i for i in 1..n - 1]
let on = [3 + 0.2*i for i in 1..n]
let above = [-0.5 + 0.3*i for i in 1..n - 1]
let b = [1 - 0.4*i for i in 1..n]
let A = tridiagonal(below, on, above)
let full(M) = reshape[n, n](reshape[n*n](M))
let B = full(A)
let D = diag(on)
let differs(M, N) = |solve(M, b) - solve(N, b)|² + |M*b - N*b|² + |M'*b - N'*b|² + |M⁻ᵀ*b - N⁻ᵀ*b|²
let diffusion = tridiagonal(ones[n - 1], -2*ones[n], 0.7*ones[n - 1])
let dense = full(diffusion)
let cube(y) = diag(y)*diag(y)*y
measure {
  grid 6  batch 4
  path X of P
  x ~ normal(1, 0.1)
  let entries = |B[2, 1] - 0.1| + |B[1, 2] + 0.2| + |B[4, 4] - 3.8| + |B[1, 3]|
  let plain = differs(A, B)
  let sums = differs(2*I[n] - 0.3*A + D, 2*I[n] - 0.3*B + D)
  let products = differs(D*A, D*B) + differs(A*D, B*D)
  let inverse = |A⁻¹*B - I[n]|²
  let drawn = E[ differs(x*I[n] + A, x*I[n] + B) ]
  let f(s) = |solve(tridiagonal(s*below, on, above), b)|²
  let slope(s) = ∂[s] f(s)
  let derivative = slope(0.8) - (f(0.8 + 1e-5) - f(0.8 - 1e-5))/2e-5
  let size = slope(0.8)
  process Y: R[n] by implicit {
    Y(0) = b
    dY = (5*diffusion*Y - cube(Y)) dt
  }
  process Z: R[n] by implicit {
    Z(0) = b
    dZ = (5*dense*Z - cube(Z)) dt
  }
  let processes = |Y(T) - Z(T)|² + 0*E[ |X(T)|² ]
  let end = |Y(T)|²
}
table entries, plain, sums, products, inverse, drawn, derivative, size, processes, end
";

#[test]
fn tridiagonal_matrices_are_matrices() {
    for machine in Both::all() {
        let outcome = machine.run(NEIGHBOURS, 1);
        for name in ["entries", "plain", "sums", "products", "inverse", "drawn", "processes"] {
            let found = history(&outcome, name)[0];
            assert!(found.abs() < if matches!(machine, Both::Reference) { 1e-20 } else { 1e-6 }, "{name}: {found}");
        }
    }
    let [truth, found] = Both::all().map(|machine| machine.run(NEIGHBOURS, 1));
    for name in ["size", "end"] {
        Both::Cpu.close(&history(&found, name), &history(&truth, name));
    }
    assert!(history(&truth, "derivative")[0].abs() < 1e-8);
}

#[test]
fn an_implicit_step_between_neighbours_builds_no_matrix() {
    let text = "
use std.problems.quadratic_ou
problem P = quadratic_ou(1)
measure {
  grid 6  batch 1
  path X of P
  process Y: R[200] by implicit {
    Y(0) = ones[200]
    dY = (concat(Y[2..200], 0) - 2*Y + concat(0, Y[1..199])) dt
  }
  let end = |Y(T)|² + 0*E[ |X(T)|² ]
}
";
    let cell = cell(text, &[]);
    let nodes = &measurement(&cell).program.nodes;
    assert!(!nodes.iter().any(|node| matches!(node.op, Op::Solve(..) | Op::Eye(_))));
    assert!(nodes.iter().all(|node| node.ty.elements() <= 200));
}

/// A state that is steered to be Gaussian, by a noise that turns with time and a drift that is not linear.
const STEERED: &str = "
use std.losses.{gaussian_path, gaussian_control}
use std.splines.cubic_spline
problem turning(T: R = 0.5) {
  time t in 0..T
  state X: R[2]
  control u: R[2]
  noise W: R[2]
  let σ(t) = [[1 + t, 0.3], [-0.2*t, 0.8]]
  dX = (sin(X) + σ(t)*u) dt + √2*σ(t) dW
  X(0) = [0.5, -1]
  cost = E[ ∫ (½*|u|² + 0.3*|X|²) dt + |X(T)|² ]
}
problem P = turning()
let a: R[6, 2] = [[0, 1], [0.2, 0.3], [0.1, -0.5], [0.4, 0.2], [-0.3, 0.1], [0.2, 0.4]]
let c: R[6, 2] = [[0.3, 0], [0.1, 0.3], [-0.4, 0.5], [-0.6, 0.2], [-0.3, 0.6], [0.2, 0.4]]
let m(t) = [0.5, -1] + cubic_spline(a, 0, P.T, t) - cubic_spline(a, 0, P.T, 0)
let s(t) = cubic_spline(c, 0, P.T, t) - cubic_spline(c, 0, P.T, 0)
let u = gaussian_control(P, m, s)
let n = 20_000
measure {
  grid 200  batch n
  path X of P under u
  let J = ∫ P.running(X, u(X, t), t) dt + P.terminal(X(T))
  let simulated = E[ J ]
  let noise = √(Var[ J ]/n)
  let drawn = gaussian_path(P, m, s)
  let mean_gap = |E[ X(T) ] - m(T)|
  let deviation = E[ |P.σ(T)⁻¹*(X(T) - m(T))|² ]/(2*P.T*sum(exp(2*s(T))))
}
table simulated, noise, drawn, mean_gap, deviation
";

#[test]
fn the_control_of_a_gaussian_path_makes_it() {
    let outcome = Both::Cpu.run(STEERED, 1);
    let value = |name: &str| history(&outcome, name)[0];
    assert!(value("mean_gap") < 0.03, "{}", value("mean_gap"));
    assert!((value("deviation") - 1.0).abs() < 0.03, "{}", value("deviation"));
    // Both are averages over as many samples.
    let gap = value("simulated") - value("drawn");
    assert!(gap.abs() < 6.0 * value("noise"), "{gap}");
}

#[test]
fn the_way_over_a_barrier_has_its_optimum_on_a_grid() {
    let found = |nodes: usize| {
        let text = format!(
            "use std.problems.molecular_dynamics
problem P = molecular_dynamics(nodes = {nodes})
measure {{ grid 20 batch 2
  path X of P
  let value = P.value([-1], 0)
  let start = (P.optimal([-1], 0))[1]
  let half = (P.optimal([-0.5], 0))[1] }}
"
        );
        let all = measure(&text, 1);
        ["value", "start", "half"].map(|name| all.iter().find(|(n, _)| n == name).unwrap().1)
    };
    let (coarse, fine) = (found(45), found(89));
    let errors = [coarse[0], fine[0]].map(|value| (value - 0.911_069_8).abs());
    assert!(errors[1] < 1e-4, "{errors:?}");
    let order = (errors[0] / errors[1]).log2();
    assert!((order - 2.0).abs() < 0.35, "{errors:?}, order {order:.2}");
    assert!((fine[1] - 0.114_514).abs() < 1e-3, "{fine:?}");
    assert!((fine[2] - 0.853_792).abs() < 2e-3, "{fine:?}");
}

/// The mean of the time at which dX = -4X(X² - 1) dt + dW from -1 first reaches 0, at most 1: m(-1, 0) for
/// ∂m/∂t - 4x(x² - 1) m' + ½m'' + 1 = 0, m(0, t) = m(x, 1) = 0, by implicit steps so small that they count as exact.
fn mean_time_to_the_barrier() -> f64 {
    let (n, steps, low) = (1200, 4000, -2.4);
    let (h, dt) = (-low / n as f64, 1.0 / f64::from(steps));
    let x = |i: usize| low + i as f64 * h;
    // Unknowns at x_0 … x_{n-1}; the value at x_n = 0 is 0, and no flux passes x_0.
    let rate = |i: usize, side: f64| {
        let drift = -4.0 * x(i) * (x(i) * x(i) - 1.0);
        0.5 / (h * h) + side * drift / (2.0 * h)
    };
    let mut m = vec![0.0; n];
    for _ in 0..steps {
        let (mut c, mut d) = (vec![0.0; n], vec![0.0; n]);
        for i in 0..n {
            let (down, up) = (if i == 0 { 0.0 } else { rate(i, -1.0) }, rate(i, 1.0));
            let (a, b, right) = (-dt * down, 1.0 + dt * (down + up), m[i] + dt);
            let (before_c, before_d) = if i == 0 { (0.0, 0.0) } else { (c[i - 1], d[i - 1]) };
            let pivot = b - a * before_c;
            c[i] = -dt * up / pivot;
            d[i] = (right - a * before_d) / pivot;
        }
        m[n - 1] = d[n - 1];
        for i in (0..n - 1).rev() {
            m[i] = d[i] - c[i] * m[i + 1];
        }
    }
    m[(1.4 / h).round() as usize]
}

#[test]
fn paths_that_stop_take_the_time_that_the_backward_equation_says() {
    let truth = mean_time_to_the_barrier();
    let found = |grid: usize, batch: usize| {
        let text = format!(
            "use std.problems.molecular_dynamics
problem P = molecular_dynamics()
measure {{ grid {grid} batch {batch}
  path (X, W, τ) of P
  let mean = E[ τ ]
  let error = √(Var[ τ ]/{batch})
  let cost = E[ ∫ P.running(X, [0], t) dt ]
  let beyond = E[ relu(X(T)[1]) ]
  let counted = E[ |∫ 1 dt - τ| ] }}
"
        );
        let all = measure(&text, 5);
        ["mean", "error", "cost", "beyond", "counted"].map(|name| all.iter().find(|(n, _)| n == name).unwrap().1)
    };
    // Paths may cross and come back within a step, so that they stop late, by a time of the order of its square root.
    let (coarse, fine) = (found(25, 20_000), found(400, 20_000));
    for [mean, _, cost, beyond, counted] in [coarse, fine] {
        assert!((mean - cost).abs() < 1e-9 && counted < 1e-9, "the cost is the time: {mean}, {cost}");
        assert!(beyond < 1e-12, "the cut step ends at the barrier, not {beyond} beyond it");
    }
    let late = [coarse, fine].map(|[mean, ..]| mean - truth);
    assert!(late[1] > 0.0 && late[1] < 0.3 * late[0] + 3.0 * fine[1], "{late:?} ± {}, {truth}", fine[1]);
    assert!(late[1] < 0.01, "{late:?} ± {}, {truth}", fine[1]);
}

#[test]
fn the_optimal_control_of_paths_that_stop_costs_what_its_value_says() {
    let text = "use std.problems.molecular_dynamics
problem P = molecular_dynamics(nodes = 45)
measure { grid 100 batch 4000
  path X of P under P.optimal
  let J = ∫ P.running(X, P.optimal(X, t), t) dt
  let cost = E[ J ]
  let error = √(Var[ J ]/4000)
  let weight = P.weight(X)
  let spread = √(Var[ weight ])/E[ weight ]
  let partition = -log(E[ weight ]) }
";
    let all = measure(text, 3);
    let get = |name: &str| all.iter().find(|(n, _)| n == name).unwrap().1;
    // The paths stop late, as those without control do.
    assert!((get("cost") - 0.911_069_8).abs() < 0.015 + 3.0 * get("error"), "{} ± {}", get("cost"), get("error"));
    assert!((get("partition") - 0.911_069_8).abs() < 0.015, "{}", get("partition"));
    assert!(get("spread") < 0.1, "the weights of the optimal control hardly vary: {}", get("spread"));
}
