//! The ticket of a run: a file that says how far it got, for `--resume`.
//!
//! It has one line of JSON for each step, written right before or right after the step: a sudden end can cost no more
//! than a line that was cut off.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
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
    /// More items of a batch, in the order of its rows.
    Items { batch: String, ids: Vec<i64> },
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
    /// The items of the first rows, as far as they were recorded.
    items: Vec<i64>,
}

impl Batch {
    /// The items of the rows, in their order, and the others, out of the `found` ones, oldest first. Without a record
    /// the oldest are those of the rows, which is wrong if some of them have been deleted.
    pub(super) fn split(&self, found: impl Iterator<Item = i64>) -> (Vec<i64>, Vec<i64>) {
        let mut firsts = self.items.clone();
        let last = firsts.last().copied().unwrap_or(0);
        let mut later: Vec<i64> = found.filter(|id| *id > last).collect();
        firsts.extend(later.drain(..self.rows.len().saturating_sub(firsts.len()).min(later.len())));
        (firsts, later)
    }
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
    file: Arc<File>,
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
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let begun = Step::Run { rows, print };
        let read = read(&bytes, &begun)
            .map_err(|problem| Failure::other(format!("--resume {}: {problem}", path.display())))?;
        if read.whole < bytes.len() {
            // Windows does not cut a file that is open to be appended to.
            let cut = |file: File| file.set_len(read.whole as u64);
            OpenOptions::new().write(true).open(path).and_then(cut).map_err(failed)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        let steps = read.steps;
        let mut ticket = Self {
            file: Arc::new(file),
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
        }
        steps.into_iter().for_each(|step| ticket.apply(step));
        Ok(ticket)
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Run { .. } => {}
            Step::Upload { file, image } => drop(self.uploads.insert(file, image)),
            Step::Batch { id, queue, rows } => self.batches.push(Batch { id, queue, rows, items: Vec::new() }),
            Step::Items { batch, ids } => {
                let batch = self.batches.iter_mut().find(|known| known.id == batch);
                batch.into_iter().for_each(|batch| batch.items.extend(&ids));
            }
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
        append(&self.file, &line_of(step)?).map_err(|error| Failure::other(unwritten(&self.path, &error)))
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

    /// The items of a batch that are recorded.
    pub(super) fn items_of(&self, id: &str) -> Vec<i64> {
        let batch = self.batches.iter().find(|batch| batch.id == id);
        batch.map_or_else(Vec::new, |batch| batch.items.clone())
    }

    /// Records the items of a batch that this try has sent, as far as they are new.
    pub(super) fn enqueued(&mut self, id: &str, items: &[i64]) -> Result<(), Failure> {
        match items.get(self.items_of(id).len()..).unwrap_or_default() {
            [] => Ok(()),
            more => self.step(Step::Items { batch: id.to_owned(), ids: more.to_vec() }),
        }
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

    /// What records that the line of a row was printed: whoever prints it calls this right after that, so that nothing comes
    /// between the two but the end of the process. Does nothing for rows that have no line.
    pub(super) fn printed(&mut self, row: usize) -> Result<impl FnOnce() -> io::Result<()> + Send + use<>, Failure> {
        let has_line = self.unprinted.remove(&row).is_some();
        let line = line_of(&Step::Printed { row })?;
        let (file, path) = (Arc::clone(&self.file), self.path.clone());
        Ok(move || {
            if has_line {
                append(&file, &line).map_err(|error| io::Error::other(unwritten(&path, &error)))?;
            }
            Ok(())
        })
    }

    /// The rows that nothing is known about: neither done nor failed, nor among these.
    pub(super) fn left(&self, taken: &BTreeSet<usize>, again: bool) -> Vec<usize> {
        let is_left =
            |row: &usize| !self.done.contains(row) && !taken.contains(row) && (again || !self.failed.contains(row));
        (0..self.rows).filter(is_left).collect()
    }
}

/// What a ticket says.
struct Read {
    steps: Vec<Step>,
    /// The length of its whole lines. What follows was being written when an earlier try ended, and says nothing: what it
    /// announced was not begun, and what it reported is found out again.
    whole: usize,
}

/// Reads a ticket that begins with this step, or is new.
fn read(bytes: &[u8], begun: &Step) -> Result<Read, String> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut steps = Vec::new();
    for (number, line) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
        let step = serde_json::from_slice::<Step>(line);
        steps.push(step.map_err(|error| format!("is not the ticket of a run: line {}: {error}", number + 1))?);
    }
    let is_cut = |line: String| line.as_bytes().starts_with(bytes);
    match steps.first() {
        Some(first) if first == begun => Ok(Read { steps, whole }),
        Some(Step::Run { .. }) => {
            Err("is the ticket of another run, with another workflow, other inputs or other rows".into())
        }
        None if line_of(begun).is_ok_and(is_cut) => Ok(Read { steps, whole }),
        _ => Err("is not the ticket of a run".into()),
    }
}

fn line_of(step: &Step) -> Result<String, Failure> {
    Ok(serde_json::to_string(step).map_err(Failure::other)? + "\n")
}

/// In one piece: two threads may write.
fn append(mut file: &File, line: &str) -> io::Result<()> {
    file.write_all(line.as_bytes()).and_then(|()| file.sync_data())
}

fn unwritten(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
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

#[cfg(test)]
mod tests {
    use super::{Read, Step, line_of, read};

    /// Wherever an earlier try ended, even within a character: nothing is lost but the line that it was writing, and what is
    /// written then can be read.
    #[test]
    fn a_ticket_that_was_cut_anywhere_goes_on() {
        let begun = Step::Run { rows: 3, print: "0123".into() };
        let done =
            |row| Step::Done { row, line: Some(serde_json::json!({"prompt": "schöne Aussicht"})), picture: None };
        let steps = [begun.clone(), Step::Upload { file: "ä.png".into(), image: "a".into() }, done(0), done(1)];
        let lines: Vec<String> = steps.iter().map(|step| line_of(step).unwrap()).collect();
        let whole = lines.concat().into_bytes();
        for cut in 0..=whole.len() {
            let mut bytes = whole[..cut].to_vec();
            let Read { steps: read_steps, whole } = read(&bytes, &begun).unwrap();
            let expected = bytes.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(read_steps, steps[..expected], "cut at {cut}");
            bytes.truncate(whole);
            for step in [&steps[expected.min(3)], &done(2)] {
                bytes.extend(line_of(step).unwrap().into_bytes());
            }
            // Without its first line it is begun again.
            let again = read(&bytes, &begun).unwrap().steps;
            assert_eq!((again.len(), again.last()), (expected + 2, Some(&done(2))), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_not_a_ticket_or_that_of_another_run_is_refused() {
        let begun = Step::Run { rows: 3, print: "0123".into() };
        let other = line_of(&Step::Run { rows: 4, print: "0123".into() }).unwrap();
        let broken = line_of(&begun).unwrap() + "{\"done\":\n";
        let later = line_of(&Step::Printed { row: 0 }).unwrap();
        for (bytes, said) in [
            (other.as_str(), "another run"),
            (&broken, "line 2: EOF"),
            (&later, "not the ticket"),
            ("\n", "line 1"),
            ("a photo", "not the ticket"),
            ("{\"run\":{}}\n", "line 1: missing field"),
        ] {
            let problem = read(bytes.as_bytes(), &begun).map(|read| read.steps).unwrap_err();
            assert!(problem.contains(said), "{bytes:?}: {problem}");
        }
        assert!(read(b"\x89PNG\r\n\x1a\n", &begun).is_err() && read(b"", &begun).is_ok_and(|read| read.whole == 0));
    }
}
