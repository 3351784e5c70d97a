//! Nets whose parameters come from a file.

use std::fs;

use serde_json::Value;

use super::{SMALL, end, folder, json, put};

/// The small experiment with another net.
fn with(net: &str) -> String {
    SMALL.replace("net V(x: R[d], t: R) -> R[d] = mlp([4])(x, t)", net)
}

const OWN: &str = "net V(x: R[d], t: R) -> R[d] = mlp([4])(x, t)";

#[test]
fn a_net_goes_on_from_a_file_and_a_frozen_one_stays() {
    let folder = folder();
    let at = |result: &Value, i: usize| {
        result["cells"][0]["quantities"]["cost"]["history"][i][1].as_f64().expect("a number")
    };
    let trained = json(&folder, &["small.soc", "--out", "here", "--set", "measure.batch=4096"]);
    put(&folder, "again.soc", with(&format!("{OWN} from \"here/params.safetensors\"")));
    let begun = json(&folder, &["again.soc", "--set", "measure.batch=4096"]);
    // The noise of a measurement depends on the step.
    let (first, untrained, end_of_training) = (at(&begun, 0), at(&trained, 0), at(&trained, 3));
    let gained = untrained - end_of_training;
    assert!((first - end_of_training).abs() < 0.5 * gained.abs(), "{first}, {untrained}, {end_of_training}");

    let base = format!("frozen {} from \"here/params.safetensors\" as \"V\"", OWN.replace("net V", "net B"));
    let both = format!("{base}\n{OWN}");
    let text = with(&both).replace("*V(x, t)", "*(B(x, t) + 0*V(x, t))");
    put(&folder, "frozen.soc", &text);
    let frozen = json(&folder, &["frozen.soc", "--set", "measure.batch=4096"]);
    // The same parameters and the same noise, and a sum with zero more.
    assert!((at(&frozen, 0) - first).abs() < 1e-6 * first.abs());
    let manifest = fs::read_to_string(folder.path().join("here/manifest.ron")).expect("a manifest");
    assert!(!manifest.contains("params.safetensors"), "the first run reads no file of numbers");
}

#[test]
fn what_does_not_fit_is_listed() {
    let folder = folder();
    assert_eq!(end(&folder, &["small.soc", "-q", "--out", "here"]).0, 0);
    let from = |net: &str, file: &str| format!("{net} from \"{file}\"");
    put(&folder, "wide.soc", with(&from(&OWN.replace("mlp([4])", "mlp([5])"), "here/params.safetensors")));
    let (code, _, stderr) = end(&folder, &["wide.soc"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!("stored_differs", stderr);
    let other = with(&from(&OWN.replace("net V", "net N"), "here/params.safetensors")).replace("V(x", "N(x");
    put(&folder, "named.soc", other.replace("over V", "over N"));
    let (code, _, stderr) = end(&folder, &["named.soc"]);
    assert!(code == 1 && stderr.contains("N.0.") && stderr.contains("V.0.") && stderr.contains("as \""), "{stderr}");

    let whole = fs::read(folder.path().join("here/params.safetensors")).expect("a file");
    for (name, bytes) in [("cut.safetensors", &whole[..whole.len() - 3]), ("text.safetensors", b"numbers")] {
        put(&folder, name, bytes);
        put(&folder, "small.soc", with(&from(OWN, name)));
        let (code, _, stderr) = end(&folder, &["small.soc"]);
        assert!(code == 1 && stderr.contains("soc::data") && stderr.contains("named here"), "{stderr}");
    }
    put(&folder, "small.soc", with(&from(OWN, "nowhere.safetensors")));
    let (code, _, stderr) = end(&folder, &["small.soc"]);
    assert!(code == 1 && stderr.contains("no such file"), "{code}: {stderr}");
    put(&folder, "small.soc", with(&from(OWN, "../params.safetensors")));
    let (code, _, stderr) = end(&folder, &["small.soc"]);
    assert!(code == 1 && stderr.contains("leaves the root"), "{stderr}");
}
