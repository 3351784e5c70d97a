//! Where an axis has its ticks, and what stands there.

use super::super::number::{grouped, power_of_ten};

/// A tick at a value, with its text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// The value.
    pub(super) at: f64,
    /// The text; empty for a tick that has none.
    pub(super) text: String,
}

/// Ticks at multiples of 1, 2 or 5 times a power of ten, about `count` of them within `low..=high`.
pub(super) fn linear(low: f64, high: f64, count: usize) -> Vec<Tick> {
    let rough = (high - low) / count.max(1) as f64;
    let exponent = rough.log10().floor() as i32;
    let unit = power(exponent);
    let (factor, carry) = match rough / unit {
        m if m <= 1.0 + 1e-9 => (1.0, 0),
        m if m <= 2.0 + 1e-9 => (2.0, 0),
        m if m <= 5.0 + 1e-9 => (5.0, 0),
        _ => (1.0, 1),
    };
    let exponent = exponent + carry;
    // Ticks are whole multiples of the step, so that texts come out exact.
    let (first, last) =
        ((low / (factor * power(exponent)) - 1e-9).ceil(), (high / (factor * power(exponent)) + 1e-9).floor());
    let multiples = (0..=(last - first) as i64).map(|i| (first + i as f64) * factor);
    multiples.map(|m| Tick { at: m * power(exponent), text: plain(m, exponent, low.abs().max(high.abs())) }).collect()
}

/// `m·10^exponent` as text, where no tick of the axis passes `largest`.
fn plain(m: f64, exponent: i32, largest: f64) -> String {
    if m == 0.0 {
        return "0".to_owned();
    }
    let sign = if m < 0.0 { "−" } else { "" };
    if exponent < -4 || largest >= 1e7 {
        let common = largest.log10().floor() as i32;
        let mantissa = format!("{:.*}", (common - exponent).max(0) as usize, m.abs() * power(exponent - common));
        return format!("{sign}{mantissa}·{}", power_of_ten(common));
    }
    let text = format!("{:.*}", (-exponent).max(0) as usize, m.abs() * power(exponent));
    match text.split_once('.') {
        Some((whole, part)) => format!("{sign}{}.{part}", grouped(whole)),
        None => format!("{sign}{}", grouped(&text)),
    }
}

/// Ticks at powers of ten within `low..=high`, every n-th one if they are many; where they are fewer than three, ticks
/// at 2 and 5 times these too, and where that is still too few, ticks as on a linear axis.
pub(super) fn logarithmic(low: f64, high: f64) -> Vec<Tick> {
    let (first, last) = ((low.log10() - 1e-9).ceil() as i32, (high.log10() + 1e-9).floor() as i32);
    let decades = last - first + 1;
    if decades >= 3 {
        let every = (decades + 7) / 8;
        let text = |e: i32| if e.rem_euclid(every) == 0 { power_of_ten(e) } else { String::new() };
        return (first..=last).map(|e| Tick { at: power(e), text: text(e) }).collect();
    }
    let mut ticks = Vec::new();
    for exponent in first - 1..=last + 1 {
        for m in [1.0, 2.0, 5.0] {
            let at = m * power(exponent);
            if at >= low * (1.0 - 1e-9) && at <= high * (1.0 + 1e-9) {
                ticks.push(Tick { at, text: small(m, exponent) });
            }
        }
    }
    if ticks.len() >= 3 { ticks } else { linear(low, high, 5) }
}

fn small(m: f64, exponent: i32) -> String {
    if (-4..6).contains(&exponent) { plain(m, exponent, 1.0) } else { format!("{m}·{}", power_of_ten(exponent)) }
}

/// 10^exponent, as exact as a division allows: 10⁻³ is 1/1000, not a product of rounded tenths.
fn power(exponent: i32) -> f64 {
    if exponent < 0 { 1.0 / 10.0_f64.powi(-exponent) } else { 10.0_f64.powi(exponent) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.text.as_str()).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(
            texts(&linear(0.0, 60_000.0, 6)),
            ["0", "10\u{2009}000", "20\u{2009}000", "30\u{2009}000", "40\u{2009}000", "50\u{2009}000", "60\u{2009}000"]
        );
        assert_eq!(texts(&linear(-0.31, 0.27, 5)), ["−0.2", "0.0", "0.2"].map(|t| if t == "0.0" { "0" } else { t }));
        assert_eq!(texts(&linear(0.12, 0.139, 4)), ["0.120", "0.125", "0.130", "0.135"]);
        assert_eq!(texts(&linear(0.0, 3e-7, 3)), ["0", "1·10⁻⁷", "2·10⁻⁷", "3·10⁻⁷"]);
    }

    #[test]
    fn logarithmic_ticks_are_powers_of_ten_where_the_range_is_wide() {
        assert_eq!(texts(&logarithmic(3e-4, 20.0)), ["10⁻³", "10⁻²", "10⁻¹", "1", "10"]);
        assert_eq!(texts(&logarithmic(0.009, 0.3)), ["0.01", "0.02", "0.05", "0.1", "0.2"]);
        assert_eq!(texts(&logarithmic(1.1, 1.5)), ["1.1", "1.2", "1.3", "1.4", "1.5"]);
        assert_eq!(logarithmic(1e-30, 1.0).iter().filter(|tick| !tick.text.is_empty()).count(), 8);
    }
}
