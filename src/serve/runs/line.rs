//! A line of the log: a mark, which says whether it counts, a checksum, and a run as JSON.
//!
//! The mark is one byte, and can be changed where it is: one byte is written whole or not at all, and needs no room on a
//! full disk.

use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::serve::state::{Key, Record, Stage};

/// What a line begins with as long as its run is kept.
pub(super) const KEPT: u8 = b'+';

/// What takes the place of [`KEPT`] when the run is removed.
pub(super) const REMOVED: u8 = b'-';

/// What takes its place when the run was taken by what is behind, when its end was asked for, and when both are so.
const TAKEN: u8 = b'>';
const CANCELED: u8 = b'!';
const BOTH: u8 = b'^';

/// What is known of a run before a new line of it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// What is behind has answered that it has it: it must not be sent again.
    Taken,
    /// Somebody asked for its end.
    Canceled,
}

impl Mark {
    /// What a line begins with that has this mark besides those that it had.
    pub(super) fn added(self, to: u8) -> u8 {
        match (self, to) {
            (Self::Taken, CANCELED | BOTH) | (Self::Canceled, TAKEN | BOTH) => BOTH,
            (Self::Taken, _) => TAKEN,
            (Self::Canceled, _) => CANCELED,
        }
    }
}

/// How many digits the checksum has.
const DIGITS: usize = 16;

/// Members of a record, as they are written. The id is the first.
const ID: &[u8] = b"\"id\":";
const KEY: &[u8] = b"\"key\":";

/// What a line says.
#[derive(Debug)]
pub(super) enum Line {
    Run(Box<Record>),
    Removed(Uuid),
    /// It was damaged, or is of another version. Whose it is, as far as that is known.
    Unreadable {
        id: Option<Uuid>,
        key: Option<Key>,
    },
}

impl Line {
    /// Reads a line, with or without its end.
    pub(super) fn read(line: &[u8]) -> Self {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        whole(line).unwrap_or_else(|| Self::Unreadable { id: member(line, ID), key: member(line, KEY) })
    }

    /// Reads the first of what should be one line, and says how long it is. There are several if the end of one was
    /// damaged.
    pub(super) fn first(line: &[u8]) -> (Self, usize) {
        match (Self::read(line), next(line)) {
            (Self::Unreadable { .. }, Some(next)) => (Self::read(line.get(..next).unwrap_or_default()), next),
            (read, _) => (read, line.len()),
        }
    }
}

fn whole(line: &[u8]) -> Option<Line> {
    let (mark, rest) = line.split_first()?;
    let (digits, rest) = rest.strip_prefix(b" ")?.split_at_checked(DIGITS)?;
    let json = rest.strip_prefix(b" ")?;
    if digits != checksum(json).as_bytes() {
        return None;
    }
    let mut record: Box<Record> = serde_json::from_slice(json).ok()?;
    match *mark {
        KEPT => {}
        REMOVED => return Some(Line::Removed(record.id)),
        TAKEN | CANCELED | BOTH => {
            record.canceled = *mark != TAKEN;
            if *mark != CANCELED && matches!(record.stage, Stage::Accepted) {
                record.stage = Stage::Enqueued { ticket: None };
            }
        }
        _ => return None,
    }
    Some(Line::Run(record))
}

/// Where another line begins in this one. What begins a line is nowhere in JSON, where quotes in texts are escaped.
fn next(line: &[u8]) -> Option<usize> {
    let json = [b" {", ID].concat();
    let ends = line.windows(json.len()).enumerate().filter(|(_, window)| *window == json).map(|(end, _)| end);
    ends.filter_map(|end| {
        let start = end.checked_sub(DIGITS + 2).filter(|start| *start > 0)?;
        let [mark, b' ', digits @ ..] = line.get(start..end)? else { return None };
        ([KEPT, REMOVED, TAKEN, CANCELED, BOTH].contains(mark) && digits.iter().all(u8::is_ascii_hexdigit))
            .then_some(start)
    })
    .next()
}

