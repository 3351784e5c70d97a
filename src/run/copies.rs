//! Copies of parameters: how they follow what is trained.

use ndarray::{ArrayD, Zip};

use crate::lower::CopyRule;

/// Writes the copy after `steps` steps over what is in `new`; `moved` is the parameter after the last of them, `old` the
/// copy before it.
pub(super) fn follow(rule: CopyRule, steps: u64, moved: &ArrayD<f64>, old: &ArrayD<f64>, new: &mut ArrayD<f64>) {
    match rule {
        CopyRule::Mean { decay } => {
            Zip::from(new).and(moved).and(old).for_each(|new, x, old| *new = decay * old + (1.0 - decay) * x);
        }
        CopyRule::Held { every } if every.is_some_and(|n| steps.is_multiple_of(n.max(1))) => new.assign(moved),
        CopyRule::Held { .. } | CopyRule::Taken { .. } => new.assign(old),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::*;

    fn followed(rule: CopyRule) -> Vec<f64> {
        let mut copy = arr1(&[1.0]).into_dyn();
        (1..=4_u32)
            .map(|step| {
                let mut next = arr1(&[0.0]).into_dyn();
                follow(rule, step.into(), &arr1(&[f64::from(step) + 1.0]).into_dyn(), &copy, &mut next);
                copy = next;
                copy[[0]]
            })
            .collect()
    }

    #[test]
    fn a_mean_moves_by_its_share_of_the_distance() {
        assert_eq!(followed(CopyRule::Mean { decay: 0.5 }), [1.5, 2.25, 3.125, 4.0625]);
    }

    #[test]
    fn a_held_copy_is_renewed_at_multiples_or_never() {
        assert_eq!(followed(CopyRule::Held { every: Some(2) }), [1.0, 3.0, 3.0, 5.0]);
        assert_eq!(followed(CopyRule::Held { every: None }), [1.0; 4]);
    }
}
