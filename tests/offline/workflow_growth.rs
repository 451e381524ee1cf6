//! The work grows linearly with the workflow, whatever its shape.
//!
//! Compares the processor time for a workflow and for one of sixteen times its size: it takes sixteen times as long if
//! the work is linear, 256 times if it is quadratic.

use invokeai_client::schema::NodeCatalog;
use invokeai_client::workflow::{EnqueueOptions, Workflow, WorkflowDefinition};
use serde_json::{Map, Value, json};

use crate::common::effort::assert_growth;

const SMALL: usize = 200;
const FACTOR: usize = 16;
/// The most that the growth of linear work is measured as. Memory is slower for large workflows than for small ones.
const MOST: f64 = 1.6;

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

/// Compares what a workflow of this shape costs with what a larger one costs.
fn assert_linear(what: &str, shape: impl Fn(&mut Shape, usize)) {
    // Whatever is done once, such as the reading of the nodes, is done before.
    let [_, small, large] = [2, SMALL, SMALL * FACTOR].map(|size| {
        let mut built = Shape::default();
        shape(&mut built, size);
        let text = built.text();
        if size < SMALL {
            work(&text);
        }
        text
    });
    assert_growth(what, SMALL, FACTOR, MOST, || work(&small), || work(&large));
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
fn naming_many_fields_is_linear() {
    let name_all = |workflow: &Workflow| {
        for input in workflow.inputs() {
            std::hint::black_box(workflow.name_of_field(&input.node_id, &input.field_name));
        }
        for place in 0..workflow.definition().as_value()["nodes"].as_array().map_or(0, Vec::len) {
            std::hint::black_box(workflow.name_of_field(&place.to_string(), "b"));
        }
    };
    let [small, large] = [SMALL, SMALL * FACTOR].map(|size| {
        let mut shape = Shape::default();
        (0..size).for_each(|place| shape.add(place));
        let mut workflow: Value = shape.text().parse().unwrap();
        workflow["exposedFields"] =
            (0..size).map(|place| json!({"nodeId": place.to_string(), "fieldName": "a"})).collect();
        Workflow::new(WorkflowDefinition::from_value(workflow).unwrap(), NodeCatalog::embedded())
    });
    // A copy has no names yet that were looked up.
    let [small, large] = [&small, &large].map(|workflow| move || name_all(&workflow.clone()));
    assert_growth("naming the fields of nodes of one type", SMALL, FACTOR, MOST, small, large);
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
