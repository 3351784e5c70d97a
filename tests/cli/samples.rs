//! Files of samples that cannot be used.

use std::fmt::Write as _;

use super::{end, folder, put};

/// A file as NumPy writes it.
fn npy(header: &str, entries: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(entries);
    bytes
}

const TEXT: &str = "
let p = empirical(\"FILE\")
measure {
  batch 8
  x ~ p
  let mean = E[ x[1] ]
}
table mean
";

#[test]
fn files_that_hold_no_samples_are_explained() {
    let folder = folder();
    let header = |kind: &str, shape: &str| format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    let doubles = |all: &[f64]| all.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let six = doubles(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    put(&folder, "cube.npy", npy(&header("<f8", "(1, 2, 3)"), &six));
    put(&folder, "objects.npy", npy(&header("|O", "(2, 3)"), &six));
    put(&folder, "complex.npy", npy(&header("<c16", "(3,)"), &six));
    put(&folder, "cut.npy", npy(&header("<f8", "(2, 4)"), &six));
    put(&folder, "infinite.npy", npy(&header("<f8", "(1, 2)"), &doubles(&[1.0, f64::INFINITY])));
    put(&folder, "empty.npy", npy(&header("<f8", "(0, 2)"), &[]));
    put(&folder, "words.npy", "1, 2");
    put(&folder, "words.csv", "x, y\n1, 2\n3, four\n");
    put(&folder, "ragged.csv", "1, 2\n3\n");
    put(&folder, "points.txt", "1, 2\n");
    let mut all = String::new();
    for name in [
        "cube.npy",
        "objects.npy",
        "complex.npy",
        "cut.npy",
        "infinite.npy",
        "empty.npy",
        "words.npy",
        "words.csv",
        "ragged.csv",
        "points.txt",
        "nowhere.npy",
        "../outside.npy",
    ] {
        put(&folder, "text.soc", TEXT.replace("FILE", name));
        let (code, _, stderr) = end(&folder, &["text.soc"]);
        let _ = writeln!(all, "exit {code}\n{stderr}");
    }
    // The folder has another name in every run.
    insta::assert_snapshot!(
        "no_samples",
        all.replace(&*folder.path().canonicalize().expect("it is there").to_string_lossy(), "…")
    );
}

#[test]
fn samples_of_another_size_are_a_matter_of_shapes() {
    let folder = folder();
    put(&folder, "three.csv", "1, 2, 3\n4, 5, 6\n");
    let text = "
let p = empirical(\"three.csv\")
problem fixed() {
  time t in 0..1
  state X: R[2]
  control u: R[2]
  noise W: R[2]
  dX = u dt + 1 dW
  X(0) ~ p
  cost = E[ |X(1)|² ]
}
problem P = fixed()
let name = 2
measure {
  batch 8  grid 2
  path X of P
  x ~ p
  y ~ empirical(name)
  let density = E[ log_density(p, x) ]
  let both = E[ log_density(mixture([p, normal(zeros[3], 1)]), x) ]
  let size = E[ |X(T)|² ]
}
table density, both, size
";
    put(&folder, "text.soc", text);
    let (code, _, stderr) = end(&folder, &["text.soc"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!("samples_elsewhere", stderr);
    put(&folder, "text.soc", TEXT.replace("FILE", "three.csv"));
    put(&folder, "other.csv", "1, 2\n");
    let (code, _, stderr) = end(&folder, &["text.soc", "--set", "p=empirical(\"other.csv\")"]);
    assert!(code == 1 && stderr.contains("--set p") && stderr.contains("not read"), "{code}: {stderr}");
    let manifest = folder.path().join("here/manifest.ron");
    assert_eq!(end(&folder, &["text.soc", "--out", "here"]).0, 0);
    assert!(std::fs::read_to_string(manifest).expect("a manifest").contains("three.csv"), "what was read is recorded");
}

#[test]
fn samples_are_drawn_before_a_loop() {
    let folder = folder();
    put(&folder, "numbers.csv", "1\n2\n4\n");
    let text = "
let p = empirical(\"numbers.csv\")
measure {
  batch 8
  y := 0
  repeat 3 times {
    x ~ p
    y := y + x
  }
  let sum = E[ y ]
}
table sum
";
    put(&folder, "text.soc", text);
    let (code, _, stderr) = end(&folder, &["text.soc"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!("samples_in_a_loop", stderr);
    put(&folder, "text.soc", text.replace("    x ~ p\n", "").replace("  y := 0\n", "  x ~ p\n  y := 0\n"));
    assert_eq!(end(&folder, &["text.soc"]).0, 0);
}
