//! The root of a function of one number in a bracket.

/// What a search for a root found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bracketed {
    /// The root.
    At(f64),
    /// The values at both ends, which have one sign.
    None(f64, f64),
}

/// Evaluations after which the middle of the bracket is taken; bisection alone needs fewer for any bracket of doubles.
const MOST: usize = 1_100;

/// A root of `f` between `a` and `b`, to the last digits: interpolation, truncated and projected so that it is never
/// slower than bisection by more than one step.  Source: Oliveira, Takahashi, ACM TOMS 47(1), 2020, Algorithm 1.
///
/// # Errors
/// The first that `f` gives.
pub(super) fn root<E>(mut a: f64, mut b: f64, mut f: impl FnMut(f64) -> Result<f64, E>) -> Result<Bracketed, E> {
    let (mut fa, mut fb) = (f(a)?, f(b)?);
    if fa == 0.0 {
        return Ok(Bracketed::At(a));
    }
    if fb == 0.0 {
        return Ok(Bracketed::At(b));
    }
    if (fa > 0.0) == (fb > 0.0) {
        return Ok(Bracketed::None(fa, fb));
    }
    let tolerance = 2.0 * f64::EPSILON * a.abs().max(b.abs()).max(f64::MIN_POSITIVE);
    let (width, k1) = ((b - a).abs(), 0.2 / (b - a).abs());
    let mut radius = width;
    for _ in 0..MOST {
        if (b - a).abs() <= 2.0 * tolerance {
            break;
        }
        let middle = f64::midpoint(a, b);
        let secant = (fb * a - fa * b) / (fb - fa);
        let towards = (middle - secant).signum();
        let truncation = k1 * (b - a).powi(2);
        let moved = if truncation <= (middle - secant).abs() { secant + towards * truncation } else { middle };
        radius = (radius * 0.5).max(tolerance);
        let allowed = (radius - 0.5 * (b - a).abs()).max(0.0);
        let x = if (moved - middle).abs() <= allowed { moved } else { middle - towards * allowed };
        let inside = x > a.min(b) && x < a.max(b);
        let x = if inside { x } else { middle };
        if x == a || x == b {
            break;
        }
        let fx = f(x)?;
        if fx == 0.0 {
            return Ok(Bracketed::At(x));
        }
        if (fx > 0.0) == (fb > 0.0) {
            (b, fb) = (x, fx);
        } else {
            (a, fa) = (x, fx);
        }
    }
    Ok(Bracketed::At(f64::midpoint(a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Formula = fn(f64) -> f64;

    fn find(a: f64, b: f64, f: impl Fn(f64) -> f64) -> (Bracketed, usize) {
        let mut calls = 0;
        let found = root(a, b, |x| {
            calls += 1;
            Ok::<_, ()>(f(x))
        });
        (found.expect("nothing fails"), calls)
    }

    #[test]
    fn roots_are_found_to_the_last_digits() {
        let cases: [(f64, f64, Formula, f64); 5] = [
            (0.0, 2.0, |x| x * x - 2.0, 2.0_f64.sqrt()),
            (2.0, 0.0, |x| x * x - 2.0, 2.0_f64.sqrt()),
            (0.0, 1.0, |x| x.powi(9) - 1e-3, 0.464_158_883_361_277_9),
            (-1.0, 3.0, |x| x - 1.0, 1.0),
            (0.0, 10.0, |x| if x < 0.25 { -1.0 } else { 1.0 }, 0.25),
        ];
        for (a, b, f, expected) in cases {
            let (Bracketed::At(x), calls) = find(a, b, f) else { panic!("no root in {a}..{b}") };
            assert!((x - expected).abs() < 1e-14 * b.abs().max(a.abs()), "{x} for {expected}");
            assert!(calls < 70, "{calls} evaluations");
        }
    }

    #[test]
    fn ends_count_and_signs_that_agree_are_no_bracket() {
        assert_eq!(find(0.0, 1.0, |x| x).0, Bracketed::At(0.0));
        assert_eq!(find(0.0, 1.0, |x| x - 1.0).0, Bracketed::At(1.0));
        assert_eq!(find(0.0, 1.0, |x| x + 1.0).0, Bracketed::None(1.0, 2.0));
    }
}
