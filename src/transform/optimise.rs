//! The ordered list of passes.

use super::contract::form_contractions;
use super::dead::remove_dead;
use super::detach::remove_detach;
use super::merge::merge_scans;
use super::reuse::reuse_scans;
use crate::graph::{Program, verify};

/// A rewrite of whole programs that keeps what they compute.
pub struct Pass {
    /// Its name in printed stages and messages.
    pub name: &'static str,
    /// The rewrite.
    pub run: fn(Program) -> Program,
}

/// All passes, in order.
pub const PASSES: [Pass; 9] = [
    // Derivatives leave much behind that nothing uses; whatever comes later should not look at it.
    Pass { name: "dead", run: remove_dead },
    // All derivatives are taken: a detached copy is the value, and interning makes the copies one.
    Pass { name: "detach", run: remove_detach },
    // Before values are matched across loops, loops that are equal become one.
    Pass { name: "merge", run: merge_scans },
    // A control evaluated in a rollout is not evaluated again for the loss. Needs both sides as they were lowered.
    Pass { name: "reuse", run: reuse_scans },
    // What reuse made idle must not count as a user in the next pass.
    Pass { name: "dead", run: remove_dead },
    // Sums of products become contractions, ordered by cost.
    Pass { name: "contract", run: form_contractions },
    Pass { name: "dead", run: remove_dead },
    // Once more: values used twice before may be used once now.
    Pass { name: "contract", run: form_contractions },
    Pass { name: "dead", run: remove_dead },
];

/// The program after all passes.
///
/// # Panics
/// In debug builds, if a pass breaks the program: a fault of the pass.
pub fn optimise(program: Program) -> Program {
    PASSES.iter().fold(program, |program, pass| {
        let program = (pass.run)(program);
        if cfg!(debug_assertions)
            && let Err(why) = verify(&program)
        {
            panic!("after the pass {}: {why}", pass.name);
        }
        program
    })
}
