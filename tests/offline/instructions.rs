//! What the steps from the text of a workflow to its request cost, in instructions. The ceilings are generous: they are
//! for builds without optimization, and half as high again as what was counted. Whoever makes a step costlier than that
//! sees it here, and raises the ceiling openly if there is a reason.

use std::hint::black_box;

use invokeai_client::schema::NodeCatalog;
use invokeai_client::workflow::{EnqueueOptions, Workflow, WorkflowDefinition};
use serde_json::Value;

use crate::common::instructions::{count, is_counted};

const FLUX: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json"));
const DOCUMENT: &str = env!("INVOKEAI_DOCUMENT");

/// Each step by its function, and how many thousands of instructions it may take.
const CEILINGS: [(&str, u64); 6] = [
    ("counted_read", 5000),
    ("counted_open", 1500),
    ("counted_list", 110),
    ("counted_check", 800),
    ("counted_request", 10_000),
    ("counted_index", 540_000),
];

#[inline(never)]
fn counted_read() {
    drop(black_box(FLUX.parse::<WorkflowDefinition>().unwrap()));
}

#[inline(never)]
fn counted_open(definition: &WorkflowDefinition) {
    drop(black_box(Workflow::new(definition.clone(), NodeCatalog::embedded())));
}

#[inline(never)]
fn counted_list(workflow: &Workflow) {
    drop(black_box(workflow.inputs().to_vec()));
}

#[inline(never)]
fn counted_check(workflow: &Workflow) {
    drop(black_box(workflow.problems()));
}

#[inline(never)]
fn counted_request(workflow: &Workflow) {
    drop(black_box(workflow.enqueue_bytes(&EnqueueOptions::default()).unwrap()));
}

/// The nodes of a server's document.
#[inline(never)]
fn counted_index() {
    let text = std::fs::read_to_string(DOCUMENT).unwrap();
    drop(black_box(NodeCatalog::from_openapi_text(&text).unwrap()));
}

fn flux() -> (WorkflowDefinition, Workflow) {
    let definition: WorkflowDefinition = FLUX.parse().unwrap();
    let workflow = Workflow::new(definition.clone(), NodeCatalog::embedded());
    (definition, workflow)
}

/// Also the process that is started to be counted.
#[test]
fn the_steps_give_what_they_should() {
    // Whatever is done once, such as the reading of the nodes, is done here.
    let (definition, workflow) = flux();
    let bytes = workflow.enqueue_bytes(&EnqueueOptions::default()).unwrap();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((workflow.inputs().len(), body["batch"]["graph"]["nodes"].as_object().unwrap().len()), (8, 7));
    if !is_counted() {
        return;
    }
    for _ in 0..4 {
        counted_read();
        counted_open(&definition);
        counted_list(&workflow);
        counted_check(&workflow);
        counted_request(&workflow);
    }
    counted_index();
}

#[test]
fn no_step_takes_more_than_it_did() {
    let Some(counts) = count("instructions::the_steps_give_what_they_should", &CEILINGS.map(|(name, _)| name)) else {
        return;
    };
    let mut dearer = Vec::new();
    for ((name, most), taken) in CEILINGS.into_iter().zip(counts) {
        println!("{:>7} k: {name} (at most {most} k)", taken / 1000);
        assert!(taken > 10_000, "{name}: hardly anything was counted");
        if taken > 1000 * most {
            dearer.push(format!("{name}: {} k, at most {most} k", taken / 1000));
        }
    }
    assert!(dearer.is_empty(), "{dearer:#?}");
}
