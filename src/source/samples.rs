//! Files that hold a set of samples: `.npy` as NumPy writes it, and `.csv`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ndarray::{ArrayD, IxDyn, ShapeBuilder};

use super::errors::{LARGEST_DATA, NoSamples, TooMuchData, Unreadable};
use super::read::{bytes_of, reason};
use super::{SourceMap, Span, Tensors};
use crate::diagnostic::Report;

impl Tensors {
    /// The name of the one entry of a file of samples. *Shapes*: `[n]` or `[n, d]`, a sample per row.
    pub const SAMPLES: &'static str = "samples";

    /// The samples of a file of samples.
    ///
    /// # Panics
    /// For any other file.
    pub fn samples(&self) -> &ArrayD<f64> {
        &self.entries[Self::SAMPLES]
    }
}

impl SourceMap {
    /// Reads a file of samples, once.
    ///
    /// # Errors
    /// [`Unreadable`], [`TooMuchData`] (more than 1 GiB; no more than that is read), [`NoSamples`].
    pub fn samples(&mut self, path: &Path, shown: &str, at: Span) -> Result<Arc<Tensors>, Report> {
        if let Some(known) = self.data.iter().find(|known| known.shown == shown) {
            return Ok(known.clone());
        }
        let refused = |found: String| Report::new(NoSamples { path: shown.to_owned(), found, at });
        let read: fn(&[u8]) -> Result<ArrayD<f64>, String> =
            match path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase).as_deref() {
                Some("npy") => from_npy,
                Some("csv") => from_csv,
                _ => return Err(refused("a name with another ending".to_owned())),
            };
        let bytes = bytes_of(path, LARGEST_DATA + 1).map_err(|error| {
            Report::new(Unreadable { path: shown.to_owned(), reason: reason(&error), at: Some(at) })
        })?;
        if bytes.len() as u64 > LARGEST_DATA {
            return Err(Report::new(TooMuchData { path: shown.to_owned(), at }));
        }
        let samples = read(&bytes).and_then(sound).map_err(refused)?;
        let entries = BTreeMap::from([(Tensors::SAMPLES.to_owned(), samples)]);
        let tensors = Arc::new(Tensors { shown: shown.to_owned(), bytes: bytes.into(), entries });
        self.data.push(tensors.clone());
        Ok(tensors)
    }
}

/// Finite numbers, one or a vector of them per row.
fn sound(samples: ArrayD<f64>) -> Result<ArrayD<f64>, String> {
    let shape = samples.shape();
    if !matches!(shape, [_] | [_, _]) {
        return Err(format!("an array of shape {shape:?}"));
    }
    if samples.is_empty() {
        return Err(format!("no numbers, in an array of shape {shape:?}"));
    }
    let width = shape.get(1).copied().unwrap_or(1);
    match samples.iter().position(|x| !x.is_finite()) {
        Some(place) => {
            let bad = samples.iter().nth(place).copied().unwrap_or(f64::NAN);
            Err(format!("the entry {bad} in row {}", place / width + 1))
        }
        None => Ok(samples),
    }
}

/// *Source*: the format of versions 1 to 3 as in the documentation of `numpy.lib.format`.
fn from_npy(bytes: &[u8]) -> Result<ArrayD<f64>, String> {
    let cut = || "a file that was cut short".to_owned();
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("another beginning than that of a .npy file")?;
    let (version, rest) = rest.split_at_checked(2).ok_or_else(cut)?;
    // The length of the header has two bytes in version 1 and four in later ones.
    let width = match version[0] {
        1 => 2,
        2 | 3 => 4,
        other => return Err(format!("version {other} of the format .npy")),
    };
    let (length, rest) = rest.split_at_checked(width).ok_or_else(cut)?;
    let length = length.iter().rev().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    let (header, entries) = rest.split_at_checked(length).ok_or_else(cut)?;
    let header = std::str::from_utf8(header).map_err(|_| "a header that is no text".to_owned())?;
    let broken = || format!("the header `{}`", header.trim());

    let kind = field(header, "descr").and_then(|rest| {
        let inner = rest.strip_prefix('\'')?;
        inner.split_once('\'').map(|(kind, _)| kind)
    });
    let kind = kind.ok_or_else(|| match field(header, "descr") {
        Some(rest) if rest.starts_with('[') => "entries of several fields".to_owned(),
        _ => broken(),
    })?;
    let columns_first = field(header, "fortran_order").ok_or_else(broken)?.starts_with("True");
    let shape = field(header, "shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')')).ok_or_else(broken)?.0;
    let shape: Vec<usize> = shape
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().map_err(|_| broken()))
        .collect::<Result<_, _>>()?;

    let count = shape.iter().try_fold(1_usize, |product, n| product.checked_mul(*n)).ok_or_else(broken)?;
    let (size, number) = reader(kind)?;
    let expected = count.checked_mul(size).ok_or_else(broken)?;
    if entries.len() != expected {
        return Err(format!("{} bytes of entries for the shape {shape:?}, which takes {expected}", entries.len()));
    }
    let numbers: Vec<f64> = entries.chunks_exact(size).map(number).collect();
    let order = IxDyn(&shape).set_f(columns_first);
    let array = ArrayD::from_shape_vec(order, numbers).map_err(|why| why.to_string())?;
    Ok(array.as_standard_layout().into_owned())
}

/// What stands behind a key of the header, which is written as a dictionary of Python.
fn field<'t>(header: &'t str, key: &str) -> Option<&'t str> {
    let (_, rest) = header.split_once(&format!("'{key}'"))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

type Number = fn(&[u8]) -> f64;

