//! How a gradient moves parameters, and how copies follow them: the formulas written out.

#![allow(missing_docs)]

use ndarray::{ArrayD, arr1};
use socrun::backend::reference::Reference;
use socrun::backend::{Course, Executor};
use socrun::graph::{Binary, Builder, Op, Output, ParameterInfo, Type};
use socrun::lower::{CopyRule, Group, ParameterCopy, Rule, moving};
use socrun::source::Span;

/// θ ∈ R² and its copies under the gradients that are the rows of a table, by the step.
fn advance(rule: Rule, clip: Option<f64>, rate: f64, copies: &[CopyRule], steps: &[[f64; 2]]) -> Vec<ArrayD<f64>> {
    let mut b = Builder::new();
    let infos = (0..=copies.len()).map(|i| ParameterInfo { name: format!("p{i}"), shape: vec![2] });
    b.program_mut().parameters = infos.collect();
    let step = b.push(Op::Step);
    let mut gradient = b.filled(0.0, Type::shaped([2]));
    for (k, g) in steps.iter().enumerate() {
        let k = b.number(k as f64);
        let now = b.binary(Binary::Equal, step, k);
        let row = b.table(arr1(g).into_dyn(), Type::shaped([2]));
        let row = b.mul(now, row);
        gradient = b.add(gradient, row);
    }
    let rate = b.number(rate);
    b.program_mut().outputs = vec![(Output::Named("rate".into()), rate), (Output::Gradient(0), gradient)];
    let group = Group { name: "V".into(), parameters: vec![0], rule, rate: "rate".into(), clip };
    let copies: Vec<_> = copies.iter().map(|rule| ParameterCopy { name: "copy".into(), of: 0, rule: *rule }).collect();
    let program = moving(b.finish(), &[group], &copies, ["train", "train"], Span::NONE);
    let outputs = program.outputs.clone();
    let mut parameters = vec![arr1(&[1.0, -2.0]).into_dyn(); 1 + copies.len()];
    let mut states = program.states.iter().map(|s| ArrayD::zeros(s.shape.clone())).collect();
    let mut course = Course {
        parameters: &mut parameters,
        states: &mut states,
        first: 0,
        runs: steps.len() as u64,
        seed: 0,
        outputs: &outputs,
    };
    let (rows, fault) = Reference::new(program).advance(&mut course);
    assert_eq!((rows.len(), fault), (steps.len(), None));
    parameters
}

fn close(found: &ArrayD<f64>, expected: &[f64]) {
    let fits = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-12 * b.abs().max(1.0));
    assert!(fits && found.len() == expected.len(), "found {found:?}, expected {expected:?}");
}

fn moved(rule: Rule, clip: Option<f64>, rate: f64, steps: &[[f64; 2]]) -> ArrayD<f64> {
    advance(rule, clip, rate, &[], steps).remove(0)
}

#[test]
fn momentum_accumulates() {
    let found = moved(Rule::Sgd { momentum: 0.9 }, None, 0.1, &[[1.0, 2.0], [1.0, 0.0]]);
    close(&found, &[1.0 - 0.1 - 0.19, -2.0 - 0.2 - 0.18]);
}

#[test]
fn first_adam_step_is_the_rate_in_the_direction_of_the_sign() {
    let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 0.0, decay: 0.0 };
    close(&moved(rule, None, 0.01, &[[5.0, -1e-3]]), &[0.99, -1.99]);
}

#[test]
fn adam_matches_its_formulas_written_out() {
    let (b1, b2, eps, decay, rate) = (0.8, 0.95, 1e-3, 0.1, 0.05);
    let gradients = [[0.3_f64, -1.0], [0.7, 2.0], [-0.2, 0.5]];
    let mut expected = [1.0_f64, -2.0];
    for (i, x) in expected.iter_mut().enumerate() {
        let (mut m, mut v) = (0.0, 0.0);
        for (t, g) in gradients.iter().enumerate() {
            let t = t as i32 + 1;
            m = b1 * m + (1.0 - b1) * g[i];
            v = b2 * v + (1.0 - b2) * g[i].powi(2);
            let (m, v): (f64, f64) = (m / (1.0 - f64::powi(b1, t)), v / (1.0 - f64::powi(b2, t)));
            *x = *x - rate * decay * *x - rate * m / (v.sqrt() + eps);
        }
    }
    close(&moved(Rule::Adam { beta1: b1, beta2: b2, epsilon: eps, decay }, None, rate, &gradients), &expected);
}

#[test]
fn clipping_keeps_the_direction_and_bounds_the_norm() {
    let sgd = Rule::Sgd { momentum: 0.0 };
    close(&moved(sgd, Some(1.0), 1.0, &[[3.0, 4.0]]), &[1.0 - 0.6, -2.0 - 0.8]);
    close(&moved(sgd, Some(10.0), 1.0, &[[3.0, 4.0]]), &[1.0 - 3.0, -2.0 - 4.0]);
    close(&moved(sgd, Some(1.0), 1.0, &[[3e300, 4e300]]), &[1.0 - 0.6, -2.0 - 0.8]);
    close(&moved(sgd, Some(1.0), 1.0, &[[0.0, 0.0]]), &[1.0, -2.0]);
}

#[test]
fn a_mean_moves_by_its_share_of_the_distance() {
    let found = advance(Rule::Sgd { momentum: 0.0 }, None, 1.0, &[CopyRule::Mean { decay: 0.5 }], &[[-1.0, 0.0]; 4]);
    close(&found[0], &[5.0, -2.0]);
    close(&found[1], &[4.0625, -2.0]);
}

#[test]
fn a_held_copy_is_renewed_at_multiples_or_never() {
    let rules = [Some(2), Some(3), None].map(|every| CopyRule::Held { every });
    let found = advance(Rule::Sgd { momentum: 0.0 }, None, 1.0, &rules, &[[-1.0, 0.0]; 5]);
    let first: Vec<f64> = found.iter().map(|copy| copy[0]).collect();
    assert_eq!(first, [6.0, 5.0, 4.0, 1.0]);
}
