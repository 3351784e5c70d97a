//! Optimisers: how a gradient moves parameters.

use multiversion::multiversion;
use ndarray::ArrayD;

use super::norm::{clip_factor, norm};
use crate::lower::{Group, Rule};

/// The optimiser of one group of parameters, with its memory.
#[derive(Clone, Debug)]
pub struct Optimiser {
    rule: Rule,
    parameters: Vec<usize>,
    clip: Option<f64>,
    moments: Moments,
}

/// What an optimiser remembers from step to step.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Per parameter, the first moment (the velocity of sgd).
    pub first: Vec<Vec<f64>>,
    /// Per parameter, the second moment; empty for sgd.
    pub second: Vec<Vec<f64>>,
    /// β₁ and β₂ to the power of the steps made.
    pub powers: (f64, f64),
}

impl Moments {
    fn new(group: &Group, parameters: &[ArrayD<f64>]) -> Self {
        let zeros = || group.parameters.iter().map(|p| vec![0.0; parameters[*p].len()]).collect();
        let second = if matches!(group.rule, Rule::Adam { .. }) { zeros() } else { Vec::new() };
        Self { first: zeros(), second, powers: (1.0, 1.0) }
    }

    /// Whether they can be those of a group.
    pub(super) fn fit(&self, group: &Group, parameters: &[ArrayD<f64>]) -> bool {
        let sizes = |moments: &Self| {
            let all = moments.first.iter().chain(&moments.second).map(Vec::len);
            (moments.first.len(), all.collect::<Vec<_>>())
        };
        sizes(self) == sizes(&Self::new(group, parameters))
    }
}

impl Optimiser {
    /// The optimiser of a group, before its first step. `parameters` are all parameters of the cell.
    pub fn new(group: &Group, parameters: &[ArrayD<f64>]) -> Self {
        Self::after(group, Moments::new(group, parameters))
    }

    /// The optimiser of a group that remembers steps made before.
    pub(super) fn after(group: &Group, moments: Moments) -> Self {
        Self { rule: group.rule, parameters: group.parameters.clone(), clip: group.clip, moments }
    }

    /// What it remembers.
    pub(super) fn moments(&self) -> &Moments {
        &self.moments
    }

    /// One step at a learning rate: writes the moved parameters of the group over those in `to`.
    ///
    /// *Shapes*: `from` and `to` hold all parameters of the cell, row-major; `gradients` one entry per parameter,
    /// `None` where the objective does not depend on it.
    ///
    /// # Panics
    /// When a tensor is not row-major.
    pub fn step(&mut self, rate: f64, gradients: &[Option<ArrayD<f64>>], from: &[ArrayD<f64>], to: &mut [ArrayD<f64>]) {
        let gradient_norm = || norm(self.parameters.iter().filter_map(|p| slice(gradients[*p].as_ref()?)));
        let factor = self.clip.map_or(1.0, |_| clip_factor(gradient_norm(), self.clip));
        if let Rule::Adam { beta1, beta2, .. } = self.rule {
            let powers = &mut self.moments.powers;
            *powers = (powers.0 * beta1, powers.1 * beta2);
        }
        let Moments { first, second, powers } = &mut self.moments;
        for (i, p) in self.parameters.iter().enumerate() {
            let old = from[*p].as_slice().expect("parameters are row-major");
            let new = to[*p].as_slice_mut().expect("parameters are row-major");
            let zeros;
            let gradient = if let Some(gradient) = &gradients[*p] {
                slice(gradient).expect("gradients are row-major")
            } else {
                zeros = vec![0.0; old.len()];
                &zeros
            };
            match self.rule {
                Rule::Sgd { momentum } => descend(momentum, rate, factor, gradient, &mut first[i], old, new),
                Rule::Adam { beta1, beta2, epsilon, decay } => {
                    let adam = Adam {
                        beta1,
                        beta2,
                        epsilon,
                        decay,
                        rate,
                        factor,
                        first_weight: 1.0 / (1.0 - powers.0),
                        second_weight: 1.0 / (1.0 - powers.1),
                    };
                    adam_step(&adam, gradient, &mut first[i], &mut second[i], old, new);
                }
            }
        }
    }
}