/// The bytes of an entry of this kind, and the number in them.
fn reader(kind: &str) -> Result<(usize, Number), String> {
    macro_rules! number {
        ($ty:ty, $whole:expr) => {{
            let read: Number = |bytes| {
                let mut whole = [0; size_of::<$ty>()];
                whole.copy_from_slice(bytes);
                $whole(<$ty>::from_le_bytes(whole))
            };
            Ok((size_of::<$ty>(), read))
        }};
    }
    match kind {
        "<f4" => number!(f32, f64::from),
        "<f8" => number!(f64, std::convert::identity),
        "|i1" => number!(i8, f64::from),
        "<i2" => number!(i16, f64::from),
        "<i4" => number!(i32, f64::from),
        "<i8" => number!(i64, |x| x as f64),
        "|u1" | "|b1" => number!(u8, f64::from),
        "<u2" => number!(u16, f64::from),
        "<u4" => number!(u32, f64::from),
        "<u8" => number!(u64, |x| x as f64),
        "|O" | "O" => Err("Python objects for entries".to_owned()),
        other => Err(format!("entries of the type `{other}`")),
    }
}

/// Numbers with commas between them, a sample per line; the first line may hold names.
fn from_csv(bytes: &[u8]) -> Result<ArrayD<f64>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "a file that is no text".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut numbers = Vec::new();
    let mut width = None;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let words: Vec<&str> = line.split(',').map(|word| word.trim().trim_matches('"')).collect();
        let row: Vec<Option<f64>> = words.iter().map(|word| word.parse().ok()).collect();
        if number == 0 && row.iter().all(Option::is_none) {
            continue;
        }
        for (word, value) in words.iter().zip(&row) {
            numbers.push(value.ok_or_else(|| format!("`{word}` in line {}", number + 1))?);
        }
        let known = *width.get_or_insert(row.len());
        if row.len() != known {
            let entries = |n: usize| if n == 1 { "1 number".to_owned() } else { format!("{n} numbers") };
            return Err(format!("{} in line {} after lines of {known}", entries(row.len()), number + 1));
        }
    }
    let width = width.ok_or("no numbers")?;
    let rows = numbers.len() / width;
    let shape = if width == 1 { vec![rows] } else { vec![rows, width] };
    ArrayD::from_shape_vec(IxDyn(&shape), numbers).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as NumPy writes it.
    fn npy(version: u8, header: &str, entries: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend([version, 0]);
        if version == 1 {
            bytes.extend((header.len() as u16).to_le_bytes());
        } else {
            bytes.extend((header.len() as u32).to_le_bytes());
        }
        bytes.extend(header.as_bytes());
        bytes.extend(entries);
        bytes
    }

    fn doubles(numbers: &[f64]) -> Vec<u8> {
        numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
    }

    #[test]
    fn arrays_are_read_in_both_orders() {
        let rows = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }          \n";
        let columns = rows.replace("False", "True");
        let a = from_npy(&npy(1, rows, &doubles(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))).expect("it is sound");
        let b = from_npy(&npy(2, &columns, &doubles(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]))).expect("it is sound");
        assert_eq!(a, b);
        assert_eq!(a.shape(), [2, 3]);
        assert_eq!(a[[1, 0]], 4.0);
    }

    #[test]
    fn every_kind_of_number_is_read() {
        for (kind, entries) in [
            ("<f4", (-2.0_f32).to_le_bytes().to_vec()),
            ("<f8", (-2.0_f64).to_le_bytes().to_vec()),
            ("|i1", (-2_i8).to_le_bytes().to_vec()),
            ("<i2", (-2_i16).to_le_bytes().to_vec()),
            ("<i4", (-2_i32).to_le_bytes().to_vec()),
            ("<i8", (-2_i64).to_le_bytes().to_vec()),
        ] {
            let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (1,), }}\n");
            assert_eq!(from_npy(&npy(1, &header, &entries)).map(|x| x[[0]]), Ok(-2.0), "{kind}");
        }
        let header = "{'descr': '<u4', 'fortran_order': False, 'shape': (1,), }\n";
        assert_eq!(from_npy(&npy(3, header, &4_000_000_000_u32.to_le_bytes())).map(|x| x[[0]]), Ok(4e9));
    }

    #[test]
    fn what_is_no_array_is_said() {
        let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }\n";
        let whole = npy(1, header, &doubles(&[1.0, 2.0, 3.0]));
        for length in 0..whole.len() {
            assert!(from_npy(&whole[..length]).is_err(), "cut to {length} bytes");
        }
        for bad in ["{'descr': '<f8', 'fortran_order': False, 'shape': 3}", "{}", "{'descr': [('x', '<f8')]}"] {
            assert!(from_npy(&npy(1, bad, &[])).is_err(), "{bad}");
        }
        let huge = "{'descr': '<f8', 'fortran_order': False, 'shape': (18446744073709551615, 2), }";
        assert!(from_npy(&npy(1, huge, &[])).is_err());
    }

    #[test]
    fn lines_of_numbers_are_read() {
        let table = from_csv(b"x, y\n1, 2\r\n3.5,-4e-1\n\n").expect("it is sound");
        assert_eq!(table.shape(), [2, 2]);
        assert_eq!(table.iter().copied().collect::<Vec<_>>(), [1.0, 2.0, 3.5, -0.4]);
        assert_eq!(from_csv(b"1\n2\n3").expect("it is sound").shape(), [3]);
        assert!(from_csv(b"1,2\n3").is_err() && from_csv(b"").is_err() && from_csv(b"x,y\n").is_err());
        // A word after numbers is no header.
        assert!(from_csv(b"1,2\nx,y\n").is_err() && from_csv(b"x,1\n2,3\n").is_err());
    }
}
