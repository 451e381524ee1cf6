//! Whether a workflow can run: the editor's reasons against it (`features/queue/store/readiness.ts`,
//! `features/nodes/store/util/fieldValidators.ts`), and what the editor lets pass although the server will not.

use super::batch::{self, Batch, BatchFault, UNGROUPED, is_executable};
use super::document::{FieldInstance, Invocation, Node};
use super::enqueue::EnqueueOptions;
use super::field;
use super::json::is_integer;
use super::problem::{Problem, ProblemKind, ProblemSource};
use super::server_rules::Rules;
use super::table::Set;
use super::value::accepts_extra_inputs;
use super::warning::WarningKind;
use super::wiring::Wiring;
use super::working_copy::Workflow;
use crate::schema::{Cardinality, Constraints, InputTemplate, NodeCatalog, NodeTemplate};
use indexmap::IndexMap;
use serde_json::Value;
use std::fmt;

impl Workflow {
    /// Finds every reason why this workflow should not be run as it is; empty if it is ready.
    ///
    /// Looks at all nodes, not only at the form's inputs. Images, boards and models are assumed to exist.
    pub fn problems(&self) -> Vec<Problem> {
        self.problems_with(&EnqueueOptions::default())
    }

    /// Like [`problems`](Self::problems), with a server's answers for generators ([`EnqueueOptions::generated`]) and
    /// with more batch data ([`EnqueueOptions::batch`]): a field that these supply needs no value of its own.
    pub fn problems_with(&self, options: &EnqueueOptions) -> Vec<Problem> {
        let supplied = self.supplied(options.extra_data.iter().flatten());
        let wiring = supplied.wiring();
        let batches = batch::batches(&wiring, &options.generated);
        let dropped = self.warnings().iter().filter(|warning| warning.kind == WarningKind::ObjectDropped);
        let dropped = dropped.filter_map(|warning| Some((warning.node_id.as_deref()?, warning.field.as_deref()?)));
        Check { catalog: self.catalog(), wiring: &wiring, dropped: dropped.collect(), problems: Vec::new() }
            .run(&batches)
    }

    /// System names of the form's inputs that are required and have neither a value nor an edge.
    pub fn missing_required_inputs(&self) -> Vec<&str> {
        let missing = self.inputs_by_system_name().into_values();
        let missing = missing.filter(|input| input.required && !input.connected && input.value().is_none());
        missing.map(|input| input.system_name.as_str()).collect()
    }

    /// Everything that is wrong with the form's inputs, in words, by system name; empty if all are valid.
    pub fn validate_inputs(&self) -> IndexMap<&str, Vec<String>> {
        let mut found: IndexMap<(String, String), Vec<String>> = IndexMap::new();
        for problem in self.problems() {
            if let (Some(node), Some(field)) = (problem.node, problem.field) {
                found.entry((node.id, field)).or_default().push(problem.message);
            }
        }
        let inputs = self.inputs_by_system_name().into_iter();
        let problems = inputs.filter_map(|(name, input)| {
            Some((name, found.swap_remove(&(input.node_id.clone(), input.field_name.clone()))?))
        });
        problems.collect()
    }
}

struct Check<'a> {
    catalog: &'a NodeCatalog,
    wiring: &'a Wiring<'a>,
    /// Fields that loading has unset and that have a value in the editor, though a wrong one: node and field.
    dropped: Set<(&'a str, &'a str)>,
    problems: Vec<Problem>,
}

/// A field being checked, with everything that messages need.
struct Checked<'a> {
    node: &'a Node,
    name: &'a str,
    title: Title<'a>,
    template: &'a InputTemplate,
    field: &'a FieldInstance,
}

/// The title of a field, which is only put together if something is wrong with it: `{node} -> {field}`, with labels
/// where there are any.
struct Title<'a> {
    node: &'a Invocation,
    template: &'a NodeTemplate,
    input: &'a InputTemplate,
    label: &'a str,
}

impl fmt::Display for Title<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = if self.label.is_empty() { &self.input.title } else { self.label };
        write!(f, "{} -> {field}", self.node.title(Some(self.template)))
    }
}

