//! The ordered list of passes.

use super::contract::form_contractions;
use super::dead::remove_dead;
use super::detach::{remove_detach, remove_marks};
use super::merge::merge_scans;
use super::pairs::keep_pairs;
use super::rename::unite_axes;
use super::reuse::reuse_scans;
use super::signs::free_signs;
use super::vjp::vjp;
use crate::graph::{Builder, Op, Output, Program, ValueId, verify};

/// A rewrite of whole programs that keeps what they compute.
pub struct Pass {
    /// Its name in printed stages and messages.
    pub name: &'static str,
    /// The rewrite.
    pub run: fn(Program) -> Program,
}

/// What is done before the last derivative is taken, in order: the derivative of something plain is plain.
pub const BEFORE_GRADIENTS: [Pass; 8] = [
    // What no output needs should not count as a user of anything.
    Pass { name: "dead", run: remove_dead },
    // The derivatives inside of the objective are taken: uses of one value are one again, and so are their cotangents.
    Pass { name: "marks", run: remove_marks },
    // A field along a path is the same along every name of the time.
    Pass { name: "axes", run: unite_axes },
    // What stands in a loop and again outside has one cotangent, inside of the loop's reverse.
    Pass { name: "merge", run: merge_scans },
    Pass { name: "reuse", run: reuse_scans },
    Pass { name: "dead", run: remove_dead },
    // Sums of products become contractions, ordered by cost.
    Pass { name: "contract", run: form_contractions },
    Pass { name: "dead", run: remove_dead },
];

/// All passes over a program that is complete, in order.
pub const PASSES: [Pass; 14] = [
    // Derivatives leave much behind that nothing uses; whatever comes later should not look at it.
    Pass { name: "dead", run: remove_dead },
    // All derivatives are taken: a detached copy is the value, and interning makes the copies one.
    Pass { name: "detach", run: remove_detach },
    Pass { name: "axes", run: unite_axes },
    // Before values are matched across loops, loops that are equal become one.
    Pass { name: "merge", run: merge_scans },
    // A control evaluated in a rollout is not evaluated again for the loss. Needs both sides as they were lowered.
    Pass { name: "reuse", run: reuse_scans },
    // What reuse made idle must not count as a user in the next pass.
    Pass { name: "dead", run: remove_dead },
    // Sums of products become contractions, ordered by cost.
    Pass { name: "contract", run: form_contractions },
    Pass { name: "dead", run: remove_dead },
    // What is summed outside of a loop is known now.
    Pass { name: "signs", run: free_signs },
    Pass { name: "dead", run: remove_dead },
    // Once more: values used twice before may be used once now.
    Pass { name: "contract", run: form_contractions },
    Pass { name: "dead", run: remove_dead },
    // Masks that came with integrals from t to T have reached their place.
    Pass { name: "pairs", run: keep_pairs },
    Pass { name: "dead", run: remove_dead },
];

/// The program after all passes.
///
/// # Panics
/// In debug builds, if a pass breaks the program: a fault of the pass.
pub fn optimise(program: Program) -> Program {
    carry_out(&PASSES, program)
}

/// The program with the gradients of some of its outputs as further outputs: for each objective, the place of the
/// output (a scalar), and the numbers of the parameters. A parameter on which the objective does not depend has the
/// gradient zero.
///
/// # Panics
/// As [`optimise`], and if an objective is no scalar.
pub fn with_gradients(program: Program, objectives: &[(usize, Vec<usize>)]) -> Program {
    let mut b = Builder::resume(carry_out(&BEFORE_GRADIENTS, program));
    for (place, parameters) in objectives {
        let objective = b.program().outputs[*place].1;
        let wrt: Vec<ValueId> = parameters.iter().map(|p| b.push(Op::Parameter(*p))).collect();
        let one = b.number(1.0);
        let gradients = vjp(&mut b, &[(objective, one)], &wrt);
        for ((number, parameter), gradient) in parameters.iter().zip(wrt).zip(gradients) {
            let ty = b.ty(parameter).clone();
            let gradient = gradient.unwrap_or_else(|| b.filled(0.0, ty));
            b.program_mut().outputs.push((Output::Gradient(*number), gradient));
        }
    }
    b.finish()
}

fn carry_out(passes: &[Pass], program: Program) -> Program {
    passes.iter().fold(program, |program, pass| {
        let program = (pass.run)(program);
        if cfg!(debug_assertions)
            && let Err(why) = verify(&program)
        {
            panic!("after the pass {}: {why}", pass.name);
        }
        program
    })
}