/// The line of a run, with its end.
pub(super) fn written(record: &Record) -> serde_json::Result<Vec<u8>> {
    let json = serde_json::to_vec(record)?;
    let mut line = Vec::with_capacity(json.len() + DIGITS + 4);
    line.extend_from_slice(&[KEPT, b' ']);
    line.extend_from_slice(checksum(&json).as_bytes());
    line.push(b' ');
    line.extend_from_slice(&json);
    line.push(b'\n');
    Ok(line)
}

fn checksum(json: &[u8]) -> String {
    let digest = Sha256::digest(json);
    let (head, _) = digest.split_at(DIGITS / 2);
    head.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A member of a record that cannot be read as a whole. Those that are asked for come before all values of callers.
fn member<T: DeserializeOwned>(line: &[u8], name: &[u8]) -> Option<T> {
    let start = line.windows(name.len()).position(|window| window == name)? + name.len();
    serde_json::Deserializer::from_slice(line.get(start..)?).into_iter().next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let key = Key { text: "a \"key\"".into(), digest: "d".into() };
        Record::accepted("flux", Some(key), serde_json::Map::new())
    }

    fn is_of(line: &Line, record: &Record) -> bool {
        matches!(line, Line::Unreadable { id, key } if *id == Some(record.id) && *key == record.key)
    }

    #[test]
    fn a_line_is_read_as_it_was_written_and_never_as_another_run() {
        let record = record();
        let line = written(&record).expect("a line");
        let read = Line::read(&line);
        assert!(matches!(&read, Line::Run(run) if run.id == record.id && run.batch_id == record.batch_id), "{read:?}");
        let mut removed = line.clone();
        removed[0] = REMOVED;
        assert!(matches!(Line::read(&removed), Line::Removed(id) if id == record.id));
        for (marks, taken, canceled) in [
            (&[Mark::Taken][..], true, false),
            (&[Mark::Canceled], false, true),
            (&[Mark::Canceled, Mark::Taken, Mark::Canceled], true, true),
        ] {
            let mut marked = line.clone();
            marked[0] = marks.iter().fold(KEPT, |mark, more| more.added(mark));
            let Line::Run(read) = Line::read(&marked) else { panic!("{marks:?}") };
            let is_taken = matches!(read.stage, Stage::Enqueued { ticket: None });
            assert_eq!((is_taken, read.canceled), (taken, canceled), "{marks:?}");
        }
        for at in 0..line.len() - 1 {
            let mut damaged = line.clone();
            damaged[at] ^= 1;
            assert!(matches!(Line::read(&damaged), Line::Unreadable { .. }), "{at}");
            assert!(matches!(Line::read(&line[..at]), Line::Unreadable { .. }), "{at}");
        }
        for other in [&b""[..], b"\n", b"+", b"+ ", b"{}", b"\0\0\0\0", b"+ 0123456789abcdef {}"] {
            assert!(matches!(Line::read(other), Line::Unreadable { id: None, key: None }), "{other:?}");
        }
    }

    #[test]
    fn a_damaged_line_tells_whose_it_is_and_takes_no_other_along() {
        let (one, two) = (record(), record());
        let line = written(&one).expect("a line");
        for at in [0, 1, 5, line.len() - 3, line.len() - 2] {
            let mut damaged = line.clone();
            damaged[at] = 0;
            assert!(is_of(&Line::read(&damaged), &one), "{at}");
        }
        // Where the end of one line was.
        let mut both = [line.clone(), written(&two).expect("a line")].concat();
        both[line.len() - 1] = b'x';
        let (first, length) = Line::first(&both);
        assert!(is_of(&first, &one), "{first:?}");
        assert_eq!(length, line.len());
        let (second, length) = Line::first(&both[length..]);
        assert!(matches!(&second, Line::Run(run) if run.id == two.id), "{second:?}");
        assert_eq!(length, both.len() - line.len());
    }
}
