//! The log of runs: one file, to which a line is added whenever a run changes. The newest line of a run counts.
//!
//! A sudden end tears at most the last line, whose run no caller knows yet. All else that cannot be read is kept as it is, for
//! somebody to look at, and takes no other run along.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use uuid::Uuid;

use super::line::{self, Line, Mark};
use crate::base::local_folder::{parent, sync_directory};
use crate::serve::state::{Key, Record};

/// The first line, without the number of the format.
const HEAD: &str = "invokeai-client runs, format ";

/// The format that is written, and the only one that is read.
const FORMAT: &str = "1";

/// A log that has grown to this many times what it was after it was last rewritten is rewritten, without the lines that
/// do not count any more. Nothing is done to one that is shorter than this.
const GROWN: (u64, u64) = (4, 4 << 20);

/// An open log.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: Arc<File>,
    /// The newest line of each run. One of which it is not known whose it is has an id of its own.
    lines: HashMap<Uuid, Place>,
    /// Where the next line goes: what is behind has failed to be written.
    end: u64,
    /// Whether there may be something behind the end.
    is_soiled: bool,
    /// Whether a power cut leaves this file under its name, and not the one before.
    is_named: bool,
    /// How long it may become before it is rewritten.
    most: u64,
}

/// Where a line is.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: u64,
    length: u64,
    /// What it begins with.
    mark: u8,
}

/// A run in the log.
#[derive(Debug)]
pub(super) enum Found {
    Run(Box<Record>),
    /// One whose newest line cannot be read, with its key.
    Unreadable(Uuid, Option<Key>),
}

impl Log {
    /// Opens or makes it. Gives the runs in it.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Found>)> {
        match fs::remove_file(part_of(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // A sudden end came between, and the log is as it was before.
            _ => {}
        }
        if !path.try_exists()? {
            let file = Arc::new(made(path, &mut std::iter::empty())?);
            return Ok((Self::of(path, file), Vec::new()));
        }
        let file = File::options().read(true).write(true).open(path)?;
        // Somebody else may own it, and let this one write.
        if let Err(error) = private(&file) {
            tracing::warn!(%error, "others may read the log of runs");
        }
        let mut log = Self::of(path, Arc::new(file));
        let found = log.read_all()?;
        let counting: u64 = log.lines.values().map(|place| place.length).sum();
        if log.end > head().len() as u64 + counting {
            log.rewritten();
        }
        log.most = grown(log.end);
        Ok((log, found))
    }

    fn of(path: &Path, file: Arc<File>) -> Self {
        Self {
            path: path.to_owned(),
            file,
            lines: HashMap::new(),
            end: head().len() as u64,
            is_soiled: false,
            is_named: false,
            most: grown(0),
        }
    }

