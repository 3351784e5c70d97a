//! Functions that kernels call: the polynomials of [`math`](crate::backend::math) from its table, and the random numbers
//! of [`random`](crate::backend::random), as WGSL.
//!
//! WGSL lets its own `exp`, `log`, `sin` be off by thousands of ulp, may flush what is small, and lets an implementation
//! assume that NaN never occurs. So nothing here calls them, and NaN is found by its bits. A fused multiply-add may or may
//! not be fused: results agree with the CPU's to a few ulp, not to the bit. A driver may take (a + b) − b for a, so nothing
//! here rounds by adding and taking away.

use std::collections::BTreeSet;

use super::kernel::spelled;
use crate::backend::math::table;
use crate::backend::random::{MULTIPLIER_0, MULTIPLIER_1, ROUNDS, WEYL_0, WEYL_1};

/// A function of the library of kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Function {
    FromBits,
    IsNan,
    IsFinite,
    Exp,
    LogNear,
    Log,
    Tanh,
    Sigmoid,
    Softplus,
    Erf,
    Turn,
    High,
    Reduced,
    Sin,
    Cos,
    Relu,
    Heaviside,
    Sign,
    Root,
    Power,
    Minimum,
    Maximum,
    Philox,
    Uniform,
    Normals,
}

impl Function {
    /// Adds it and all that it calls.
    pub fn require(self, all: &mut BTreeSet<Self>) {
        if all.insert(self) {
            self.needs().iter().for_each(|f| f.require(all));
        }
    }

