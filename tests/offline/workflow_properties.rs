//! Properties of reading and building workflows: no input panics, nothing is lost, what is set is sent, and the work
//! grows linearly with the workflow.

use invokeai_client::schema::{ModelRecord, NodeCatalog};
use invokeai_client::workflow::{EnqueueOptions, WarningKind, Workflow, WorkflowDefinition};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

use crate::common::effort::assert_growth;

const FLUX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");

fn flux() -> Value {
    serde_json::from_str(&std::fs::read_to_string(FLUX).unwrap()).unwrap()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~é\u{feff}]{0,12}".prop_map(Value::from),
        // Words that mean something in workflows.
        proptest::sample::select(vec![
            "invocation",
            "connector",
            "default",
            "root",
            "in",
            "out",
            "auto",
            "4.0.0",
            "add"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let name = prop_oneof![
            "[a-z]{0,6}".boxed(),
            proptest::sample::select(vec![
                "id",
                "type",
                "data",
                "value",
                "inputs",
                "nodes",
                "edges",
                "form",
                "image_name"
            ])
            .prop_map(str::to_owned)
            .boxed(),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Everything that can be asked of a workflow.
fn use_all(definition: WorkflowDefinition) -> Workflow {
    let mut workflow = Workflow::new(definition, NodeCatalog::embedded());
    let options = EnqueueOptions::default().auto_add_board("board");
    let _ = workflow.enqueue_body(&options);
    let _ = (workflow.problems(), workflow.output_nodes(&options), workflow.server_requests());
    let _ = (workflow.inputs_by_user_name().map(drop), workflow.missing_required_inputs().len());
    workflow.use_models(&[ModelRecord::new("key", "name", "flux", "main")]);
    workflow
}

/// Replaces, removes or doubles the part of a value that `steps` lead to.
fn mutate(value: &mut Value, steps: &[usize], with: &Value, how: usize) {
    let Some((step, rest)) = steps.split_first() else {
        *value = with.clone();
        return;
    };
    match value {
        Value::Object(members) if !members.is_empty() => {
            let name = members.keys().nth(step % members.len()).unwrap().clone();
            match (rest, how % 3) {
                ([], 0) => drop(members.shift_remove(&name)),
                ([], 1) => drop(members.insert(format!("{name}2"), members[&name].clone())),
                _ => mutate(&mut members[&name], rest, with, how),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let place = step % items.len();
            match (rest, how % 3) {
                ([], 0) => drop(items.remove(place)),
                ([], 1) => items.push(items[place].clone()),
                _ => mutate(&mut items[place], rest, with, how),
            }
        }
        leaf => *leaf = with.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_text_and_no_bytes_panic(text in "\\PC{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = text.parse::<WorkflowDefinition>();
        let _ = WorkflowDefinition::from_reader(bytes.as_slice());
        let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &bytes].concat();
        let _ = WorkflowDefinition::from_reader(png.as_slice());
    }

    #[test]
    fn no_json_panics(value in any_json()) {
        if let Ok(definition) = WorkflowDefinition::from_value(value.clone()) {
            use_all(definition);
        }
        let _ = WorkflowDefinition::from_graph(&value, NodeCatalog::embedded());
        let _ = WorkflowDefinition::from_image_answer(&value, NodeCatalog::embedded());
    }

    #[test]
    fn no_change_of_a_workflow_panics_and_what_loads_loads_again(
        changes in proptest::collection::vec((proptest::collection::vec(any::<usize>(), 1..9), any_json(), 0..3usize), 1..4),
        version in proptest::sample::select(vec!["1.0.0", "2.0.0", "3.0.0", "4.0.0"]),
    ) {
        let mut value = flux();
        value["meta"]["version"] = version.into();
        for (steps, with, how) in &changes {
            mutate(&mut value, steps, with, *how);
        }
        if let Ok(definition) = WorkflowDefinition::from_value(value) {
            let embedded = use_all(definition).to_embedded();
            let again = WorkflowDefinition::from_value(embedded.clone()).expect("what is embedded loads");
            let again = Workflow::new(again, NodeCatalog::embedded());
            prop_assert_eq!(again.to_embedded(), embedded);
        }
    }

    #[test]
    fn printing_gives_back_what_was_read(extra in any_json(), name in "[a-z ]{1,9}") {
        let mut value = flux();
        value["nodes"][0]["data"][format!("my {name}")] = extra.clone();
        value[format!("my {name}")] = extra;
        let text = serde_json::to_string(&value).unwrap();
        let definition: WorkflowDefinition = text.parse().unwrap();
        prop_assert_eq!(serde_json::to_string(&definition).unwrap(), text);
    }

    #[test]
    fn what_is_set_is_got_and_sent(input in 0..8usize, value in any_json(), steps in 1..=10_000i64, start in 0.0..=1.0f64) {
        let mut workflow = Workflow::new(WorkflowDefinition::from_value(flux()).unwrap(), NodeCatalog::embedded());
        let before = workflow.values();
        let (system_name, node, field) = {
            let input = &workflow.inputs()[input];
            (input.system_name.clone(), input.node_id.clone(), input.field_name.clone())
        };
        match workflow.set_input(system_name.as_str(), value) {
            Err(_) => prop_assert_eq!(workflow.values(), before),
            Ok(()) => {
                let set = workflow.input(system_name.as_str()).unwrap().value().cloned();
                let sent = &workflow.graph(&EnqueueOptions::default())["nodes"][&node];
                prop_assert_eq!(sent.get(&field), set.as_ref());
                let mut after = workflow.values();
                after.shift_remove(&system_name);
                let others: Map<String, Value> = before.into_iter().filter(|(name, _)| *name != system_name).collect();
                prop_assert_eq!(after, others);
            }
        }
        workflow.set_inputs_json(&json!({"num_steps": steps, "denoising_start": start})).unwrap();
        prop_assert_eq!(workflow.get_input::<i64>("num_steps").unwrap(), Some(steps));
        prop_assert_eq!(workflow.get_input::<f64>("denoising_start").unwrap(), Some(start));
    }

    #[test]
    fn edges_are_accepted_as_if_each_were_tested_alone(
        edges in proptest::collection::vec((0..8usize, 0..8usize, any::<bool>()), 0..40),
    ) {
        let edges: Vec<(usize, usize, &str)> =
            edges.into_iter().map(|(from, to, first)| (from, to, if first { "a" } else { "b" })).collect();
        let workflow = chain(8, &edges);
        let kept: Vec<(usize, usize, &str)> = naive(8, &edges);
        let sent = workflow.graph(&EnqueueOptions::default());
        let sent = sent["edges"].as_array().unwrap().iter().map(|edge| {
            let place = |end: &Value| end["node_id"].as_str().unwrap().parse::<usize>().unwrap();
            let field = if edge["destination"]["field"] == "a" { "a" } else { "b" };
            (place(&edge["source"]), place(&edge["destination"]), field)
        });
        prop_assert_eq!(sent.collect::<Vec<_>>(), kept.clone());
        let removed = workflow.warnings().iter().filter(|warning| warning.kind == WarningKind::EdgeRemoved).count();
        prop_assert_eq!(removed, edges.len() - kept.len());
    }
}

/// The rules for edges between `add` nodes, tested the slow way.
fn naive<'a>(nodes: usize, edges: &[(usize, usize, &'a str)]) -> Vec<(usize, usize, &'a str)> {
    let mut kept: Vec<(usize, usize, &str)> = Vec::new();
    for &(from, to, field) in edges {
        let occupied = kept.iter().any(|edge| (edge.1, edge.2) == (to, field));
        // Whether the source can be reached from the target.
        let mut reached = HashSet::from([to]);
        for _ in 0..nodes {
            reached.extend(kept.iter().filter(|edge| reached.contains(&edge.0)).map(|edge| edge.1).collect::<Vec<_>>());
        }
        if from != to && !occupied && !reached.contains(&from) {
            kept.push((from, to, field));
        }
    }
    kept
}

/// `add` nodes named by number, with these edges, all of them in the form.
fn chain(nodes: usize, edges: &[(usize, usize, &str)]) -> Workflow {
    Workflow::new(WorkflowDefinition::from_value(chain_json(nodes, edges)).unwrap(), NodeCatalog::embedded())
}

fn chain_json(nodes: usize, edges: &[(usize, usize, &str)]) -> Value {
    let field = |name: &str| json!({"name": name, "label": "", "description": "", "value": 1});
    let exposed: Vec<Value> = (0..nodes).map(|id| json!({"nodeId": id.to_string(), "fieldName": "b"})).collect();
    let edges: Vec<Value> = edges
        .iter()
        .enumerate()
        .map(|(place, (from, to, field))| {
            json!({"id": place.to_string(), "type": "default", "source": from.to_string(), "sourceHandle": "value",
                "target": to.to_string(), "targetHandle": field})
        })
        .collect();
    let nodes: Vec<Value> = (0..nodes)
        .map(|id| {
            json!({"id": id.to_string(), "type": "invocation", "data": {
                "id": id.to_string(), "type": "add", "version": "1.0.1", "label": "", "notes": "", "isOpen": true,
                "isIntermediate": true, "useCache": true, "inputs": {"a": field("a"), "b": field("b")}}})
        })
        .collect();
    json!({"name": "", "author": "", "description": "", "version": "", "contact": "", "tags": "", "notes": "",
        "nodes": nodes, "edges": edges, "exposedFields": exposed, "meta": {"version": "4.0.0"}})
}

/// Reads, lists, checks and builds a workflow of this many nodes.
fn work(text: &str, nodes: usize) {
    let definition: WorkflowDefinition = text.parse().unwrap();
    let workflow = Workflow::new(definition, NodeCatalog::embedded());
    assert_eq!(workflow.inputs().len(), nodes);
    assert!(workflow.problems().is_empty(), "{:?}", workflow.problems().first());
    let body = workflow.enqueue_body(&EnqueueOptions::default()).unwrap();
    assert_eq!(body["batch"]["graph"]["nodes"].as_object().unwrap().len(), nodes);
}

#[test]
fn thousands_of_nodes_on_one_long_way_take_no_longer_each_than_hundreds() {
    const FEW: usize = 300;
    const FACTOR: usize = 10;
    NodeCatalog::embedded();
    for backwards in [false, true] {
        let text = |nodes: usize| {
            let mut edges: Vec<(usize, usize, &str)> = (1..nodes).map(|to| (to - 1, to, "a")).collect();
            // The last edge closes the ring, so every edge needs a test for cycles.
            edges.push((nodes - 1, 0, "a"));
            if backwards {
                edges.reverse();
            }
            chain_json(nodes, &edges).to_string()
        };
        let (few, many) = (text(FEW), text(FEW * FACTOR));
        let what = if backwards { "a ring, the last edge first" } else { "a ring" };
        assert_growth(what, FEW, FACTOR, 1.7, || work(&few, FEW), || work(&many, FEW * FACTOR));
    }
}
