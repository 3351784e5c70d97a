//! The chart as a whole.

use std::fmt::Write;

use super::axis::Axis;
use super::palette::{colour, dashes};
use super::ticks::Tick;
use crate::report::html::escape;

/// A line chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// The horizontal axis.
    pub x: Scale,
    /// The vertical axis.
    pub y: Scale,
    /// The curves.
    pub curves: Vec<Curve>,
    /// How errors are shown.
    pub spread: Spread,
    /// What stands below the chart.
    pub notes: Vec<String>,
}

/// What an axis shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scale {
    /// Its name.
    pub label: String,
    /// Logarithmic: values that are not positive are left out, and the chart says so.
    pub log: bool,
    /// Ticks at these values with these texts, in place of round numbers; those without room are left out.
    pub ticks: Option<Vec<(f64, String)>>,
    /// The range, where it is not that of the points.
    pub range: Option<[f64; 2]>,
}

/// How standard errors are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spread {
    /// A shaded band along the curve.
    #[default]
    Band,
    /// A bar at every point.
    Bars,
}

/// A curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// Its name in the legend; empty for none.
    pub label: String,
    /// Its points from left to right.
    pub points: Vec<Point>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The abscissa.
    pub x: f64,
    /// The ordinate.
    pub y: f64,
    /// The standard error of the ordinate, if it is a mean.
    pub error: Option<f64>,
}

const WIDTH: f64 = 720.0;
const PLOT_HEIGHT: f64 = 340.0;
const LINE: f64 = 20.0;
/// A generous guess at the mean width of a character in ems: no font is at hand to ask.
const CHARACTER: f64 = 0.58;
const TEXT: f64 = 13.0;
const SMALL: f64 = 11.5;
/// Curves of up to this many points show them.
const MARKED: usize = 40;

impl Chart {
    /// The chart as one `svg` element, complete in itself.
    pub fn render(&self) -> String {
        let top = 14.0 + self.legend_lines().len() as f64 * LINE;
        let bottom = top + PLOT_HEIGHT;
        let notes = self.all_notes();
        let height = bottom + 54.0 + notes.len() as f64 * 17.0;
        let y = self.y_axis(bottom, top);
        let y_ticks = y.ticks(55.0);
        let left = 44.0 + y_ticks.iter().map(|tick| width(&tick.text, TEXT)).fold(0.0, f64::max);
        let right = WIDTH - 22.0;
        let x = self.x_axis(left, right);
        let x_ticks = self.x_ticks(&x);

        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
             height=\"{height}\" font-family=\"system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif\" \
             font-size=\"{TEXT}\" fill=\"#333\">\n<title>{}</title>\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n",
            escape(&format!("{} against {}", self.y.label, self.x.label))
        );
        draw_grid(&mut svg, (&x, &x_ticks), (&y, &y_ticks), [left, right, top, bottom]);
        let middle = f64::midpoint(left, right);
        text(&mut svg, middle, bottom + 42.0, "middle", TEXT, &self.x.label);
        let turn = format!("translate(16 {}) rotate(-90)", coordinate(f64::midpoint(top, bottom)));
        let _ = writeln!(svg, "<text transform=\"{turn}\" text-anchor=\"middle\">{}</text>", escape(&self.y.label));
        for (i, note) in notes.iter().enumerate() {
            text(&mut svg, right, bottom + 62.0 + 17.0 * i as f64, "end", SMALL, note);
        }
        self.draw_legend(&mut svg);
        for (i, curve) in self.curves.iter().enumerate() {
            self.draw_spread(&mut svg, i, curve, &x, &y);
        }
        for (i, curve) in self.curves.iter().enumerate() {
            draw_curve(&mut svg, i, curve, &x, &y);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn points(&self) -> impl Iterator<Item = &Point> {
        self.curves.iter().flat_map(|curve| &curve.points)
    }

    /// The points that both axes can show.
    fn shown(&self) -> impl Iterator<Item = &Point> {
        let holds = |scale: &Scale, value: f64| value.is_finite() && (!scale.log || value > 0.0);
        self.points().filter(move |point| holds(&self.x, point.x) && holds(&self.y, point.y))
    }

    fn x_axis(&self, left: f64, right: f64) -> Axis {
        if let Some(range) = self.x.range {
            return Axis::new(range.into_iter(), self.x.log, 0.0, left, right);
        }
        let margin = if self.spread == Spread::Bars { 0.04 } else { 0.0 };
        Axis::new(self.shown().map(|point| point.x), self.x.log, margin, left, right)
    }

    fn y_axis(&self, bottom: f64, top: f64) -> Axis {
        let values = self.shown().flat_map(|point| {
            let error = point.error.unwrap_or(0.0);
            [point.y, point.y + error, point.y - error]
        });
        // The lower end of a band may reach below every value on a logarithmic axis: a third of the mean is enough of it.
        let lowest = self.shown().map(|point| point.y).fold(f64::INFINITY, f64::min) / 3.0;
        let values = values.filter(|y| !self.y.log || *y >= lowest);
        Axis::new(values, self.y.log, 0.05, bottom, top)
    }

    fn x_ticks(&self, x: &Axis) -> Vec<Tick> {
        let Some(given) = &self.x.ticks else {
            return x.ticks(95.0);
        };
        let mut free = f64::NEG_INFINITY;
        let mut ticks = Vec::new();
        for (at, text) in given.iter().filter(|tick| x.holds(tick.0)) {
            let half = 0.5 * width(text, TEXT) + 3.0;
            if x.place(*at) - half >= free {
                free = x.place(*at) + half;
                ticks.push(Tick { at: *at, text: text.clone() });
            }
        }
        ticks
    }

    fn all_notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        let missing = self.points().count() - self.shown().count();
        if missing > 0 {
            let axes = match (self.x.log, self.y.log) {
                (true, true) => "axes",
                _ => "axis",
            };
            let point = if missing == 1 { "point" } else { "points" };
            notes.push(format!("{missing} {point} with a value ≤ 0 left out by the logarithmic {axes}"));
        }
        notes
    }