fn slice(tensor: &ArrayD<f64>) -> Option<&[f64]> {
    tensor.as_slice()
}

fn descend(momentum: f64, rate: f64, factor: f64, g: &[f64], velocity: &mut [f64], old: &[f64], new: &mut [f64]) {
    for (((g, v), old), new) in g.iter().zip(velocity).zip(old).zip(new) {
        *v = momentum * *v + factor * g;
        *new = old - rate * *v;
    }
}

struct Adam {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    decay: f64,
    rate: f64,
    factor: f64,
    first_weight: f64,
    second_weight: f64,
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn adam_step(adam: &Adam, g: &[f64], first: &mut [f64], second: &mut [f64], old: &[f64], new: &mut [f64]) {
    for ((((g, m), v), old), new) in g.iter().zip(first).zip(second).zip(old).zip(new) {
        let g = adam.factor * g;
        *m = adam.beta1 * *m + (1.0 - adam.beta1) * g;
        *v = adam.beta2 * *v + (1.0 - adam.beta2) * g * g;
        let direction = *m * adam.first_weight / ((*v * adam.second_weight).sqrt() + adam.epsilon);
        *new = old - adam.rate * (direction + adam.decay * old);
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::*;

    fn group(rule: Rule, clip: Option<f64>) -> Group {
        Group { name: "V".into(), parameters: vec![0], rule, rate: "rate".into(), clip }
    }

    fn advance(rule: Rule, clip: Option<f64>, rate: f64, gradients: &[[f64; 2]]) -> Vec<f64> {
        let mut from = vec![arr1(&[1.0, -2.0]).into_dyn()];
        let mut optimiser = Optimiser::new(&group(rule, clip), &from);
        for g in gradients {
            let mut to = from.clone();
            optimiser.step(rate, &[Some(arr1(g).into_dyn())], &from, &mut to);
            from = to;
        }
        from[0].iter().copied().collect()
    }

    fn close(found: &[f64], expected: &[f64]) {
        let fits = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-12 * b.abs().max(1.0));
        assert!(fits && found.len() == expected.len(), "found {found:?}, expected {expected:?}");
    }

    #[test]
    fn momentum_accumulates() {
        let found = advance(Rule::Sgd { momentum: 0.9 }, None, 0.1, &[[1.0, 2.0], [1.0, 0.0]]);
        close(&found, &[1.0 - 0.1 - 0.19, -2.0 - 0.2 - 0.18]);
    }

    #[test]
    fn first_adam_step_is_the_rate_in_the_direction_of_the_sign() {
        let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 0.0, decay: 0.0 };
        close(&advance(rule, None, 0.01, &[[5.0, -1e-3]]), &[0.99, -1.99]);
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
        close(&advance(Rule::Adam { beta1: b1, beta2: b2, epsilon: eps, decay }, None, rate, &gradients), &expected);
    }

    #[test]
    fn clipping_keeps_the_direction_and_bounds_the_norm() {
        let sgd = Rule::Sgd { momentum: 0.0 };
        close(&advance(sgd, Some(1.0), 1.0, &[[3.0, 4.0]]), &[1.0 - 0.6, -2.0 - 0.8]);
        close(&advance(sgd, Some(10.0), 1.0, &[[3.0, 4.0]]), &[1.0 - 3.0, -2.0 - 4.0]);
        close(&advance(sgd, Some(1.0), 1.0, &[[3e300, 4e300]]), &[1.0 - 0.6, -2.0 - 0.8]);
        close(&advance(sgd, Some(1.0), 1.0, &[[0.0, 0.0]]), &[1.0, -2.0]);
    }

    #[test]
    fn a_parameter_without_gradient_stays() {
        let from = vec![arr1(&[1.0, -2.0]).into_dyn()];
        let mut to = from.clone();
        Optimiser::new(&group(Rule::Sgd { momentum: 0.5 }, None), &from).step(0.1, &[None], &from, &mut to);
        assert_eq!(from, to);
    }
}
