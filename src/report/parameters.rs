//! Parameters as a safetensors file.

use ndarray::{ArrayD, IxDyn};
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};

use crate::run::Outcome;

/// The parameters of one cell, under `V.W1`.
pub(super) fn of_cell(outcome: &Outcome) -> Result<Vec<u8>, SafeTensorError> {
    serialise(outcome.parameters.iter().map(|(name, values)| (name.clone(), values)))
}

/// What [`of_cell`] wrote, in the order of the names.
pub(super) fn read_cell(bytes: &[u8]) -> Result<Vec<(String, ArrayD<f64>)>, SafeTensorError> {
    let tensors = SafeTensors::deserialize(bytes)?;
    let mut names: Vec<&str> = tensors.names();
    names.sort_unstable();
    let mut parameters = Vec::new();
    for name in names {
        let tensor = tensors.tensor(name)?;
        let numbers = tensor.data().chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        let values = ArrayD::from_shape_vec(IxDyn(tensor.shape()), numbers.collect());
        parameters.push((name.to_owned(), values.map_err(|_| SafeTensorError::MetadataIncompleteBuffer)?));
    }
    Ok(parameters)
}

/// The parameters of all cells in single precision, row-major, under `V.W1`, or with a sweep `L=first,seed=1/V.W1`.
pub(super) fn safetensors(outcomes: &[Outcome]) -> Result<Vec<u8>, SafeTensorError> {
    let cells = outcomes.iter().flat_map(|outcome| {
        let labels: Vec<String> = outcome.labels.iter().map(|(name, label)| format!("{name}={label}")).collect();
        let prefix = if labels.is_empty() { String::new() } else { labels.join(",") + "/" };
        outcome.parameters.iter().map(move |(name, values)| (format!("{prefix}{name}"), values))
    });
    serialise(cells)
}

fn serialise<'a>(named: impl Iterator<Item = (String, &'a ArrayD<f64>)>) -> Result<Vec<u8>, SafeTensorError> {
    let mut tensors = Vec::new();
    for (name, values) in named {
        let bytes: Vec<u8> = values.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
        tensors.push((name, values.shape().to_vec(), bytes));
    }
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.clone(), view)));
    safetensors::serialize(views.collect::<Result<Vec<_>, _>>()?, None)
}
