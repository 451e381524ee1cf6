//! The work grows linearly with the workflow, whatever its shape.
//!
//! Compares the instructions for a workflow and for one of four times its size, which are the same on every run.
//! They are about four times as many if the work is linear, sixteen times if it is quadratic.

use std::{path::Path, sync::LazyLock};

use invokeai_client::schema::NodeCatalog;
use invokeai_client::workflow::{EnqueueOptions, Workflow, WorkflowDefinition};
use serde_json::{Map, Value, json};

use crate::common::instructions::{count, wanted};

const WORK: &str = "workflow_growth::work_is_done_on_files";
const SMALL: usize = 120;
const FACTOR: usize = 4;
/// The growth of linear work. Tables and lists that grow, and sorting, take somewhat more.
const MOST: f64 = 1.15;

/// A workflow that is being put together.
#[derive(Default)]
struct Shape {
    nodes: Vec<Value>,
    edges: Vec<Value>,
    form: Option<Value>,
}

impl Shape {
    fn node(&mut self, id: impl ToString, kind: &str, inputs: &[&str]) {
        let id = id.to_string();
        let version = &NodeCatalog::embedded().get(kind).unwrap().version;
        let field = |name: &&str| ((*name).to_owned(), json!({"name": name, "label": "", "description": ""}));
        let inputs: Map<String, Value> = inputs.iter().map(field).collect();
        self.nodes.push(json!({"id": id, "type": "invocation", "data": {
            "id": id, "type": kind, "version": version, "label": "", "notes": "", "isOpen": true,
            "isIntermediate": true, "useCache": true, "inputs": inputs}}));
    }

    fn add(&mut self, id: impl ToString) {
        self.node(id, "add", &["a", "b"]);
    }

    fn collect(&mut self, id: impl ToString) {
        self.node(id, "collect", &["item", "collection"]);
    }

    fn connector(&mut self, id: impl ToString) {
        let id = id.to_string();
        let data = json!({"id": id, "type": "connector", "label": "", "isOpen": true});
        self.nodes.push(json!({"id": id, "type": "connector", "data": data}));
    }

    fn edge(&mut self, source: impl ToString, output: &str, target: impl ToString, input: &str) {
        self.edges.push(json!({"id": format!("edge {}", self.edges.len()), "type": "default",
            "source": source.to_string(), "sourceHandle": output, "target": target.to_string(), "targetHandle": input}));
    }

    fn text(self) -> String {
        let mut workflow = json!({"name": "", "author": "", "description": "", "version": "", "contact": "",
            "tags": "", "notes": "", "nodes": self.nodes, "edges": self.edges, "exposedFields": [],
            "meta": {"version": "4.0.0"}});
        if let Some(form) = self.form {
            workflow["form"] = form;
        }
        workflow.to_string()
    }
}

/// Reads, opens, checks and builds a workflow.
fn work(text: &str) {
    let definition: WorkflowDefinition = text.parse().unwrap();
    let workflow = Workflow::new(definition, NodeCatalog::embedded());
    let options = EnqueueOptions::default();
    std::hint::black_box((workflow.problems(), workflow.enqueue_body(&options).unwrap()));
    std::hint::black_box((workflow.model_uses(), workflow.output_nodes(&options), workflow.references()));
}

/// Does the work on the workflows in these files, in the process that is counted; on its own, it does the work on one.
#[test]
fn work_is_done_on_files() {
    let Some(files) = wanted() else {
        let mut shape = Shape::default();
        shape.add("only");
        return work(&shape.text());
    };
    files.iter().for_each(|file| work(&std::fs::read_to_string(file).unwrap()));
}

/// A file with one node of each kind and a form, and what it costs: all that is done once, such as the reading of the nodes. It
/// comes before every other one.
static FIRST: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
    let mut shape = Shape::default();
    shape.add("add");
    shape.collect("collect");
    shape.connector("connector");
    shape.edge("add", "value", "connector", "in");
    shape.edge("connector", "out", "collect", "item");
    let elements = json!({"0": {"id": "0", "type": "container", "data": {"layout": "row", "children": []}}});
    shape.form = Some(json!({"elements": elements, "rootElementId": "0"}));
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("growth-{}", std::process::id()));
    std::fs::write(&path, shape.text()).unwrap();
    let file = path.into_os_string().into_string().unwrap();
    let once = count(WORK, &[&file])?;
    Some((file, once))
});

/// What the files of a shape cost: the instructions for a small one and for a large one.
fn assert_linear(what: &str, shape: impl Fn(&mut Shape, usize)) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, size| {
        let mut built = Shape::default();
        shape(&mut built, size);
        let path = folder.path().join(name);
        std::fs::write(&path, built.text()).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let (small, large) = (file("small", SMALL), file("large", SMALL * FACTOR));
    let Some((first, once)) = &*FIRST else { return };
    let small = count(WORK, &[first, &small]).unwrap() - once;
    let large = count(WORK, &[first, &large]).unwrap() - once;
    let growth = large as f64 / (small * FACTOR as u64) as f64;
    println!("{what}: {small} for {SMALL}, {growth:.2} times that for each of {}", SMALL * FACTOR);
    assert!(growth < MOST, "{what}: {small} for {SMALL}, {large} for {}", SMALL * FACTOR);
}

