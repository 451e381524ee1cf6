//! The ticket of a run: a file that says how far it got, for `--resume`.
//!
//! It has one line of JSON for each step, written right before or right after the step: a sudden end can cost no more
//! than a line that was cut off. It is never trusted more than the file or item that a line is about: `earlier` looks
//! items up, and `results` compares files.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use invokeai_client::{
    outputs::{FileKind, OutputFile},
    queue::FieldValue,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{fingerprint::Fingerprint, lines::Lines, uploads::Uploads};
use crate::{failure::Failure, given::Filled, session};

/// The edition of tickets that this version reads and writes.
const EDITION: u32 = 2;

/// How every ticket begins.
const BEGINNING: &[u8] = b"{\"run\":{";

/// A step of a run. Rows count from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// What is run: the number of rows, and their fingerprint.
    Run {
        #[serde(default)]
        edition: u32,
        rows: usize,
        print: String,
    },
    /// A file that was uploaded.
    Upload { file: PathBuf, image: String },
    /// Rows that are about to be enqueued as this batch, in this order.
    Batch { id: String, queue: String, rows: Vec<usize> },
    /// Items of a batch, with their rows.
    Items { batch: String, items: Vec<(i64, usize)> },
    /// A later try has begun to wait for what may still arrive of a batch, at this second.
    Waits { batch: String, since: u64 },
    /// A result of a row that is about to be written to a file whose name was free.
    File { row: usize, result: String, path: PathBuf },
    /// A result of a row that is in a file.
    Saved { row: usize, result: String, copy: Copy },
    /// A row that is done, and the line to print for it.
    Done { row: usize, done: Done, line: Option<Value> },
    /// A row whose item failed, and the line to print for it.
    Failed { row: usize, item: i64, line: Option<Value> },
    /// A row whose line was printed.
    Printed { row: usize },
}

/// A batch of an earlier try.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Batch {
    pub(super) id: String,
    pub(super) queue: String,
    pub(super) rows: Vec<usize>,
    /// The rows of its items, as far as they were recorded.
    pub(super) items: BTreeMap<i64, usize>,
    /// Since when later tries have waited for what may still arrive of it.
    waits_since: Option<u64>,
}

/// An item that is done: all that it takes to download its results, whatever becomes of the item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) item: i64,
    pub(super) batch: String,
    pub(super) values: Vec<FieldValue>,
    pub(super) results: Vec<Made>,
}

/// A result on the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) kind: FileKind,
    /// What the node that made it is called.
    pub(super) node: String,
    /// Its number within the item, from 1.
    pub(super) number: usize,
}

impl Made {
    pub(super) fn new(file: &OutputFile, number: usize) -> Self {
        Self { name: file.name.clone(), kind: file.kind, node: file.node.name().to_owned(), number }
    }
}

/// The file of a result, as it was when it was saved. Its folder has the path that the system gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Copy {
    pub(super) path: PathBuf,
    pub(super) content: Fingerprint,
}

/// The first image of an item.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Picture {
    /// Its name on the server.
    pub(super) image: String,
    /// Where it was downloaded to.
    pub(super) file: Option<PathBuf>,
}

/// A result of a row. Rows may share a result, because InvokeAI caches outputs of nodes.
type OfRow = (usize, String);

/// How far a run got, and the file that says so.
#[derive(Debug)]
pub(super) struct Ticket {
    file: Arc<Mutex<Lines>>,
    path: PathBuf,
    pub(super) rows: usize,
    /// Whether there was an earlier try.
    pub(super) is_resumed: bool,
    pub(super) uploads: HashMap<PathBuf, String>,
    /// Whatever was uploaded in any try.
    pub(super) uploaded: Uploads,
    /// Names that were chosen for files. Whether the files are there, and are this run's, is not known.
    pub(super) files: HashMap<OfRow, PathBuf>,
    pub(super) copies: BTreeMap<OfRow, Copy>,
    pub(super) batches: Vec<Batch>,
    pub(super) done: BTreeMap<usize, Done>,
    /// Rows that failed, with their items.
    pub(super) failed: BTreeMap<usize, i64>,
    /// Lines of rows that ended, but that a sudden end may have kept from being printed.
    pub(super) unprinted: BTreeMap<usize, Value>,
}