    /// The curves of every line of the legend, with the places where they start.
    fn legend_lines(&self) -> Vec<Vec<(usize, f64)>> {
        let mut lines: Vec<Vec<(usize, f64)>> = Vec::new();
        let mut at = f64::INFINITY;
        for (i, curve) in self.curves.iter().enumerate().filter(|(_, curve)| !curve.label.is_empty()) {
            let width = 30.0 + width(&curve.label, TEXT) + 18.0;
            if at + width > WIDTH {
                lines.push(Vec::new());
                at = 60.0;
            }
            lines.last_mut().expect("a line was pushed first").push((i, at));
            at += width;
        }
        lines
    }

    fn draw_legend(&self, svg: &mut String) {
        for (row, line) in self.legend_lines().into_iter().enumerate() {
            let y = 16.0 + row as f64 * LINE;
            for (i, x) in line {
                let (from, to) = (coordinate(x), coordinate(x + 24.0));
                let _ = writeln!(svg, "<path d=\"M{from} {y}H{to}\" {}/>", stroke(i));
                text(svg, x + 30.0, y + 4.5, "start", TEXT, &self.curves[i].label);
            }
        }
    }

    fn draw_spread(&self, svg: &mut String, i: usize, curve: &Curve, x: &Axis, y: &Axis) {
        let shown = curve.points.iter().filter(|p| x.holds(p.x) && y.holds(p.y));
        let spans: Vec<_> = shown
            .filter_map(|p| Some((x.place(p.x), y.place_within(p.y - p.error?), y.place_within(p.y + p.error?))))
            .collect();
        if spans.is_empty() {
            return;
        }
        match self.spread {
            Spread::Band => {
                let there = spans.iter().map(|(x, _, high)| (*x, *high));
                let back = spans.iter().rev().map(|(x, low, _)| (*x, *low));
                let d = path(there.chain(back));
                let _ = writeln!(svg, "<path d=\"{d}Z\" fill=\"{}\" fill-opacity=\"0.18\"/>", colour(i));
            }
            Spread::Bars => {
                let bar = |(x, low, high): &(f64, f64, f64)| {
                    let (left, right) = (coordinate(x - 4.0), coordinate(x + 4.0));
                    let (x, low, high) = (coordinate(*x), coordinate(*low), coordinate(*high));
                    format!("M{x} {low}V{high}M{left} {low}H{right}M{left} {high}H{right}")
                };
                let d: String = spans.iter().map(bar).collect();
                let _ = writeln!(svg, "<path d=\"{d}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.2\"/>", colour(i));
            }
        }
    }
}

