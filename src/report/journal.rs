//! What a run that is under way has done: finished cells, and how far the others are, so that a run which was interrupted
//! goes on with what is missing.

#![allow(clippy::disallowed_methods, reason = "this is where reports are written")]

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use super::difference::difference;
use super::errors::{ChangedSince, UnreadableCell, Unwritable};
use super::experiment::hash_of;
use super::{Experiment, parameters, standing, write_file};
use crate::diagnostic::Report;
use crate::run::{Outcome, Series, Standing, Timing};

/// The folder `cells` of a run's directory, which is there as long as a run is unfinished.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
}

/// What is being run.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) socrun: String,
    pub(super) hash: String,
    /// Names and values that stand outside of the text.
    pub(super) facts: Vec<(String, String)>,
    /// The elaborated file.
    pub(super) text: String,
}

#[derive(Serialize, Deserialize)]
struct CellRecord {
    labels: Vec<(String, String)>,
    seed: u64,
    known: Vec<(String, f64)>,
    steps: u64,
    timing: Option<(u64, f64, f64)>,
    quantities: Vec<(String, Vec<(u64, f64)>)>,
    objective: Vec<(u64, f64)>,
}

impl Journal {
    /// Opens the journal of a run directory for an experiment of `cells` cells, and reads the outcomes of those that are
    /// finished. `force` forgets them; nothing is left to forget where no cell was finished or far on.
    ///
    /// # Errors
    /// When a run was interrupted there that is not this experiment, when a record cannot be read, or when the system
    /// refuses a file.
    pub fn open(
        directory: &Path,
        experiment: &Experiment<'_>,
        cells: usize,
        force: bool,
    ) -> Result<(Self, Vec<Option<Outcome>>), Report> {
        let journal = Self { folder: directory.join("cells") };
        let head = head(experiment);
        let mut outcomes = vec![None; cells];
        let place = journal.folder.join("run.ron");
        if force || journal.is_empty() {
            journal.close().map_err(Report::new)?;
        } else if place.exists() {
            let before: Head = read(&place)?;
            if before != head {
                let (directory, difference) = (directory.to_owned(), difference(&before, &head));
                let (finished, under_way) = (journal.count("ron") - 1, journal.count("standing"));
                return Err(Report::new(ChangedSince { directory, finished, under_way, difference }));
            }
            for (number, outcome) in outcomes.iter_mut().enumerate() {
                *outcome = journal.recall(number)?;
            }
            return Ok((journal, outcomes));
        }
        fs::create_dir_all(&journal.folder).map_err(|why| Report::new(Unwritable::new(&journal.folder, why)))?;
        put(&place, &head)?;
        Ok((journal, outcomes))
    }

    /// Writes the outcome of a cell; it counts as soon as all of it is there.
    ///
    /// # Errors
    /// When the system refuses a file.
    pub fn keep(&self, number: usize, outcome: &Outcome) -> Result<(), Report> {
        let place = self.place(number);
        let tensors = place.with_extension("safetensors");
        let bytes = parameters::of_cell(outcome).map_err(|why| Report::new(Unwritable::new(&tensors, why)))?;
        write_file(&tensors, &bytes).map_err(Report::new)?;
        let series = |series: &Series| (series.name.clone(), series.points.clone());
        let record = CellRecord {
            labels: outcome.labels.clone(),
            seed: outcome.seed,
            known: outcome.known.clone(),
            steps: outcome.steps,
            timing: outcome.timing.map(|timing| (timing.steps, timing.median, timing.mean)),
            quantities: outcome.quantities.iter().map(series).collect(),
            objective: outcome.objective.points.clone(),
        };
        put(&place, &record)?;
        self.forget(number).map_err(Report::new)
    }

    /// Writes how far a cell is.
    ///
    /// # Errors
    /// When the system refuses a file.
    pub fn stand(&self, number: usize, standing: &Standing) -> Result<(), Report> {
        let place = self.standing(number);
        put_bytes(&place, &standing::bytes(standing).map_err(|why| Report::new(Unwritable::new(&place, why)))?)
    }

