//! Rows of values from files.

use std::io::{BufRead as _, BufReader, Read};

use serde_json::{Map, Value};

use crate::error::{Error, Result};

type Columns = Vec<(String, Vec<Value>)>;

/// Columns of a CSV file, by the names in its first line. All values are texts; fields of other types convert them.
pub(super) fn csv(reader: impl Read) -> Result<Columns> {
    let unreadable = |error: csv::Error| Error::invalid("csv", error.to_string());
    let mut rows = csv::Reader::from_reader(reader);
    let mut columns: Columns =
        rows.headers().map_err(unreadable)?.iter().map(|name| (name.trim().to_owned(), Vec::new())).collect();
    for row in rows.records() {
        for (cell, (_, column)) in row.map_err(unreadable)?.iter().zip(&mut columns) {
            column.push(Value::from(cell));
        }
    }
    Ok(columns)
}

/// Columns of a JSON Lines file. Each line is an object with the same members.
pub(super) fn json_lines(reader: impl Read) -> Result<Columns> {
    let mut columns: Columns = Vec::new();
    for (i, line) in BufReader::new(reader).lines().enumerate() {
        let place = || format!("line {}", i + 1);
        let line = line.map_err(|error| Error::invalid(place(), error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let mut row: Map<String, Value> =
            serde_json::from_str(&line).map_err(|error| Error::invalid(place(), format!("is no object: {error}")))?;
        if columns.is_empty() {
            columns = row.keys().map(|name| (name.clone(), Vec::new())).collect();
        }
        for (name, column) in &mut columns {
            let value = row.remove(name).ok_or_else(|| Error::invalid(place(), format!("lacks `{name}`")))?;
            column.push(value);
        }
        if let Some(name) = row.keys().next() {
            return Err(Error::invalid(place(), format!("has `{name}`, which the lines before it lack")));
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn csv_columns_are_texts() {
        let columns = csv("prompt, seed\n\"a, b\",1\nc,2\n".as_bytes()).unwrap();
        assert_eq!(
            columns,
            [("prompt".to_owned(), vec![json!("a, b"), json!("c")]), ("seed".to_owned(), vec![json!("1"), json!("2")]),]
        );
        let error = csv("a,b\n1\n".as_bytes()).unwrap_err().to_string();
        assert!(error.contains("line: 2"), "{error}");
    }

    #[test]
    fn json_lines_must_agree() {
        let columns = json_lines("{\"a\": 1, \"b\": \"x\"}\n\n{\"b\": \"y\", \"a\": 2}\n".as_bytes()).unwrap();
        assert_eq!(
            columns,
            [("a".to_owned(), vec![json!(1), json!(2)]), ("b".to_owned(), vec![json!("x"), json!("y")]),]
        );
        for (lines, said) in [
            ("{\"a\": 1}\n{}\n", "`line 2` lacks `a`"),
            ("{\"a\": 1}\n{\"a\": 1, \"c\": 2}\n", "`line 2` has `c`"),
            ("[1]\n", "`line 1` is no object"),
        ] {
            let error = json_lines(lines.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