    fn needs(self) -> &'static [Self] {
        match self {
            Self::FromBits
            | Self::IsNan
            | Self::IsFinite
            | Self::Turn
            | Self::High
            | Self::Uniform
            | Self::Relu
            | Self::Heaviside
            | Self::Power
            | Self::LogNear => &[],
            Self::Exp | Self::Sign => &[Self::IsNan],
            Self::Root => &[Self::FromBits],
            Self::Log => &[Self::FromBits, Self::LogNear],
            Self::Tanh | Self::Sigmoid => &[Self::Exp],
            Self::Erf => &[Self::Exp, Self::IsNan],
            Self::Softplus => &[Self::Exp, Self::Log, Self::LogNear],
            Self::Reduced => &[Self::High],
            Self::Sin | Self::Cos => &[Self::Reduced, Self::Turn],
            Self::Minimum | Self::Maximum => &[Self::IsNan],
            Self::Philox => &[Self::High],
            Self::Normals => &[Self::Uniform, Self::Log, Self::Turn],
        }
    }

    /// The turns of its loop at most, if it has one.
    pub fn turns(self) -> Option<usize> {
        match self {
            Self::Philox => Some(ROUNDS),
            Self::Power => Some(u32::BITS as usize),
            _ => None,
        }
    }

    /// Its name in kernels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FromBits => "from_bits",
            Self::IsNan => "is_nan",
            Self::IsFinite => "is_finite",
            Self::Exp => "exp_",
            Self::LogNear => "log_near",
            Self::Log => "log_",
            Self::Tanh => "tanh_",
            Self::Sigmoid => "sigmoid",
            Self::Softplus => "softplus",
            Self::Erf => "erf",
            Self::Turn => "turn",
            Self::High => "high",
            Self::Reduced => "reduced",
            Self::Sin => "sin_",
            Self::Cos => "cos_",
            Self::Relu => "relu",
            Self::Heaviside => "heaviside",
            Self::Sign => "sign_",
            Self::Root => "root",
            Self::Power => "power",
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::Philox => "philox",
            Self::Uniform => "uniform_",
            Self::Normals => "normals",
        }
    }

    /// Its text.
    pub fn text(self) -> String {
        let c = spelled;
        match self {
            Self::FromBits => "fn from_bits(b: u32) -> f32 { return bitcast<f32>(b); }\n".to_owned(),
            Self::IsNan => {
                "fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }\n".to_owned()
            }
            Self::IsFinite => {
                "fn is_finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }\n".to_owned()
            }
            Self::Exp => exp(),
            Self::LogNear => log_near(),
            Self::Log => log(),
            Self::Tanh => tanh(),
            Self::Sigmoid => "fn sigmoid(x: f32) -> f32 { return 1.0f / (1.0f + exp_(-x)); }\n".to_owned(),
            Self::Softplus => "fn softplus(x: f32) -> f32 {
  let e = exp_(-abs(x));
  // Below 4/3 the mantissa of 1 + e is all of it, and e need not be rounded.
  let small = select(log_(1.0f + e), log_near(e), e < 0.333f);
  return select(small, x + small, x > 0.0f);
}
"
            .to_owned(),
            Self::Erf => erf(),
            Self::Turn => turn(),
            // The upper half of a product, from products of halves.
            Self::High => "fn high(a: u32, b: u32) -> u32 {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let low = al * bl;
  let mid = ah * bl + (low >> 16u);
  let cross = al * bh + (mid & 0xffffu);
  return ah * bh + (mid >> 16u) + (cross >> 16u);
}
"
            .to_owned(),
            Self::Reduced => reduced(),
            Self::Sin => {
                "fn sin_(x: f32) -> f32 { let r = reduced(x); return turn(bitcast<f32>(r.x), bitcast<i32>(r.y)).x; }\n"
                    .to_owned()
            }
            Self::Cos => {
                "fn cos_(x: f32) -> f32 { let r = reduced(x); return turn(bitcast<f32>(r.x), bitcast<i32>(r.y)).y; }\n"
                    .to_owned()
            }
            // What is negative, and no NaN, by its bits: a driver may turn x < 0 into the opposite of x ≥ 0.
            Self::Relu => "fn relu(x: f32) -> f32 {
  let b = bitcast<u32>(x);
  return select(x, 0.0f, b > 0x80000000u && b <= 0xff800000u);
}
"
            .to_owned(),
            Self::Heaviside => "fn heaviside(x: f32) -> f32 {
  let b = bitcast<u32>(x);
  return select(0.0f, 1.0f, b > 0u && b <= 0x7f800000u);
}
"
            .to_owned(),
            Self::Sign => {
                "fn sign_(x: f32) -> f32 { return select(select(select(x, -1.0f, x < 0.0f), 1.0f, x > 0.0f), x, is_nan(x)); }\n".to_owned()
            }
            Self::Root => {
                "fn root(x: f32) -> f32 { return select(from_bits(0x7fc00000u), sqrt(x), x >= 0.0f); }\n".to_owned()
            }
            Self::Power => "fn power(x: f32, n: u32) -> f32 {
  var base = x;
  var out = 1.0f;
  for (var left = n; left > 0u; left = left >> 1u) {
    if ((left & 1u) == 1u) { out = out * base; }
    base = base * base;
  }
  return out;
}
"
            .to_owned(),
            Self::Minimum => {
                "fn minimum(a: f32, b: f32) -> f32 { return select(b, a, (a < b && !is_nan(b)) || is_nan(a)); }\n".to_owned()
            }
            Self::Maximum => {
                "fn maximum(a: f32, b: f32) -> f32 { return select(b, a, (a > b && !is_nan(b)) || is_nan(a)); }\n".to_owned()
            }
            Self::Philox => format!(
                "fn philox(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {{
  var c = counter;
  var k = key;
  for (var round = 0u; round < {ROUNDS}u; round++) {{
    c = vec4<u32>(
      high(c.z, 0x{MULTIPLIER_1:x}u) ^ c.y ^ k.x, c.z * 0x{MULTIPLIER_1:x}u,
      high(c.x, 0x{MULTIPLIER_0:x}u) ^ c.w ^ k.y, c.x * 0x{MULTIPLIER_0:x}u);
    k = k + vec2<u32>(0x{WEYL_0:x}u, 0x{WEYL_1:x}u);
  }}
  return c;
}}
"
            ),
            Self::Uniform => {
                format!("fn uniform_(w: u32) -> f32 {{ return (f32(w >> 9u) + 0.5f) * {}; }}\n", c(1.0 / 8_388_608.0))
            }
            Self::Normals => format!(
                "fn normals(a: u32, b: u32) -> vec2<f32> {{
  let r = sqrt(-2.0f * log_(uniform_(a)));
  let u = uniform_(b);
  let n = round(u * 4.0f);
  let s = turn((u - n * 0.25f) * {tau}, i32(n));
  return vec2<f32>(r * s.y, r * s.x);
}}
",
                tau = c(std::f32::consts::TAU),
            ),
        }
    }
}

/// `name = fma(fma(first, x, c₁), x, c₂)…`
fn horner(first: &str, x: &str, coefficients: &[f32]) -> String {
    coefficients.iter().fold(first.to_owned(), |p, c| format!("fma({p}, {x}, {})", spelled(*c)))
}

