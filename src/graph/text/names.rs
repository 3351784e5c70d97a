//! Words of the text form, each with what it stands for.

use super::super::{Binary, Label, Reduction, Unary};

/// Functions of one number, except powers.
pub(super) const UNARY: [(&str, Unary); 16] = [
    ("negate", Unary::Negate),
    ("absolute", Unary::Absolute),
    ("sign", Unary::Sign),
    ("heaviside", Unary::Heaviside),
    ("exp", Unary::Exp),
    ("log", Unary::Log),
    ("sqrt", Unary::SquareRoot),
    ("reciprocal", Unary::Reciprocal),
    ("sin", Unary::Sin),
    ("cos", Unary::Cos),
    ("tanh", Unary::Tanh),
    ("sigmoid", Unary::Sigmoid),
    ("softplus", Unary::Softplus),
    ("relu", Unary::Relu),
    ("erf", Unary::Erf),
    ("floor", Unary::Floor),
];

/// Functions of two numbers.
pub(super) const BINARY: [(&str, Binary); 10] = [
    ("add", Binary::Add),
    ("subtract", Binary::Subtract),
    ("multiply", Binary::Multiply),
    ("divide", Binary::Divide),
    ("pow", Binary::Power),
    ("minimum", Binary::Minimum),
    ("maximum", Binary::Maximum),
    ("less", Binary::Less),
    ("less_equal", Binary::LessEqual),
    ("equal", Binary::Equal),
];

/// Reductions.
pub(super) const REDUCTION: [(&str, Reduction); 3] =
    [("sum", Reduction::Sum), ("max", Reduction::Maximum), ("log_sum_exp", Reduction::LogSumExp)];

/// The word for a member of a table.
pub(super) fn word<T: PartialEq>(table: &[(&'static str, T)], of: &T) -> &'static str {
    table.iter().find(|(_, t)| t == of).map_or("?", |(w, _)| *w)
}

/// The letter of a label: a…z, A…Z, then letters beyond.
pub(super) fn letter(l: Label) -> char {
    match l {
        0..26 => char::from(b'a' + l),
        26..52 => char::from(b'A' + l - 26),
        _ => char::from_u32(0x100 + u32::from(l)).unwrap_or('?'),
    }
}

/// The label of a letter.
pub(super) fn label(c: char) -> Option<Label> {
    (0..=Label::MAX).find(|l| letter(*l) == c)
}
