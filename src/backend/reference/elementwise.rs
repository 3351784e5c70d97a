//! Functions of one and two numbers, and reductions.

use ndarray::{ArrayD, Axis, Zip};

use super::Value;
use crate::graph::{Binary, Reduction, Unary};

/// A function of every entry.
pub(super) fn unary(f: Unary, x: &Value) -> Value {
    let of = |f: fn(f64) -> f64| x.mapv(f).into_shared();
    match f {
        Unary::Negate => of(|x| -x),
        Unary::Absolute => of(f64::abs),
        Unary::Sign => of(|x| if x == 0.0 { 0.0 } else { x.signum() }),
        Unary::Heaviside => of(|x| f64::from(x > 0.0)),
        Unary::Exp => of(f64::exp),
        Unary::Log => of(f64::ln),
        Unary::SquareRoot => of(f64::sqrt),
        Unary::Reciprocal => of(f64::recip),
        Unary::Sin => of(f64::sin),
        Unary::Cos => of(f64::cos),
        Unary::Tanh => of(f64::tanh),
        Unary::Sigmoid => of(sigmoid),
        Unary::Softplus => of(|x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        Unary::Relu => of(|x| if x < 0.0 { 0.0 } else { x }),
        Unary::Erf => of(erf),
        Unary::Power(n) => x.mapv(|x| x.powi(n)).into_shared(),
        Unary::Floor => of(f64::floor),
    }
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// The error function: a series of positive terms for |x| < 3, a continued fraction beyond.
///
/// Source: Abramowitz and Stegun, 7.1.6 and 7.1.14.
pub(super) fn erf(x: f64) -> f64 {
    let a = x.abs();
    if x.is_nan() {
        return x;
    }
    if a < 3.0 {
        let mut term = a;
        let mut sum = a;
        let mut n = 0.0;
        while term > sum * 1e-17 {
            n += 1.0;
            term *= 2.0 * a * a / (2.0 * n + 1.0);
            sum += term;
        }
        return (std::f64::consts::FRAC_2_SQRT_PI * (-a * a).exp() * sum).copysign(x);
    }
    if a > 6.0 {
        return 1.0_f64.copysign(x);
    }
    let mut tail = a;
    for n in (1..60).rev() {
        tail = a + f64::from(n) / 2.0 / tail;
    }
    let complement = (-a * a).exp() / (tail * std::f64::consts::PI.sqrt());
    (1.0 - complement).copysign(x)
}

/// A function of the entries of two values of one type.
pub(super) fn binary(f: Binary, x: &Value, y: &Value) -> Value {
    let of = |f: fn(f64, f64) -> f64| Zip::from(x).and(y).map_collect(|x, y| f(*x, *y)).into_shared();
    match f {
        Binary::Add => of(|x, y| x + y),
        Binary::Subtract => of(|x, y| x - y),
        Binary::Multiply => of(|x, y| x * y),
        Binary::Divide => of(|x, y| x / y),
        Binary::Power => of(f64::powf),
        Binary::Minimum => of(|x, y| if x.is_nan() || x < y { x } else { y }),
        Binary::Maximum => of(|x, y| if x.is_nan() || x > y { x } else { y }),
        Binary::Less => of(|x, y| f64::from(x < y)),
        Binary::LessEqual => of(|x, y| f64::from(x <= y)),
        Binary::Equal => of(|x, y| f64::from(x == y)),
    }
}

/// x where c is not 0, else y.
pub(super) fn select(c: &Value, x: &Value, y: &Value) -> Value {
    Zip::from(c).and(x).and(y).map_collect(|c, x, y| if *c == 0.0 { *y } else { *x }).into_shared()
}

/// A reduction over these dimensions.
pub(super) fn reduce(how: Reduction, x: &Value, dims: &[usize]) -> Value {
    let mut dims = dims.to_vec();
    dims.sort_unstable();
    let over = |start: f64, f: fn(f64, f64) -> f64, x: ArrayD<f64>| {
        dims.iter().rev().fold(x, |x, d| x.fold_axis(Axis(*d), start, |a, b| f(*a, *b)))
    };
    let sum = |x| over(0.0, |a, b| a + b, x);
    let maximum = |x| over(f64::NEG_INFINITY, |a: f64, b| if a.is_nan() || a > b { a } else { b }, x);
    match how {
        Reduction::Sum => sum(x.to_owned()).into_shared(),
        Reduction::Maximum => maximum(x.to_owned()).into_shared(),
        Reduction::LogSumExp => {
            let top = maximum(x.to_owned());
            let mut spread = top.view();
            for d in &dims {
                spread = spread.insert_axis(Axis(*d));
            }
            let spread = spread.broadcast(x.raw_dim()).expect("a reduction has the extents that are left");
            // Equal entries at infinity would subtract to NaN.
            let scaled = Zip::from(x).and(spread).map_collect(|x, m| if x == m { 1.0 } else { (x - m).exp() });
            let mut out = sum(scaled);
            Zip::from(&mut out).and(&top).for_each(|s, m| *s = if m.is_infinite() { *m } else { m + s.ln() });
            out.into_shared()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::erf;

    #[test]
    fn erf_has_full_accuracy() {
        // The Maclaurin series in 60-digit arithmetic.
        for (x, y) in [
            (0.1, 0.112_462_916_018_284_89),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (2.999, 0.999_977_769_831_400_2),
            (3.0, 0.999_977_909_503_001_4),
            (4.0, 0.999_999_984_582_742_1),
        ] {
            assert!((erf(x) - y).abs() < 4e-16, "erf({x}) = {} and not {y}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
        // The two expansions meet.
        assert!((erf(3.0) - erf(3.0 - 1e-12)).abs() < 1e-15);
    }
}
