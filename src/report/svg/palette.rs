//! Colours and dashes that stay apart for every kind of colour vision.

/// The colours of Okabe and Ito (2008) without yellow, which is too pale for a line on white.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
const DASHES: [&str; 4] = ["", "7 4", "2 3", "9 3 2 3"];

/// The colour of a curve.
pub(super) fn colour(curve: usize) -> &'static str {
    COLOURS[curve % COLOURS.len()]
}

/// The dash pattern of a curve: solid until the colours are used up.
pub(super) fn dashes(curve: usize) -> &'static str {
    DASHES[curve / COLOURS.len() % DASHES.len()]
}
