//! Derivatives of element-wise functions: what reverse and forward mode share, since a diagonal map is its own
//! transpose.

use super::fit::{fit, product};
use crate::graph::{Binary, Builder, Type, Unary, ValueId};

/// Turns a value of the program into one that may be used where the derivative is built.
pub(super) type At<'a> = &'a mut dyn FnMut(&mut Builder, ValueId) -> ValueId;

/// `f′(x)·g`, where `y = f(x)`.
pub(super) fn times_slope(b: &mut Builder, f: Unary, x: ValueId, y: ValueId, g: ValueId, at: At<'_>) -> ValueId {
    let slope = match f {
        Unary::Negate => return b.neg(g),
        Unary::Log => {
            let x = at(b, x);
            return b.div(g, x);
        }
        Unary::SquareRoot => {
            let y = at(b, y);
            let half = b.number(0.5);
            let g = b.mul(g, half);
            return b.div(g, y);
        }
        Unary::Absolute => {
            let x = at(b, x);
            b.unary(Unary::Sign, x)
        }
        Unary::Sign | Unary::Heaviside | Unary::Floor => b.number(0.0),
        Unary::Exp => at(b, y),
        Unary::Reciprocal => {
            let y = at(b, y);
            let square = b.unary(Unary::Power(2), y);
            b.neg(square)
        }
        Unary::Sin => {
            let x = at(b, x);
            b.unary(Unary::Cos, x)
        }
        Unary::Cos => {
            let x = at(b, x);
            let s = b.unary(Unary::Sin, x);
            b.neg(s)
        }
        Unary::Tanh => {
            let y = at(b, y);
            let square = b.unary(Unary::Power(2), y);
            let one = b.number(1.0);
            b.sub(one, square)
        }
        Unary::Sigmoid => {
            let y = at(b, y);
            let one = b.number(1.0);
            let rest = b.sub(one, y);
            b.mul(y, rest)
        }
        Unary::Softplus => {
            let x = at(b, x);
            b.unary(Unary::Sigmoid, x)
        }
        Unary::Relu => {
            // Positive where the result is: so the operand need not be kept.
            let y = at(b, y);
            b.unary(Unary::Heaviside, y)
        }
        Unary::Erf => {
            let x = at(b, x);
            let square = b.unary(Unary::Power(2), x);
            let exponent = b.neg(square);
            let bell = b.unary(Unary::Exp, exponent);
            let scale = b.number(std::f64::consts::FRAC_2_SQRT_PI);
            b.mul(scale, bell)
        }
        Unary::Power(n) => {
            let n_value = b.number(f64::from(n));
            let power = match n {
                0 => b.number(0.0),
                1 => b.number(1.0),
                _ => {
                    let x = at(b, x);
                    b.unary(Unary::Power(n - 1), x)
                }
            };
            b.mul(n_value, power)
        }
    };
    b.mul(slope, g)
}

/// `∂f/∂(operand)·g` summed over what `target` lacks, where `y = f(a, c)`.
pub(super) fn times_partial(
    b: &mut Builder,
    f: Binary,
    slot: usize,
    (a, c, y): (ValueId, ValueId, ValueId),
    g: ValueId,
    target: &Type,
    at: At<'_>,
) -> Option<ValueId> {
    Some(match (f, slot) {
        (Binary::Add, _) | (Binary::Subtract, 0) => fit(b, g, target),
        (Binary::Subtract, _) => {
            let s = fit(b, g, target);
            b.neg(s)
        }
        (Binary::Multiply, _) => {
            let other = at(b, if slot == 0 { c } else { a });
            product(b, g, other, target)
        }
        (Binary::Divide, 0) => {
            let c = at(b, c);
            let lacks = b.ty(c).axes.iter().any(|x| !target.varies(*x)) || b.ty(c).shape.len() > target.shape.len();
            if lacks {
                let inverse = b.unary(Unary::Reciprocal, c);
                product(b, g, inverse, target)
            } else {
                let s = fit(b, g, target);
                b.div(s, c)
            }
        }
        (Binary::Divide, _) => {
            let (y, c) = (at(b, y), at(b, c));
            let s = product(b, g, y, target);
            let q = b.div(s, c);
            let q = b.neg(q);
            fit(b, q, target)
        }
        (Binary::Power, 0) => {
            let (a, c) = (at(b, a), at(b, c));
            let one = b.number(1.0);
            let less = b.sub(c, one);
            let power = b.binary(Binary::Power, a, less);
            let slope = b.mul(c, power);
            product(b, g, slope, target)
        }
        (Binary::Power, _) => {
            let (a, y) = (at(b, a), at(b, y));
            let log = b.unary(Unary::Log, a);
            let slope = b.mul(y, log);
            product(b, g, slope, target)
        }
        (Binary::Minimum | Binary::Maximum, _) => {
            // At a tie the first operand is the one taken.
            let (a, c) = (at(b, a), at(b, c));
            let first = if f == Binary::Minimum {
                b.binary(Binary::LessEqual, a, c)
            } else {
                b.binary(Binary::LessEqual, c, a)
            };
            let taken = if slot == 0 {
                first
            } else {
                let one = b.number(1.0);
                b.sub(one, first)
            };
            product(b, g, taken, target)
        }
        (Binary::Less | Binary::LessEqual | Binary::Equal, _) => return None,
    })
}
