//! Nodes that InvokeAI does not have: the pack in `tests/server/nodes/probe`, read from a real server, set, checked, run,
//! and their outputs read.

use std::time::Duration;

use invokeai_client::{
    Client, Error,
    outputs::{FileKind, OutputValue},
    schema::{Cardinality, FieldType, InputKind, NodeCatalog},
    workflow::{Workflow, WorkflowDefinition},
};
use serde_json::{Value, json};

use crate::common::{live, skip};

const DEADLINE: Duration = Duration::from_secs(120);
const COLLAGE: &str = "probe/collage:näht+1";

/// The server, if it has the pack.
async fn server() -> Option<(Client, live::Turn)> {
    let (client, turn) = live::client().await?;
    if client.catalog().await.unwrap().get("probe_palette").is_none() {
        skip::skipped(format_args!(
            "custom nodes: the server lacks the pack (start it with `--nodes tests/server/nodes`)"
        ));
        return None;
    }
    Some((client, turn))
}

fn node(id: &str, kind: &str, version: &str, inputs: Value) -> Value {
    let inputs = inputs.as_object().unwrap().iter();
    let inputs = inputs.map(|(name, value)| {
        (name.clone(), json!({ "name": name, "label": format!("{id} {name}"), "description": "", "value": value }))
    });
    json!({ "id": id, "type": "invocation", "position": { "x": 0, "y": 0 }, "data": {
        "id": id, "type": kind, "version": version, "nodePack": "probe", "label": "", "notes": "", "isOpen": true,
        "isIntermediate": false, "useCache": false, "inputs": inputs.collect::<serde_json::Map<_, _>>() } })
}

/// Mixes a palette, paints with it, measures the painting, and puts its halves together again.
fn document() -> Value {
    let edge = |source: &str, from: &str, target: &str, to: &str| {
        json!({ "id": format!("{source}-{target}-{to}"), "type": "default", "source": source, "sourceHandle": from,
            "target": target, "targetHandle": to })
    };
    let exposed = |node: &str, field: &str| json!({ "nodeId": node, "fieldName": field });
    json!({
        "name": "probe", "author": "", "description": "", "version": "", "contact": "", "tags": "", "notes": "",
        "meta": { "version": "4.0.0", "category": "user" },
        "exposedFields": [exposed("palette", "tint"), exposed("palette", "count"), exposed("palette", "strength"),
            exposed("palette", "name"), exposed("palette", "start"), exposed("swatch", "width"),
            exposed("measure", "weights"), exposed("collage", "captions"),
            exposed("collage", "layout"), exposed("collage", "gap"), exposed("collage", "model")],
        "nodes": [
            node("palette", "probe_palette", "1.2.0",
                json!({ "name": "shades", "tint": "gray", "count": 4, "strength": 0.5, "start": null })),
            node("swatch", "probe_swatch", "1.0.0", json!({ "palette": null, "width": 64, "height": 32 })),
            node("measure", "probe_measure", "0.9.1", json!({ "image": null, "weights": [1, 1, 1], "expected": null })),
            node("again", "probe_measure", "0.9.1", json!({ "image": null, "weights": [1, 1, 1], "expected": null })),
            node("collage", COLLAGE, "1.0.0",
                json!({ "images": null, "captions": [], "layout": "row", "gap": 0, "model": null })),
        ],
        "edges": [edge("palette", "palette", "swatch", "palette"), edge("swatch", "image", "measure", "image"),
            edge("measure", "halves", "collage", "images"), edge("swatch", "image", "again", "image"),
            edge("measure", "verdict", "again", "expected")],
    })
}

