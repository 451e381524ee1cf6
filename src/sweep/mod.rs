//! Sweeps: one workflow with many values, run by the server's own batch engine.

mod table;

use std::{collections::BTreeSet, io::Read};

use serde_json::Value;

pub use table::Columns;

use crate::{
    error::{Error, Result},
    workflow::{
        BatchDatum, InputKey, NamedField, Workflow,
        field::{InputValue, ValueError},
        is_of_called_workflow,
    },
};
use table::Table;

/// Values for some inputs of a workflow, with one queue item for each combination.
///
/// Groups multiply: the last one added varies fastest. Values within a group go side by side. Every value is checked
/// when it is added, because InvokeAI accepts a value of the wrong type and then can no longer read its own queue. An
/// input that is varied needs no value of its own.
///
/// ```no_run
/// # fn example(workflow: &invokeai_client::workflow::Workflow) -> invokeai_client::Result<()> {
/// use invokeai_client::Sweep;
///
/// let sweep = Sweep::new()
///     .product(workflow, "prompt", ["a cat", "a dog"])?
///     .product(workflow, "steps", [10, 20, 30])?
///     .random_seeds(workflow, "seed")?;
/// assert_eq!(sweep.len(), 6);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Sweep {
    groups: Vec<Vec<BatchDatum>>,
    seeds: Vec<(String, String)>,
}

crate::base::debug::short_debug! { Sweep { groups, seeds; .. } }

impl Sweep {
    /// Creates a sweep over nothing: one item.
    pub fn new() -> Self {
        Self::default()
    }