impl<'a> Check<'a> {
    fn run(mut self, batches: &[Batch<'a>]) -> Vec<Problem> {
        self.check_batches(batches);
        for (place, node) in self.wiring.nodes.iter().enumerate() {
            if let Some(invocation) = node.invocation() {
                self.check_node(place, node, invocation);
            }
        }
        // Where the items of a batch cannot be determined, the editor's own check stops without a verdict.
        if batches.iter().any(|batch| batch.items.is_err()) {
            for problem in &mut self.problems {
                problem.source = ProblemSource::Client;
            }
        }
        for batch in batches {
            self.check_items(batch);
        }
        self.check_ids();
        self.problems
    }

    fn editor(&mut self, kind: ProblemKind, node: Option<&str>, field: Option<&str>, message: String) {
        self.push(kind, ProblemSource::Editor, node, field, message);
    }

    fn client(&mut self, kind: ProblemKind, node: &str, field: Option<&str>, message: String) {
        self.push(kind, ProblemSource::Client, Some(node), field, message);
    }

    fn push(
        &mut self,
        kind: ProblemKind,
        source: ProblemSource,
        node: Option<&str>,
        field: Option<&str>,
        message: String,
    ) {
        let node = node.map(|id| self.wiring.node_ref(id, self.catalog));
        self.problems.push(Problem { kind, source, node, field: field.map(str::to_owned), message });
    }

    fn title(&self, node: &'a Invocation) -> &'a str {
        node.title(self.catalog.get(&node.node_type))
    }

    fn check_batches(&mut self, batches: &[Batch<'a>]) {
        if !self.wiring.nodes.iter().any(|node| node.invocation().is_some_and(is_executable)) {
            self.editor(ProblemKind::NoNodes, None, None, "the workflow has no node to run".into());
        }
        for batch in batches.iter().filter(|batch| batch.targets.is_empty()) {
            let message = format!("{}: the batch feeds nothing", self.title(batch.invocation));
            // The editor does not look where a connector leads.
            let source = if batch.is_connected { ProblemSource::Client } else { ProblemSource::Editor };
            self.push(ProblemKind::BatchNotConnected, source, Some(&batch.node.id), None, message);
        }
        let mut empty = None;
        for (group, members) in batch::by_group(batches) {
            let sizes: Vec<usize> = members.iter().filter_map(|batch| Some(batch.items.as_ref().ok()?.len())).collect();
            let first = sizes.first().copied();
            if group != UNGROUPED && sizes.iter().any(|size| Some(*size) != first) {
                let sizes: Vec<_> = sizes.iter().map(usize::to_string).collect();
                let message = format!("batch {group}: the lists have different lengths ({})", sizes.join(", "));
                self.editor(ProblemKind::BatchSizeMismatch, None, None, message);
            }
            // Only the first list of a group is checked.
            let looked_at = if group == UNGROUPED { members.len() } else { 1 };
            let none = |batch: &&&Batch<'a>| batch.items.as_ref().is_ok_and(Vec::is_empty);
            empty = empty.or(members.iter().take(looked_at).find(none).map(|batch| (batch.node, batch.invocation)));
        }
        if let Some((node, invocation)) = empty {
            let message = format!("{}: the batch has no items", self.title(invocation));
            self.editor(ProblemKind::EmptyBatch, Some(&node.id), None, message);
        }
    }

    fn check_node(&mut self, place: usize, node: &'a Node, invocation: &'a Invocation) {
        let before = self.problems.len();
        let Some(template) = self.catalog.get(&invocation.node_type) else {
            let message = format!("{}: the server has no node type {}", self.title(invocation), invocation.node_type);
            return self.editor(ProblemKind::MissingNodeTemplate, Some(&node.id), None, message);
        };
        for (name, field) in &invocation.inputs {
            let Some(input) = invocation.template_of(template, name) else {
                if !accepts_extra_inputs(&invocation.node_type) {
                    let message = format!("{}: the node type has no input {name}", self.title(invocation));
                    self.editor(ProblemKind::MissingFieldTemplate, Some(&node.id), Some(name), message);
                }
                continue;
            };
            let title = Title { node: invocation, template, input, label: &field.label };
            self.check_field(place, &Checked { node, name, title, template: input, field });
        }
        self.check_absent_inputs(place, node, invocation, template);
        for (name, kind, fault) in self.rules().special(place, invocation, template) {
            let told = |problem: &Problem| {
                problem.field.as_deref() == Some(name) && problem.node.as_ref().is_some_and(|told| node.id == *told.id)
            };
            if !self.problems.iter().skip(before).any(told) {
                let title = template.inputs.get(name).map_or(name, |input| &input.title);
                let message = format!("{} -> {title}: {fault}", self.title(invocation));
                self.client(kind, &node.id, Some(name), message);
            }
        }
    }

    fn rules(&self) -> Rules<'a, 'a> {
        Rules { wiring: self.wiring, catalog: self.catalog }
    }

    fn check_field(&mut self, place: usize, checked: &Checked<'a>) {
        if self.wiring.is_connected(place, checked.name) {
            return self.check_connector(place, checked);
        }
        let Some(value) = &checked.field.value else {
            if checked.template.required {
                let message = format!("{}: a value is required", checked.title);
                let source = if self.dropped.contains(&(checked.node.id.as_str(), checked.name)) {
                    ProblemSource::Client
                } else {
                    ProblemSource::Editor
                };
                self.push(ProblemKind::MissingInput, source, Some(&checked.node.id), Some(checked.name), message);
            }
            return;
        };
        let before = self.problems.len();
        for (kind, fault) in editor_faults(checked.template, value) {
            let message = format!("{}: {fault}", checked.title);
            self.editor(kind, Some(&checked.node.id), Some(checked.name), message);
        }
        if self.problems.len() == before {
            match checked.template.field_type.is_stateful() {
                true => self.check_as_server(checked, value),
                false => self.check_stateless(checked, value),
            }
        }
    }

    /// A value that no widget of the editor makes, for a type that takes its value from an edge. The editor sends it,
    /// and the server takes it where any value is right.
    fn check_stateless(&mut self, checked: &Checked<'a>, value: &Value) {
        let field_type = &checked.template.field_type;
        let takes_any = matches!(field_type.name.as_str(), "AnyField" | "CollectionField" | "CollectionItemField")
            || checked.template.ui.members.contains_key("ui_type");
        let is_simple = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
        let wrong = match value {
            Value::Array(items) if field_type.cardinality != Cardinality::Single => items.iter().any(is_simple),
            Value::Array(_) => true,
            value => is_simple(value),
        };
        if wrong && !takes_any {
            let shown = crate::base::secrets::excerpt(&value.to_string());
            let message =
                format!("{}: {shown} is not accepted; it accepts only an edge from {field_type}", checked.title);
            self.client(ProblemKind::InvalidValue, &checked.node.id, Some(checked.name), message);
        }
    }

    /// What the server would find: types, options, and bounds that the editor does not see.
    fn check_as_server(&mut self, checked: &Checked<'a>, value: &Value) {
        // Only the value and what is accepted are taken from the refusal; the title names the field.
        if let Err(refused) = field::check("", checked.template, value) {
            let (title, shown, accepted) = (&checked.title, &refused.value, &refused.accepted);
            let is_taken = field::server_takes(checked.template, value);
            let kind = if is_taken { ProblemKind::UnusualValue } else { ProblemKind::InvalidValue };
            let message = match field::converted(checked.template, value) {
                Some(stored) => {
                    format!("{title}: {shown} is not accepted as it is stored; store {stored}, or set it again")
                }
                None if is_taken => format!("{title}: the editor does not offer {shown}, but {accepted}"),
                None => format!("{title}: {shown} is not accepted; it accepts {accepted}"),
            };
            self.client(kind, &checked.node.id, Some(checked.name), message);
        }
    }

    /// An edge from a connector without a source brings no value.
    fn check_connector(&mut self, place: usize, checked: &Checked<'a>) {
        let fed = self.wiring.edges_into(place, checked.name).any(|edge| {
            let source = self.wiring.node(edge.source);
            !source.is_some_and(Node::is_connector) || self.wiring.connector_source(edge.source).is_some()
        });
        if !fed && checked.template.required && checked.field.value.is_none() {
            let message = format!("{}: the connector that feeds it has no source", checked.title);
            self.client(ProblemKind::DanglingConnector, &checked.node.id, Some(checked.name), message);
        }
        if let Some(fault) = self.rules().conversion(place, checked.template) {
            let message = format!("{}: {fault}", checked.title);
            self.client(ProblemKind::RefusedEdge, &checked.node.id, Some(checked.name), message);
        }
    }

    /// Required inputs that the file does not have at all; the editor never looks at them.
    fn check_absent_inputs(
        &mut self,
        place: usize,
        node: &'a Node,
        invocation: &'a Invocation,
        template: &'a NodeTemplate,
    ) {
        let absent = template.inputs.values().filter(|input| {
            input.required
                && !invocation.inputs.contains_key(input.name.as_str())
                && !self.wiring.is_connected(place, &input.name)
        });
        for input in absent {
            let title = Title { node: invocation, template, input, label: "" };
            let message = format!("{title}: a value is required, but the file does not have the field");
            self.client(ProblemKind::MissingInput, &node.id, Some(&input.name), message);
        }
    }

    /// Whether the items of a batch suit the fields they go to.
    fn check_items(&mut self, batch: &Batch<'a>) {
        let items = match &batch.items {
            Ok(items) => items,
            Err(fault) => {
                let kind = match fault {
                    BatchFault::NeedsServer { .. } => ProblemKind::NeedsServer,
                    _ => ProblemKind::UnresolvedBatch,
                };
                return self.client(kind, &batch.node.id, None, fault.message(self.title(batch.invocation)));
            }
        };
        for (node_id, name) in &batch.targets {
            let Some(node) = self.wiring.place(node_id).and_then(|place| self.wiring.node(place)) else { continue };
            let Some(invocation) = node.invocation() else { continue };
            let Some(template) = self.catalog.get(&invocation.node_type) else { continue };
            let Some(input) = invocation.template_of(template, name) else { continue };
            if !input.field_type.is_stateful() {
                continue;
            }
            let label = invocation.inputs.get(*name).map_or("", |field| field.label.as_str());
            let title = Title { node: invocation, template, input, label };
            let is_set = |item: &&Value| !item.is_null();
            let refused = items.iter().filter(is_set).find_map(|item| field::check("", input, item).err());
            if let Some(refused) = refused {
                let from = self.title(batch.invocation);
                let message = format!(
                    "{from}: the item {} does not fit {title}, which accepts {}",
                    refused.value, refused.accepted
                );
                self.client(ProblemKind::InvalidBatchItem, &batch.node.id, None, message);
            }
        }
    }

    fn check_ids(&mut self) {
        let mut seen = Set::default();
        for node in self.wiring.nodes {
            if !seen.insert(node.id.as_str()) {
                let message = format!("two nodes have the id {}; only one of them would run", node.id);
                self.client(ProblemKind::DuplicateNodeId, &node.id, None, message);
            }
        }
    }
}

/// What the editor finds wrong with a value. It looks at numbers, and at lists of images, strings and numbers.
fn editor_faults(template: &InputTemplate, value: &Value) -> Vec<(ProblemKind, String)> {
    let mut faults = Vec::new();
    let constraints = &template.constraints;
    let name = template.field_type.name.as_str();
    let is_number = |value: &Value| if name == "IntegerField" { is_integer(value) } else { value.is_number() };
    if template.field_type.cardinality != Cardinality::Collection {
        if matches!(name, "IntegerField" | "FloatField") && is_number(value) {
            number_faults(constraints, value, &mut faults);
        }
        return faults;
    }
    let Value::Array(items) = value else { return faults };
    let holds: &dyn Fn(&Value) -> bool = match name {
        "ImageField" => &|item| item.get("image_name").is_some(),
        "StringField" => &Value::is_string,
        "IntegerField" | "FloatField" => &is_number,
        _ => return faults,
    };
    if !items.iter().all(holds) {
        return faults;
    }
    count_faults(constraints, items.len() as u64, &mut faults);
    for item in items {
        match item {
            Value::String(text) => length_faults(constraints, text, &mut faults),
            Value::Number(_) => number_faults(constraints, item, &mut faults),
            _ => {}
        }
    }
    faults
}

fn count_faults(constraints: &Constraints, count: u64, faults: &mut Vec<(ProblemKind, String)>) {
    if count == 0 && constraints.min_items.is_some_and(|least| least > 0) {
        faults.push((ProblemKind::EmptyCollection, "the list is empty".into()));
        return;
    }
    if let Some(least) = constraints.min_items.filter(|least| count < *least) {
        faults.push((ProblemKind::TooFewItems, format!("{count} items are fewer than {least}")));
    }
    if let Some(most) = constraints.max_items.filter(|most| count > *most) {
        faults.push((ProblemKind::TooManyItems, format!("{count} items are more than {most}")));
    }
}

fn length_faults(constraints: &Constraints, text: &str, faults: &mut Vec<(ProblemKind, String)>) {
    // JavaScript counts UTF-16 units.
    let length = text.encode_utf16().count() as u64;
    if let Some(most) = constraints.max_length.filter(|most| length > *most) {
        faults.push((ProblemKind::TooLong, format!("{length} characters are more than {most}")));
    }
    if let Some(least) = constraints.min_length.filter(|least| length < *least) {
        faults.push((ProblemKind::TooShort, format!("{length} characters are fewer than {least}")));
    }
}

fn number_faults(constraints: &Constraints, value: &Value, faults: &mut Vec<(ProblemKind, String)>) {
    let Some(number) = value.as_f64() else { return };
    let bounds = [
        (constraints.maximum.filter(|bound| number > *bound), "is greater than"),
        (constraints.minimum.filter(|bound| number < *bound), "is less than"),
        (constraints.exclusive_maximum.filter(|bound| number >= *bound), "is not less than"),
        (constraints.exclusive_minimum.filter(|bound| number <= *bound), "is not greater than"),
    ];
    for (broken, words) in bounds {
        if let Some(bound) = broken {
            faults.push((ProblemKind::OutOfRange, format!("{number} {words} {bound}")));
        }
    }
    // As the editor does it; for fractions this raises false alarms.
    if let Some(step) = constraints.multiple_of.filter(|step| number % step != 0.0) {
        faults.push((ProblemKind::NotMultipleOf, format!("{number} is not a multiple of {step}")));
    }
}
