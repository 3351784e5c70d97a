//! The command as its users meet it: exit codes, what stands on stdout and stderr, what is written.
#![allow(clippy::disallowed_methods, reason = "tests write texts and look at what was written")]

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;
use tempfile::TempDir;

#[path = "cli/methods.rs"]
mod methods;
#[path = "cli/samples.rs"]
mod samples;
#[path = "cli/stored.rs"]
mod stored;
#[path = "cli/verify.rs"]
mod verify;

const SMALL: &str = "//! A small experiment.
use std.problems.quadratic_ou
use std.losses.relative_entropy
use std.nets.mlp

let d = 2
let rate = 1e-2
problem P = quadratic_ou(d, a = 0.5, p = 1, q = 0.5)
net V(x: R[d], t: R) -> R[d] = mlp([4])(x, t)
let u(x, t) = -P.σ(t)'*V(x, t)
train {
  grid 4  batch 8  steps 20
  minimize relative_entropy(P, u) over V by adam(rate)
}
measure every 8 {
  batch 16
  path X of P under u
  let cost = E[ ∫ P.running(X, u(X, t), t) dt + P.terminal(X(T)) ]
}
plot cost against step
table cost
";

/// A folder of its own with `small.soc` in it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    put(&folder, "small.soc", SMALL);
    folder
}

fn put(folder: &TempDir, name: &str, text: impl AsRef<[u8]>) {
    fs::write(folder.path().join(name), text).expect("a file");
}

fn socrun(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = cargo_bin_cmd!("socrun");
    command.current_dir(folder.path()).args(arguments).timeout(Duration::from_mins(1));
    command
}

/// Exit code, stdout and stderr.
fn end(folder: &TempDir, arguments: &[&str]) -> (i32, String, String) {
    let output = socrun(folder, arguments).output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code().expect("no signal"), stdout, stderr)
}

fn json(folder: &TempDir, arguments: &[&str]) -> Value {
    let (code, stdout, stderr) = end(folder, &[arguments, &["--json", "-q"]].concat());
    assert_eq!((code, stderr.as_str()), (0, ""));
    serde_json::from_str(&stdout).expect("JSON")
}

