//! Numbers as text.

/// A number with so many significant digits: plain where that is short, `1.234e-5` elsewhere.
pub(super) fn significant(x: f64, digits: usize) -> String {
    if x == 0.0 || !x.is_finite() {
        return x.to_string();
    }
    // Rounding first, since 9.9996 has one digit more before the point than its logarithm says.
    let scientific = format!("{x:.*e}", digits - 1);
    let exponent: i32 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0);
        format!("{x:.*}", decimals as usize)
    } else {
        scientific
    }
}

/// A whole number in groups of three: `60 000`, with thin spaces, from five digits on.
pub(super) fn grouped(digits: &str) -> String {
    if digits.len() < 5 {
        return digits.to_owned();
    }
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// `10⁻³`, and `1` and `10` as such.
pub(super) fn power_of_ten(exponent: i32) -> String {
    match exponent {
        0 => "1".to_owned(),
        1 => "10".to_owned(),
        _ => format!("10{}", superscript(exponent)),
    }
}

fn superscript(n: i32) -> String {
    let raise = |c: char| match c {
        '-' => '⁻',
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32('⁴' as u32 + digit as u32 - '4' as u32).unwrap_or(digit),
    };
    n.to_string().chars().map(raise).collect()
}

/// A duration in a unit that suits it: `3.21 ms`.
pub(super) fn duration(seconds: f64) -> String {
    if seconds < 1e-3 {
        format!("{} µs", significant(seconds * 1e6, 3))
    } else if seconds < 1.0 {
        format!("{} ms", significant(seconds * 1e3, 3))
    } else {
        format!("{} s", significant(seconds, 3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn significant_digits() {
        assert_eq!(significant(0.012_345, 4), "0.01235");
        assert_eq!(significant(9.9996, 4), "10.00");
        assert_eq!(significant(1.5e-7, 2), "1.5e-7");
        assert_eq!(significant(123_456.0, 2), "123456");
        assert_eq!(significant(-2.5e9, 4), "-2.500e9");
        assert_eq!(significant(0.0, 4), "0");
    }

    #[test]
    fn powers_and_groups() {
        assert_eq!((power_of_ten(-13), power_of_ten(0), power_of_ten(6)), ("10⁻¹³".into(), "1".into(), "10⁶".into()));
        assert_eq!((grouped("1000"), grouped("1234567")), ("1000".into(), "1\u{2009}234\u{2009}567".into()));
    }
}
