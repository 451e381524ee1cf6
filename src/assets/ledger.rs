//! The ledger: a file of records that survives a crash.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{Assets, record::Record};
use crate::error::{Error, Result};

/// A file of JSON lines that is only ever appended to. Each line is on disk before the call that it announces is sent.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    path: PathBuf,
    lines: Arc<Mutex<Lines>>,
}

#[derive(Debug)]
struct Lines {
    file: File,
    /// Whether the last line may lack its end, and would swallow the next.
    torn: bool,
}

impl Lines {
    /// Appends a line and waits until it is on disk.
    fn append(&mut self, line: &[u8]) -> std::io::Result<()> {
        let start: &[u8] = if self.torn { b"\n" } else { b"" };
        // A full disk takes part of a line.
        self.torn = true;
        // One write, so that lines of several processes do not mix.
        self.file.write_all(&[start, line, b"\n"].concat())?;
        self.torn = false;
        self.file.sync_data()
    }
}

impl Ledger {
    /// Opens or makes a ledger, and reads what of it is not cleaned up yet.
    pub(crate) fn open(path: &Path, server: &str) -> Result<(Self, Assets)> {
        let failed = |error| Error::io("open the ledger", path, error);
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path).map_err(failed)?;
        // A device may have no end.
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(failed(std::io::Error::other("it is no file")));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let (assets, recorded) = read(&bytes);
        match recorded {
            Some(url) if url != server => {
                let problem = format!("`{}` is about the server {url}, not {server}", path.display());
                return Err(Error::invalid("ledger", problem));
            }
            _ => {}
        }
        // A crash can tear a line, too.
        let torn = bytes.last().is_some_and(|last| *last != b'\n');
        let ledger = Self { path: path.to_owned(), lines: Arc::new(Mutex::new(Lines { file, torn })) };
        if recorded.is_none() {
            ledger.write(&Record::Server { url: server.to_owned() })?;
        }
        Ok((ledger, assets))
    }

    /// Appends a record and waits until it is on disk.
    fn write(&self, record: &Record) -> Result<()> {
        let failed = |error| Error::io("write the ledger", &self.path, error);
        let line = serde_json::to_vec(record).map_err(|error| failed(error.into()))?;
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).append(&line).map_err(failed)
    }

    /// Appends a record without holding up other tasks. Once begun it is carried out, also if the future is dropped.
    pub(crate) async fn append(&self, record: Record) -> Result<()> {
        let ledger = self.clone();
        let written = tokio::task::spawn_blocking(move || ledger.write(&record)).await;
        written.map_err(|error| Error::io("write the ledger", &self.path, std::io::Error::other(error)))?
    }
}

/// What the lines of a ledger add up to, and its server. Lines that cannot be read are passed over: a crash can tear
/// one, and then what it announced was not sent.
pub(crate) fn read(bytes: &[u8]) -> (Assets, Option<String>) {
    let (mut assets, mut server) = (Assets::default(), None);
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        match serde_json::from_slice::<Record>(line) {
            Ok(Record::Server { url }) => server = server.or(Some(url)),
            Ok(record) => assets.apply(record),
            Err(error) => tracing::warn!(%error, "a line of the ledger cannot be read"),
        }
    }
    (assets, server)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets::{Asset, record::Kind};

    const SERVER: &str = "http://127.0.0.1:9090/";

    fn uploading(id: &str) -> Record {
        Record::Uploading { id: id.into(), session_id: None, kind: Kind::Image, file: "a.png".into() }
    }

    #[test]
    fn a_ledger_cut_anywhere_can_be_read_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let (ledger, _) = Ledger::open(&path, SERVER).unwrap();
        ledger.write(&uploading("one")).unwrap();
        ledger.write(&Record::Uploaded { id: "one".into(), kind: Kind::Image, name: "ä.png".into() }).unwrap();
        ledger.write(&Record::Enqueuing { queue_id: "q".into(), batch_id: "b".into() }).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let line_ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (ledger, assets) = Ledger::open(&path, SERVER).unwrap();
            // A line counts as soon as it is whole, with or without its end.
            let lines = line_ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(assets.unfinished_uploads.len(), usize::from(lines == 2), "cut at {cut}");
            assert_eq!(assets.uploads.len(), usize::from(lines >= 3), "cut at {cut}");
            assert_eq!(assets.batches.len(), usize::from(lines >= 4), "cut at {cut}");
            ledger.write(&Record::Uploaded { id: "two".into(), kind: Kind::Image, name: "two".into() }).unwrap();
            let (_, assets) = Ledger::open(&path, SERVER).unwrap();
            assert!(assets.uploads.contains(&Asset::Image("two".into())), "cut at {cut}");
        }
    }

    #[test]
    fn another_server_s_ledger_is_refused_and_unknown_records_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let lines = "{\"record\":\"server\",\"url\":\"http://a/\"}\n{\"record\":\"of_tomorrow\",\"x\":1}\n";
        std::fs::write(&path, lines).unwrap();
        let refused = Ledger::open(&path, SERVER).unwrap_err().to_string();
        assert!(refused.contains("http://a/") && refused.contains(SERVER), "{refused}");
        assert!(Ledger::open(&path, "http://a/").unwrap().1.is_empty());
        assert!(Ledger::open(&folder.path().join("no/such"), SERVER).is_err());
    }

    #[test]
    fn what_is_gone_is_not_told_again() {
        let mut assets = Assets::default();
        assets.apply(uploading("one"));
        assets.apply(uploading("two"));
        assets.apply(Record::Uploaded { id: "one".into(), kind: Kind::Image, name: "a".into() });
        assets.apply(Record::Refused { id: "two".into() });
        assets.apply(Record::CreatedBoard { id: "three".into(), board_id: "board".into() });
        assets.apply(Record::Enqueuing { queue_id: "q".into(), batch_id: "b".into() });
        let sessions = |ids: &[&str], since: &str| Record::Sessions {
            batch_id: "b".into(),
            sessions: ids.iter().map(|id| (*id).to_owned()).collect(),
            since: Some(since.into()),
        };
        assets.apply(sessions(&["s", "t"], "2026-01-02 00:00:00"));
        assets.apply(sessions(&["t", "u"], "2026-01-01 00:00:00"));
        assert_eq!(assets.batches[0].sessions, ["s", "t", "u"]);
        assert_eq!(assets.batches[0].since.as_deref(), Some("2026-01-01 00:00:00"));
        assert!(!assets.is_empty() && assets.unfinished_uploads.is_empty());
        for asset in [Asset::Image("a".into()), Asset::Board("board".into())] {
            assets.apply(Record::Gone { asset });
        }
        assets.apply(Record::BatchGone { batch_id: "b".into() });
        assert!(assets.is_empty());
    }
}
