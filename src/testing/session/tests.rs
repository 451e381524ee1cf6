//! Sessions: refusals, iteration, collection, branches.

use super::{Session, batch};
use crate::testing::nodes::tests::Bench;
use serde_json::{Value, json};

fn edges(list: &[(&str, &str, &str, &str)]) -> Value {
    let end = |node: &str, field: &str| json!({"node_id": node, "field": field});
    list.iter().map(|(a, b, c, d)| json!({"source": end(a, b), "destination": end(c, d)})).collect()
}

fn graph(nodes: &[(&str, Value)], list: &[(&str, &str, &str, &str)]) -> Value {
    let node = |(id, node): &(&str, Value)| {
        let mut node = node.clone();
        node["id"] = json!(id);
        ((*id).to_owned(), node)
    };
    json!({"nodes": nodes.iter().map(node).collect::<serde_json::Map<_, _>>(), "edges": edges(list)})
}

fn run(graph: &Value) -> Value {
    let session = Bench::default().run(graph);
    assert!(session.is_complete(), "{}", session.to_json());
    session.to_json()
}

/// Results of a node by iteration path.
fn results(session: &Value, node: &str) -> Vec<(Value, Value)> {
    let ids = session["source_prepared_mapping"][node].as_array().expect("prepared");
    let mut found: Vec<_> = ids
        .iter()
        .filter_map(Value::as_str)
        .filter(|id| session["results"].get(id).is_some())
        .map(|id| (session["prepared_iteration_paths"][id].clone(), session["results"][id].clone()))
        .collect();
    found.sort_by_key(|(path, _)| path.to_string());
    found
}

fn values(session: &Value, node: &str, field: &str) -> Vec<Value> {
    results(session, node).into_iter().map(|(_, output)| output[field].clone()).collect()
}

fn refusal(graph: &Value) -> (String, String) {
    let problem = Session::new(graph).expect_err("refused").remove(0).to_json(&["body", "batch", "graph"]);
    (problem["loc"].to_string(), problem["msg"].as_str().expect("text").to_owned())
}