fn read(path: &Path, name: &str) -> String {
    fs::read_to_string(path.join(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

#[test]
fn a_run_shows_its_table_and_writes_its_directory() {
    let folder = folder();
    let (code, stdout, stderr) = end(&folder, &["small.soc", "--out", "here"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.trim_start().starts_with("cost\n") && stdout.lines().count() == 3, "{stdout}");
    assert!(stderr.contains("step 20/20 (100 %)") && stderr.contains("steps/s"), "{stderr}");
    assert!(stderr.contains("wrote here") && !stderr.contains('\x1b'), "{stderr}");
    let here = folder.path().join("here");
    assert!(read(&here, "manifest.ron").contains("relative_entropy(P, u) over V"));
    assert_eq!(read(&here, "metrics.csv").lines().filter(|line| line.contains(",cost,")).count(), 4);
    assert!(read(&here, "figures/1-cost.svg").ends_with("</svg>\n"));
    assert!(read(&here, "report.html").contains("<h1>A small experiment</h1>"));
    let bytes = fs::read(here.join("params.safetensors")).expect("parameters");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    assert!(tensors.names().iter().all(|name| name.starts_with("V.")) && !tensors.is_empty());
}

#[test]
fn run_may_be_left_out_and_the_default_directory_bears_the_files_name() {
    let folder = folder();
    assert_eq!(end(&folder, &["run", "small.soc", "-q"]).0, 0);
    assert_eq!(end(&folder, &["-q", "small.soc"]).0, 0);
    let runs: Vec<_> = fs::read_dir(folder.path().join("runs")).expect("runs").collect();
    assert_eq!(runs.len(), 1, "one experiment, one directory");
    let name = runs[0].as_ref().expect("an entry").file_name().into_string().expect("UTF-8");
    assert!(name.starts_with("small-") && name.len() == "small-".len() + 8, "{name}");
}

#[test]
fn quiet_says_nothing() {
    let folder = folder();
    let (code, stdout, stderr) = end(&folder, &["-q", "small.soc"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("cost"));
}

#[test]
fn json_holds_last_values_histories_and_times() {
    let folder = folder();
    let all = json(&folder, &["small.soc", "--backend", "reference"]);
    assert_eq!((&all["status"], &all["backend"], &all["seed"]), (&"done".into(), &"reference".into(), &0.into()));
    let cells = all["cells"].as_array().expect("cells");
    assert_eq!(cells.len(), 1);
    assert_eq!(cells[0]["labels"], serde_json::json!({}));
    assert_eq!((&cells[0]["steps"], &cells[0]["failure"]), (&20.into(), &Value::Null));
    let history = cells[0]["quantities"]["cost"]["history"].as_array().expect("a history");
    let steps: Vec<_> = history.iter().map(|point| point[0].as_u64().expect("a step")).collect();
    assert_eq!(steps, [0, 8, 16, 20]);
    assert_eq!(history[3][1], cells[0]["quantities"]["cost"]["last"]);
    assert!(cells[0]["seconds_per_step"]["median"].as_f64().expect("seconds") > 0.0);
    assert!(cells[0]["seconds_per_step"]["mean"].as_f64().expect("seconds") > 0.0);
}

#[test]
fn a_sweep_has_a_cell_per_combination() {
    let folder = folder();
    let text = SMALL.replace("let rate = 1e-2", "sweep rate in [1e-2, 1e-3], seed in 1..2");
    let text = text.replace("against step", "against step by rate, mean over seed");
    put(&folder, "sweep.soc", text.replace("table cost", "table cost by rate, mean over seed"));
    let all = json(&folder, &["sweep.soc"]);
    let labels: Vec<_> =
        all["cells"].as_array().expect("cells").iter().map(|cell| cell["labels"].to_string()).collect();
    assert_eq!(labels[1], r#"{"rate":"1e-2","seed":"2"}"#);
    assert_eq!((labels.len(), all["cells"][1]["seed"].as_u64()), (4, Some(2)));
    let (code, stdout, _) = end(&folder, &["sweep.soc", "-q"]);
    assert!(code == 0 && stdout.lines().next().is_some_and(|head| head.starts_with("rate")), "{stdout}");
    assert!(stdout.contains('±') && stdout.contains("standard error over seed (2 values)"), "{stdout}");
}

#[test]
fn threads_do_not_change_a_digit_and_seeds_do() {
    let folder = folder();
    let cells = |more: &[&str]| json(&folder, &[&["small.soc"], more].concat())["cells"][0]["quantities"].to_string();
    let one = cells(&["--threads", "1"]);
    assert_eq!(one, cells(&["--threads", "2"]));
    assert_ne!(one, cells(&["--seed", "7"]));
    assert_eq!(cells(&["--seed", "7"]), cells(&["--seed", "7"]));
}

#[test]
fn the_backends_agree_to_rounding() {
    let folder = folder();
    let cost = |backend| {
        json(&folder, &["small.soc", "--backend", backend])["cells"][0]["quantities"]["cost"]["last"].as_f64()
    };
    let (cpu, reference) = (cost("cpu").expect("a number"), cost("reference").expect("a number"));
    assert!((cpu - reference).abs() < 1e-4 * reference.abs(), "{cpu} on the CPU, {reference} in the reference");
}

#[test]
fn usage_errors_end_with_2() {
    let folder = folder();
    let cases: [&[&str]; 9] = [
        &[],
        &["--nonsense", "small.soc"],
        &["small.soc", "--threads", "0"],
        &["small.soc", "--threads", "many"],
        &["small.soc", "--set", "rate"],
        &["small.soc", "--set", "=3"],
        &["small.soc", "--backend", "abacus"],
        &["small.soc", "--seed", "-1"],
        &["explain", "small.soc"],
    ];
    for arguments in cases {
        let (code, stdout, stderr) = end(&folder, arguments);
        assert!(code == 2 && stdout.is_empty() && !stderr.is_empty(), "{arguments:?}: {code}\n{stderr}");
    }
}

#[test]
fn help_and_version_are_answers() {
    let folder = folder();
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"], &["fmt", "-h"]] {
        let (code, stdout, stderr) = end(&folder, arguments);
        assert!(code == 0 && !stdout.is_empty() && stderr.is_empty(), "{arguments:?}: {code}\n{stderr}");
    }
}

#[test]
fn files_that_cannot_be_read_or_written_end_with_74() {
    let folder = folder();
    for arguments in [&["missing.soc"][..], &["."], &["check", "missing.soc"], &["small.soc", "--out", "small.soc"]] {
        let (code, stdout, stderr) = end(&folder, arguments);
        assert!(code == 74 && stdout.is_empty() && stderr.contains("soc::io"), "{arguments:?}: {code}\n{stderr}");
    }
}

#[test]
fn errors_of_the_text_end_with_1() {
    let folder = folder();
    put(&folder, "empty.soc", "");
    put(&folder, "bytes.soc", [b"let d = ".as_slice(), &[0xff, 0xfe]].concat());
    put(&folder, "brackets.soc", "(".repeat(10_000_000));
    put(&folder, "deep.soc", format!("let d = {}1", "(".repeat(100_000)));
    put(&folder, "syntax.soc", "let d = = 2\n");
    put(&folder, "import.soc", "use \"missing.soc\".{a}\nlet b = a\n");
    for (file, code) in [
        ("empty.soc", "soc::setting"),
        ("bytes.soc", "soc::encoding"),
        ("brackets.soc", "soc::too_large"),
        ("deep.soc", "soc::nesting"),
        ("syntax.soc", "soc::syntax"),
        ("import.soc", "soc::io"),
    ] {
        let (exit, stdout, stderr) = end(&folder, &[file]);
        assert!(exit == 1 && stdout.is_empty() && stderr.contains(code), "{file}: {exit}\n{stderr}");
    }
    assert!(!folder.path().join("runs").exists(), "nothing was run, nothing is written");
}

#[test]
fn check_reports_every_file_and_runs_none() {
    let folder = folder();
    put(&folder, "syntax.soc", "let d = = 2\n");
    assert_eq!(end(&folder, &["check", "small.soc"]), (0, String::new(), String::new()));
    let (code, _, stderr) = end(&folder, &["check", "syntax.soc", "small.soc"]);
    assert!(code == 1 && stderr.contains("syntax.soc:1:"), "{stderr}");
    let (code, stdout, stderr) = end(&folder, &["check", "--json", "small.soc", "syntax.soc"]);
    assert_eq!((code, stderr.as_str()), (1, ""));
    let reports: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((&reports[0]["code"], &reports[0]["severity"]), (&"soc::syntax".into(), &"error".into()));
    assert_eq!(reports[0]["labels"][0]["start"]["line"], 1);
    // What only the values of a profile show.
    let stop = include_str!("lang/sizes/lower-stop-at-start.soc");
    put(&folder, "ball.soc", stop.replace("= ball()", "= ball(r)") + "let r = 2\nprofile small { let r = 1 }\n");
    let (code, stdout, stderr) = end(&folder, &["check", "ball.soc"]);
    assert!(
        code == 1 && stdout.is_empty() && stderr.matches("start lies in the stopping set").count() == 1,
        "{stderr}"
    );
    assert!(!folder.path().join("runs").exists());
}

/// What stands on stderr from the report on; before it stand the lines of progress, after it where the run was written.
fn rendering(stderr: &str) -> String {
    let report = &stderr[stderr.find("soc::").expect("a report")..];
    report.lines().filter(|line| !line.starts_with("wrote ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_batch_beyond_the_machine_is_refused_with_4() {
    let folder = folder();
    // The CPU works tile by tile, so its memory does not grow with the batch here; what it cannot do is count so far.
    for (backend, batch) in
        [("cpu", "1_000_000_000_000"), ("reference", "1_000_000_000_000"), ("reference", "4_000_000_000")]
    {
        put(&folder, "big.soc", SMALL.replace("batch 8", &format!("batch {batch}")));
        let (code, stdout, stderr) = end(&folder, &["big.soc", "--backend", backend]);
        assert!(code == 4 && stdout.is_empty(), "{batch} on {backend}: {code}\n{stderr}");
        assert!(
            stderr.contains("soc::resources") && stderr.split_whitespace().any(|word| word == "`batch`"),
            "{stderr}"
        );
        if backend == "cpu" {
            insta::assert_snapshot!("batch_refused", rendering(&stderr));
        }
    }
    assert!(!folder.path().join("runs").exists(), "refused before anything was done");
}

#[test]
fn a_diverging_training_ends_with_3_and_keeps_its_last_finite_parameters() {
    let folder = folder();
    put(&folder, "wild.soc", SMALL.replace("adam(rate)", "sgd(1e12)"));
    for backend in ["cpu", "reference"] {
        let (code, stdout, stderr) = end(&folder, &["wild.soc", "--json", "--out", backend, "--backend", backend]);
        assert!(
            code == 3 && stderr.contains("soc::nonfinite") && stderr.contains("in training step"),
            "{code}\n{stderr}"
        );
        insta::assert_snapshot!(format!("diverged_{backend}"), rendering(&stderr));
        let all: Value = serde_json::from_str(&stdout).expect("JSON");
        let failure = &all["cells"][0]["failure"];
        assert_eq!((&all["status"], &failure["code"]), (&"nonfinite".into(), &"soc::nonfinite".into()));
        assert!(failure["line"].as_u64().is_some_and(|line| line > 0), "{failure}");
        assert!(failure["expression"].as_str().is_some_and(|text| !text.is_empty()), "{failure}");
        assert_eq!(failure["kept_steps"], all["cells"][0]["steps"]);
        let bytes = fs::read(folder.path().join(backend).join("params.safetensors")).expect("parameters");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
        let numbers = tensors.iter().flat_map(|(_, tensor)| {
            tensor.data().chunks(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect::<Vec<_>>()
        });
        assert!(!tensors.is_empty() && numbers.into_iter().all(f32::is_finite));
    }
}

#[test]
fn a_cell_that_diverges_leaves_the_others_of_its_sweep_alone() {
    let folder = folder();
    let text =
        SMALL.replace("adam(rate)", "sgd(pace)").replace("plot cost against step\ntable cost", "table cost by pace");
    put(&folder, "wild.soc", text + "sweep pace in [1e12, 1e-3, 1e13, 2e-3]\n");
    for jobs in ["1", "2"] {
        let (code, stdout, stderr) =
            end(&folder, &["wild.soc", "--json", "--out", jobs, "--backend", "cpu", "--jobs", jobs]);
        assert!(code == 3 && stderr.contains("soc::nonfinite"), "{code}\n{stderr}");
        let stopped: Vec<&str> = stderr.lines().filter(|line| line.contains(": stopped after")).collect();
        assert!(
            matches!(stopped[..], [a, b] if a.starts_with("pace = 1e12") && b.starts_with("pace = 1e13")),
            "{stderr}"
        );
        let all: Value = serde_json::from_str(&stdout).expect("JSON");
        let cells = all["cells"].as_array().expect("a list");
        let finite: Vec<bool> = cells.iter().map(|cell| cell["failure"].is_null()).collect();
        assert_eq!(finite, [false, true, false, true]);
    }
}

#[cfg(feature = "gpu")]
#[test]
fn a_device_that_is_not_there_ends_with_4_and_one_that_is_not_used_with_2() {
    let folder = folder();
    let (code, stdout, stderr) = end(&folder, &["small.soc", "--device", "a card that is not there"]);
    assert!(code == 4 && stdout.is_empty() && stderr.contains("soc::device"), "{code}\n{stderr}");
    let (code, stdout, stderr) = end(&folder, &["small.soc", "--device", "0", "--backend", "reference"]);
    assert!(code == 2 && stdout.is_empty(), "{code}\n{stderr}");
    insta::assert_snapshot!("device_without_gpu", rendering(&stderr));
}

#[test]
fn more_threads_than_cores_are_warned_of_once() {
    let folder = folder();
    let (code, _, stderr) = end(&folder, &["small.soc", "--threads", "4096", "--backend", "reference"]);
    assert!(code == 0 && stderr.matches("more threads than cores").count() == 1, "{stderr}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = folder();
    for arguments in [&["--help"][..], &["small.soc", "-q"], &["explain", "--stage", "graph", "small.soc"]] {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("socrun"));
        command.current_dir(folder.path()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(0) && !stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn every_form_can_be_shown() {
    let folder = folder();
    for (stage, sign) in [("tree", "train"), ("typed", "module std."), ("graph", "training step"), ("plan", "memory")] {
        let (code, stdout, stderr) = end(&folder, &["explain", "--stage", stage, "small.soc"]);
        assert!(code == 0 && stdout.contains(sign), "{stage}: {code}\n{stderr}");
    }
}

#[test]
fn values_of_the_command_line_stand_in_for_those_of_the_file() {
    let folder = folder();
    let (code, _, stderr) = end(
        &folder,
        &["small.soc", "-q", "--steps", "3", "--set", "rate=1e-3", "--set", "measure.batch=4", "--out", "a"],
    );
    assert_eq!(code, 0, "{stderr}");
    let manifest = read(&folder.path().join("a"), "manifest.ron");
    assert!(manifest.contains("let rate = 1e-3") && manifest.contains("grid 4  batch 8  steps 3\n"), "{manifest}");
    assert!(manifest.contains("batch 4\n  path X") && manifest.contains("let d = 2\n"), "{manifest}");
    put(&folder, "written.soc", SMALL.replace("1e-2", "1e-3").replace("steps 20", "steps 3"));
    let cost = |arguments: &[&str]| json(&folder, arguments)["cells"][0]["quantities"]["cost"].to_string();
    assert_eq!(cost(&["small.soc", "--steps", "3", "--set", "rate=1e-3"]), cost(&["written.soc"]));
    assert_ne!(cost(&["small.soc", "--steps", "3"]), cost(&["written.soc"]));
}

#[test]
fn a_seed_on_the_command_line_stands_for_a_swept_one() {
    let folder = folder();
    let text = SMALL.replace("let rate = 1e-2", "let rate = 1e-2\nsweep seed in 1..3");
    let text = text.replace("against step", "against step, mean over seed");
    put(&folder, "sweep.soc", text.replace("table cost", "table cost, mean over seed"));
    let all = json(&folder, &["sweep.soc", "--seed", "9", "--out", "a"]);
    assert_eq!(all["cells"].as_array().map(Vec::len), Some(1));
    assert_eq!((&all["cells"][0]["labels"]["seed"], &all["cells"][0]["seed"]), (&"9".into(), &9.into()));
    assert!(read(&folder.path().join("a"), "manifest.ron").contains("sweep seed in [9]\n"));
}

#[test]
fn values_that_do_not_fit_end_with_2() {
    let folder = folder();
    for (set, hint) in [("rat=1", "`rate`"), ("stps=3", "`steps`"), ("u=3", "function"), ("rate=[1]", "a number")] {
        for command in ["run", "check"] {
            let (code, stdout, stderr) = end(&folder, &[command, "small.soc", "--set", set]);
            assert!(code == 2 && stdout.is_empty(), "{command} --set {set}: {code}\n{stderr}");
            assert!(stderr.contains("soc::override") && stderr.contains(hint), "{stderr}");
        }
    }
    for set in ["d=0", "d=-1", "d=x", "steps=1.5"] {
        let (code, _, stderr) = end(&folder, &["small.soc", "--set", set]);
        assert!(code == 1, "--set {set}: {code}\n{stderr}");
    }
}

#[test]
fn fmt_writes_files_and_stdout() {
    let folder = folder();
    assert_eq!(end(&folder, &["fmt", "small.soc"]), (0, String::new(), String::new()));
    let laid_out = read(folder.path(), "small.soc");
    assert_eq!(end(&folder, &["fmt", "--check", "small.soc"]), (0, String::new(), String::new()));

    put(&folder, "loose.soc", laid_out.replace("let d = 2", "let   d=2"));
    let (code, stdout, _) = end(&folder, &["fmt", "--check", "small.soc", "loose.soc"]);
    assert_eq!((code, stdout.as_str()), (1, "loose.soc would change\n"));
    assert!(read(folder.path(), "loose.soc").contains("let   d=2"), "--check writes nothing");
    assert_eq!(end(&folder, &["fmt", "loose.soc"]).0, 0);
    assert_eq!(read(folder.path(), "loose.soc"), laid_out);

    assert_eq!(end(&folder, &["fmt", "--ascii", "loose.soc"]).0, 0);
    let ascii = read(folder.path(), "loose.soc");
    assert!(ascii.is_ascii() && ascii.contains("P.sigma(t)"), "{ascii}");
    assert_eq!(end(&folder, &["fmt", "--check", "--unicode", "loose.soc"]).0, 1);
    assert_eq!(end(&folder, &["fmt", "--unicode", "loose.soc"]).0, 0);
    assert!(read(folder.path(), "loose.soc").contains("P.σ(t)"));

    let output = socrun(&folder, &["fmt", "-"]).write_stdin("let   d=2\n").output().expect("it runs");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"let d = 2\n".as_slice()));
    let output = socrun(&folder, &["fmt", "-"]).write_stdin("let = 2\n").output().expect("it runs");
    assert!(output.status.code() == Some(1) && output.stdout.is_empty());
    let output = socrun(&folder, &["fmt", "-"]).write_stdin([0xff_u8, 0xfe]).output().expect("it runs");
    assert!(output.status.code() == Some(1) && output.stdout.is_empty());
    assert_eq!(end(&folder, &["fmt", "--ascii", "--unicode", "small.soc"]).0, 2);
    assert_eq!(end(&folder, &["fmt", "missing.soc"]).0, 74);
}