    /// Combines everything so far with each of these values of an input.
    ///
    /// # Errors
    /// If there is no such input, it cannot be varied, or a value is not one of its type.
    pub fn product<V: Into<InputValue>>(
        mut self,
        workflow: &Workflow,
        input: impl Into<InputKey>,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Self> {
        let values = values.into_iter().map(Into::into);
        self.add(vec![column(workflow, input.into(), values, |i| format!("value {}", i + 1))?])?;
        Ok(self)
    }

    /// Combines everything so far with rows of values: the first values of all inputs together, then the second ones,
    /// and so on.
    ///
    /// # Errors
    /// Same as [`product`](Self::product); also if the inputs have different numbers of values.
    pub fn zip<K: Into<InputKey>, V: Into<InputValue>>(
        mut self,
        workflow: &Workflow,
        columns: impl IntoIterator<Item = (K, Vec<V>)>,
    ) -> Result<Self> {
        let columns = columns.into_iter().map(|(input, values)| {
            column(workflow, input.into(), values.into_iter().map(Into::into), |i| format!("row {}", i + 1))
        });
        self.add(columns.collect::<Result<_>>()?)?;
        Ok(self)
    }

    /// Reads the columns of a CSV file, whose first line names inputs, so that the values can be inspected before
    /// [`zip`](Self::zip). All are texts, which fields convert.
    ///
    /// # Errors
    /// If the file cannot be read. Errors name the line.
    pub fn csv_columns(reader: impl Read) -> Result<Columns> {
        Ok(table::csv(reader)?.into_columns())
    }

    /// Reads the columns of a JSON Lines file: objects from input to value, all with the same inputs.
    ///
    /// # Errors
    /// If the file cannot be read. Errors name the line.
    pub fn json_lines_columns(reader: impl Read) -> Result<Columns> {
        Ok(table::json_lines(reader)?.into_columns())
    }

    /// Combines everything so far with the rows of a CSV file, whose first line names inputs.
    ///
    /// # Errors
    /// Same as [`zip`](Self::zip); also if the file cannot be read. Errors name the line and the column.
    pub fn csv(self, workflow: &Workflow, reader: impl Read) -> Result<Self> {
        self.table(workflow, table::csv(reader)?)
    }

    /// Combines everything so far with the lines of a JSON Lines file: objects from input to value, all with the same
    /// inputs.
    ///
    /// # Errors
    /// Same as [`zip`](Self::zip); also if the file cannot be read. Errors name the line.
    pub fn json_lines(self, workflow: &Workflow, reader: impl Read) -> Result<Self> {
        self.table(workflow, table::json_lines(reader)?)
    }

    fn table(mut self, workflow: &Workflow, table: Table) -> Result<Self> {
        let Table { names, rows, has_columns } = table;
        let mut columns = Vec::new();
        for (at, name) in names.into_iter().enumerate() {
            let place = |row: usize| {
                let line = rows.get(row).map_or(0, |row| row.line);
                if has_columns { format!("line {line}, column {}", at + 1) } else { format!("line {line}") }
            };
            let cells = rows.iter().filter_map(|row| row.cells.get(at));
            columns.push(column(workflow, name.into(), cells.map(InputValue::from), place)?);
        }
        self.add(columns)?;
        Ok(self)
    }

    /// Gives an integer input a different random value (0 to 4294967295) in each item.
    ///
    /// # Errors
    /// If there is no such input, it cannot be varied, or it does not take such values.
    pub fn random_seeds(mut self, workflow: &Workflow, input: impl Into<InputKey>) -> Result<Self> {
        let ends = [InputValue::from(0_i64), InputValue::from(i64::from(u32::MAX))];
        let column = column(workflow, input.into(), ends.into_iter(), |_| "a random seed".into())?;
        self.refuse_twice(&column)?;
        self.seeds.push((column.datum.node_id, column.datum.field));
        Ok(self)
    }

    /// Number of items in one run of the sweep.
    pub fn len(&self) -> usize {
        let lengths = self.groups.iter().map(|group| group.first().map_or(0, |datum| datum.items.len()));
        lengths.fold(1, usize::saturating_mul)
    }

    /// Whether the sweep has no items, because some input has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same sweep with only some of its items, each once, by their places in the order in which they run: for
    /// retrying what is left. Places that it does not have are ignored.
    pub fn select(&self, places: impl IntoIterator<Item = usize>) -> Self {
        let all = self.len();
        let places: Vec<usize> = places.into_iter().filter(|place| *place < all).collect();
        let mut columns = Vec::new();
        // The last group varies fastest.
        let mut pace = 1;
        for group in self.groups.iter().rev() {
            let length = group.first().map_or(1, |datum| datum.items.len()).max(1);
            columns.extend(group.iter().map(|datum| {
                let items = places.iter().filter_map(|place| datum.items.get(place / pace % length).cloned());
                BatchDatum { items: items.collect(), ..datum.clone() }
            }));
            pace = pace.saturating_mul(length);
        }
        columns.reverse();
        let groups = if columns.is_empty() { Vec::new() } else { vec![columns] };
        Self { groups, seeds: self.seeds.clone() }
    }

    /// The values of one item, by place: node, field, value. Random seeds are drawn when the sweep is submitted.
    pub fn values_at(&self, place: usize) -> Vec<(&str, &str, &Value)> {
        let mut values = Vec::new();
        let mut pace = 1;
        for group in self.groups.iter().rev() {
            let length = group.first().map_or(1, |datum| datum.items.len()).max(1);
            values.extend(group.iter().rev().filter_map(|datum| {
                Some((datum.node_id.as_str(), datum.field.as_str(), datum.items.get(place / pace % length)?))
            }));
            pace = pace.saturating_mul(length);
        }
        values.reverse();
        values
    }

    pub(crate) fn groups(&self) -> &[Vec<BatchDatum>] {
        &self.groups
    }

    pub(crate) fn seeds(&self) -> &[(String, String)] {
        &self.seeds
    }

    /// A sweep is checked against a workflow as it is built; it must be submitted with the same one.
    pub(crate) fn check(&self, workflow: &Workflow) -> Result<()> {
        if self.is_empty() {
            return Err(Error::invalid("sweep", "has an input without values, so nothing would run"));
        }
        let places = self.groups.iter().flatten().map(|datum| (&datum.node_id, &datum.field));
        for (node_id, field) in places.chain(self.seeds.iter().map(|(node_id, field)| (node_id, field))) {
            workflow.node_field(node_id, field)?;
        }
        Ok(())
    }

    fn add(&mut self, group: Vec<Column>) -> Result<()> {
        let lengths: BTreeSet<usize> = group.iter().map(|column| column.datum.items.len()).collect();
        if lengths.len() > 1 {
            let each: Vec<_> =
                group.iter().map(|Column { name, datum }| format!("{name}: {}", datum.items.len())).collect();
            let problem = format!("needs the same number of values for each input; got {}", each.join(", "));
            return Err(Error::invalid("zip", problem));
        }
        for (i, column) in group.iter().enumerate() {
            self.refuse_twice(column)?;
            if group[..i].iter().any(|other| other.place() == column.place()) {
                return Err(column.twice());
            }
        }
        if !group.is_empty() {
            self.groups.push(group.into_iter().map(|column| column.datum).collect());
        }
        Ok(())
    }

    fn refuse_twice(&self, column: &Column) -> Result<()> {
        let swept = self.groups.iter().flatten().map(|datum| (&*datum.node_id, &*datum.field));
        let mut all = swept.chain(self.seeds.iter().map(|(node_id, field)| (&**node_id, &**field)));
        match all.any(|known| known == column.place()) {
            true => Err(column.twice()),
            false => Ok(()),
        }
    }
}

/// Values of one input.
struct Column {
    /// How the caller named the input.
    name: String,
    datum: BatchDatum,
}

impl Column {
    fn place(&self) -> (&str, &str) {
        (&self.datum.node_id, &self.datum.field)
    }

