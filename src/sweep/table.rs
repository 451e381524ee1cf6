//! Rows of values from files.

use std::io::{BufRead as _, BufReader, Read};

use serde_json::Value;

use crate::{
    base::distinct::Distinct,
    error::{Error, Result},
};

/// Inputs with their values, row by row.
pub type Columns = Vec<(String, Vec<Value>)>;

/// The content of a file: names of inputs, and rows with a cell for each.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    pub(super) names: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// Whether the cells of a line are in an order, so that each has a number.
    pub(super) has_columns: bool,
}

impl Table {
    pub(super) fn into_columns(self) -> Columns {
        let mut columns: Columns = self.names.into_iter().map(|name| (name, Vec::new())).collect();
        for row in self.rows {
            columns.iter_mut().zip(row.cells).for_each(|((_, column), cell)| column.push(cell));
        }
        columns
    }
}

#[derive(Debug, PartialEq)]
pub(super) struct Row {
    /// The line in which it begins, from 1.
    pub(super) line: u64,
    pub(super) cells: Vec<Value>,
}

/// The rows of a CSV file, whose first line has the names. All values are texts; fields of other types convert them.
pub(super) fn csv(mut reader: impl Read) -> Result<Table> {
    let mut text = Vec::new();
    reader.read_to_end(&mut text).map_err(|error| Error::invalid("csv", format!("cannot be read: {error}")))?;
    let unreadable = |error: csv::Error| unreadable(&error, &text);
    let mut reader = csv::Reader::from_reader(&*text);
    let names: Vec<String> = reader.headers().map_err(unreadable)?.iter().map(column_name).collect();
    if names.is_empty() {
        return Err(Error::invalid("csv", "is empty; its first line must name inputs"));
    }
    if let Some(place) = names.iter().position(String::is_empty) {
        return Err(Error::invalid("csv", format!("column {} has no name in the first line", place + 1)));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = line(record.position(), &text);
        rows.push(Row { line, cells: record.iter().map(Value::from).collect() });
    }
    Ok(Table { names, rows, has_columns: true })
}

/// Spreadsheets put a byte order mark before the first name.
fn column_name(name: &str) -> String {
    name.trim_start_matches('\u{feff}').trim().to_owned()
}

/// The line in which a record begins. Its position is where the previous record ended, and empty lines may come
/// between.
fn line(position: Option<&csv::Position>, text: &[u8]) -> u64 {
    let Some(position) = position else { return 1 };
    let rest = usize::try_from(position.byte()).ok().and_then(|begin| text.get(begin..)).unwrap_or_default();
    let empty = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n');
    position.line() + empty.count() as u64
}

fn unreadable(error: &csv::Error, text: &[u8]) -> Error {
    let line = line(error.position(), text);
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let problem = format!("has {len} columns; the first line has {expected_len}");
            Error::invalid(format!("line {line}"), problem)
        }
        csv::ErrorKind::Utf8 { err, .. } => {
            Error::invalid(format!("line {line}, column {}", err.field() + 1), "is not UTF-8 text")
        }
        _ => Error::invalid("csv", format!("cannot be read: {error}")),
    }
}

/// The rows of a JSON Lines file. Each line is an object with the same members.
pub(super) fn json_lines(reader: impl Read) -> Result<Table> {
    let mut names: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for (line, text) in (1..).zip(BufReader::new(reader).lines()) {
        let invalid = |problem: String| Error::invalid(format!("line {line}"), problem);
        let text = text.map_err(|error| invalid(format!("cannot be read: {error}")))?;
        if text.trim().is_empty() {
            continue;
        }
        let Distinct(mut row) = serde_json::from_str(&text).map_err(|error| not_an_object(line, &error))?;
        if rows.is_empty() {
            names = row.keys().cloned().collect();
        }
        if names.is_empty() {
            return Err(invalid("names no input".into()));
        }
        let cell = |name: &String| row.remove(name).ok_or_else(|| invalid(format!("lacks `{name}`")));
        let cells = names.iter().map(cell).collect::<Result<_>>()?;
        if let Some(name) = row.keys().next() {
            return Err(invalid(format!("has `{name}`, which the lines before it lack")));
        }
        rows.push(Row { line, cells });
    }
    match rows.is_empty() {
        true => Err(Error::invalid("json", "is empty; each line must be an object from input to value")),
        false => Ok(Table { names, rows, has_columns: false }),
    }
}

fn not_an_object(line: u64, error: &serde_json::Error) -> Error {
    // It counts lines from the beginning of the text that it was given, which is always one line.
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let said = said.strip_suffix(&place).unwrap_or(&said);
    // For a complete value that is not an object, it does not say the column.
    let column = if error.column() == 0 { String::new() } else { format!(", column {}", error.column()) };
    Error::invalid(format!("line {line}{column}"), format!("is not a JSON object: {said}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table(names: [&str; 2], rows: [(u64, [Value; 2]); 2], has_columns: bool) -> Table {
        let rows = rows.into_iter().map(|(line, cells)| Row { line, cells: cells.into() }).collect();
        Table { names: names.map(str::to_owned).into(), rows, has_columns }
    }

    #[test]
    fn csv_cells_are_texts_and_rows_know_their_line() {
        let read = csv("prompt, seed\n\"a,\nb\",1\n\nc,2\n".as_bytes()).unwrap();
        let rows = [(2, [json!("a,\nb"), json!("1")]), (5, [json!("c"), json!("2")])];
        assert_eq!(read, table(["prompt", "seed"], rows, true));
    }

    #[test]
    fn what_is_wrong_with_csv_is_named_by_line_and_column() {
        for (text, said) in [
            (&b"a,b\n1\n"[..], "`line 2` has 1 columns; the first line has 2"),
            (b"a,b\r\n\r\n\r\n1\r\n", "`line 4` has 1 columns; the first line has 2"),
            (b"a,b\n1,2\n3,\xff\n", "`line 3, column 2` is not UTF-8 text"),
            (b"", "`csv` is empty; its first line must name inputs"),
        ] {
            assert_eq!(csv(text).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn json_lines_must_agree() {
        let read = json_lines("{\"a\": 1, \"b\": \"x\"}\n\n{\"b\": \"y\", \"a\": 2}\n".as_bytes()).unwrap();
        assert_eq!(read, table(["a", "b"], [(1, [json!(1), json!("x")]), (3, [json!(2), json!("y")])], false));
        for (lines, said) in [
            ("{\"a\": 1}\n{}\n", "`line 2` lacks `a`"),
            ("{\"a\": 1}\n{\"a\": 1, \"c\": 2}\n", "`line 2` has `c`"),
            ("{\"a\": 1}\n{\"a\": 1 2}\n", "`line 2, column 9` is not a JSON object: expected"),
            ("[1]\n", "`line 1` is not a JSON object: invalid type"),
            ("{\"a\": 1, \"a\": 2}\n", "`line 1, column 12` is not a JSON object: `a` is given twice"),
            ("", "`json` is empty"),
            ("\n \n", "`json` is empty"),
            ("{}\n{}\n", "`line 1` names no input"),
        ] {
            let error = json_lines(lines.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
            assert!(!error.contains(" at line "), "{error}");
        }
    }
}
