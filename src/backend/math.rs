//! Elementary functions in f32, as polynomials in fused multiply-adds: the same bits with any vector width.
//!
//! In and out: one number. May not know: lanes; loops over lanes inline these functions and vectorise.
//!
//! Errors are stated in units in the last place (ulp) and tested against f64. NaN comes out as NaN everywhere.

#![allow(clippy::excessive_precision, reason = "coefficients are given as published or fitted")]
#![allow(clippy::inline_always, reason = "a call would keep the loops around these functions from being vectorised")]

/// The coefficients, from the highest power down, and the constants: one table for every backend.
pub(in crate::backend) mod table {
    /// ln 2 as a sum of which the first has 15 bits, so that its small multiples are exact.
    pub const LN_2: [f32; 2] = [0.693_145_75, 1.428_606_8e-6];
    /// e^r for |r| ≤ ln 2/2, less 1 + r.
    pub const EXP: [f32; 5] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65];
    /// The bits of 2/3: mantissas are taken from there to 4/3.
    pub const MANTISSA: u32 = 0x3f2a_aaab;
    /// ln(1 + f), the odd coefficients.
    pub const LOG_ODD: [f32; 4] = [-0.130_310_06, -0.121_489_76, -0.166_846_19, -0.249_996_92];
    /// ln(1 + f), the even coefficients, and the two lowest.
    pub const LOG_EVEN: [f32; 4] = [0.140_846_25, 0.139_809_96, 0.200_120_45, 0.333_331_95];
    /// tanh x/x − 1 in x², for |x| < [`TANH_NEAR`].
    pub const TANH: [f32; 5] = [-5.704_988_7e-3, 2.063_908_9e-2, -5.373_971_6e-2, 0.133_314_42, -0.333_332_82];
    /// Where the polynomial ends.
    pub const TANH_NEAR: f32 = 0.625;
    /// The exponent of 1 − erf t beyond [`ERF_NEAR`]: two interleaved pairs, then the lower coefficients.
    pub const ERF_FAR: [f32; 7] = [
        -1.728_534_7e-5,
        3.831_971_3e-4,
        -3.883_964_4e-3,
        2.425_462_2e-2,
        -0.106_777_877,
        -0.634_846_687,
        -0.128_717_512,
    ];
    /// erf x/x − 1 in x².
    pub const ERF: [f32; 6] =
        [-5.967_617e-4, 4.991_194_2e-3, -2.676_813_5e-2, 0.112_819_925, -0.376_125_336, 0.128_379_166];
    /// Where the polynomial ends.
    pub const ERF_NEAR: f32 = 0.927_734_4;
    /// sin r/r − 1 in r², for |r| ≤ π/4.
    pub const SIN: [f32; 3] = [-1.951_529_6e-4, 8.332_161e-3, -0.166_666_55];
    /// (cos r − 1 + r²/2)/r⁴ in r².
    pub const COS: [f32; 3] = [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2];
}

use table::{COS, ERF, ERF_FAR, ERF_NEAR, EXP, LN_2, LOG_EVEN, LOG_ODD, MANTISSA, SIN, TANH, TANH_NEAR};

/// 1.5·2²³: added and taken away again, it rounds to the nearest integer.
const ROUND: f32 = 12_582_912.0;
const LOG2_E: f32 = std::f32::consts::LOG2_E;

/// `if c {a} else {b}` that stays a blend.
#[inline(always)]
fn pick(c: bool, a: f32, b: f32) -> f32 {
    if c { a } else { b }
}

/// 2^n for integral −252 ≤ n ≤ 254, as two factors, so that neither overflows.
#[inline(always)]
fn scale(x: f32, n: f32) -> f32 {
    // A cast that saturates would be taken one lane after the other; NaN comes as any number here, and x is NaN then.
    let n = (n + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let half = n >> 1;
    let rest = n.wrapping_sub(half);
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    x * power(half) * power(rest)
}

/// e^x. Error ≤ 1.1 ulp; 0 below −104, ∞ above 88.73.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let c = pick(x > 90.0, 90.0, x);
    let c = pick(c < -105.0, -105.0, c);
    let n = c.mul_add(LOG2_E, ROUND) - ROUND;
    let r = (-n).mul_add(LN_2[0], c);
    let r = (-n).mul_add(LN_2[1], r);
    let p = EXP[0].mul_add(r, EXP[1]);
    let p = p.mul_add(r, EXP[2]);
    let p = p.mul_add(r, EXP[3]);
    let p = p.mul_add(r, EXP[4]);
    let p = p.mul_add(r, 0.5);
    let p = (p * r).mul_add(r, r) + 1.0;
    scale(p, n)
}

