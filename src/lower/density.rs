//! Log-densities of laws.

use super::errors::{Lowered, fault};
use super::law::Distribution;
use super::lowerer::Lowerer;
use super::operator::Operator;
use crate::graph::{Binary, Law, Op, Reduction, Type, Unary, ValueId};
use crate::source::Span;

const LOG_TAU: f64 = 1.837_877_066_409_345_6;

/// Rows of a matrix beyond which its determinant is not worked out.
const MOST_ROWS: usize = 256;

impl<'a> Lowerer<'a> {
    /// `log_density(p, x)`
    pub fn log_density(&mut self, law: &Distribution<'a>, x: ValueId, span: Span) -> Lowered<ValueId> {
        match law {
            Distribution::Entries { law: Law::Normal, shift, scale } => {
                let away = self.b.sub(x, *shift);
                let z = self.b.div(away, *scale);
                let square = self.sum_of_squares(z);
                let spread = self.log_volume(*scale, x);
                Ok(self.gaussian(square, spread, x))
            }
            Distribution::Entries { law: Law::Uniform, shift, scale } => {
                let end = self.b.add(*shift, *scale);
                let from = self.b.binary(Binary::LessEqual, *shift, x);
                let to = self.b.binary(Binary::LessEqual, x, end);
                let inside = self.b.mul(from, to);
                // The logarithm of zero outside.
                let density = self.b.div(inside, *scale);
                let logs = self.b.unary(Unary::Log, density);
                let dims: Vec<usize> = (0..self.b.ty(logs).shape.len()).collect();
                Ok(self.b.sum(logs, &[], &dims))
            }
            Distribution::Student { degrees, shift, scale } => {
                let away = self.b.sub(x, *shift);
                let z = self.b.div(away, *scale);
                let square = self.b.unary(Unary::Power(2), z);
                let n = self.b.number(*degrees as f64);
                let ratio = self.b.div(square, n);
                let one = self.b.number(1.0);
                let sum = self.b.add(one, ratio);
                let logs = self.b.unary(Unary::Log, sum);
                let dims: Vec<usize> = (0..self.b.ty(logs).shape.len()).collect();
                let total = self.b.sum(logs, &[], &dims);
                let power = self.b.number(-0.5 * (*degrees as f64 + 1.0));
                let tails = self.b.mul(power, total);
                let spread = self.log_volume(*scale, x);
                let constant = self.b.number(self.b.ty(x).elements() as f64 * student_constant(*degrees));
                let sum = self.b.sub(tails, spread);
                Ok(self.b.add(sum, constant))
            }
            Distribution::Empirical(_) => Err(fault(span, "samples of a file have no density")),
            Distribution::Linear { shift, factor } => {
                let away = self.b.sub(x, *shift);
                let z = self.apply(&Operator::Inverse(factor.clone()), away)?;
                let square = self.sum_of_squares(z);
                let dense = self.densify(factor)?;
                let spread = self.log_determinant(dense, span)?;
                Ok(self.gaussian(square, spread, x))
            }
            Distribution::Mixture { weights, parts } => {
                let logs = self.b.unary(Unary::Log, *weights);
                let each = match self.stacked_normals(parts) {
                    Some((means, scales)) if self.b.ty(x).shape.len() == 1 => {
                        let ones = self.b.filled(1.0, Type::shaped([parts.len()]));
                        let copies = self.b.contract(ones, &[0], x, &[1], &[0, 1], &[]);
                        let away = self.b.sub(copies, means);
                        let z = self.b.div(away, scales);
                        let square = self.b.unary(Unary::Power(2), z);
                        let square = self.b.sum(square, &[], &[1]);
                        let spread = self.b.unary(Unary::Log, scales);
                        let spread = self.b.sum(spread, &[], &[1]);
                        self.gaussian(square, spread, x)
                    }
                    _ => {
                        let mut densities = Vec::new();
                        for part in parts {
                            let one = self.log_density(part, x, span)?;
                            densities.push(self.b.reshape(one, [1]));
                        }
                        self.b.push(Op::Concat(0, densities))
                    }
                };
                let all = self.b.add(logs, each);
                Ok(self.b.reduce(Reduction::LogSumExp, all, &[], &[0]))
            }
        }
    }

