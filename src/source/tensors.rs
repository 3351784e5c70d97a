//! Files of numbers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use safetensors::tensor::{Dtype, SafeTensors};

use super::errors::{LARGEST_DATA, NoTensors, TooMuchData, Unreadable};
use super::read::{bytes_of, reason};
use super::{SourceMap, Span};
use crate::diagnostic::Report;

/// A file of named tensors.
#[derive(Clone, Debug)]
pub struct Tensors {
    /// As the reader knows it.
    pub shown: String,
    /// The bytes.
    pub bytes: Arc<[u8]>,
    /// The numbers by name.
    pub entries: BTreeMap<String, ArrayD<f64>>,
}

impl SourceMap {
    /// Reads a safetensors file whose entries are in single or double precision, once.
    ///
    /// # Errors
    /// [`Unreadable`], [`TooMuchData`] (more than 1 GiB; no more than that is read), [`NoTensors`].
    pub fn tensors(&mut self, path: &Path, shown: &str, at: Span) -> Result<Arc<Tensors>, Report> {
        if let Some(known) = self.data.iter().find(|known| known.shown == shown) {
            return Ok(known.clone());
        }
        let bytes = bytes_of(path, LARGEST_DATA + 1).map_err(|error| {
            Report::new(Unreadable { path: shown.to_owned(), reason: reason(&error), at: Some(at) })
        })?;
        if bytes.len() as u64 > LARGEST_DATA {
            return Err(Report::new(TooMuchData { path: shown.to_owned(), at }));
        }
        let entries = entries(&bytes).map_err(|found| Report::new(NoTensors { path: shown.to_owned(), found, at }))?;
        let tensors = Arc::new(Tensors { shown: shown.to_owned(), bytes: bytes.into(), entries });
        self.data.push(tensors.clone());
        Ok(tensors)
    }

    /// The files of numbers that were read.
    pub fn data(&self) -> &[Arc<Tensors>] {
        &self.data
    }
}

fn entries(bytes: &[u8]) -> Result<BTreeMap<String, ArrayD<f64>>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|why| why.to_string())?;
    let one = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let (singles, doubles) = (view.data().as_chunks::<4>().0, view.data().as_chunks::<8>().0);
        let numbers: Vec<f64> = match view.dtype() {
            Dtype::F32 => singles.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
            Dtype::F64 => doubles.iter().map(|b| f64::from_le_bytes(*b)).collect(),
            other => return Err(format!("`{name}` with entries of type {other:?}")),
        };
        if let Some(bad) = numbers.iter().find(|x| !x.is_finite()) {
            return Err(format!("`{name}` with the entry {bad}"));
        }
        let tensor = ArrayD::from_shape_vec(IxDyn(view.shape()), numbers).map_err(|why| why.to_string())?;
        Ok((name, tensor))
    };
    file.tensors().into_iter().map(one).collect()
}
