//! The ledger: a file of records that survives a crash.

use std::{
    fmt::Debug,
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::record::{EDITION, Record, Records};
use crate::{
    base::local_folder::{parent, sync_directory, unlock},
    error::{Error, Result},
};

/// The first line of a ledger holds an address; no address is longer.
const LONGEST_FIRST_LINE: u64 = 64 * 1024;

/// A file of JSON lines that is only ever appended to. Each line is on disk before the call that it announces is sent.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    path: PathBuf,
    lines: Arc<Mutex<Lines>>,
}

/// The right to be the only one in this process that uses a file.
pub(super) type Place = Box<dyn Debug + Send>;

#[derive(Debug)]
struct Lines {
    // Closed, and so unlocked, before its place is released.
    file: File,
    /// Whether the last line may lack its end, and would swallow the next.
    torn: bool,
    /// Released when dropped.
    _place: Place,
}

impl Drop for Lines {
    fn drop(&mut self) {
        unlock(&self.file);
    }
}

impl Lines {
    /// Appends a line and waits until it is on disk.
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if is_deleted(&self.file)? {
            return Err(io::Error::other("it was deleted while in use"));
        }
        // An empty line after a torn one says that whoever went on knew of it.
        let start: &[u8] = if self.torn { b"\n\n" } else { b"" };
        // A full disk takes part of a line.
        self.torn = true;
        self.file.write_all(&[start, line, b"\n"].concat())?;
        self.torn = false;
        self.file.sync_data()
    }
}

impl Ledger {
    /// Takes over a file that is locked for this process: reads what is not cleaned up yet, and writes the first line
    /// where there is none.
    pub(super) fn take_over(mut file: File, path: &Path, server: &str, place: Place) -> Result<(Self, Records)> {
        let bytes = read_whole(&mut file, path, server)?;
        if !is_begun(&bytes) {
            begin(&mut file, path, server).map_err(|error| Error::io("write the ledger", path, error))?;
        }
        let torn = is_begun(&bytes) && !bytes.ends_with(b"\n");
        let lines = Arc::new(Mutex::new(Lines { file, torn, _place: place }));
        Ok((Self { path: path.to_owned(), lines }, read(&bytes).0))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record and waits until it is on disk.
    fn write(&self, record: &Record) -> Result<()> {
        let failed = |error| Error::io("write the ledger", &self.path, error);
        let line = serde_json::to_vec(record).map_err(|error| failed(error.into()))?;
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).append(&line).map_err(failed)
    }

    /// Appends a record without holding up other tasks. Once begun it is carried out, even if the future is dropped.
    pub(crate) async fn append(&self, record: Record) -> Result<()> {
        let ledger = self.clone();
        let written = tokio::task::spawn_blocking(move || ledger.write(&record)).await;
        written.map_err(|error| Error::io("write the ledger", &self.path, io::Error::other(error)))?
    }
}

/// Refuses a file that is neither empty nor a ledger about this server. Reads no more than its first line.
pub(super) fn check_beginning(file: &mut File, path: &Path, server: &str) -> Result<()> {
    let mut head = Vec::new();
    file.take(LONGEST_FIRST_LINE).read_to_end(&mut head).map_err(|error| Error::io("open the ledger", path, error))?;
    check(&head, path, server)
}

/// Reads a ledger from its beginning, and refuses a file that is not a ledger.
pub(super) fn read_whole(file: &mut File, path: &Path, server: &str) -> Result<Vec<u8>> {
    let failed = |error| Error::io("open the ledger", path, error);
    let mut bytes = Vec::new();
    file.rewind().map_err(failed)?;
    file.read_to_end(&mut bytes).map_err(failed)?;
    check(&bytes, path, server)?;
    Ok(bytes)
}

