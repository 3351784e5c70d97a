//! Line charts as SVG: linear or logarithmic axes, a legend, bands or bars. Equal charts give equal bytes.

mod axis;
mod chart;
mod palette;
mod ticks;

pub use chart::{Chart, Curve, Point, Scale, Spread};
