//! One key for all spellings of a name, and the way to its ASCII and its Unicode spelling.
//!
//! After NFC: a Greek letter is its Latin name (`σ` = `sigma`), a mark above is a word after a low line (`x̂` = `x_hat`),
//! subscript digits are digits after a low line (`x₀` = `x_0`), `ℝ` is `R` and `ℓ` is `ell`. The key is the ASCII
//! spelling, so a name that went to ASCII and back to Unicode is the same name.

use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::decompose_canonical;

use super::{Name, Span, Symbol};

/// Letters and the names that fold to one key; the first letter of a name is the one that `to_unicode` writes.
const LETTERS: &[(char, &str)] = &[
    ('α', "alpha"),
    ('β', "beta"),
    ('γ', "gamma"),
    ('δ', "delta"),
    ('ε', "epsilon"),
    ('ϵ', "epsilon"),
    ('ζ', "zeta"),
    ('η', "eta"),
    ('θ', "theta"),
    ('ϑ', "theta"),
    ('ι', "iota"),
    ('κ', "kappa"),
    ('ϰ', "kappa"),
    ('λ', "lambda"),
    ('μ', "mu"),
    ('µ', "mu"),
    ('ν', "nu"),
    ('ξ', "xi"),
    ('ο', "omicron"),
    ('π', "pi"),
    ('ϖ', "pi"),
    ('ρ', "rho"),
    ('ϱ', "rho"),
    ('σ', "sigma"),
    ('ς', "sigma"),
    ('τ', "tau"),
    ('υ', "upsilon"),
    ('φ', "phi"),
    ('ϕ', "phi"),
    ('χ', "chi"),
    ('ψ', "psi"),
    ('ω', "omega"),
    ('Γ', "Gamma"),
    ('Δ', "Delta"),
    ('Θ', "Theta"),
    ('Λ', "Lambda"),
    ('Ξ', "Xi"),
    ('Π', "Pi"),
    ('Σ', "Sigma"),
    ('Υ', "Upsilon"),
    ('Φ', "Phi"),
    ('Ψ', "Psi"),
    ('Ω', "Omega"),
    ('ℓ', "ell"),
    ('ℝ', "R"),
    ('ℕ', "Nat"),
];

const MARKS: &[(char, &str)] = &[('\u{302}', "hat"), ('\u{303}', "tilde"), ('\u{304}', "bar"), ('\u{307}', "dot")];

/// The key of a name.
pub fn fold(text: &str) -> Symbol {
    if text.is_ascii() { Symbol::folded(text) } else { Symbol::folded(&to_ascii(text)) }
}

/// A name at its place.
pub fn name(text: &str, span: Span) -> Name {
    if text.is_ascii() {
        let key = Symbol::folded(text);
        return Name { text: Arc::from(text), key, span };
    }
    let composed: String = text.nfc().collect();
    Name { key: fold(&composed), text: Arc::from(composed), span }
}

/// The ASCII spelling, which is also the key. Letters of other scripts stay, for there is no other way to write them.
pub fn to_ascii(text: &str) -> String {
    let mut out = String::new();
    let mut in_subscript = false;
    for composed in text.nfc() {
        if let Some(digit) = subscript_digit(composed) {
            if !in_subscript {
                out.push('_');
            }
            out.push(digit);
            in_subscript = true;
            continue;
        }
        in_subscript = false;
        push_letter(composed, &mut out);
    }
    out
}

fn push_letter(letter: char, out: &mut String) {
    if letter.is_ascii() {
        out.push(letter);
        return;
    }
    if let Some((_, latin)) = LETTERS.iter().find(|(greek, _)| *greek == letter) {
        out.push_str(latin);
        return;
    }
    if let Some((_, word)) = MARKS.iter().find(|(mark, _)| *mark == letter) {
        out.push('_');
        out.push_str(word);
        return;
    }
    let mut parts = Vec::new();
    decompose_canonical(letter, |part| parts.push(part));
    if parts.len() > 1 && parts[1..].iter().all(|part| MARKS.iter().any(|(mark, _)| mark == part)) {
        for part in parts {
            push_letter(part, out);
        }
    } else {
        out.push(letter);
    }
}

/// The Unicode spelling: Latin names of Greek letters, `_hat` and its kin after one letter, and a last `_0` become signs.
/// `Sigma` and `Delta` stay, since `Σ` and `Δ` are operators, and so do `R`, `Nat`.
pub fn to_unicode(text: &str) -> String {
    let key = to_ascii(text);
    let mut out = String::new();
    let words: Vec<&str> = key.split('_').collect();
    let last = words.len() - 1;
    let mut after_letter = false;
    for (at, word) in words.iter().enumerate() {
        let mark = MARKS.iter().find(|(_, name)| name == word).filter(|_| after_letter);
        if let Some((mark, _)) = mark {
            out.push(*mark);
            after_letter = false;
            continue;
        }
        let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        if digits && at == last && at > 0 && !words[at - 1].is_empty() {
            out.extend(word.bytes().filter_map(|byte| char::from_u32('₀' as u32 + u32::from(byte - b'0'))));
            continue;
        }
        if at > 0 {
            out.push('_');
        }
        let written = unicode_word(word);
        after_letter = written.chars().count() == 1 && at == 0;
        out.push_str(&written);
    }
    // A spelling that would not fold back is no spelling of this name.
    let composed: String = out.nfc().collect();
    if to_ascii(&composed) == key { composed } else { text.nfc().collect() }
}

/// One word between low lines: a Greek letter by its name, digits after it kept.
fn unicode_word(word: &str) -> String {
    let letters = word.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let greek = LETTERS.iter().find(|(sign, latin)| *latin == letters && !matches!(sign, 'Δ' | 'Σ' | 'ℝ' | 'ℕ'));
    match greek {
        Some((sign, _)) => format!("{sign}{}", &word[letters.len()..]),
        None => word.to_owned(),
    }
}

fn subscript_digit(letter: char) -> Option<char> {
    let at = (letter as u32).checked_sub('₀' as u32).filter(|at| *at < 10)?;
    char::from_digit(at, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greek_and_ascii_are_one_name() {
        for (greek, latin) in [
            ("σ", "sigma"),
            ("λ0", "lambda0"),
            ("Γ", "Gamma"),
            ("ϕ", "phi"),
            ("φ", "phi"),
            ("ϵ", "epsilon"),
            ("x̂", "x_hat"),
            ("σ̂₁₂", "sigma_hat_12"),
            ("â", "a_hat"),
            ("b_σ", "b_sigma"),
            ("ℓ", "ell"),
            ("x₀", "x_0"),
        ] {
            assert_eq!(fold(greek), fold(latin), "{greek}");
            assert_eq!(to_ascii(greek), latin);
        }
        assert_ne!(fold("x0"), fold("x₀"));
    }

    #[test]
    fn spellings_are_stable() {
        for text in [
            "σ",
            "σ̂",
            "λ0",
            "x₁₂",
            "x_1_2",
            "b_σ",
            "â",
            "alphabet",
            "_x",
            "x_",
            "Sigma",
            "R",
            "ϕ",
            "x__0",
            "sigma_hat",
            "λσ",
        ] {
            let ascii = to_ascii(text);
            let unicode = to_unicode(&ascii);
            assert_eq!(to_ascii(&unicode), ascii, "{text}");
            assert_eq!(to_unicode(&unicode), unicode, "{text}");
        }
        assert_eq!(to_unicode("sigma_hat_0"), "σ̂₀");
        assert_eq!(to_unicode("alphabet"), "alphabet");
        assert_eq!(to_unicode("b_sigma"), "b_σ");
    }
}