    /// How far a cell was.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn stood(&self, number: usize) -> Result<Option<Standing>, Report> {
        let path = self.standing(number);
        if !path.exists() {
            return Ok(None);
        }
        let read = fs::read(&path).map_err(|why| why.to_string()).and_then(|bytes| standing::read(&bytes));
        read.map(Some).map_err(|why| Report::new(UnreadableCell { path, why }))
    }

    /// Forgets how far a cell was.
    ///
    /// # Errors
    /// When the system refuses to remove the file.
    pub fn forget(&self, number: usize) -> Result<(), Unwritable> {
        let place = self.standing(number);
        match fs::remove_file(&place) {
            Err(why) if why.kind() != ErrorKind::NotFound => Err(Unwritable::new(&place, why)),
            _ => Ok(()),
        }
    }

    /// The outcome of a cell that was finished.
    fn recall(&self, number: usize) -> Result<Option<Outcome>, Report> {
        let place = self.place(number);
        if !place.exists() {
            return Ok(None);
        }
        let record: CellRecord = read(&place)?;
        let tensors = place.with_extension("safetensors");
        let broken = |why: &dyn ToString| Report::new(UnreadableCell { path: tensors.clone(), why: why.to_string() });
        let bytes = fs::read(&tensors).map_err(|why| broken(&why))?;
        let parameters: Vec<(String, ArrayD<f64>)> = parameters::read_cell(&bytes).map_err(|why| broken(&why))?;
        let series = |(name, points)| Series { name, points };
        Ok(Some(Outcome {
            labels: record.labels,
            seed: record.seed,
            known: record.known,
            steps: record.steps,
            timing: record.timing.map(|(steps, median, mean)| Timing { steps, median, mean }),
            quantities: record.quantities.into_iter().map(series).collect(),
            objective: series((crate::lower::Training::OBJECTIVE.to_owned(), record.objective)),
            parameters,
            failure: None,
            lost: None,
        }))
    }

    /// Whether nothing would be lost with it.
    pub fn is_empty(&self) -> bool {
        self.count("ron") <= 1 && self.count("standing") == 0
    }

    /// Forgets everything: the run is complete, and the directory holds its results.
    ///
    /// # Errors
    /// When the system refuses to remove a file.
    pub fn close(&self) -> Result<(), Unwritable> {
        match fs::remove_dir_all(&self.folder) {
            Err(why) if why.kind() != ErrorKind::NotFound => Err(Unwritable::new(&self.folder, why)),
            _ => Ok(()),
        }
    }

    fn place(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{}.ron", number + 1))
    }

    fn standing(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{}.standing", number + 1))
    }

    /// The records of a kind.
    fn count(&self, extension: &str) -> usize {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter(|entry| entry.path().extension().is_some_and(|found| found == extension)).count()
    }
}

fn head(experiment: &Experiment<'_>) -> Head {
    let mut facts = vec![
        ("seed".to_owned(), experiment.seed.to_string()),
        ("backend".to_owned(), experiment.backend.clone()),
        ("--with".to_owned(), experiment.profile.clone().unwrap_or_default()),
    ];
    facts.extend(experiment.overrides.iter().map(|(name, value)| (format!("--set {name}"), value.clone())));
    let imported = experiment.modules.split_last().map_or(&[][..], |(_, imported)| imported);
    let module = |name: &str, text: &str| (format!("sha256 of {name}"), hash_of(text));
    facts.extend(imported.iter().map(|file| module(file.name(), file.text())));
    Head { socrun: env!("CARGO_PKG_VERSION").to_owned(), hash: experiment.hash(), facts, text: experiment.text.clone() }
}

/// Writes a record beside its place and moves it there, so that it is whole or not there at all.
fn put(place: &Path, record: &impl Serialize) -> Result<(), Report> {
    let refused = |why: &dyn ToString| Report::new(Unwritable::new(place, why.to_string()));
    put_bytes(place, ron::to_string(record).map_err(|why| refused(&why))?.as_bytes())
}

fn put_bytes(place: &Path, bytes: &[u8]) -> Result<(), Report> {
    let beside = place.with_extension("new");
    write_file(&beside, bytes).map_err(Report::new)?;
    fs::rename(&beside, place).map_err(|why| Report::new(Unwritable::new(place, why)))
}

fn read<T: for<'de> Deserialize<'de>>(place: &Path) -> Result<T, Report> {
    let broken = |why: String| Report::new(UnreadableCell { path: place.to_owned(), why });
    let text = fs::read_to_string(place).map_err(|why| broken(why.to_string()))?;
    ron::from_str(&text).map_err(|why| broken(why.to_string()))
}