#[test]
fn refuses_nodes_that_do_not_fit_their_class() {
    let of = |node: Value| refusal(&graph(&[("a", node)], &[]));
    let (loc, msg) = of(json!({"type": "no_such_node"}));
    assert_eq!(loc, r#"["body","batch","graph","nodes","a"]"#);
    assert!(msg.starts_with("Input tag 'no_such_node' found using 'type' does not match any of the expected tags: '"));
    assert_eq!(of(json!({})).1, "Unable to extract tag using discriminator 'type'");
    let (loc, msg) = of(json!({"type": "add", "a": 1.5}));
    assert_eq!(loc, r#"["body","batch","graph","nodes","a","add","a"]"#);
    assert_eq!(msg, "Input should be a valid integer, got a number with a fractional part");
    assert_eq!(of(json!({"type": "add", "a": null})).1, "Input should be a valid integer");
    assert_eq!(of(json!({"type": "noise", "width": 12})).1, "Input should be a multiple of 8");
    assert_eq!(of(json!({"type": "blank_image", "mode": "CMYK"})).1, "Input should be 'RGB' or 'RGBA'");
    assert_eq!(of(json!({"type": "range", "start": 5, "stop": 5})).1, "Value error, stop must be greater than start");
}

#[test]
fn refuses_graphs_that_do_not_hold_together() {
    let add = || json!({"type": "add"});
    let text = || json!({"type": "string"});
    let nodes = [
        ("a", add()),
        ("b", add()),
        ("s", text()),
        ("i", json!({"type": "iterate"})),
        ("c", json!({"type": "collect"})),
    ];
    let of = |list: &[(&str, &str, &str, &str)]| refusal(&graph(&nodes[..3], list)).1;
    assert_eq!(of(&[("x", "value", "a", "a")]), "Value error, Edge source node x does not exist in the graph");
    assert_eq!(of(&[("a", "x", "b", "a")]), "Value error, Edge source field x does not exist in node a");
    assert_eq!(of(&[("a", "value", "b", "x")]), "Value error, Edge destination field x does not exist in node b");
    assert_eq!(of(&[("a", "value", "b", "a"), ("b", "value", "a", "a")]), "Value error, Graph contains cycles");
    let mismatch = "Value error, Edge source and target types do not match (s.value -> a.a)";
    assert_eq!(of(&[("s", "value", "a", "a")]), mismatch);
    assert!(Session::new(&graph(&nodes[..3], &[("a", "value", "s", "value")])).is_ok(), "numbers become texts");
    let iterator = refusal(&graph(&nodes[3..4], &[])).1;
    assert_eq!(iterator, "Value error, Invalid iterator node (i): Iterator must have a collection input edge");
    let collector = refusal(&graph(&nodes[4..], &[])).1;
    assert_eq!(
        collector,
        "Value error, Invalid collector node (c): Collector must have at least one item or collection input edge"
    );
    let mixed = graph(
        &[nodes[0].clone(), nodes[2].clone(), nodes[4].clone()],
        &[("a", "value", "c", "item"), ("s", "value", "c", "item")],
    );
    assert!(refusal(&mixed).1.ends_with("Collector input collection items must be of a single type"));
    let mut wrong_id = graph(&nodes[..1], &[]);
    wrong_id["nodes"]["a"]["id"] = json!("z");
    assert_eq!(refusal(&wrong_id).1, "Value error, Node ids must match, got a and z");
}

#[test]
fn values_are_converted_and_defaults_filled_in() {
    let session =
        Session::new(&graph(&[("a", json!({"type": "add", "a": "5", "unknown": 1}))], &[])).expect("accepted");
    let node = &session.to_json()["graph"]["nodes"]["a"];
    assert_eq!((&node["a"], &node["b"], &node["use_cache"]), (&json!(5), &json!(0), &json!(true)));
    assert_eq!(node.get("unknown"), None);
}

#[test]
fn an_empty_graph_is_complete() {
    let session = Session::new(&json!({})).expect("accepted");
    assert!(session.is_complete());
}

#[test]
fn iterations_run_for_each_item_and_are_collected_in_order() {
    let session = run(&graph(
        &[
            ("list", json!({"type": "range", "start": 0, "stop": 3})),
            ("each", json!({"type": "iterate"})),
            ("double", json!({"type": "mul", "b": 2})),
            ("all", json!({"type": "collect"})),
            ("again", json!({"type": "integer_collection"})),
        ],
        &[
            ("list", "collection", "each", "collection"),
            ("each", "item", "double", "a"),
            ("double", "value", "all", "item"),
            ("all", "collection", "again", "collection"),
        ],
    ));
    assert_eq!(values(&session, "double", "value"), [0, 2, 4]);
    assert_eq!(values(&session, "all", "collection"), [json!([0, 2, 4])]);
    assert_eq!(values(&session, "again", "collection"), [json!([0, 2, 4])]);
    assert_eq!(session["executed_history"], json!(["list", "each", "double", "all", "again"]));
    let each = results(&session, "each");
    assert_eq!(each[1].0, json!([1]));
    assert_eq!((&each[1].1["index"], &each[1].1["total"]), (&json!(1), &json!(3)));
}

/// An iteration in an iteration; the collector ends the inner one only.
#[test]
fn nested_iterations() {
    let session = run(&graph(
        &[
            ("outer", json!({"type": "range", "start": 1, "stop": 4})),
            ("i", json!({"type": "iterate"})),
            ("inner", json!({"type": "range_of_size", "size": 2, "step": 10})),
            ("j", json!({"type": "iterate"})),
            ("sum", json!({"type": "add"})),
            ("row", json!({"type": "collect"})),
            ("rows", json!({"type": "integer_collection"})),
        ],
        &[
            ("outer", "collection", "i", "collection"),
            ("i", "item", "inner", "start"),
            ("inner", "collection", "j", "collection"),
            ("j", "item", "sum", "a"),
            ("i", "item", "sum", "b"),
            ("sum", "value", "row", "item"),
            ("row", "collection", "rows", "collection"),
        ],
    ));
    let rows = [json!([2, 12]), json!([4, 14]), json!([6, 16])];
    assert_eq!(values(&session, "row", "collection"), rows);
    assert_eq!(values(&session, "rows", "collection"), rows);
    let sums: Vec<_> = results(&session, "sum").into_iter().map(|(path, _)| path).collect();
    assert_eq!(sums, [json!([0, 0]), json!([0, 1]), json!([1, 0]), json!([1, 1]), json!([2, 0]), json!([2, 1])]);
}

/// Two iterations side by side: each with each.
#[test]
fn parallel_iterations() {
    let session = run(&graph(
        &[
            ("a", json!({"type": "range", "start": 0, "stop": 2})),
            ("b", json!({"type": "range", "start": 10, "stop": 13})),
            ("i", json!({"type": "iterate"})),
            ("j", json!({"type": "iterate"})),
            ("sum", json!({"type": "add"})),
        ],
        &[
            ("a", "collection", "i", "collection"),
            ("b", "collection", "j", "collection"),
            ("i", "item", "sum", "a"),
            ("j", "item", "sum", "b"),
        ],
    ));
    assert_eq!(values(&session, "sum", "value"), [10, 11, 12, 11, 12, 13]);
}

#[test]
fn an_empty_collection_runs_nothing_below_it() {
    let session = run(&graph(
        &[
            ("none", json!({"type": "integer_collection"})),
            ("each", json!({"type": "iterate"})),
            ("add", json!({"type": "add"})),
            ("all", json!({"type": "collect"})),
        ],
        &[("none", "collection", "each", "collection"), ("each", "item", "add", "a"), ("add", "value", "all", "item")],
    ));
    assert_eq!(values(&session, "add", "value"), Vec::<Value>::new());
    assert_eq!(values(&session, "all", "collection"), [json!([])]);
    assert_eq!(session["errors"], json!({}));
}

#[test]
fn only_the_branch_taken_runs() {
    for (condition, expected) in [(true, 3), (false, 30)] {
        let session = run(&graph(
            &[
                ("yes", json!({"type": "add", "a": 1, "b": 2})),
                ("no", json!({"type": "add", "a": 10, "b": 20})),
                ("which", json!({"type": "boolean", "value": condition})),
                ("if", json!({"type": "if"})),
            ],
            &[
                ("yes", "value", "if", "true_input"),
                ("no", "value", "if", "false_input"),
                ("which", "value", "if", "condition"),
            ],
        ));
        assert_eq!(values(&session, "if", "value"), [expected]);
        let skipped = if condition { "no" } else { "yes" };
        assert_eq!(values(&session, skipped, "value"), Vec::<Value>::new());
    }
}

#[test]
fn a_value_that_does_not_fit_fails_the_node_it_comes_to() {
    let graph = graph(
        &[("a", json!({"type": "integer", "value": 12})), ("n", json!({"type": "noise"}))],
        &[("a", "value", "n", "width")],
    );
    let mut session = Session::new(&graph).expect("accepted");
    let first = session.next().expect("fits").expect("a node");
    session.complete(&first.id, json!({"value": 12}));
    let failed = session.next().expect_err("12 is not a multiple of 8");
    assert_eq!(failed.error.error_type, "NodeInputError");
    assert!(failed.error.message.ends_with("has invalid incoming input for width"), "{}", failed.error.message);
    assert!(session.is_complete() && session.has_error());
}

fn batch_of(data: Value, runs: Value) -> Value {
    let graph = graph(&[("a", json!({"type": "add"})), ("b", json!({"type": "add"}))], &[]);
    json!({"graph": graph, "data": data, "runs": runs})
}

#[test]
fn batches_zip_groups_and_multiply_them() {
    let datum = |node: &str, items: Value| json!({"node_path": node, "field_name": "a", "items": items});
    let data = json!([[datum("a", json!([1, 2])), {"node_path": "a", "field_name": "b", "items": [10, 20]}], [datum("b", json!([7, 8, 9]))]]);
    let expansion = batch::expand(&batch_of(data, json!(2))).expect("accepted");
    assert_eq!(expansion.len(), 12);
    let items: Vec<_> = expansion.items().collect();
    assert_eq!(items.len(), 12);
    let of = |index: usize| {
        let nodes = &items[index].graph["nodes"];
        [&nodes["a"]["a"], &nodes["a"]["b"], &nodes["b"]["a"]].map(|value| value.as_i64().expect("a number"))
    };
    assert_eq!([of(0), of(1), of(3), of(6)], [[1, 10, 7], [1, 10, 8], [2, 20, 7], [1, 10, 7]]);
    assert_eq!(items[4].field_values[2], json!({"node_path": "b", "field_name": "a", "value": 8}));
}

#[test]
fn batches_that_do_not_hold_together() {
    let datum = |node: &str, field: &str, items: Value| json!({"node_path": node, "field_name": field, "items": items});
    let of = |data: Value, runs: Value| {
        let problem = batch::expand(&batch_of(data, runs)).expect_err("refused").remove(0).to_json(&[]);
        (problem["loc"].to_string(), problem["msg"].as_str().expect("text").to_owned())
    };
    let one = json!(1);
    let unequal = json!([[datum("a", "a", json!([1, 2])), datum("b", "a", json!([1]))]]);
    assert_eq!(
        of(unequal, one.clone()),
        (r#"["data"]"#.into(), "Value error, Zipped batch items must all have the same length".into())
    );
    let mixed = json!([[datum("a", "a", json!([1, "x"]))]]);
    assert_eq!(of(mixed, one.clone()).1, "Value error, All items in a batch must have the same type");
    let twice = json!([[datum("a", "a", json!([1]))], [datum("a", "a", json!([2]))]]);
    assert_eq!(of(twice, one.clone()).1, "Value error, Each batch data must have unique node_id and field_name");
    assert_eq!(
        of(json!([[datum("x", "a", json!([1]))]]), one.clone()),
        ("[]".into(), "Value error, Node x not found in graph".into())
    );
    assert_eq!(of(json!([[datum("a", "x", json!([1]))]]), one).1, "Value error, Field x not found in node a");
    assert_eq!(of(json!(null), json!(0)).1, "Input should be greater than or equal to 1");
    assert_eq!(batch::expand(&batch_of(json!([[]]), json!(1))).expect("accepted").len(), 0);
    assert_eq!(batch::expand(&batch_of(json!([]), json!(3))).expect("accepted").len(), 3);
}
