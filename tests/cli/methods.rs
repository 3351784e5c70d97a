//! What can go wrong while a method runs.

use super::{end, folder, put};

/// A training with these statements in a buffer's reach.
fn with(statements: &str) -> String {
    format!(
        "use std.nets.constant
net y() -> R = constant(1)()
train {{
  buffer B: (x: R, w: R) capacity 10
{statements}
}}
measure {{
  batch 1
  let value = y()
}}
table value
"
    )
}

/// Runs a text that is sound, and stops.
fn stopped(statements: &str) -> String {
    let folder = folder();
    put(&folder, "text.soc", with(statements));
    let (code, _, stderr) = end(&folder, &["text.soc", "-q"]);
    assert_ne!(code, 0, "{stderr}");
    stderr
}

#[test]
fn a_buffer_that_nothing_was_pushed_into_is_not_drawn_from() {
    insta::assert_snapshot!(
        "empty_draw",
        stopped(
            "  repeat 3 times {
    until 2 > 1
    z ~ normal(0, 1), batch 4
    push (z, 1) -> B
  }
  (x, w) ~ B, batch 4
  minimize E[ |y() - x|² ] over y by sgd(0.1)"
        )
    );
}

#[test]
fn weights_are_not_negative_and_not_all_zero() {
    let text = "  z ~ normal(0, 1), batch 4
  push (z, WEIGHT) -> B
  (x, w) ~ B, batch 4, weight w
  minimize E[ |y() - x|² ] over y by sgd(0.1)";
    insta::assert_snapshot!("zero_weights", stopped(&text.replace("WEIGHT", "0*z")));
    insta::assert_snapshot!("negative_weights", stopped(&text.replace("WEIGHT", "0*z - 1")));
}

#[test]
fn a_bracket_without_a_root_is_shown_with_its_ends() {
    insta::assert_snapshot!(
        "no_root",
        stopped(
            "  solve β in 0..1: β^2 = 2
  minimize β*|y()|² over y by sgd(0.1)"
        )
    );
}

#[test]
fn buffers_beyond_the_memory_are_refused_before_anything_runs() {
    let text = with(
        "  z ~ normal(0, 1), batch 4
  push (z, 1) -> B
  (x, w) ~ B, batch 4
  minimize E[ |y() - x|² ] over y by sgd(0.1)",
    );
    let folder = folder();
    put(&folder, "text.soc", text.replace("capacity 10", "capacity 1_000_000_000_000"));
    let (code, _, stderr) = end(&folder, &["text.soc", "-q"]);
    assert_ne!(code, 0);
    // The memory differs from machine to machine.
    assert!(stderr.contains("the buffers need 16000000000000 bytes, and"), "{stderr}");
    assert!(stderr.contains("a row of `B` takes 16 bytes, and it keeps 1000000000000"), "{stderr}");
}
