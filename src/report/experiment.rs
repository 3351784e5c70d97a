//! All that a report draws on.

use sha2::{Digest, Sha256};

use super::{Verdict, verdicts};
use crate::lower::Outline;
use crate::run::Outcome;
use crate::source::{SourceFile, SourceMap, Tensors};

/// An experiment that was run.
#[derive(Clone, Debug)]
pub struct Experiment<'a> {
    /// The file, as the author gave it.
    pub file: String,
    /// Its text with the overrides of the command line in place.
    pub text: String,
    /// The shape of the experiment.
    pub outline: &'a Outline,
    /// All texts that were read, for places.
    pub sources: &'a SourceMap,
    /// The files that the experiment is made of, imports first, the file itself last.
    pub modules: Vec<&'a SourceFile>,
    /// What the command line set, as (name, value).
    pub overrides: Vec<(String, String)>,
    /// The profile whose values are in place.
    pub profile: Option<String>,
    /// The backend's name.
    pub backend: String,
    /// The number of worker threads.
    pub threads: usize,
    /// The seed where the file says none.
    pub seed: u64,
    /// One outcome per cell, in the order of the sweep; fewer if a run failed.
    pub outcomes: Vec<Outcome>,
}

impl Experiment<'_> {
    /// The SHA-256, in hexadecimal, of all that results depend on: texts, overrides, profile, seed and backend.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        for file in &self.modules {
            part(file.text());
        }
        for data in self.sources.data() {
            part(&data_hash(data));
        }
        for (name, value) in &self.overrides {
            part(name);
            part(value);
        }
        if let Some(profile) = &self.profile {
            part("with");
            part(profile);
        }
        part(&self.seed.to_string());
        part(&self.backend);
        hexadecimal(&hash.finalize())
    }

    /// The file's name without folder and ending.
    pub fn stem(&self) -> String {
        let stem = std::path::Path::new(&self.file).file_stem();
        stem.map_or_else(|| "experiment".to_owned(), |stem| stem.to_string_lossy().into_owned())
    }

    /// What became of the file's expectations.
    pub fn verdicts(&self) -> Vec<Verdict> {
        verdicts(self.outline, self.sources, &self.outcomes)
    }

    /// Whether it stopped before its end.
    pub fn failed(&self) -> bool {
        self.status() != "done"
    }

    /// How it ended, in a word.
    pub(super) fn status(&self) -> &'static str {
        if self.outcomes.iter().any(|outcome| outcome.failure.is_some()) {
            "nonfinite"
        } else if self.outcomes.iter().any(|outcome| outcome.lost.is_some()) {
            "lost"
        } else {
            "done"
        }
    }
}

/// The SHA-256 of a text, in hexadecimal.
pub(super) fn data_hash(data: &Tensors) -> String {
    hexadecimal(&Sha256::digest(&data.bytes))
}

pub(super) fn hash_of(text: &str) -> String {
    hexadecimal(&Sha256::digest(text.as_bytes()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes any text");
        text
    })
}
