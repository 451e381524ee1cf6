//! Many runs of one workflow: rows of a file, lists of values, ranges of seeds.

use std::{path::Path, str::FromStr};

use clap::Args;
use invokeai_client::{
    Sweep,
    sweep::Columns,
    workflow::{NamedField, field::InkField},
};
use serde_json::Value;

use super::{Filler, pictures, refuse_connected};
use crate::failure::{Failure, with_causes};

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ManyArgs {
    /// Run once for each row: a .csv file whose first line names inputs, or a .jsonl file of objects; `-` is standard
    /// input. Image columns may name files, which are uploaded
    #[arg(long, value_name = "FILE", help_heading = "Many runs")]
    rows: Option<String>,
    /// Run once for each value: NAME=A,B,C, NAME=@FILE with a value on each line, or for images NAME=FOLDER. If given
    /// several times, runs all combinations
    #[arg(long = "each", value_name = "NAME=VALUES", help_heading = "Many runs", add = crate::completion::inputs())]
    each: Vec<String>,
    /// Use the first values of all inputs together, then the second ones, and so on, instead of all combinations
    #[arg(long, help_heading = "Many runs")]
    zip: bool,
    /// Seed: `random` for a different one in each run, a number, or a range such as 1..4 (with both ends)
    #[arg(long, value_name = "SEED", help_heading = "Many runs")]
    seed: Option<Seed>,
}

/// What `--seed` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seed {
    Random,
    Range(u32, u32),
}

/// More runs than any server's queue takes must be a typing error.
const MOST_SEEDS: u32 = 100_000;

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "random" {
            return Ok(Self::Random);
        }
        let number = |text: &str| text.parse::<u32>();
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        match (number(first), number(last)) {
            (Ok(first), Ok(last)) if first <= last && last - first < MOST_SEEDS => Ok(Self::Range(first, last)),
            (Ok(first), Ok(last)) if first <= last => Err(format!("more than {MOST_SEEDS} seeds")),
            _ => Err("must be `random`, a number from 0 to 4294967295, or a range such as 1..4".into()),
        }
    }
}

/// An input with its values.
type Column = (String, Vec<Value>);