    fn read_all(&mut self) -> io::Result<Vec<Found>> {
        let mut found: HashMap<Uuid, Found> = HashMap::new();
        let mut reader = BufReader::new(&*self.file);
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line)?;
        understood(&line)?;
        self.end = line.len() as u64;
        loop {
            line.clear();
            reader.read_until(b'\n', &mut line)?;
            if !line.ends_with(b"\n") {
                break;
            }
            let mut rest = &*line;
            while !rest.is_empty() {
                let (read, length) = Line::first(rest);
                let mark = rest.first().copied().unwrap_or(line::KEPT);
                let place = Place { start: self.end, length: length as u64, mark };
                note(&mut self.lines, &mut found, read, place);
                self.end += place.length;
                rest = rest.get(length..).unwrap_or_default();
            }
        }
        if !line.is_empty() {
            tracing::warn!(bytes = line.len(), "the last line of the log of runs was not finished, and is dropped");
            self.is_soiled = true;
        }
        Ok(found.into_values().collect())
    }

    /// What the file is written and synced by.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// The newest line of a run; `None` if there is none.
    pub(super) fn read(&self, id: Uuid) -> io::Result<Option<Box<Record>>> {
        let Some(place) = self.lines.get(&id) else { return Ok(None) };
        match Line::read(&self.bytes(*place)?) {
            Line::Run(record) if record.id == id => Ok(Some(record)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the line of this run cannot be read")),
        }
    }

    fn bytes(&self, place: Place) -> io::Result<Vec<u8>> {
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(place.start))?;
        let mut bytes = Vec::new();
        if file.take(place.length).read_to_end(&mut bytes)? as u64 != place.length {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the log of runs was cut"));
        }
        Ok(bytes)
    }

    /// Writes lines behind the end. They do not count before [`count`](Self::count), and go with [`cut`](Self::cut).
    pub(super) fn write<'a>(&mut self, lines: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        self.cut()?;
        let all: Vec<&[u8]> = lines.collect();
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(self.end))?;
        self.is_soiled = true;
        let written = file.write_all(&all.concat());
        if written.is_err() {
            // If this fails, it is tried again before anything else is written.
            _ = self.cut();
        }
        written
    }

    /// From now on these lines, which were written in this order, are those of their runs.
    pub(super) fn count<'a>(&mut self, lines: impl Iterator<Item = (Uuid, &'a [u8])>) {
        for (id, line) in lines {
            let (length, mark) = (line.len() as u64, line.first().copied().unwrap_or(line::KEPT));
            let before = self.lines.insert(id, Place { start: self.end, length, mark });
            self.end += length;
            // It may have been marked while this line was written.
            if let Some(before) = before.filter(|before| before.mark != mark)
                && let Err(error) = self.set(id, before.mark)
            {
                tracing::error!(%error, run = %id, "a line of the log of runs cannot be marked");
            }
        }
        self.is_soiled = false;
    }

    /// What the next line of a run has to begin with.
    pub(super) fn mark_of(&self, id: Uuid) -> u8 {
        self.lines.get(&id).map_or(line::KEPT, |place| place.mark)
    }

    /// Marks the newest line of a run, and those that come after it.
    pub(super) fn mark(&mut self, id: Uuid, mark: Mark) -> io::Result<()> {
        self.set(id, mark.added(self.mark_of(id)))
    }

    fn set(&mut self, id: Uuid, mark: u8) -> io::Result<()> {
        let Some(place) = self.lines.get_mut(&id) else { return Ok(()) };
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(place.start))?;
        file.write_all(&[mark])?;
        place.mark = mark;
        Ok(())
    }

    /// Takes back what was written and does not count. Until that is done nothing else is written.
    pub(super) fn cut(&mut self) -> io::Result<()> {
        if self.is_soiled {
            self.file.set_len(self.end)?;
            self.is_soiled = false;
        }
        Ok(())
    }

    /// Makes sure that a power cut leaves this file under its name.
    pub(super) fn name(&mut self) -> io::Result<()> {
        if !self.is_named {
            sync_directory(&parent(&self.path))?;
            self.is_named = true;
        }
        Ok(())
    }

    /// Removes a run.
    pub(super) fn remove(&mut self, id: Uuid) -> io::Result<()> {
        self.set(id, line::REMOVED)?;
        self.lines.remove(&id);
        Ok(())
    }

    /// Rewrites it if it has grown. It goes on as it is if that fails.
    pub(super) fn tidy(&mut self) {
        if self.end > self.most {
            self.rewritten();
            self.most = grown(self.end);
        }
    }

    fn rewritten(&mut self) {
        if let Err(error) = self.rewrite() {
            tracing::warn!(%error, "the log of runs cannot be rewritten; it grows for now");
        }
    }

    /// Writes the lines that count to another file, which takes the place of this one.
    fn rewrite(&mut self) -> io::Result<()> {
        let mut all: Vec<(Uuid, Place)> = self.lines.iter().map(|(id, place)| (*id, *place)).collect();
        all.sort_by_key(|(_, place)| place.start);
        let (mut lines, mut end) = (HashMap::new(), head().len() as u64);
        let mut whole = all.into_iter().map(|(id, place)| {
            let mut line = self.bytes(place)?;
            if !line.ends_with(b"\n") {
                line.push(b'\n');
            }
            let length = line.len() as u64;
            lines.insert(id, Place { start: end, length, ..place });
            end += length;
            Ok(line)
        });
        let file = made(&self.path, &mut whole)?;
        *self = Self { lines, end, ..Self::of(&self.path, Arc::new(file)) };
        Ok(())
    }
}