impl Ticket {
    /// Opens a ticket, or begins one if there is no such file. Refuses what it could not record later.
    pub(super) async fn open(path: &Path, filled: &Filled, folder: Option<&Path>) -> Result<Self, Failure> {
        let rows = filled.sweep.as_ref().map_or(1, invokeai_client::Sweep::len);
        for file in &filled.files {
            must_be_text(file, "--resume cannot keep track of the file")?;
        }
        if let Some(folder) = folder {
            let whole = std::path::absolute(folder).map_err(Failure::other)?;
            must_be_text(&whole, "--resume cannot keep track of files in --out")?;
        }
        let begun = Step::Run { edition: EDITION, rows, print: print_of(filled) };
        let path = path.to_owned();
        // It may be on a network drive.
        session::apart(move || {
            let failed = |problem: String| Failure::other(format!("--resume {}: {problem}", path.display()));
            let is_ours = |bytes: &[u8]| bytes.starts_with(BEGINNING);
            let (lines, bytes) = Lines::open(&path, is_ours).map_err(|error| failed(error.to_string()))?;
            let steps = read(&bytes, &begun).map_err(failed)?;
            let mut ticket = Self {
                file: Arc::new(Mutex::new(lines)),
                path: path.clone(),
                rows,
                is_resumed: !steps.is_empty(),
                uploads: HashMap::new(),
                uploaded: Uploads::default(),
                files: HashMap::new(),
                copies: BTreeMap::new(),
                batches: Vec::new(),
                done: BTreeMap::new(),
                failed: BTreeMap::new(),
                unprinted: BTreeMap::new(),
            };
            if steps.is_empty() {
                ticket.write(&begun)?;
            }
            steps.into_iter().for_each(|step| ticket.apply(step));
            Ok(ticket)
        })
        .await
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Run { .. } => {}
            Step::Upload { file, image } => {
                self.uploaded.add(&file, &image);
                self.uploads.insert(file, image);
            }
            Step::Batch { id, queue, rows } => {
                self.batches.push(Batch { id, queue, rows, items: BTreeMap::new(), waits_since: None });
            }
            Step::Items { batch, items } => {
                let batch = self.batches.iter_mut().find(|known| known.id == batch);
                batch.into_iter().for_each(|batch| batch.items.extend(items.iter().copied()));
            }
            Step::Waits { batch, since } => {
                let batch = self.batches.iter_mut().find(|known| known.id == batch);
                batch.into_iter().for_each(|batch| batch.waits_since = Some(since));
            }
            Step::File { row, result, path } => drop(self.files.insert((row, result), path)),
            Step::Saved { row, result, copy } => drop(self.copies.insert((row, result), copy)),
            Step::Done { row, done, line } => {
                self.failed.remove(&row);
                self.done.insert(row, done);
                self.unprinted.extend(line.map(|line| (row, line)));
            }
            Step::Failed { row, item, line } => {
                self.failed.insert(row, item);
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

    /// Records the rows of items of a batch, those that are not recorded yet.
    pub(super) fn enqueued(&mut self, id: &str, rows: impl Iterator<Item = (i64, usize)>) -> Result<(), Failure> {
        let Some(batch) = self.batches.iter().find(|batch| batch.id == id) else { return Ok(()) };
        let items: Vec<(i64, usize)> = rows.filter(|(item, _)| !batch.items.contains_key(item)).collect();
        if items.is_empty() { Ok(()) } else { self.step(Step::Items { batch: id.to_owned(), items }) }
    }

    /// How much longer to wait for what may still arrive of a batch: at most this long after the first try that asks, as
    /// whatever sent it had ended then.
    pub(super) fn patience(&mut self, id: &str, patience: Duration) -> Result<Duration, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let since = match self.batches.iter().find(|batch| batch.id == id).and_then(|batch| batch.waits_since) {
            Some(since) => since,
            None => {
                self.step(Step::Waits { batch: id.to_owned(), since: now })?;
                now
            }
        };
        // A clock that was set back makes this wait as long again, and no longer.
        Ok(patience.saturating_sub(Duration::from_secs(now.saturating_sub(since))))
    }

    pub(super) fn saves(&mut self, row: usize, result: &str, path: PathBuf) -> Result<(), Failure> {
        self.step(Step::File { row, result: result.to_owned(), path })
    }

    pub(super) fn saved(&mut self, row: usize, result: &str, copy: Copy) -> Result<(), Failure> {
        if self.copies.get(&(row, result.to_owned())) == Some(&copy) {
            return Ok(());
        }
        self.step(Step::Saved { row, result: result.to_owned(), copy })
    }

    pub(super) fn done(&mut self, row: usize, done: Done, line: Option<Value>) -> Result<(), Failure> {
        self.step(Step::Done { row, done, line })
    }

    pub(super) fn failed(&mut self, row: usize, item: i64, line: Option<Value>) -> Result<(), Failure> {
        self.step(Step::Failed { row, item, line })
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

    /// The first images of the rows that are done.
    pub(super) fn pictures(&self) -> Vec<(usize, Picture)> {
        let picture = |(row, done): (&usize, &Done)| {
            let image = done.results.iter().find(|made| made.kind == FileKind::Image)?.name.clone();
            let file = self.copies.get(&(*row, image.clone())).map(|copy| copy.path.clone());
            Some((*row, Picture { image, file }))
        };
        self.done.iter().filter_map(picture).collect()
    }

    /// The rows that nothing is known about: neither done nor failed, nor among these.
    pub(super) fn left(&self, taken: &BTreeSet<usize>, again: bool) -> Vec<usize> {
        let is_left = |row: &usize| {
            !self.done.contains_key(row) && !taken.contains(row) && (again || !self.failed.contains_key(row))
        };
        (0..self.rows).filter(is_left).collect()
    }
}

/// JSON has no other names.
fn must_be_text(path: &Path, problem: &str) -> Result<(), Failure> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(Failure::other(format!("{problem} {}: its name is not Unicode", path.display()))),
    }
}