fn check(bytes: &[u8], path: &Path, server: &str) -> Result<()> {
    let unusable = |problem| Err(Error::UnusableLedger { path: path.to_owned(), problem });
    let (first, whole) = first_line_of(bytes);
    match serde_json::from_slice(first) {
        Ok(Record::Server { version, .. }) if version > EDITION => {
            unusable(format!("it is of edition {version}, which needs a newer version of this program"))
        }
        Ok(Record::Server { url, .. }) if url != server => Err(of_another_server(path, &url, server)),
        Ok(Record::Server { .. }) => Ok(()),
        // A crash may have come before the first line was whole.
        _ if !whole && first_line(server).starts_with(first) => Ok(()),
        _ => unusable("it is neither a new or empty file nor the ledger of an earlier run".into()),
    }
}

pub(super) fn of_another_server(path: &Path, its: &str, server: &str) -> Error {
    Error::UnusableLedger { path: path.to_owned(), problem: format!("it is about the server {its}, not {server}") }
}

/// Whether the first line is there.
fn is_begun(bytes: &[u8]) -> bool {
    matches!(serde_json::from_slice(first_line_of(bytes).0), Ok(Record::Server { .. }))
}

/// The first line, and whether it has an end.
fn first_line_of(bytes: &[u8]) -> (&[u8], bool) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], true),
        None => (bytes, false),
    }
}