fn draw_grid(svg: &mut String, x: (&Axis, &[Tick]), y: (&Axis, &[Tick]), [left, right, top, bottom]: [f64; 4]) {
    let mut d = String::new();
    for tick in x.1 {
        let _ = write!(d, "M{} {}V{}", coordinate(x.0.place(tick.at)), coordinate(top), coordinate(bottom));
    }
    for tick in y.1 {
        let _ = write!(d, "M{} {}H{}", coordinate(left), coordinate(y.0.place(tick.at)), coordinate(right));
    }
    let _ = writeln!(svg, "<path d=\"{d}\" fill=\"none\" stroke=\"#e4e4e4\"/>");
    let (l, r, t, b) = (coordinate(left), coordinate(right), coordinate(top), coordinate(bottom));
    let _ = writeln!(svg, "<path d=\"M{l} {t}V{b}H{r}\" fill=\"none\" stroke=\"#777\"/>");
    for tick in x.1 {
        text(svg, x.0.place(tick.at), bottom + 19.0, "middle", TEXT, &tick.text);
    }
    for tick in y.1 {
        text(svg, left - 8.0, y.0.place(tick.at) + 4.5, "end", TEXT, &tick.text);
    }
}

fn draw_curve(svg: &mut String, i: usize, curve: &Curve, x: &Axis, y: &Axis) {
    let shown = curve.points.iter().filter(|p| x.holds(p.x) && y.holds(p.y));
    let places: Vec<(f64, f64)> = shown.map(|p| (x.place(p.x), y.place(p.y))).collect();
    let _ = writeln!(svg, "<path d=\"{}\" {}/>", path(thin(&places).into_iter()), stroke(i));
    if places.len() <= MARKED {
        for (x, y) in &places {
            let _ = writeln!(
                svg,
                "<circle cx=\"{}\" cy=\"{}\" r=\"3\" fill=\"{}\"/>",
                coordinate(*x),
                coordinate(*y),
                colour(i)
            );
        }
    }
}

/// At most four points per unit of width, the first, the lowest, the highest and the last: what can be seen of them all.
fn thin(places: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if places.len() as f64 <= 2.0 * WIDTH {
        return places.to_vec();
    }
    let mut kept = Vec::new();
    for column in places.chunk_by(|a, b| a.0.floor() == b.0.floor()) {
        let by_height = |i: &usize, j: &usize| column[*i].1.total_cmp(&column[*j].1);
        let low = (0..column.len()).min_by(by_height).unwrap_or(0);
        let high = (0..column.len()).max_by(by_height).unwrap_or(0);
        let mut chosen = [0, low, high, column.len() - 1];
        chosen.sort_unstable();
        kept.extend(chosen.map(|i| column[i]));
    }
    kept.dedup();
    kept
}

fn stroke(i: usize) -> String {
    let dashes = dashes(i);
    let dashes = if dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dashes}\"") };
    format!("fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\" stroke-linejoin=\"round\"{dashes}", colour(i))
}

fn path(points: impl Iterator<Item = (f64, f64)>) -> String {
    let mut d = String::new();
    for (i, (x, y)) in points.enumerate() {
        let _ = write!(d, "{}{} {}", if i == 0 { "M" } else { "L" }, coordinate(x), coordinate(y));
    }
    d
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, size: f64, content: &str) {
    let (x, y) = (coordinate(x), coordinate(y));
    let size = if size == TEXT { String::new() } else { format!(" font-size=\"{size}\" fill=\"#666\"") };
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\"{size}>{}</text>", escape(content));
}

fn width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * CHARACTER
}

/// A coordinate to a tenth, which no eye can tell from the truth.
fn coordinate(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}