/// Reads a ticket that begins with this step, or is new. What follows its whole lines was being written when an earlier try
/// ended, and says nothing: what it announced was not begun, and what it reported is found out again.
fn read(bytes: &[u8], begun: &Step) -> Result<Vec<Step>, String> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut lines = bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate();
    let unreadable = |number, error| format!("is not the ticket of a run: line {}: {error}", number + 1);
    let Some((_, first)) = lines.next() else {
        let is_cut = line_of(begun).is_ok_and(|line| line.as_bytes().starts_with(bytes));
        return if is_cut { Ok(Vec::new()) } else { Err("is not the ticket of a run".into()) };
    };
    match serde_json::from_slice::<Step>(first).map_err(|error| unreadable(0, error))? {
        Step::Run { edition, .. } if edition != EDITION => {
            return Err("is the ticket of another version of this program, which must end that run".into());
        }
        first if first == *begun => {}
        Step::Run { .. } => {
            return Err("is the ticket of another run, with another workflow, other inputs or other rows".into());
        }
        _ => return Err("is not the ticket of a run".into()),
    }
    let mut steps = vec![begun.clone()];
    for (number, line) in lines {
        steps.push(step_of(line).map_err(|error| unreadable(number, error))?);
    }
    Ok(steps)
}

/// A line, or what was appended to a part of one that the disk had no room for.
fn step_of(line: &[u8]) -> serde_json::Result<Step> {
    serde_json::from_slice(line).or_else(|error| {
        let starts = (1..line.len()).filter(|at| line[*at..].starts_with(b"{\""));
        let is_part = |part: &[u8]| serde_json::from_slice::<Value>(part).is_err_and(|error| error.is_eof());
        let mut whole = starts.filter(|at| is_part(&line[..*at])).map(|at| &line[at..]);
        whole.find_map(|rest| serde_json::from_slice(rest).ok()).ok_or(error)
    })
}