#[test]
fn chains_and_rings_of_connectors_are_linear() {
    let chain = |shape: &mut Shape, size: usize| {
        shape.add("first");
        (0..size).for_each(|place| shape.connector(place));
        shape.add("last");
        shape.edge("first", "value", 0, "in");
        (1..size).for_each(|place| shape.edge(place - 1, "out", place, "in"));
        shape.edge(size - 1, "out", "last", "a");
    };
    assert_linear("a chain of connectors", chain);
    assert_linear("a chain of connectors, the last edge first", |shape, size| {
        chain(shape, size);
        shape.edges.reverse();
    });
    assert_linear("a ring of connectors", |shape, size| {
        (0..size).for_each(|place| shape.connector(place));
        (0..size).for_each(|place| shape.edge(place, "out", (place + 1) % size, "in"));
    });
}

#[test]
fn connectors_that_feed_many_are_linear() {
    assert_linear("a connector that gets its source last", |shape, size| {
        shape.add("first");
        shape.connector("c");
        (0..size).for_each(|place| shape.add(place));
        (0..size).for_each(|place| shape.edge("c", "out", place, "a"));
        shape.edge("first", "value", "c", "in");
    });
    let chain = |shape: &mut Shape, size: usize, late: bool| {
        shape.add("first");
        (0..size).for_each(|place| shape.connector(format!("c{place}")));
        (0..size).for_each(|place| shape.add(place));
        shape.edge("first", "value", "c0", "in");
        (1..size).for_each(|place| shape.edge(format!("c{}", place - 1), "out", format!("c{place}"), "in"));
        (0..size).for_each(|place| shape.edge(format!("c{place}"), "out", place, "a"));
        if late {
            shape.edges.reverse();
        }
    };
    assert_linear("a chain of connectors, each feeds a node", |shape, size| chain(shape, size, false));
    assert_linear("the same with the source last", |shape, size| chain(shape, size, true));
    assert_linear("a ring through connectors that get their sources last", |shape, size| {
        (0..size).for_each(|place| shape.add(place));
        (0..size).for_each(|place| shape.connector(format!("c{place}")));
        (0..size).for_each(|place| shape.edge(format!("c{place}"), "out", (place + 1) % size, "a"));
        (0..size).for_each(|place| shape.edge(place, "value", format!("c{place}"), "in"));
    });
}

#[test]
fn chains_of_collect_nodes_are_linear() {
    let chain = |shape: &mut Shape, size: usize| {
        shape.add("first");
        (0..size).for_each(|place| shape.collect(place));
        (1..size).for_each(|place| shape.edge(place - 1, "collection", place, "collection"));
    };
    assert_linear("a chain of collect nodes", |shape, size| {
        shape.add("zero");
        chain(shape, size);
        shape.edge("zero", "value", 0, "item");
        shape.edges.rotate_right(1);
    });
    assert_linear("a chain of collect nodes that get their items last", |shape, size| {
        chain(shape, size);
        (0..size).rev().for_each(|place| shape.edge("first", "value", place, "item"));
    });
    assert_linear("a connector that feeds a chain of collect nodes", |shape, size| {
        chain(shape, size);
        shape.connector("c");
        (0..size).rev().for_each(|place| shape.edge("c", "out", place, "item"));
        shape.edge("first", "value", "c", "in");
    });
}

#[test]
fn edges_that_are_refused_are_linear() {
    assert_linear("edges back from the end of a chain", |shape, size| {
        (0..size).for_each(|place| shape.add(place));
        (1..size).for_each(|place| shape.edge(place - 1, "value", place, "a"));
        (0..size).for_each(|place| shape.edge(size - 1, "value", place, "b"));
    });
    assert_linear("edges into one input", |shape, size| {
        (0..size).for_each(|place| shape.add(place));
        shape.add("last");
        (0..size).for_each(|place| shape.edge(place, "value", "last", "a"));
    });
    assert_linear("nodes and edges of one id", |shape, size| {
        (0..size).for_each(|place| shape.add(place % 2));
        (0..size).for_each(|_| shape.edge(0, "value", 1, "a"));
        shape.edges.iter_mut().for_each(|edge| edge["id"] = "same".into());
    });
}

#[test]
fn deep_and_wide_forms_are_linear() {
    let container = |id: usize, children: Vec<String>| json!({"id": id.to_string(), "type": "container", "data": {"layout": "row", "children": children}});
    assert_linear("containers in containers", |shape, size| {
        shape.add("node");
        let mut elements = Map::new();
        for place in 0..size {
            let child = if place + 1 < size { (place + 1).to_string() } else { "end".to_owned() };
            let mut element = container(place, vec![child]);
            if place > 0 {
                element["parentId"] = (place - 1).to_string().into();
            }
            elements.insert(place.to_string(), element);
        }
        let parent = (size - 1).to_string();
        elements.insert("end".into(), json!({"id": "end", "parentId": parent, "type": "divider"}));
        shape.form = Some(json!({"elements": elements, "rootElementId": "0"}));
    });
    assert_linear("fields of which half do not exist", |shape, size| {
        shape.add("node");
        let mut elements = Map::from_iter([("0".into(), container(0, (1..size).map(|i| i.to_string()).collect()))]);
        for place in 1..size {
            let node = if place % 2 == 0 { "node" } else { "gone" };
            let data = json!({"fieldIdentifier": {"nodeId": node, "fieldName": "a"}});
            let element = json!({"id": place.to_string(), "parentId": "0", "type": "node-field", "data": data});
            elements.insert(place.to_string(), element);
        }
        shape.form = Some(json!({"elements": elements, "rootElementId": "0"}));
    });
}
