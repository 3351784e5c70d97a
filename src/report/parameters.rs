//! Parameters as a safetensors file.

use safetensors::tensor::{Dtype, SafeTensorError, TensorView};

use crate::run::Outcome;

/// The parameters of all cells in single precision, row-major, under `V.W1`, or with a sweep `L=first,seed=1/V.W1`.
pub(super) fn safetensors(outcomes: &[Outcome]) -> Result<Vec<u8>, SafeTensorError> {
    let mut tensors = Vec::new();
    for outcome in outcomes {
        let labels: Vec<String> = outcome.labels.iter().map(|(name, label)| format!("{name}={label}")).collect();
        let prefix = if labels.is_empty() { String::new() } else { labels.join(",") + "/" };
        for (name, values) in &outcome.parameters {
            let bytes: Vec<u8> = values.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
            tensors.push((format!("{prefix}{name}"), values.shape().to_vec(), bytes));
        }
    }
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.clone(), view)));
    safetensors::serialize(views.collect::<Result<Vec<_>, _>>()?, None)
}