fn line_of(step: &Step) -> Result<String, Failure> {
    Ok(serde_json::to_string(step).map_err(Failure::other)? + "\n")
}

/// In one piece: two threads may write.
fn append(file: &Mutex<Lines>, line: &str) -> io::Result<()> {
    file.lock().unwrap_or_else(PoisonError::into_inner).append(line)
}

fn unwritten(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}

/// The fingerprint that distinguishes runs: of the workflow with its values, and all rows. Files count by their paths.
fn print_of(filled: &Filled) -> String {
    let mut print = Fingerprint::default();
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
    print.hash()
}

#[cfg(test)]
mod tests {
    use super::{Done, EDITION, Step, line_of, read};

    fn begun() -> Step {
        Step::Run { edition: EDITION, rows: 3, print: "0123".into() }
    }

    fn done(row: usize) -> Step {
        let done = Done { item: 1, batch: "b".into(), values: Vec::new(), results: Vec::new() };
        Step::Done { row, done, line: Some(serde_json::json!({"prompt": "schöne Aussicht"})) }
    }

    /// Wherever an earlier try ended, even within a character: nothing is lost but the line that it was writing.
    #[test]
    fn a_ticket_that_was_cut_anywhere_goes_on() {
        let begun = begun();
        let steps = [begun.clone(), Step::Upload { file: "ä.png".into(), image: "a".into() }, done(0), done(1)];
        let whole = steps.iter().map(|step| line_of(step).unwrap()).collect::<String>().into_bytes();
        for cut in 0..=whole.len() {
            let expected = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(read(&whole[..cut], &begun).unwrap(), steps[..expected], "cut at {cut}");
        }
    }

    /// As earlier builds wrote it after a full disk.
    #[test]
    fn a_line_after_part_of_one_is_read() {
        let (begun, part, next) = (begun(), line_of(&done(0)).unwrap(), Step::Printed { row: 0 });
        for cut in 1..part.len() - 1 {
            let mut bytes = line_of(&begun).unwrap().into_bytes();
            bytes.extend(&part.as_bytes()[..cut]);
            bytes.extend(line_of(&next).unwrap().bytes());
            assert_eq!(read(&bytes, &begun).unwrap(), [begun.clone(), next.clone()], "cut at {cut}");
        }
    }

    #[test]
    fn what_is_not_a_ticket_or_that_of_another_run_is_refused() {
        let begun = begun();
        let other = line_of(&Step::Run { edition: EDITION, rows: 4, print: "0123".into() }).unwrap();
        let broken = line_of(&begun).unwrap() + "{\"done\":\n";
        let later = line_of(&Step::Printed { row: 0 }).unwrap();
        for (bytes, said) in [
            (other.as_str(), "another run"),
            (&broken, "line 2: EOF"),
            (&later, "not the ticket"),
            ("\n", "line 1"),
            ("a photo", "not the ticket"),
            ("{\"run\":{}}\n", "line 1: missing field"),
            ("{\"run\":{\"rows\":3,\"print\":\"0123\"}}\n", "another version"),
        ] {
            let problem = read(bytes.as_bytes(), &begun).unwrap_err();
            assert!(problem.contains(said), "{bytes:?}: {problem}");
        }
        assert!(read(b"\x89PNG\r\n\x1a\n", &begun).is_err() && read(b"", &begun).is_ok_and(|steps| steps.is_empty()));
    }
}