fn polynomial(x: &str, coefficients: &[f32]) -> String {
    horner(&spelled(coefficients[0]), x, &coefficients[1..])
}

fn exp() -> String {
    format!(
        "fn exp_(x: f32) -> f32 {{
  let a = select(x, 90.0f, x > 90.0f);
  let c = select(a, -105.0f, a < -105.0f);
  let n = round(c * {log2e});
  let k = i32(n);
  var r = fma(-n, {high}, c);
  r = fma(-n, {low}, r);
  let p = fma({p} * r, r, r) + 1.0f;
  let half = k >> 1u;
  let rest = k - half;
  let scaled = p * bitcast<f32>(u32(half + 127) << 23u) * bitcast<f32>(u32(rest + 127) << 23u);
  return select(scaled, x, is_nan(x));
}}
",
        log2e = spelled(std::f32::consts::LOG2_E),
        high = spelled(table::LN_2[0]),
        low = spelled(table::LN_2[1]),
        p = horner(&polynomial("r", &table::EXP), "r", &[0.5]),
    )
}

/// What is below the smallest normal number is taken for it: drivers may flush it to zero anyway.
fn log() -> String {
    format!(
        "fn log_(x: f32) -> f32 {{
  let given = bitcast<u32>(x);
  if (given >= 0x7f800000u) {{
    return select(from_bits(select(0x7fc00000u, 0xff800000u, given == 0x80000000u)), x, given == 0x7f800000u);
  }}
  if (given == 0u) {{ return from_bits(0xff800000u); }}
  let tiny = given < 0x800000u;
  // A number below the normal ones is its bits, scaled: the conversion is exact.
  let bits = select(given, bitcast<u32>(f32(given)), tiny);
  let e = bitcast<i32>(bits - 0x{mantissa:x}u) >> 23u;
  let m = bitcast<f32>(bits - (bitcast<u32>(e) << 23u));
  let n = f32(e) - select(0.0f, 149.0f, tiny);
  return fma(n, {ln2}, log_near(m - 1.0f));
}}
",
        mantissa = table::MANTISSA,
        ln2 = spelled(std::f32::consts::LN_2),
    )
}

/// ln(1 + f) for −1/3 ≤ f < 1/3.
fn log_near() -> String {
    let pairs: Vec<String> = table::LOG_ODD
        .iter()
        .zip(&table::LOG_EVEN)
        .map(|(odd, even)| format!("fma({}, f, {})", spelled(*odd), spelled(*even)))
        .collect();
    let series = pairs[1..].iter().fold(pairs[0].clone(), |r, t| format!("fma({r}, s, {t})"));
    format!(
        "fn log_near(f: f32) -> f32 {{
  let s = f * f;
  let r = fma({series}, f, -0.5f);
  return fma(r, s, f);
}}
"
    )
}

fn tanh() -> String {
    format!(
        "fn tanh_(x: f32) -> f32 {{
  let a = abs(x);
  let s = x * x;
  let near = fma({p} * s, x, x);
  let far = 1.0f - 2.0f / (exp_(2.0f * a) + 1.0f);
  let signed = bitcast<f32>(bitcast<u32>(far) | (bitcast<u32>(x) & 0x80000000u));
  return select(signed, near, a < {end});
}}
",
        p = polynomial("s", &table::TANH),
        end = spelled(table::TANH_NEAR),
    )
}

fn erf() -> String {
    let far = table::ERF_FAR;
    let first = format!(
        "fma(fma({}, t, {}), s, fma({}, t, {}))",
        spelled(far[0]),
        spelled(far[1]),
        spelled(far[2]),
        spelled(far[3])
    );
    format!(
        "fn erf(x: f32) -> f32 {{
  let t = abs(x);
  let s = x * x;
  var r = {series};
  r = fma(r, t, -t);
  let far = select(1.0f - exp_(r), 1.0f, t > 4.0f);
  let signed = bitcast<f32>(bitcast<u32>(far) | (bitcast<u32>(x) & 0x80000000u));
  let near = fma({p}, x, x);
  return select(select(near, signed, t > {end}), x, is_nan(x));
}}
",
        series = horner(&first, "t", &far[4..]),
        p = polynomial("s", &table::ERF),
        end = spelled(table::ERF_NEAR),
    )
}