async fn workflow(client: &Client) -> Workflow {
    client.workflow(WorkflowDefinition::from_value(document()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_pack_is_described() {
    let Some((client, _turn)) = server().await else { return };
    let catalog = client.catalog().await.unwrap();
    let ours = |one: &&invokeai_client::schema::UnreadableSchema| one.schema.starts_with("Probe");
    assert_eq!(catalog.unreadable().iter().filter(ours).count(), 0, "{:?}", catalog.unreadable());
    assert!(NodeCatalog::embedded().get("probe_palette").is_none(), "no release has it");

    let palette = catalog.get("probe_palette").unwrap();
    assert_eq!((&*palette.title, &*palette.version, &*palette.node_pack), ("Probe Palette", "1.2.0", "probe"));
    let tint = &palette.inputs["tint"];
    let labels: Vec<_> = tint.options.iter().map(|option| option.label.as_deref().unwrap()).collect();
    assert_eq!((labels, &tint.default), (vec!["Warm", "Cold", "Plain gray"], &Some(json!("gray"))));
    let (count, strength) = (&palette.inputs["count"].constraints, &palette.inputs["strength"].constraints);
    assert_eq!((count.minimum, count.maximum), (Some(2.0), Some(8.0)));
    assert_eq!((strength.exclusive_minimum, strength.exclusive_maximum), (Some(0.0), Some(1.0)));
    assert_eq!(palette.inputs["start"].field_type, FieldType::new("ColorField", Cardinality::Single));
    assert_eq!(palette.outputs["palette"].field_type, FieldType::new("ProbePalette", Cardinality::Single));

    // A field type that the editor has no field for can only be connected.
    let swatch = catalog.get("probe_swatch").unwrap();
    assert_eq!(swatch.inputs["palette"].input, InputKind::Connection);
    assert_eq!(swatch.inputs["width"].constraints.multiple_of, Some(8.0));

    // An enum with a schema of its own is, for the editor, a type that it does not know.
    let expected = &catalog.get("probe_measure").unwrap().inputs["expected"];
    assert_eq!((&*expected.field_type.name, expected.input), ("ProbeVerdict", InputKind::Connection));

    let collage = catalog.get(COLLAGE).unwrap();
    assert_eq!(collage.output_type, "probe_collage_output");
    assert_eq!(collage.inputs["images"].field_type, FieldType::new("ImageField", Cardinality::Collection));
    assert_eq!(collage.inputs["captions"].field_type.cardinality, Cardinality::Collection);
    let options: Vec<_> = collage.inputs["layout"].options.iter().map(|option| option.value.clone()).collect();
    assert_eq!(
        (options, collage.inputs["layout"].required),
        (vec![json!("row"), json!("column"), json!("pile")], false)
    );
    assert_eq!(collage.inputs["model"].field_type.name, "ModelIdentifierField");
    assert!(collage.inputs["images"].required && !collage.inputs["model"].required);
    assert_eq!(collage.outputs["places"].field_type, FieldType::new("ProbePlace", Cardinality::Collection));
}

#[tokio::test]
async fn values_are_checked_before_they_are_sent() {
    let Some((client, _turn)) = server().await else { return };
    let mut workflow = workflow(&client).await;
    assert_eq!(workflow.inputs().len(), 11);
    assert!(workflow.warnings().is_empty(), "{:?}", workflow.warnings());
    assert!(workflow.problems().is_empty(), "{:?}", workflow.problems());
    for (input, wrong, says) in [
        ("palette tint", json!("green"), "warm"),
        ("palette count", json!("many"), "whole number"),
        ("palette name", json!(7), "string"),
        ("collage layout", json!("circle"), "column"),
        ("collage captions", json!([1]), "string"),
        ("palette start", json!("red"), "r"),
    ] {
        let error = workflow.set_input(input, wrong.clone()).unwrap_err().to_string();
        assert!(error.contains(says), "{input} = {wrong}: {error}");
    }
    for (input, wrong) in [
        ("palette count", json!(9)),
        ("palette strength", json!(1.0)),
        ("palette name", json!("a name of more than sixteen characters")),
        ("swatch width", json!(65)),
        ("measure weights", json!([1, 1])),
        ("collage gap", json!(3)),
        ("collage captions", json!(["a", "b", "c", "d", "e"])),
    ] {
        let mut changed = workflow.clone();
        // Reported at once, or before it would be sent.
        let refused = changed.set_input(input, wrong.clone()).is_err();
        let problems = changed.problems();
        assert!(refused || !problems.is_empty(), "{input} = {wrong} is accepted");
        if !refused {
            let error = client.submit(&changed).await.unwrap_err();
            assert!(matches!(error, Error::NotReady(_)), "{input} = {wrong}: {error:?}");
        }
    }
    assert!(workflow.problems().is_empty(), "nothing of this stays");
    // A connection of a type that does not fit.
    let mut odd = document();
    odd["edges"][0]["sourceHandle"] = json!("size");
    let odd = client.workflow(WorkflowDefinition::from_value(odd).unwrap()).await.unwrap();
    let said = format!("{:?} {:?}", odd.warnings(), odd.problems());
    assert!(!odd.problems().is_empty() && said.contains("palette"), "{said}");
}

#[tokio::test]
async fn the_pack_runs_and_its_outputs_are_found() {
    let Some((client, _turn)) = server().await else { return };
    tokio::time::timeout(DEADLINE, run(&client)).await.expect("in time");
}

async fn run(client: &Client) {
    let mut workflow = workflow(client).await;
    let queue = live::unique("custom");
    for (input, value) in [
        ("palette tint", json!("warm")),
        ("palette count", json!(3)),
        ("palette start", json!({ "r": 200, "g": 200, "b": 200, "a": 255 })),
        ("swatch width", json!(48)),
        ("measure weights", json!([0.5, 0.25, 0.25])),
        ("collage layout", json!("column")),
        ("collage gap", json!(2)),
        ("collage captions", json!(["left", "right"])),
    ] {
        workflow.set_input(input, value).unwrap_or_else(|error| panic!("{input}: {error}"));
    }
    let job = client.submit(&workflow).queue(&queue).await.unwrap().job().unwrap();
    let outputs = job.wait().timeout(DEADLINE).await.unwrap().outputs().await.unwrap();

    let raw = |node: &str| outputs.of_node(node).next().unwrap_or_else(|| panic!("{node}")).raw().clone();
    assert_eq!((&raw("palette")["palette"]["name"], &raw("palette")["size"]), (&json!("shades"), &json!(3)));
    assert_eq!(outputs.of_node("palette").next().unwrap().value, OutputValue::Other);
    let OutputValue::Image { width, height, .. } = outputs.of_node("swatch").next().unwrap().value else { panic!() };
    assert_eq!((width, height), (48, 32));
    assert_eq!(raw("measure")["verdict"], "light");
    assert_eq!(raw("collage")["captions"], json!(["left", "right"]));
    assert_eq!(outputs.of_node("collage").next().unwrap().node.node_type, COLLAGE);

    // Pictures are found wherever they are in an output, and known by where they came from.
    let mut files: Vec<_> = outputs.files().iter().map(|file| (&*file.node.id, &*file.field, file.passed_on)).collect();
    files.sort_unstable();
    assert_eq!(
        files,
        [
            ("again", "halves[0]", false),
            ("again", "halves[1]", false),
            ("collage", "collage", false),
            ("collage", "places[0].image", true),
            ("collage", "places[1].image", true),
            ("measure", "halves[0]", false),
            ("measure", "halves[1]", false),
            ("swatch", "image", false),
        ]
    );
    assert!(outputs.files().iter().all(|file| file.kind == FileKind::Image && file.exists()));
    let collage = outputs.files().iter().find(|file| file.field == "collage").unwrap();
    assert_eq!((collage.width, collage.height), (Some(24), Some(66)));
    let folder = tempfile::tempdir().unwrap();
    let report = outputs.download_to(folder.path()).await.unwrap();
    assert_eq!((report.saved.len(), report.failed.len()), (6, 0));

    // What the node itself refuses is its error, with the node named.
    workflow.set_input("collage layout", json!("pile")).unwrap();
    let failing = client.submit(&workflow).queue(&queue).await.unwrap().job().unwrap();
    let error = failing.wait().timeout(DEADLINE).await.unwrap_err();
    let Error::JobFailed(failure) = &error else { panic!("{error:?}") };
    assert!(failure.to_string().contains("pictures in a pile cannot be seen"), "{failure}");

    let cleaned = client.cleanup().everything().await.unwrap();
    assert!(cleaned.is_success(), "{cleaned:?}");
    let left = client.images().get_many(outputs.files().iter().map(|file| file.name.as_str())).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
}