/// ln x. Error ≤ 1.25 ulp; −∞ at 0, NaN below.
#[inline(always)]
pub fn log(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let y = pick(tiny, x * 8_388_608.0, x);
    let bits = y.to_bits();
    // Mantissas in [2/3, 4/3): the polynomial is centred at 1.
    let shifted = bits.wrapping_sub(MANTISSA);
    let e = (shifted as i32) >> 23;
    let m = f32::from_bits(bits.wrapping_sub((e as u32) << 23));
    let r = log_parts(m - 1.0, e as f32 - pick(tiny, 23.0, 0.0));
    let r = pick(x > 0.0, r, pick(x == 0.0, f32::NEG_INFINITY, f32::NAN));
    pick(x == f32::INFINITY, f32::INFINITY, r)
}

/// ln x for normal positive x, with the bits of [`log`].
#[inline(always)]
fn log_normal(x: f32) -> f32 {
    let bits = x.to_bits();
    let e = (bits.wrapping_sub(MANTISSA) as i32) >> 23;
    log_parts(f32::from_bits(bits.wrapping_sub((e as u32) << 23)) - 1.0, e as f32)
}

/// ln (1 + f) + e·ln 2 for f in [-1/3, 1/3).
#[inline(always)]
fn log_parts(f: f32, e: f32) -> f32 {
    let s = f * f;
    let r = LOG_ODD[0].mul_add(f, LOG_EVEN[0]);
    let t = LOG_ODD[1].mul_add(f, LOG_EVEN[1]);
    let r = r.mul_add(s, t);
    let t = LOG_ODD[2].mul_add(f, LOG_EVEN[2]);
    let r = r.mul_add(s, t);
    let t = LOG_ODD[3].mul_add(f, LOG_EVEN[3]);
    let r = r.mul_add(s, t);
    let r = r.mul_add(f, -0.5);
    let r = r.mul_add(s, f);
    e.mul_add(std::f32::consts::LN_2, r)
}

/// tanh x. Error ≤ 2 ulp.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let a = x.abs();
    let s = x * x;
    let p = TANH[0].mul_add(s, TANH[1]);
    let p = p.mul_add(s, TANH[2]);
    let p = p.mul_add(s, TANH[3]);
    let p = p.mul_add(s, TANH[4]);
    let near = (p * s).mul_add(x, x);
    let far = 1.0 - 2.0 / (exp(2.0 * a) + 1.0);
    let far = f32::from_bits(far.to_bits() | (x.to_bits() & 0x8000_0000));
    pick(a < TANH_NEAR, near, far)
}

/// 1/(1 + e^{−x}). Error ≤ 2.5 ulp.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// ln(1 + e^x). Error ≤ 2.5 ulp.
#[inline(always)]
pub fn softplus(x: f32) -> f32 {
    let e = exp(-x.abs());
    let u = 1.0 + e;
    let small = log(u) + (e - (u - 1.0)) / u;
    pick(x > 0.0, x + small, small)
}

/// The error function. Error ≤ 1.5 ulp. Source: the two-interval minimax form of N. Juffa.
#[inline(always)]
pub fn erf(x: f32) -> f32 {
    let t = x.abs();
    let s = x * x;
    let r = ERF_FAR[0].mul_add(t, ERF_FAR[1]);
    let u = ERF_FAR[2].mul_add(t, ERF_FAR[3]);
    let r = r.mul_add(s, u);
    let r = r.mul_add(t, ERF_FAR[4]);
    let r = r.mul_add(t, ERF_FAR[5]);
    let r = r.mul_add(t, ERF_FAR[6]);
    let r = r.mul_add(t, -t);
    let far = 1.0 - exp(r);
    let far = pick(t > 4.0, 1.0, far);
    let far = f32::from_bits(far.to_bits() | (x.to_bits() & 0x8000_0000));
    let p = ERF[0].mul_add(s, ERF[1]);
    let p = p.mul_add(s, ERF[2]);
    let p = p.mul_add(s, ERF[3]);
    let p = p.mul_add(s, ERF[4]);
    let p = p.mul_add(s, ERF[5]);
    let near = p.mul_add(x, x);
    pick(t > ERF_NEAR, far, pick(t <= ERF_NEAR, near, x))
}