    fn sum_of_squares(&mut self, z: ValueId) -> ValueId {
        let square = self.b.unary(Unary::Power(2), z);
        let dims: Vec<usize> = (0..self.b.ty(square).shape.len()).collect();
        self.b.sum(square, &[], &dims)
    }

    /// Σ log s over the entries of x.
    fn log_volume(&mut self, scale: ValueId, x: ValueId) -> ValueId {
        let logs = self.b.unary(Unary::Log, scale);
        let dims: Vec<usize> = (0..self.b.ty(logs).shape.len()).collect();
        if dims.is_empty() {
            let n = self.b.number(self.b.ty(x).elements() as f64);
            return self.b.mul(n, logs);
        }
        self.b.sum(logs, &[], &dims)
    }

    /// −½ q − Σ log s − ½ n log 2π
    fn gaussian(&mut self, square: ValueId, spread: ValueId, x: ValueId) -> ValueId {
        let half = self.b.number(-0.5);
        let quadratic = self.b.mul(half, square);
        let constant = self.b.number(-0.5 * LOG_TAU * self.b.ty(x).elements() as f64);
        let sum = self.b.sub(quadratic, spread);
        self.b.add(sum, constant)
    }

    /// log |det L| as half the logarithm of det(L·Lᵀ), the product of the pivots of its elimination.
    fn log_determinant(&mut self, factor: ValueId, span: Span) -> Lowered<ValueId> {
        let n = self.b.ty(factor).shape[0];
        if n > MOST_ROWS {
            let why = format!("the density of a normal law is known for matrices of up to {MOST_ROWS} rows, found {n}");
            return Err(fault(span, why));
        }
        let mut left = self.b.contract(factor, &[0, 2], factor, &[1, 2], &[0, 1], &[]);
        let mut total = self.b.number(0.0);
        for k in 0..n {
            let row = self.b.push(Op::Slice { dim: 0, start: k, length: 1, of: left });
            let row = self.b.reshape(row, [n]);
            let pivot = self.b.push(Op::Slice { dim: 0, start: k, length: 1, of: row });
            let pivot = self.b.reshape(pivot, []);
            let log = self.b.unary(Unary::Log, pivot);
            total = self.b.add(total, log);
            if k + 1 < n {
                let scaled = self.b.div(row, pivot);
                let taken = self.b.contract(row, &[0], scaled, &[1], &[0, 1], &[]);
                left = self.b.sub(left, taken);
            }
        }
        let half = self.b.number(0.5);
        Ok(self.b.mul(half, total))
    }
}

/// log Γ((ν + 1)/2) − log Γ(ν/2) − ½ log(πν), by Γ(x + 1) = x·Γ(x) from ν = 1 and ν = 2.
fn student_constant(degrees: usize) -> f64 {
    // Γ((ν + 1)/2)/Γ(ν/2), which is 1/√π at 1 and √π/2 at 2.
    let pi = std::f64::consts::PI;
    let first = if degrees % 2 == 1 { -0.5 * pi.ln() } else { 0.5 * pi.ln() - 2.0_f64.ln() };
    let from = if degrees % 2 == 1 { 1 } else { 2 };
    let ratio: f64 = (from..degrees).step_by(2).map(|k| ((k as f64 + 1.0) / k as f64).ln()).sum();
    first + ratio - 0.5 * (pi * degrees as f64).ln()
}

#[cfg(test)]
mod tests {
    use super::student_constant;

    #[test]
    fn students_law_is_normalised() {
        for degrees in [1, 2, 3, 4, 7, 30] {
            let n = f64::from(degrees as u32);
            // x = √n·tan θ makes the tails a bounded interval.
            let steps = 20_000;
            let h = std::f64::consts::PI / f64::from(steps);
            let sum: f64 = (0..steps)
                .map(|i| (f64::from(i) + 0.5) * h - 0.5 * std::f64::consts::PI)
                .map(|angle| angle.cos().powf(n - 1.0) * n.sqrt() * h)
                .sum();
            let total = student_constant(degrees).exp() * sum;
            assert!((total - 1.0).abs() < 1e-6, "{degrees} degrees: {total}");
        }
    }
}