/// How long a log may become that has this length now.
fn grown(length: u64) -> u64 {
    let (times, least) = GROWN;
    least.max(length.saturating_mul(times))
}

/// Takes a line for the newest of its run.
fn note(lines: &mut HashMap<Uuid, Place>, found: &mut HashMap<Uuid, Found>, line: Line, place: Place) {
    match line {
        Line::Run(record) => {
            lines.insert(record.id, place);
            found.insert(record.id, Found::Run(record));
        }
        Line::Removed(id) => {
            lines.remove(&id);
            found.remove(&id);
        }
        Line::Unreadable { id, key } => {
            let at = place.start;
            tracing::error!(at, run = ?id, "a line of the log of runs cannot be read; its run is not known any more");
            let id = id.unwrap_or_else(Uuid::new_v4);
            lines.insert(id, place);
            let older = match found.remove(&id) {
                Some(Found::Run(record)) => record.key,
                Some(Found::Unreadable(_, key)) => key,
                None => None,
            };
            found.insert(id, Found::Unreadable(id, key.or(older)));
        }
    }
}

/// Where a log is written that is going to take the place of this one.
fn part_of(path: &Path) -> PathBuf {
    path.with_extension("part")
}

fn head() -> String {
    format!("{HEAD}{FORMAT}\n")
}

/// Whether the first line of a file says that it is a log of the format that is known.
fn understood(line: &[u8]) -> io::Result<()> {
    let format = line.strip_prefix(HEAD.as_bytes()).and_then(|rest| rest.strip_suffix(b"\n"));
    let problem = match format {
        Some(format) if format == FORMAT.as_bytes() => return Ok(()),
        Some(format) => format!(
            "it has format {}, and this version of the program knows format {FORMAT} only; use the version that wrote \
             it, or another folder",
            String::from_utf8_lossy(format.get(..20.min(format.len())).unwrap_or_default())
        ),
        None => {
            format!(
                "it is not a log of runs: its first line is not `{HEAD}{FORMAT}`; move it away, or use another folder"
            )
        }
    };
    Err(io::Error::new(io::ErrorKind::InvalidData, problem))
}

/// Lets nobody else read a file, whoever may look into its folder: there are prompts in it.
#[cfg(unix)]
fn private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn private(_: &File) -> io::Result<()> {
    Ok(())
}