/// sin r and cos r for |r| ≤ π/4.
#[inline(always)]
fn quadrant(r: f32) -> (f32, f32) {
    let s = r * r;
    let p = SIN[0].mul_add(s, SIN[1]);
    let p = p.mul_add(s, SIN[2]);
    let sin = (p * s).mul_add(r, r);
    let q = COS[0].mul_add(s, COS[1]);
    let q = q.mul_add(s, COS[2]);
    let cos = (q * s).mul_add(s, (-0.5_f32).mul_add(s, 1.0));
    (sin, cos)
}

/// sin and cos of r + q·π/2.
#[inline(always)]
fn turn(r: f32, q: i32) -> (f32, f32) {
    let (s, c) = quadrant(r);
    let odd = q & 1 != 0;
    let (a, b) = (pick(odd, c, s), pick(odd, s, c));
    let sin = f32::from_bits(a.to_bits() ^ (((q & 2) as u32) << 30));
    let cos = f32::from_bits(b.to_bits() ^ ((((q + 1) & 2) as u32) << 30));
    (sin, cos)
}

/// sin x and cos x. Error ≤ 1.5 ulp for |x| ≤ 10⁷ away from their zeros; the argument is reduced in f64.
#[inline(always)]
pub fn sin_cos(x: f32) -> (f32, f32) {
    const ROUND_64: f64 = 6_755_399_441_055_744.0;
    let y = f64::from(x);
    let n = y.mul_add(std::f64::consts::FRAC_2_PI, ROUND_64);
    let q = n.to_bits() as i32;
    let n = n - ROUND_64;
    let r = (-n).mul_add(std::f64::consts::FRAC_PI_2, y);
    let r = (-n).mul_add(6.123_233_995_736_766e-17, r);
    turn(r as f32, q)
}

/// sin 2πu and cos 2πu for 0 ≤ u ≤ 1. Error ≤ 2 ulp away from their zeros.
#[inline(always)]
pub fn sin_cos_turns(u: f32) -> (f32, f32) {
    let n = u.mul_add(4.0, ROUND);
    let q = n.to_bits() as i32;
    // Exact: u has 23 bits and n is its nearest multiple of a quarter.
    let r = (n - ROUND).mul_add(-0.25, u);
    turn(r * std::f32::consts::TAU, q)
}

/// x^n by squaring.
#[inline(always)]
pub fn power(x: f32, n: i32) -> f32 {
    let mut base = x;
    let mut left = n.unsigned_abs();
    let mut out = 1.0;
    while left > 0 {
        if left & 1 == 1 {
            out *= base;
        }
        base *= base;
        left >>= 1;
    }
    if n < 0 { 1.0 / out } else { out }
}

/// A number of U(0, 1) from a random word, as [`uniform`](super::random::uniform).
#[inline(always)]
pub fn uniform(word: u32) -> f32 {
    ((word >> 9) as f32 + 0.5) * (1.0 / 8_388_608.0)
}