impl Filler<'_> {
    /// The sweep over all values, if there is more than one.
    pub(super) fn many(&mut self, args: &ManyArgs) -> Result<Option<Sweep>, Failure> {
        let mut groups: Vec<Vec<Column>> = Vec::new();
        if let Some(rows) = &args.rows {
            groups.push(self.rows(rows)?);
        }
        for argument in &args.each {
            groups.push(vec![self.each(argument)?]);
        }
        let mut random = None;
        match args.seed {
            None => {}
            Some(seed) => {
                let input = self.seed_input()?;
                match seed {
                    Seed::Random => random = Some(input),
                    Seed::Range(first, last) if first == last => {
                        self.workflow.set_named_field(&*input, first).map_err(invokeai_client::Error::from)?;
                    }
                    Seed::Range(first, last) => groups.push(vec![(input, (first..=last).map(Value::from).collect())]),
                }
            }
        }
        if args.zip {
            groups = vec![groups.into_iter().flatten().collect()];
        }
        groups.retain(|group| !group.is_empty());
        if groups.is_empty() && random.is_none() {
            return Ok(None);
        }
        let mut sweep = Sweep::new();
        for group in groups {
            sweep = sweep.zip(&self.workflow, group)?;
        }
        if let Some(input) = random {
            sweep = sweep.random_seeds(&self.workflow, input)?;
        }
        if sweep.is_empty() {
            return Err(Failure::other("nothing would run: there are no rows"));
        }
        Ok(Some(sweep))
    }

    /// `--rows FILE`.
    fn rows(&mut self, path: &str) -> Result<Vec<Column>, Failure> {
        let fail = |problem: String| Failure::other(format!("--rows {path}: {problem}"));
        let text = self.texts.file(path, "--rows").map_err(fail)?;
        let ending = Path::new(path).extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let is_json = match ending.as_deref() {
            Some("jsonl" | "ndjson") => true,
            Some("csv") => false,
            _ => text.trim_start().starts_with('{'),
        };
        let columns: Result<Columns, _> = match is_json {
            true => Sweep::json_lines_columns(text.as_bytes()),
            false => Sweep::csv_columns(text.as_bytes()),
        };
        let columns = columns.map_err(|error| fail(with_causes(&error)))?;
        let mut converted = Vec::new();
        for (name, values) in columns {
            let field = self.field(&name).map_err(fail)?;
            let mut column = Vec::with_capacity(values.len());
            for (row, value) in values.into_iter().enumerate() {
                let value = beside(path, &field.field, value);
                let value = self.convert(&field.field, value);
                column.push(value.map_err(|problem| fail(format!("row {}, {name}: {problem}", row + 1)))?);
            }
            converted.push((name, column));
        }
        Ok(converted)
    }

    /// `--each NAME=VALUES`.
    fn each(&mut self, argument: &str) -> Result<Column, Failure> {
        let fail = |problem: String| Failure::other(format!("--each {argument}: {problem}"));
        let (name, given) = self.split(argument).ok_or_else(|| fail("must be NAME=VALUES".into()))?;
        let (name, given) = (name.to_owned(), given.to_owned());
        let field = self.field(&name).map_err(fail)?;
        let values: Vec<Value> = match given.strip_prefix('@') {
            Some(path) if !path.starts_with('@') => {
                let text = self.texts.file(path, &format!("--each {name}")).map_err(fail)?;
                text.lines().filter(|line| !line.trim().is_empty()).map(Value::from).collect()
            }
            _ => listed(given.strip_prefix('@').unwrap_or(&given)).map_err(fail)?,
        };
        let mut column = Vec::new();
        for value in values {
            match (&field.field, value) {
                // A folder or a pattern means the images in it.
                (InkField::Image(_), Value::String(text)) => {
                    for image in self.images(&text).map_err(fail)? {
                        column.push(self.convert(&field.field, image).map_err(fail)?);
                    }
                }
                (_, value) => column.push(self.convert(&field.field, value).map_err(fail)?),
            }
        }
        Ok((name, column))
    }

    fn field(&self, name: &str) -> Result<NamedField, String> {
        let field = self.workflow.named_field(name).map_err(|error| error.to_string())?;
        refuse_connected(&field)?;
        Ok(field)
    }

    /// The one field that takes a seed.
    fn seed_input(&self) -> Result<String, Failure> {
        if let Ok(field) = self.workflow.named_field("seed")
            && !field.connected
        {
            return Ok(format!("{}.{}", field.node_id, field.field_name));
        }
        let mut seeds = self.workflow.fields_called("seed");
        seeds.retain(|field| !field.connected && matches!(field.field, InkField::Integer(_)));
        let names: Vec<String> =
            seeds.iter().map(|field| self.workflow.name_of_field(&field.node_id, &field.field_name)).collect();
        match &seeds[..] {
            [field] => Ok(format!("{}.{}", field.node_id, field.field_name)),
            [] => Err(Failure::other("--seed: no node of the workflow takes a seed")),
            _ => {
                let problem = "--seed: several nodes take a seed; use --set or --each with one of these:";
                Err(Failure::other(format!("{problem} {}", names.join(", "))))
            }
        }
    }
}

/// The values of a list: a JSON list, or texts between commas, with quotes around what has a comma in it.
fn listed(text: &str) -> Result<Vec<Value>, String> {
    if text.starts_with('[')
        && let Ok(values) = serde_json::from_str::<Vec<Value>>(text)
    {
        return Ok(values);
    }
    let mut lines = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut values = Vec::new();
    for line in lines.records() {
        values.extend(line.map_err(|error| error.to_string())?.iter().map(Value::from));
    }
    Ok(values)
}

/// A file that a table names may be next to the table.
fn beside(table: &str, field: &InkField, value: Value) -> Value {
    let (InkField::Image(_) | InkField::ImageCollection(_), Value::String(text)) = (field, &value) else {
        return value;
    };
    let folder = Path::new(table).parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder.map(|folder| folder.join(text.trim())) {
        Some(path) if !pictures::is_here(text.trim()) && path.exists() => Value::from(path.to_string_lossy()),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_written_with_commas_quotes_or_as_json() {
        let of = |text: &str| listed(text).map(Value::from).expect(text).to_string();
        assert_eq!(of("a,b c,7"), r#"["a","b c","7"]"#);
        assert_eq!(of(r#""a, b",c"#), r#"["a, b","c"]"#);
        assert_eq!(of("[1, 2]"), "[1,2]");
        assert_eq!(of("[a"), r#"["[a"]"#);
    }

    #[test]
    fn seeds_are_random_one_or_a_range() {
        for (text, seed) in [
            ("random", Seed::Random),
            ("7", Seed::Range(7, 7)),
            ("1..4", Seed::Range(1, 4)),
            ("3..3", Seed::Range(3, 3)),
        ] {
            assert_eq!(text.parse(), Ok(seed), "{text}");
        }
        for wrong in ["", "-1", "4..1", "1..", "a", "0..4294967295", "4294967296"] {
            assert!(wrong.parse::<Seed>().is_err(), "{wrong}");
        }
    }
}