    fn twice(&self) -> Error {
        Error::invalid(
            &self.name,
            format!("is varied twice: it is the input `{}.{}`", self.datum.node_id, self.datum.field),
        )
    }
}

/// Checks values of one input and brings them into the form that the server wants. `place` says where the value at an
/// index comes from.
fn column(
    workflow: &Workflow,
    key: InputKey,
    values: impl Iterator<Item = InputValue>,
    place: impl Fn(usize) -> String,
) -> Result<Column> {
    let NamedField { node_id, field_name, connected, mut field, .. } = workflow.named_field(key.clone())?;
    let name = match key {
        InputKey::Name(name) => name,
        InputKey::Index(_) => format!("{node_id}.{field_name}"),
    };
    if connected {
        return Err(Error::invalid(name, "gets its value from an edge, so it cannot be varied"));
    }
    if is_of_called_workflow(&field_name) {
        let problem = "is an input of a called workflow, which InvokeAI cannot vary: set it, and submit once for each";
        return Err(Error::invalid(name, problem));
    }
    let mut items: Vec<Value> = Vec::new();
    for (i, value) in values.enumerate() {
        field.set(value).map_err(|ValueError { value, accepted, .. }| {
            Error::invalid(&name, format!("does not accept {value} ({}); it accepts {accepted}", place(i)))
        })?;
        let item = field.value().cloned().unwrap_or_default();
        if !can_be_varied(&item) {
            let problem = "is of a type that InvokeAI cannot vary: only numbers, texts, images and videos, and lists \
                           of them, can be";
            return Err(Error::invalid(name, problem));
        }
        if let Some(other) = items.first().filter(|first| kind(first) != kind(&item)) {
            let (other, this) = (kind(other), kind(&item));
            let problem = format!("has {other} and {this} ({}): InvokeAI varies values of one kind", place(i));
            return Err(Error::invalid(name, problem));
        }
        items.push(item);
    }
    Ok(Column { name, datum: BatchDatum { node_id, field: field_name, items } })
}

/// What all items of one input must have in common (`validate_types` in `session_queue_common.py`).
fn kind(item: &Value) -> &'static str {
    match item {
        Value::Number(_) => "numbers",
        Value::String(_) => "texts",
        Value::Array(_) => "lists",
        _ => "images or videos",
    }
}

/// What `BatchDatum.items` may hold (`session_queue_common.py`).
fn can_be_varied(item: &Value) -> bool {
    match item {
        Value::Number(_) | Value::String(_) => true,
        Value::Object(object) => object.contains_key("image_name") || object.contains_key("video_name"),
        Value::Array(items) => items.iter().all(|item| !item.is_array() && can_be_varied(item)),
        Value::Null | Value::Bool(_) => false,
    }
}