/// Two normals from two random words, as [`normals`](super::random::normals).
#[inline(always)]
pub fn normals(first: u32, second: u32) -> (f32, f32) {
    let r = (-2.0 * log_normal(uniform(first))).sqrt();
    let (sin, cos) = sin_cos_turns(uniform(second));
    (r * cos, r * sin)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "the standard library is what these functions are held against")]

    use super::*;

    fn ulps(got: f32, want: f64) -> f64 {
        let near = want as f32;
        if got == near || (got.is_nan() && near.is_nan()) {
            return 0.0;
        }
        let unit = f64::from(f32::from_bits(near.abs().to_bits() + 1)) - f64::from(near.abs());
        (f64::from(got) - want).abs() / unit
    }

    fn worst(f: impl Fn(f32) -> f32, g: impl Fn(f64) -> f64, from: f32, to: f32) -> f64 {
        let n = 200_000;
        (0..=n)
            .map(|i| from + (to - from) * (i as f32 / n as f32))
            .map(|x| ulps(f(x), g(f64::from(x))))
            .fold(0.0, f64::max)
    }

    #[test]
    fn errors_are_as_stated() {
        let check = |name: &str, found: f64, most: f64| assert!(found <= most, "{name}: {found} ulp");
        check("exp", worst(exp, f64::exp, -87.0, 88.7), 1.1);
        check("log", worst(log, f64::ln, 1e-3, 3.0), 1.25);
        check("log far", worst(log, f64::ln, 1.0, 1e9), 1.25);
        check("tanh", worst(tanh, f64::tanh, -10.0, 10.0), 2.0);
        check("tanh near 0", worst(tanh, f64::tanh, -0.01, 0.01), 2.0);
        check("sigmoid", worst(sigmoid, |x| 1.0 / (1.0 + (-x).exp()), -80.0, 80.0), 2.5);
        check("softplus", worst(softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), -80.0, 80.0), 2.5);
        let absolute = |f: fn(f32) -> f32, g: fn(f64) -> f64, from: f32, to: f32| {
            (0..100_000)
                .map(|i| from + (to - from) * (i as f32 / 1e5))
                .map(|x| (f64::from(f(x)) - g(f64::from(x))).abs())
                .fold(0.0, f64::max)
        };
        assert!(absolute(|x| sin_cos(x).0, f64::sin, -1e4, 1e4) < 1e-7);
        assert!(absolute(|x| sin_cos(x).1, f64::cos, -1e4, 1e4) < 1e-7);
        assert!(absolute(|u| sin_cos_turns(u).0, |u| (std::f64::consts::TAU * u).sin(), 0.0, 1.0) < 1.5e-7);
        assert!(absolute(|u| sin_cos_turns(u).1, |u| (std::f64::consts::TAU * u).cos(), 0.0, 1.0) < 1.5e-7);
    }

    #[test]
    fn erf_has_known_values() {
        for (x, y) in [
            (0.1_f32, 0.112_462_916_0),
            (0.5, 0.520_499_877_8),
            (1.0, 0.842_700_792_9),
            (2.0, 0.995_322_265_0),
            (3.5, 0.999_999_256_9),
        ] {
            assert!((f64::from(erf(x)) - y).abs() < 1.5e-7, "erf {x} = {}", erf(x));
            assert_eq!(erf(-x).to_bits(), (-erf(x)).to_bits());
        }
    }

    #[test]
    fn ends_are_kept() {
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(log(0.0), f32::NEG_INFINITY);
        assert_eq!(log(f32::INFINITY), f32::INFINITY);
        assert!(ulps(log(1e-40), f64::from(1e-40_f32).ln()) < 1.25);
        assert!(log(-1.0).is_nan());
        assert_eq!(tanh(100.0), 1.0);
        assert_eq!(tanh(-100.0), -1.0);
        assert_eq!(erf(10.0), 1.0);
        assert_eq!(sigmoid(-200.0), 0.0);
        assert_eq!(softplus(200.0), 200.0);
        assert_eq!(power(2.0, -3), 0.125);
        for f in [exp, log, tanh, sigmoid, softplus, erf] {
            assert!(f(f32::NAN).is_nan());
        }
        assert!(sin_cos(f32::NAN).0.is_nan());
    }

    #[test]
    fn normals_agree_with_f64() {
        for i in 0..50_000_u32 {
            let (u, v) = (i.wrapping_mul(2_654_435_769), i.wrapping_mul(2_246_822_519) ^ 0x9e37);
            let (a, b) = normals(u, v);
            let (x, y) = crate::backend::random::normals(u, v);
            assert!((f64::from(a) - x).abs() < 2e-6 && (f64::from(b) - y).abs() < 2e-6, "{u} {v}: {a} {x}, {b} {y}");
        }
    }
}
