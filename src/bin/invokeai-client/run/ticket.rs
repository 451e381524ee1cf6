//! The ticket of a run: a file that says how far it got, for `--resume`.
//!
//! It has one line of JSON for each step, written right before or right after the step: a sudden end can cost no more
//! than a line that was cut off.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{failure::Failure, given::Filled};

/// A step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// What is run: the number of rows, and their fingerprint.
    Run { rows: usize, print: String },
    /// A file that was uploaded.
    Upload { file: PathBuf, image: String },
    /// Rows that are about to be enqueued as this batch, in this order.
    Batch { id: String, queue: String, rows: Vec<usize> },
    /// A result that is about to be written to a file whose name was free.
    File { result: String, path: PathBuf },
    /// A row that is done, with its local results if they were asked for, and the line to print for it.
    Done {
        row: usize,
        line: Option<Value>,
        #[serde(default)]
        picture: Option<Picture>,
    },
    /// A row that failed.
    Failed { row: usize, line: Option<Value> },
    /// A row whose line was printed.
    Printed { row: usize },
}

/// A batch of an earlier try.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) queue: String,
    pub(super) rows: Vec<usize>,
}

/// The first image of an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Picture {
    /// Its name on the server.
    pub(super) image: String,
    /// Where it was downloaded to.
    pub(super) file: Option<PathBuf>,
}

/// How far a run got, and the file that says so.
#[derive(Debug)]
pub(super) struct Ticket {
    file: File,
    path: PathBuf,
    pub(super) rows: usize,
    /// Whether there was an earlier try.
    pub(super) is_resumed: bool,
    pub(super) uploads: HashMap<PathBuf, String>,
    /// Files of results, by the results' names; not all of them exist.
    pub(super) files: HashMap<String, PathBuf>,
    /// The first images of the rows that are done.
    pub(super) pictures: BTreeMap<usize, Picture>,
    pub(super) batches: Vec<Batch>,
    pub(super) done: BTreeSet<usize>,
    pub(super) failed: BTreeSet<usize>,
    /// Lines of rows that ended, but that a sudden end may have kept from being printed.
    pub(super) unprinted: BTreeMap<usize, Value>,
}

impl Ticket {
    /// Opens a ticket, or begins one if there is no such file.
    pub(super) fn open(path: &Path, filled: &Filled) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::other(format!("--resume {}: {error}", path.display()));
        let rows = filled.sweep.as_ref().map_or(1, invokeai_client::Sweep::len);
        let print = print_of(filled);
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(error)),
        };
        let mut steps = Vec::new();
        for line in text.split_inclusive('\n') {
            match serde_json::from_str::<Step>(line) {
                Ok(step) => steps.push(step),
                // The last one may be cut off.
                Err(_) if !line.ends_with('\n') && !steps.is_empty() => {}
                Err(error) => {
                    let problem = format!("--resume {}: is not the ticket of a run: {error}", path.display());
                    return Err(Failure::other(problem));
                }
            }
        }
        let begun = Step::Run { rows, print };
        if steps.first().is_some_and(|first| *first != begun) {
            let problem = "is the ticket of another run, with another workflow, other inputs or other rows";
            return Err(Failure::other(format!("--resume {}: {problem}", path.display())));
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        let mut ticket = Self {
            file,
            path: path.to_owned(),
            rows,
            is_resumed: !steps.is_empty(),
            uploads: HashMap::new(),
            files: HashMap::new(),
            pictures: BTreeMap::new(),
            batches: Vec::new(),
            done: BTreeSet::new(),
            failed: BTreeSet::new(),
            unprinted: BTreeMap::new(),
        };
        if steps.is_empty() {
            ticket.write(&begun)?;
        } else if !text.ends_with('\n') {
            ticket.file.write_all(b"\n").map_err(failed)?;
        }
        steps.into_iter().for_each(|step| ticket.apply(step));
        Ok(ticket)
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Run { .. } => {}
            Step::Upload { file, image } => drop(self.uploads.insert(file, image)),
            Step::Batch { id, queue, rows } => self.batches.push(Batch { id, queue, rows }),
            Step::File { result, path } => drop(self.files.insert(result, path)),
            Step::Done { row, line, picture } => {
                self.pictures.extend(picture.map(|picture| (row, picture)));
                self.failed.remove(&row);
                self.done.insert(row);
                self.unprinted.extend(line.map(|line| (row, line)));
            }
            Step::Failed { row, line } => {
                self.failed.insert(row);
                self.unprinted.extend(line.map(|line| (row, line)));
            }
            Step::Printed { row } => drop(self.unprinted.remove(&row)),
        }
    }

    fn write(&mut self, step: &Step) -> Result<(), Failure> {
        let line = serde_json::to_string(step).map_err(Failure::other)? + "\n";
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|error| Failure::other(format!("cannot write {}: {error}", self.path.display())))
    }

    fn step(&mut self, step: Step) -> Result<(), Failure> {
        self.write(&step)?;
        self.apply(step);
        Ok(())
    }

    pub(super) fn uploaded(&mut self, file: &Path, image: &str) -> Result<(), Failure> {
        self.step(Step::Upload { file: file.to_owned(), image: image.to_owned() })
    }

    pub(super) fn enqueues(&mut self, id: &str, queue: &str, rows: &[usize]) -> Result<(), Failure> {
        self.step(Step::Batch { id: id.to_owned(), queue: queue.to_owned(), rows: rows.to_vec() })
    }

    pub(super) fn saves(&mut self, result: &str, path: &Path) -> Result<(), Failure> {
        self.step(Step::File { result: result.to_owned(), path: path.to_owned() })
    }

    pub(super) fn done(&mut self, row: usize, line: Option<Value>, picture: Option<Picture>) -> Result<(), Failure> {
        self.step(Step::Done { row, line, picture })
    }

    pub(super) fn failed(&mut self, row: usize, line: Option<Value>) -> Result<(), Failure> {
        self.step(Step::Failed { row, line })
    }

    /// Records that the line of a row was printed. Does nothing for rows that have none.
    pub(super) fn printed(&mut self, row: usize) -> Result<(), Failure> {
        if self.unprinted.contains_key(&row) { self.step(Step::Printed { row }) } else { Ok(()) }
    }

    /// The rows that nothing is known about: neither done nor failed, nor among these.
    pub(super) fn left(&self, taken: &BTreeSet<usize>, again: bool) -> Vec<usize> {
        let is_left =
            |row: &usize| !self.done.contains(row) && !taken.contains(row) && (again || !self.failed.contains(row));
        (0..self.rows).filter(is_left).collect()
    }
}

/// The fingerprint that distinguishes runs: of the workflow with its values, and all rows. Files count by their paths.
fn print_of(filled: &Filled) -> String {
    let mut print = Fnv::default();
    let graph = filled.workflow.graph(&invokeai_client::workflow::EnqueueOptions::default());
    // The id of a graph differs each time.
    print.add(graph.get("nodes").map(ToString::to_string).unwrap_or_default().as_bytes());
    if let Some(sweep) = &filled.sweep {
        for row in 0..sweep.len() {
            for (node, field, value) in sweep.values_at(row) {
                print.add(format!("{node}.{field}={value}\n").as_bytes());
            }
        }
    }
    format!("{:016x}", print.0)
}

/// FNV-1a: the same in every release, which the standard library's hash is not.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
