//! A training under way as a safetensors file: every number in full, so that what goes on from it gives the same bits.

use std::collections::HashMap;

use ndarray::{ArrayD, IxDyn};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::run::{Series, Standing};

/// The key in the head of the file.
const RECORD: &str = "standing";

/// What is not a tensor.
#[derive(Serialize, Deserialize)]
struct Record {
    stage: usize,
    done: u64,
    steps: u64,
    quantities: Vec<(String, Vec<(u64, f64)>)>,
    objective: (String, Vec<(u64, f64)>),
    parameters: usize,
    memory: Vec<String>,
}

pub(super) fn bytes(standing: &Standing) -> Result<Vec<u8>, String> {
    let series = |series: &Series| (series.name.clone(), series.points.clone());
    let record = Record {
        stage: standing.stage,
        done: standing.done,
        steps: standing.steps,
        quantities: standing.quantities.iter().map(series).collect(),
        objective: series(&standing.objective),
        parameters: standing.parameters.len(),
        memory: standing.memory.iter().map(|(name, _)| name.clone()).collect(),
    };
    let mut tensors: Vec<(Vec<usize>, Vec<u8>)> = vec![flat(&standing.seconds)];
    let cells = standing.memory.iter().map(|(_, value)| value);
    tensors.extend(standing.parameters.iter().chain(cells).map(|t| (t.shape().to_vec(), raw(t.iter()))));
    let named = tensors.iter().enumerate().map(|(number, (shape, bytes))| {
        TensorView::new(Dtype::F64, shape.clone(), bytes).map(|view| (name(number), view))
    });
    let named = named.collect::<Result<Vec<_>, _>>().map_err(|why| why.to_string())?;
    let record = ron::to_string(&record).map_err(|why| why.to_string())?;
    safetensors::serialize(named, Some(HashMap::from([(RECORD.to_owned(), record)]))).map_err(|why| why.to_string())
}

/// What [`bytes`] wrote.
pub(super) fn read(bytes: &[u8]) -> Result<Standing, String> {
    let (_, head) = SafeTensors::read_metadata(bytes).map_err(|why| why.to_string())?;
    let record = head.metadata().as_ref().and_then(|all| all.get(RECORD)).ok_or("no record in its head")?;
    let record: Record = ron::from_str(record).map_err(|why| why.to_string())?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|why| why.to_string())?;
    let mut number = 0;
    let mut next = || {
        let tensor = tensors.tensor(&name(number)).map_err(|why| why.to_string())?;
        number += 1;
        if tensor.dtype() != Dtype::F64 {
            return Err(format!("entries of type {:?}", tensor.dtype()));
        }
        let numbers = tensor.data().as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect();
        ArrayD::from_shape_vec(IxDyn(tensor.shape()), numbers).map_err(|why| why.to_string())
    };
    let series = |(name, points)| Series { name, points };
    let seconds = next()?.iter().copied().collect();
    let parameters = (0..record.parameters).map(|_| next()).collect::<Result<_, _>>()?;
    let memory = record.memory.into_iter().map(|name| Ok((name, next()?))).collect::<Result<_, String>>()?;
    Ok(Standing {
        stage: record.stage,
        done: record.done,
        steps: record.steps,
        seconds,
        parameters,
        memory,
        quantities: record.quantities.into_iter().map(series).collect(),
        objective: series(record.objective),
    })
}

fn name(number: usize) -> String {
    format!("{number:06}")
}

fn flat(values: &[f64]) -> (Vec<usize>, Vec<u8>) {
    (vec![values.len()], raw(values.iter()))
}

fn raw<'a>(values: impl Iterator<Item = &'a f64>) -> Vec<u8> {
    values.flat_map(|x| x.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{arr0, arr2};

    use super::*;

    fn standing() -> Standing {
        let series = |name: &str| Series { name: name.into(), points: vec![(0, 0.1 + 0.2), (100, 1e-300)] };
        Standing {
            stage: 1,
            done: 100,
            steps: 300,
            seconds: vec![0.25, 1.0 / 3.0],
            parameters: vec![arr2(&[[1.0 / 3.0, -0.0], [5e-324, 2.0]]).into_dyn(), arr0(7.0).into_dyn()],
            memory: vec![
                ("E[α]".into(), arr0(0.7).into_dyn()),
                ("training 0/0/second 3".into(), arr0(1e-17).into_dyn()),
            ],
            quantities: vec![series("error"), series("J")],
            objective: series("objective"),
        }
    }

    #[test]
    fn every_number_comes_back() {
        let written = bytes(&standing()).expect("it can be written");
        assert_eq!(read(&written), Ok(standing()));
    }

    #[test]
    fn what_was_cut_short_is_refused() {
        let written = bytes(&standing()).expect("it can be written");
        for length in [0, 7, 40, written.len() / 2, written.len() - 1] {
            assert!(read(&written[..length]).is_err(), "{length} bytes");
        }
    }
}