/// Writes a log of these lines under this name, in place of the one that is there.
fn made(path: &Path, lines: &mut dyn Iterator<Item = io::Result<Vec<u8>>>) -> io::Result<File> {
    let part = part_of(path);
    let made = (|| {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&part)?;
        private(&file)?;
        let mut writer = BufWriter::new(&file);
        writer.write_all(head().as_bytes())?;
        for line in lines {
            writer.write_all(&line?)?;
        }
        writer.flush()?;
        drop(writer);
        file.sync_all()?;
        fs::rename(&part, path)?;
        Ok(file)
    })();
    if made.is_err() {
        // What could not be written is no use. If it cannot be removed either, the next try writes over it.
        _ = fs::remove_file(&part);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::state::Stage;

    fn record() -> Record {
        Record::accepted("flux", None, serde_json::Map::new())
    }

    fn add(log: &mut Log, record: &Record) -> io::Result<()> {
        let line = line::written(record)?;
        log.write([&*line].into_iter())?;
        log.count([(record.id, &*line)].into_iter());
        Ok(())
    }

    fn ids(found: Vec<Found>) -> Vec<Uuid> {
        let mut ids: Vec<Uuid> = found
            .into_iter()
            .map(|run| match run {
                Found::Run(record) => record.id,
                Found::Unreadable(id, _) => panic!("{id}"),
            })
            .collect();
        ids.sort();
        ids
    }

    #[test]
    fn the_newest_line_of_a_run_counts_and_one_that_is_removed_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("runs.log");
        let (mut log, found) = Log::open(&path).expect("a log");
        assert!(found.is_empty());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).expect("a log").permissions().mode() & 0o777, 0o600);
        }
        let (mut kept, removed) = (record(), record());
        for run in [&kept, &removed] {
            add(&mut log, run).expect("a line");
        }
        kept.stage = Stage::Enqueued { ticket: None };
        add(&mut log, &kept).expect("a line");
        log.remove(removed.id).expect("removed");
        for again in [false, true] {
            if again {
                let (opened, found) = Log::open(&path).expect("a log");
                assert_eq!(ids(found), [kept.id]);
                log = opened;
            }
            let read = log.read(kept.id).expect("a line").expect("a run");
            assert!(matches!(read.stage, Stage::Enqueued { .. }));
            assert!(log.read(removed.id).expect("no error").is_none());
        }
        let lines = fs::read_to_string(&path).expect("a log");
        assert_eq!(lines.lines().count(), 2, "the next start leaves what counts: {lines}");
    }

    #[test]
    fn a_mark_stays_with_its_run_and_needs_no_new_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("runs.log");
        let (mut log, _) = Log::open(&path).expect("a log");
        let (run, other) = (record(), record());
        add(&mut log, &run).expect("a line");
        add(&mut log, &other).expect("a line");
        let length = fs::metadata(&path).expect("a log").len();
        log.mark(run.id, Mark::Taken).expect("marked");
        assert_eq!(fs::metadata(&path).expect("a log").len(), length);
        // Also if it comes while another line is written.
        log.mark(run.id, Mark::Canceled).expect("marked");
        add(&mut log, &run).expect("a line");
        for again in [false, true] {
            if again {
                log = Log::open(&path).expect("a log").0;
            }
            let read = |id| log.read(id).expect("a line").expect("a run");
            assert!(matches!(read(run.id).stage, Stage::Enqueued { ticket: None }));
            assert!(matches!(read(other.id).stage, Stage::Accepted));
            assert!(read(run.id).canceled && !read(other.id).canceled);
        }
    }

    #[test]
    fn what_was_written_and_does_not_count_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("runs.log");
        let (mut log, _) = Log::open(&path).expect("a log");
        let (kept, lost, later) = (record(), record(), record());
        add(&mut log, &kept).expect("a line");
        let line = line::written(&lost).expect("a line");
        log.write([&*line].into_iter()).expect("written");
        assert!(log.read(lost.id).expect("no error").is_none());
        // The next line takes its place, whether or not somebody has cut it off.
        add(&mut log, &later).expect("a line");
        log.write([&*line].into_iter()).expect("written");
        log.cut().expect("cut");
        drop(log);
        let (_, found) = Log::open(&path).expect("a log");
        let mut expected = [kept.id, later.id];
        expected.sort();
        assert_eq!(ids(found), expected);
    }

    #[test]
    fn a_log_that_grows_is_rewritten_and_keeps_every_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("runs.log");
        let (mut log, _) = Log::open(&path).expect("a log");
        let old = record();
        add(&mut log, &old).expect("a line");
        let mut run = record();
        run.values.insert("prompt".into(), "x".repeat(100_000).into());
        let mut longest = 0;
        for n in 0..200 {
            run.created = format!("{n}");
            add(&mut log, &run).expect("a line");
            log.tidy();
            longest = longest.max(fs::metadata(&path).expect("a log").len());
            let read = log.read(run.id).expect("a line").expect("a run");
            assert_eq!(read.created, run.created);
        }
        assert!(longest < 5 << 20, "{longest} bytes");
        assert!(!part_of(&path).exists());
        drop(log);
        let (log, found) = Log::open(&path).expect("a log");
        let mut expected = [old.id, run.id];
        expected.sort();
        assert_eq!(ids(found), expected);
        assert_eq!(log.read(run.id).expect("a line").expect("a run").created, "199");
    }
}