/// The line with which a ledger begins.
fn first_line(server: &str) -> Vec<u8> {
    let record = Record::Server { url: server.to_owned(), version: EDITION };
    // A record of texts and numbers can always be written.
    let mut line = serde_json::to_vec(&record).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Begins a ledger, in place of what a crash left of an earlier try.
fn begin(file: &mut File, path: &Path, server: &str) -> io::Result<()> {
    if file.metadata()?.len() > 0 {
        // Windows does not do this to a file that is open to be appended to. A new ledger must not need it.
        file.set_len(0)?;
    }
    file.write_all(&first_line(server))?;
    file.sync_all()?;
    // The file is found after a crash only if its folder is on disk, too.
    sync_directory(&parent(path))
}

/// What is written to a file that no longer has a name is lost.
#[cfg(unix)]
pub(super) fn is_deleted(file: &File) -> io::Result<bool> {
    Ok(std::os::unix::fs::MetadataExt::nlink(&file.metadata()?) == 0)
}

#[cfg(not(unix))]
pub(super) fn is_deleted(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// What the lines of a ledger add up to, and its server. Lines that cannot be read are skipped: a crash or a full disk
/// can tear one, and then what it announced was not sent. Such a line is the last and has no end, or an empty one
/// follows. Others are damaged, and counted.
pub(crate) fn read(bytes: &[u8]) -> (Records, Option<String>) {
    let (mut records, mut server) = (Records::default(), None);
    let mut lines = bytes.split(|byte| *byte == b'\n');
    while let Some(line) = lines.next() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<Record>(line) {
            Ok(Record::Server { url, .. }) => server = server.or(Some(url)),
            Ok(record) => records.apply(record),
            Err(error) => {
                tracing::warn!(%error, "a line of the ledger cannot be read");
                let mut rest = lines.clone();
                let is_torn = rest.next().is_none_or(|next| next.is_empty() && rest.next().is_some());
                if !is_torn {
                    records.cannot_read();
                }
            }
        }
    }
    (records, server)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::assets::{
        Asset, Assets,
        open::{open, read_only},
    };
    use crate::media::FileKind;

    const SERVER: &str = "http://127.0.0.1:9090/";

    fn uploading(id: &str) -> Record {
        Record::Uploading { id: id.into(), session_id: None, kind: FileKind::Image, file: "a.png".into() }
    }

    /// Opens a ledger as a client does, writes records, and closes it again.
    fn write(path: &Path, records: impl IntoIterator<Item = Record>) -> Assets {
        let log = open(path, true, SERVER, Duration::ZERO).unwrap();
        let assets = log.assets();
        for record in records {
            log.ledger().unwrap().write(&record).unwrap();
        }
        assets
    }

    #[test]
    fn a_ledger_cut_anywhere_can_be_read_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let records = [
            uploading("one"),
            Record::Uploaded { id: "one".into(), kind: FileKind::Image, name: "ä.png".into() },
            Record::Enqueuing { queue_id: "q".into(), batch_id: "b".into() },
        ];
        write(&path, records);
        let whole = std::fs::read(&path).unwrap();
        let line_ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let two = Record::Uploaded { id: "two".into(), kind: FileKind::Image, name: "two".into() };
            let assets = write(&path, [two]);
            // A line counts as soon as it is whole, with or without its end.
            let lines = line_ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(assets.unfinished_uploads.len(), usize::from(lines == 2), "cut at {cut}");
            assert_eq!(assets.uploads.len(), usize::from(lines >= 3), "cut at {cut}");
            assert_eq!(assets.batches.len(), usize::from(lines >= 4), "cut at {cut}");
            assert!(write(&path, []).uploads.contains(&Asset::Image("two".into())), "cut at {cut}");
            assert!(std::fs::read(&path).unwrap().starts_with(&first_line(SERVER)), "cut at {cut}");
        }
    }

    #[test]
    fn only_a_ledger_about_this_server_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let refused = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            let error = open(&path, true, SERVER, Duration::ZERO).unwrap_err();
            assert_eq!(error.to_string(), read_only(&path, SERVER).unwrap_err().to_string());
            assert!(matches!(error, Error::UnusableLedger { .. }), "{error:?}");
            assert_eq!(std::fs::read(&path).unwrap(), text);
            error.to_string()
        };
        let elsewhere = refused(b"{\"record\":\"server\",\"url\":\"http://a/\"}\n");
        assert!(elsewhere.contains("http://a/") && elsewhere.contains(SERVER), "{elsewhere}");
        let newer = refused(b"{\"record\":\"server\",\"url\":\"http://127.0.0.1:9090/\",\"version\":2}\n");
        assert!(newer.contains("edition 2"), "{newer}");
        let one_byte_more = [&first_line(SERVER)[..20], b"!"].concat();
        for other in [
            &b"\n"[..],
            b" ",
            b"{}\n",
            b"some notes\n",
            b"{\"record\":\"uploaded\",\"id\":\"1\",\"kind\":\"image\",\"name\":\"a.png\"}\n",
            b"{\"record\":\"server\"}\n",
            b"\n{\"record\":\"server\",\"url\":\"http://127.0.0.1:9090/\"}\n",
            b"\x89PNG\r\n\x1a\n",
            &[0; 100_000],
            &one_byte_more,
        ] {
            assert!(refused(other).contains("left as it is"));
        }
        assert!(open(&folder.path().join("no/such"), true, SERVER, Duration::ZERO).is_err());
    }

    #[test]
    fn ledgers_of_the_first_edition_and_unknown_records_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let text = format!("{{\"record\":\"server\",\"url\":\"{SERVER}\"}}\n{{\"record\":\"of_tomorrow\",\"x\":1}}\n");
        std::fs::write(&path, &text).unwrap();
        assert!(write(&path, [uploading("one")]).is_empty());
        assert_eq!(write(&path, []).unfinished_uploads.len(), 1);
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(&text));
    }

    /// As between the start of a process and that of its program.
    #[test]
    fn a_ledger_is_released_though_somebody_inherited_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let log = open(&path, true, SERVER, Duration::ZERO).unwrap();
        let _inherited = log.ledger().unwrap().lines.lock().unwrap().file.try_clone().unwrap();
        drop(log);
        open(&path, true, SERVER, Duration::ZERO).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn what_was_deleted_while_in_use_takes_no_more_records() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let log = open(&path, true, SERVER, Duration::ZERO).unwrap();
        std::fs::remove_file(&path).unwrap();
        let error = log.ledger().unwrap().write(&uploading("one")).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
        // A new file of that name is another ledger.
        assert!(write(&path, [uploading("two")]).is_empty());
        assert_eq!(write(&path, []).unfinished_uploads.len(), 1);
        assert!(log.assets().is_empty());
    }

    #[test]
    fn what_is_gone_is_not_reported_again() {
        let mut records = Records::default();
        records.apply(uploading("one"));
        records.apply(uploading("two"));
        records.apply(Record::Uploaded { id: "one".into(), kind: FileKind::Image, name: "a".into() });
        records.apply(Record::Refused { id: "two".into() });
        records.apply(Record::CreatedBoard { id: "three".into(), board_id: "board".into() });
        records.apply(Record::Enqueuing { queue_id: "q".into(), batch_id: "b".into() });
        records.apply(Record::Enqueued { batch_id: "b".into(), item_ids: vec![1, 2, 3], queue_id: None });
        let sessions = |ids: &[&str], item_ids: &[i64], files: Option<&[&str]>| Record::Sessions {
            batch_id: "b".into(),
            sessions: ids.iter().map(|id| (*id).to_owned()).collect(),
            item_ids: item_ids.to_vec(),
            files: files.map(|names| names.iter().map(|name| Asset::Image((*name).into())).collect()),
        };
        records.apply(sessions(&["s", "t"], &[1, 2], None));
        records.apply(sessions(&["t", "u"], &[2], Some(&["f"])));
        let assets = records.assets();
        let batch = &assets.batches[0];
        assert_eq!(batch.sessions, ["s", "t", "u"]);
        assert_eq!((&batch.item_ids, &batch.unsearched), (&[3].into(), &["s".to_owned()].into()));
        assert_eq!((&batch.files[..], batch.answered), (&[Asset::Image("f".into())][..], true));
        assert!(!assets.is_empty() && assets.unfinished_uploads.is_empty());
        for asset in [Asset::Image("a".into()), Asset::Board("board".into())] {
            records.apply(Record::Gone { asset });
        }
        records.apply(Record::BatchGone { batch_id: "b".into() });
        assert!(records.assets().is_empty());
    }
    #[test]
    fn a_damaged_line_is_counted_and_a_torn_one_is_not() {
        let lines = [
            Record::Enqueuing { queue_id: "q".into(), batch_id: "b".into() },
            Record::Enqueued { batch_id: "b".into(), item_ids: vec![1], queue_id: Some("q".into()) },
            uploading("one"),
        ];
        let lines: Vec<Vec<u8>> = lines.iter().map(|line| serde_json::to_vec(line).unwrap()).collect();
        let of = |lines: &[&[u8]]| read(&lines.join(&b'\n')).0.assets();
        let whole = of(&[&lines[0], &lines[1], &lines[2]]);
        assert_eq!((whole.unreadable, whole.unfinished_uploads.len()), (0, 1));
        for at in 0..lines[0].len() {
            let mut damaged = lines[0].clone();
            damaged[at] = 0xff;
            let assets = of(&[&damaged, &lines[1], &lines[2]]);
            assert_eq!((assets.unreadable, assets.batches.len()), (1, 1), "damaged at {at}");
            assert_eq!((&*assets.batches[0].queue_id, assets.batches[0].item_ids.len()), ("q", 1));
            assert_eq!(of(&[&lines[1], &damaged, b""]).unreadable, 1, "it has its end");
            assert!(!of(&[&damaged, &lines[2][..9]]).is_empty());
            // A crash, after which somebody went on or not.
            assert_eq!(of(&[&lines[0][..at], b"", &lines[1], &lines[2]]).unreadable, 0, "torn at {at}");
            assert_eq!(of(&[&lines[1], &lines[2], &damaged]).unreadable, 0, "the last, damaged at {at}");
        }
        let old = of(&[br#"{"record":"enqueued","batch_id":"b","item_ids":[1]}"#, b"", b""]);
        assert_eq!(old.batches[0].queue_id, "default");
    }
}
