//! Expectations, profiles, and sweeps side by side, interrupted and continued.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{SMALL, end, folder, put, read};

/// A sweep over a rate and seeds that expects something of each.
fn sweep() -> String {
    let text = SMALL.replace("let rate = 1e-2", "sweep rate in [1e-2, 1e-3], seed in 1..2");
    let text = text.replace("against step", "against step by rate, mean over seed");
    text.replace("table cost", "table cost by rate, mean over seed")
}

const CLAIMS: &str = "
expect cost < 3 by rate, mean over seed
expect cost[rate = 1e-2] < cost[rate = 1e-3] at step 16, mean over seed
expect cost in 2 ± 2 at the end by rate, mean over seed
expect cost < 1_500*d*rate by rate
expect cost[seed = 2] < 4 by rate
profile quick {
  steps 8  measure.batch 4
  sweep rate in [1e-2]
  expect cost < 4 at step 8 by rate, mean over seed
}
";

#[test]
fn verify_prints_expected_beside_found() {
    let folder = folder();
    put(&folder, "claims.soc", sweep() + CLAIMS);
    let (code, stdout, stderr) = end(&folder, &["verify", "claims.soc", "-q", "--backend", "reference"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    insta::assert_snapshot!("verified", stdout);
    assert!(!folder.path().join("runs").exists(), "verify writes nothing");
    let (code, stdout, _) = end(&folder, &["verify", "claims.soc", "-q", "--with", "quick", "--backend", "reference"]);
    assert_eq!(code, 0, "{stdout}");
    insta::assert_snapshot!("verified_quick", stdout);

    // A value that the command line leaves out of the sweep is no error of the file.
    let less = ["run", "claims.soc", "-q", "--backend", "reference", "--set", "rate=[1e-2]", "--out", "less"];
    let (code, stdout, _) = end(&folder, &less);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("open, a cell is missing"), "{stdout}");

    let (code, stdout, _) = end(&folder, &["verify", "claims.soc", "-q", "--json"]);
    let all: Value = serde_json::from_str(&stdout).expect("JSON");
    let claims = all[0]["expectations"].as_array().expect("expectations");
    assert_eq!((code, claims.len(), &all[0]["with"]), (0, 9, &Value::Null));
    assert_eq!((&claims[0]["holds"], &claims[0]["labels"]["rate"]), (&true.into(), &"1e-2".into()));
    assert_eq!(claims[2]["expected"], "cost[rate = 1e-2] < cost[rate = 1e-3] at step 16, mean over seed");
    assert!(claims[2]["standard_error"].as_f64().is_some_and(|error| error > 0.0), "{}", claims[2]);
}

#[test]
fn an_expectation_that_fails_ends_verify_with_5_and_a_run_with_0() {
    let folder = folder();
    put(&folder, "wrong.soc", SMALL.to_owned() + "expect cost < 1\nexpect cost > 0 at step 16\n");
    put(&folder, "right.soc", SMALL.to_owned() + "expect cost > 0\n");
    let (code, stdout, stderr) = end(&folder, &["verify", "wrong.soc", "right.soc", "-q"]);
    assert_eq!((code, stderr.as_str()), (5, ""));
    assert!(stdout.contains("fails") && stdout.contains("wrong.soc") && stdout.contains("right.soc"), "{stdout}");
    // A shortened run does not say, which is not holding either.
    let (code, stdout, _) = end(&folder, &["verify", "wrong.soc", "-q", "--steps", "4"]);
    assert!(code == 5 && stdout.contains("open, step 16 was not reached"), "{stdout}");
    let (code, stdout, _) = end(&folder, &["wrong.soc", "-q", "--out", "a"]);
    assert!(code == 0 && stdout.contains("cost < 1") && stdout.contains("fails"), "{stdout}");
    let results: Value = serde_json::from_str(&read(&folder.path().join("a"), "results.json")).expect("JSON");
    assert_eq!(results["expectations"][0]["holds"], false);
    assert!(read(&folder.path().join("a"), "report.html").contains("Expected and found"));

    let (code, stdout, stderr) = end(&folder, &["verify", "small.soc"]);
    assert!(code == 1 && stdout.is_empty() && stderr.contains("soc::expect"), "{stderr}");
    put(&folder, "syntax.soc", "expect = 2\n");
    assert_eq!(end(&folder, &["verify", "syntax.soc", "right.soc", "-q"]).0, 1);
    assert_eq!(end(&folder, &["verify", "missing.soc"]).0, 74);
    assert_eq!(end(&folder, &["verify"]).0, 2);
}

#[test]
fn a_profile_puts_its_values_in_place_and_the_command_line_comes_on_top() {
    let folder = folder();
    put(&folder, "claims.soc", sweep() + CLAIMS);
    let (code, _, stderr) = end(&folder, &["claims.soc", "-q", "--with", "quick", "--steps", "9", "--out", "a"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let manifest = read(&folder.path().join("a"), "manifest.ron");
    assert!(manifest.contains("grid 4  batch 8  steps 9\n") && manifest.contains("sweep rate in [1e-2], seed"));
    assert!(manifest.contains("with: Some(\"quick\")") && manifest.contains("batch 4\n  path X"), "{manifest}");
    let (code, stdout, stderr) = end(&folder, &["claims.soc", "--with", "quik"]);
    assert!(code == 2 && stdout.is_empty() && stderr.contains("did `quick` stand here?"), "{stderr}");
    put(&folder, "broken.soc", sweep() + &CLAIMS.replace("cost < 4 at step 8", "cost < 4 at step 9"));
    assert_eq!(end(&folder, &["broken.soc", "-q"]).0, 0);
    let (code, _, stderr) = end(&folder, &["check", "broken.soc"]);
    assert!(code == 1 && stderr.contains("the training ends after 8 steps"), "{stderr}");
}

#[test]
fn jobs_do_not_change_a_digit() {
    let folder = folder();
    put(&folder, "sweep.soc", sweep());
    let metrics = |jobs: &str| {
        let (code, _, stderr) = end(&folder, &["sweep.soc", "--jobs", jobs, "--out", jobs]);
        assert!(code == 0 && stderr.contains("[4/4] rate = 1e-3, seed = 2"), "{stderr}");
        read(&folder.path().join(jobs), "metrics.csv")
    };
    let one = metrics("1");
    assert_eq!(one.lines().count(), 1 + 4 * (4 + 20));
    assert!(one == metrics("2") && one == metrics("9"));
    for jobs in ["0", "-1", "many"] {
        assert_eq!(end(&folder, &["sweep.soc", "--jobs", jobs]).0, 2);
    }
}

#[test]
fn an_interrupted_sweep_goes_on_with_the_missing_cells() {
    let folder = folder();
    put(&folder, "sweep.soc", sweep().replace("steps 20", "steps 2_000").replace("every 8", "every 500"));
    let run = |out: &str, more: &[&str]| end(&folder, &[&["sweep.soc", "--out", out], more].concat());
    assert_eq!(run("whole", &[]).0, 0);
    assert!(!folder.path().join("whole/cells").exists(), "a complete sweep keeps no cells");
    kill_after_a_cell(folder.path(), "part");
    let before = fs::read_dir(folder.path().join("part/cells")).expect("cells").count();
    assert!((3..=7).contains(&before), "{before} files of run, cells and parameters");

    let (code, stdout, stderr) = run("part", &["--set", "d=3"]);
    assert!(code == 2 && stdout.is_empty(), "{code}: {stderr}");
    let (code, _, stderr_of_one) = end(&folder, &["small.soc", "--out", "part"]);
    assert!(code == 2 && stderr_of_one.contains("soc::resume"), "{stderr_of_one}");
    assert!(stderr.contains("- let d = 2") && stderr.contains("+ let d = 3"), "{stderr}");
    assert!(stderr.contains("--set d: nothing before, 3 now") && stderr.contains("--force"), "{stderr}");
    let (code, _, stderr) = run("part", &[]);
    assert!(code == 0 && stderr.contains(" of 4 cells were finished before"), "{stderr}");
    assert!(!stderr.contains("[1/4]"), "the first cell is not run again: {stderr}");
    for file in ["metrics.csv", "params.safetensors", "figures/1-cost.svg"] {
        let read = |out: &str| fs::read(folder.path().join(out).join(file)).expect("a file");
        assert!(read("whole") == read("part"), "{file} differs");
    }
}

#[test]
fn force_starts_anew_and_a_broken_record_is_refused() {
    let folder = folder();
    put(&folder, "sweep.soc", sweep().replace("steps 20", "steps 2_000").replace("every 8", "every 500"));
    kill_after_a_cell(folder.path(), "part");
    fs::write(folder.path().join("part/cells/1.ron"), "(labels: [").expect("a file");
    let (code, _, stderr) = end(&folder, &["sweep.soc", "--out", "part"]);
    assert!(code == 2 && stderr.contains("soc::resume") && stderr.contains("1.ron"), "{stderr}");
    let (code, _, stderr) = end(&folder, &["sweep.soc", "--out", "part", "--set", "d=3", "--force"]);
    assert!(code == 0 && stderr.contains("[1/4]") && !stderr.contains("finished before"), "{stderr}");
    assert!(!folder.path().join("part/cells").exists());
}

#[test]
fn a_training_that_was_killed_goes_on_to_the_same_bits() {
    let folder = folder();
    let long = sweep().replace("steps 20", "steps 4_000").replace("every 8", "every 500");
    put(&folder, "sweep.soc", &long);
    let one = ["sweep.soc", "--set", "seed=1", "--set", "rate=[1e-3]", "--keep-every", "0"];
    let run = |out: &str| end(&folder, &[&one[..], &["--out", out]].concat());
    assert_eq!(run("whole").0, 0);
    let standing = "part/cells/1.standing";
    kill_when(folder.path(), &[&one[..], &["--out", "part"]].concat(), standing);
    kill_when(folder.path(), &[&one[..], &["--out", "part"]].concat(), standing);

    let (code, _, stderr) = end(&folder, &["small.soc", "--out", "part"]);
    assert!(code == 2 && stderr.contains("0 finished cells and 1 under way"), "{stderr}");
    let (code, _, stderr) = run("part");
    assert_eq!(code, 0, "{stderr}");
    assert!(!folder.path().join("part/cells").exists(), "a complete run keeps no cells");
    for file in ["metrics.csv", "params.safetensors", "figures/1-cost.svg"] {
        let read = |out: &str| fs::read(folder.path().join(out).join(file)).expect("a file");
        assert!(read("whole") == read("part"), "{file} differs");
    }

    kill_when(folder.path(), &[&one[..], &["--out", "part"]].concat(), standing);
    fs::write(folder.path().join(standing), "half").expect("a file");
    let (code, _, stderr) = run("part");
    assert!(code == 2 && stderr.contains("soc::resume") && stderr.contains("1.standing"), "{stderr}");
    assert_eq!(end(&folder, &["sweep.soc", "--keep-every", "-1"]).0, 2);
}

/// Runs `sweep.soc` and kills it when its first cell is on disk.
fn kill_after_a_cell(folder: &Path, out: &str) {
    kill_when(folder, &["sweep.soc", "--out", out], &format!("{out}/cells/1.ron"));
}

/// Starts a run and kills it when it has written a file, or written it anew.
fn kill_when(folder: &Path, arguments: &[&str], file: &str) {
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("socrun"));
    let written = || fs::metadata(folder.join(file)).and_then(|data| data.modified()).ok();
    let before = written();
    let mut child = command.current_dir(folder).args(arguments).arg("-q").spawn().expect("it starts");
    while written().is_none() || written() == before {
        assert!(child.try_wait().expect("a child").is_none(), "it ended before it was killed");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
}

#[test]
fn list_shows_the_library_and_a_file() {
    let folder = folder();
    let own = "/// Go home. And stay.\nproblem home(k: R) {\n  time t in 0..1\n  state X: R[1]\n  control u: R[1]\n  \
               noise W: R[1]\n  dX = k*X*u dt + 1 dW\n  X(0) = ones[1]\n  cost = E[ ∫ |u|² dt ]\n}\n";
    put(&folder, "own.soc", own);
    let (code, stdout, stderr) = end(&folder, &["list", "own.soc"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    for line in [
        "problems  (use std.problems)",
        "  home(k: R)\n      Go home.\n",
        "  relative_entropy(P: Problem, u: P.Control)\n",
        "      requires quadratic_control, matched_noise, additive_noise\n",
        "  linear(m: Nat, scale: R = 1)(x: R[n]) -> R[m]\n",
    ] {
        assert!(stdout.contains(line), "`{line}` in\n{stdout}");
    }
    let (code, stdout, _) = end(&folder, &["list", "--json"]);
    let all: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((code, &all[0]["kind"]), (0, &"problem".into()));
    assert!(all.as_array().is_some_and(|all| all.iter().all(|one| one["doc"].as_str().is_some_and(|d| !d.is_empty()))));
    assert_eq!(end(&folder, &["list", "missing.soc"]).0, 74);
    put(&folder, "syntax.soc", "problem = 2\n");
    assert_eq!(end(&folder, &["list", "syntax.soc"]).0, 1);
}

#[test]
fn the_matrix_is_what_the_checker_says() {
    let folder = folder();
    let own = "problem home() {\n  time t in 0..1\n  state X: R[1]\n  control u: R[1]\n  noise W: R[1]\n  \
               dX = u dt + X[1] dW\n  X(0) = ones[1]\n  cost = E[ ∫ ½*|u|² dt ]\n}\n\
               loss sum_of_squares(P: Problem, u: P.Control, k: R, M: (R) -> R[P.d, P.m], y: () -> R) {\n  \
               path X of P under u\n  return E[ k*|X(T)|² ] + y()\n}\n";
    put(&folder, "own.soc", own);
    let (code, stdout, stderr) = end(&folder, &["list", "own.soc", "--matrix", "--json"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let all: Value = serde_json::from_str(&stdout).expect("JSON");
    let pairs = all.as_array().expect("pairs");
    let of = |loss: &str, problem: &str| {
        let found = pairs.iter().find(|pair| pair["loss"] == loss && pair["problem"] == problem);
        found.expect("every pair is there")
    };
    assert!(pairs.iter().all(|pair| pair["error"] == Value::Null), "{stdout}");
    assert_eq!(of("sum_of_squares", "home")["runs"], true);
    assert_eq!(of("relative_entropy", "home")["runs"], true);
    assert_eq!(of("socm", "quadratic_ou")["runs"], true);
    let unmet = of("log_variance", "home")["unmet"].as_object().expect("requirements");
    assert!(unmet.contains_key("matched_noise") && unmet.len() == 1, "{unmet:?}");
    // What the matrix says of a pair, a file that uses it is told.
    let used = "use \"own.soc\".{home}\nuse std.losses.log_variance\nproblem P = home()\n\
                net V(x: R[1], t: R) -> R[1] = mlp([4])(x, t)\nuse std.nets.mlp\n\
                train { grid 4  batch 8  steps 1\n  minimize log_variance(P, V) over V by adam(1) }\n";
    put(&folder, "used.soc", used);
    let (code, _, stderr) = end(&folder, &["used.soc"]);
    let why = unmet["matched_noise"].as_str().expect("a reason");
    let flat: String =
        stderr.split(|c: char| c.is_whitespace() || c == '│').filter(|w| !w.is_empty()).collect::<Vec<_>>().join(" ");
    assert!(code == 1 && flat.contains("requires `matched_noise`") && flat.contains(why), "{stderr}");
    let (code, stdout, _) = end(&folder, &["list", "own.soc", "--matrix"]);
    assert!(code == 0 && stdout.contains("\nhome\n") && stdout.contains("asked by"), "{stdout}");
}

#[test]
fn cite_prints_bibtex_for_all_that_a_file_uses() {
    let folder = folder();
    let head = "cite \"a book\"\ncite \"doi:10.1/x\" {\n  author \"Ada Byron and Others\"\n  title \"Notes & more\"\n  year 1843\n}\n";
    put(&folder, "cites.soc", head.to_owned() + SMALL);
    let (code, stdout, stderr) = end(&folder, &["cite", "cites.soc"]);
    assert_eq!(code, 0);
    assert!(stderr.contains("nothing is known of `a book`"), "{stderr}");
    insta::assert_snapshot!("bibtex", stdout);
    assert_eq!(end(&folder, &["cite", "missing.soc"]).0, 74);
    let (code, _, _) = end(&folder, &["cites.soc", "-q", "--out", "a"]);
    let report = read(&folder.path().join("a"), "report.html");
    assert!(code == 0 && report.contains("Ada Byron, Others. Notes &amp; more. 1843. doi:10.1/x"), "{report}");
}