fn turn() -> String {
    format!(
        "fn turn(r: f32, q: i32) -> vec2<f32> {{
  let s = r * r;
  let sine = fma({sin} * s, r, r);
  let cosine = fma({cos} * s, s, fma(-0.5f, s, 1.0f));
  let odd = (q & 1) != 0;
  let a = select(sine, cosine, odd);
  let b = select(cosine, sine, odd);
  return vec2<f32>(
    bitcast<f32>(bitcast<u32>(a) ^ (bitcast<u32>(q & 2) << 30u)),
    bitcast<f32>(bitcast<u32>(b) ^ (bitcast<u32>((q + 1) & 2) << 30u)));
}}
",
        sin = polynomial("s", &table::SIN),
        cos = polynomial("s", &table::COS),
    )
}

/// x = r + q·π/2. Below 2¹² quarter turns π/2 is taken away in four parts whose multiples are exact; beyond, the product
/// of the mantissa and 2/π is taken in 96 bits from where it matters.
///
/// Source: Cody and Waite, Software manual for the elementary functions, 1980; Payne and Hanek, Radian reduction for
/// trigonometric functions, SIGNUM 1983.
fn reduced() -> String {
    let parts = HALF_PI.map(spelled);
    let words: Vec<String> = TWO_OVER_PI.iter().map(|w| format!("0x{w:x}u")).collect();
    format!(
        "fn reduced(x: f32) -> vec2<u32> {{
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  if (bits >= 0x7f800000u) {{ return vec2<u32>(0x7fc00000u, 0u); }}
  if (bits < 0x45800000u) {{
    let n = round(x * {scale});
    var r = fma(-n, {p0}, x);
    r = fma(-n, {p1}, r);
    r = fma(-n, {p2}, r);
    r = fma(-n, {p3}, r);
    return vec2<u32>(bitcast<u32>(r), bitcast<u32>(i32(n)));
  }}
  var table = array<u32, {length}>({words});
  let e = (bits >> 23u) - 126u;
  let m = (bits << 8u) | 0x80000000u;
  let at = e >> 5u;
  let by = e & 31u;
  var a = select(0u, table[max(at, 1u) - 1u], at > 0u);
  var b = table[at];
  var c = table[at + 1u];
  let d = table[at + 2u];
  if (by > 0u) {{
    a = (a << by) | (b >> (32u - by));
    b = (b << by) | (c >> (32u - by));
    c = (c << by) | (d >> (32u - by));
  }}
  let low = m * b + high(m, c);
  var top = m * a + high(m, b) + select(0u, 1u, low < m * b);
  var under = low;
  var q = i32(top >> 30u);
  top = top & 0x3fffffffu;
  let over = (top & 0x20000000u) != 0u;
  if (over) {{
    q = q + 1;
    // The distance to the next quarter turn.
    under = ~under + 1u;
    top = (0x3fffffffu - top) + select(0u, 1u, under == 0u);
  }}
  // The leading 32 bits of what is left, wherever they start.
  let zeros = select(countLeadingZeros(top), 32u + countLeadingZeros(under), top == 0u);
  var lead = 0u;
  if (zeros < 32u) {{
    lead = top << zeros;
    if (zeros > 0u) {{ lead = lead | (under >> (32u - zeros)); }}
  }} else if (zeros < 64u) {{
    lead = under << (zeros - 32u);
  }}
  let r = f32(lead) * {quarter} * bitcast<f32>((127u + 2u - zeros) << 23u);
  let back = (bitcast<u32>(x) >> 31u) != 0u;
  return vec2<u32>(bitcast<u32>(select(r, -r, over != back)), bitcast<u32>(select(q, -q, back)));
}}
",
        scale = spelled(std::f32::consts::FRAC_2_PI),
        p0 = parts[0],
        p1 = parts[1],
        p2 = parts[2],
        p3 = parts[3],
        length = words.len(),
        words = words.join(", "),
        quarter = spelled(std::f32::consts::FRAC_PI_2 / 4_294_967_296.0),
    )
}

/// π/2 as a sum; the first three have 11 bits, so that their multiples below 2¹³ are exact.
const HALF_PI: [f32; 4] = [1.570_312_5, 4.837_513e-4, 7.549_533_6e-8, 2.563_344e-12];

/// The bits of 2/π behind the point, two places further right.
const TWO_OVER_PI: [u32; 8] =
    [0x28be_60db, 0x9391_054a, 0x7f09_d5f4, 0x7d4d_3770, 0x36d8_a566, 0x4f10_e410, 0x7f94_58ea, 0xf7ae_f158];
