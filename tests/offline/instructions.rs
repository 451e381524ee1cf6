//! What the steps from the text of a workflow to its request cost, in instructions. The ceilings are generous: they are
//! for builds without optimization, and half as high again as what was counted. Whoever makes a step costlier than that
//! sees it here, and raises the ceiling openly if there is a reason.

use std::hint::black_box;

use invokeai_client::schema::NodeCatalog;
use invokeai_client::workflow::{EnqueueOptions, Workflow, WorkflowDefinition};
use serde_json::Value;

use crate::common::instructions::{count, wanted};

const FLUX: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json"));
const DOCUMENT: &str = env!("INVOKEAI_DOCUMENT");

/// How many thousands of instructions each step may take.
const CEILINGS: [(&str, u64); 6] =
    [("read", 5000), ("open", 1500), ("list", 110), ("check", 800), ("request", 10_000), (INDEX, 540_000)];
const INDEX: &str = "index the document of a server";

/// Does a step this many times.
fn step(name: &str, times: usize) {
    let definition: WorkflowDefinition = FLUX.parse().unwrap();
    let workflow = Workflow::new(definition.clone(), NodeCatalog::embedded());
    let options = EnqueueOptions::default();
    for _ in 0..times {
        match name {
            "read" => drop(black_box(FLUX.parse::<WorkflowDefinition>().unwrap())),
            "open" => drop(black_box(Workflow::new(definition.clone(), NodeCatalog::embedded()))),
            "list" => drop(black_box(workflow.inputs().to_vec())),
            "check" => drop(black_box(workflow.problems())),
            "request" => drop(black_box(workflow.enqueue_bytes(&options).unwrap())),
            INDEX => {
                let text = std::fs::read_to_string(DOCUMENT).unwrap();
                drop(black_box(NodeCatalog::from_openapi_text(&text).unwrap()));
            }
            _ => panic!("no step {name}"),
        }
    }
}

/// Also the process that is started to be counted.
#[test]
fn the_steps_give_what_they_should() {
    if let Some(words) = wanted() {
        return step(&words[0], words[1].parse().unwrap());
    }
    let workflow = Workflow::new(FLUX.parse::<WorkflowDefinition>().unwrap(), NodeCatalog::embedded());
    let bytes = workflow.enqueue_bytes(&EnqueueOptions::default()).unwrap();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((workflow.inputs().len(), body["batch"]["graph"]["nodes"].as_object().unwrap().len()), (8, 7));
    CEILINGS.iter().for_each(|(name, _)| step(name, 1));
}

#[test]
fn no_step_takes_more_than_it_did() {
    let test = "instructions::the_steps_give_what_they_should";
    // The first run also reads the nodes, which are kept.
    let Some(start) = count(test, &["read", "0"]) else { return };
    let mut dearer = Vec::new();
    for (name, most) in CEILINGS {
        let taken = match name {
            // The start and the end of the program differ by some instructions from run to run.
            INDEX => count(test, &[name, "1"]).unwrap().saturating_sub(start),
            _ => count(test, &[name, "10"]).unwrap().saturating_sub(start) / 10,
        };
        println!("{:>7} k: {name} (at most {most} k)", taken / 1000);
        if taken > 1000 * most {
            dearer.push(format!("{name}: {} k, at most {most} k", taken / 1000));
        }
    }
    assert!(dearer.is_empty(), "{dearer:#?}");
}
