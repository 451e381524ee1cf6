//! Instruction counts of the steps from the text of a workflow to its request, by `valgrind`: the same on every run,
//! unlike times.

use std::{env, fs, hint::black_box, process::Command};

use invokeai_client::{
    schema::NodeCatalog,
    workflow::{EnqueueOptions, Workflow, WorkflowDefinition},
};

use crate::{
    FLUX, Result,
    page::Page,
    statistics::{seconds, time},
};

/// Each step, how often it is repeated for the count, and how many thousands of instructions it may take.
const STEPS: [(&str, u32, f64); 5] = [
    ("read", 10, 500.0),
    ("open", 10, 200.0),
    ("list inputs", 10, 42.0),
    ("check", 10, 85.0),
    ("request as bytes", 10, 310.0),
];
/// The steps that a program needs to send a request, and the limit for all of them together.
const TOGETHER: ([&str; 3], f64) = (["read", "open", "request as bytes"], 1000.0);
/// Two ways to read the nodes of a server's document, and the share of the first one's time that the second may take.
const WAYS: [&str; 2] = ["nodes from a tree of the document", "nodes from its text"];
const LESS: f64 = 1.0 / 6.0;
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/invokeai-6.14.2.json");

pub(crate) fn report(page: &mut Page) -> Result {
    page.heading("Instructions");
    let document = fs::read_to_string(DOCUMENT)?;
    // By time: a tree costs more in memory than in instructions.
    let tree = seconds(|| NodeCatalog::from_openapi(&serde_json::from_str(&document).expect("JSON")).expect("nodes"));
    let text = seconds(|| NodeCatalog::from_openapi_text(&document).expect("nodes"));
    let measured = format!("{:.3} ({} of {})", text / tree, time(text), time(tree));
    page.promise(
        "nodes from the text of a server's document",
        "1/6 of the time by a tree",
        measured,
        text <= LESS * tree,
    );
    if count(&["step", STEPS[0].0, "0"])?.is_none() {
        page.skipped("instructions of the steps: there is no `valgrind`; the times of the steps are above");
        return Ok(());
    }
    page.line("Of one call, for the FLUX workflow; a document of 1.8 MB has the nodes.");
    page.table(&["step", "thousands"]);
    let mut together = 0.0;
    for (name, times, most) in STEPS {
        let thousands = of(name, times)? / 1e3;
        page.row(&[name.to_owned(), format!("{thousands:.0}")]);
        together += if TOGETHER.0.contains(&name) { thousands } else { 0.0 };
        promise(page, name, thousands, most);
    }
    promise(page, &TOGETHER.0.join(", "), together, TOGETHER.1);
    for name in WAYS {
        page.row(&[name.to_owned(), format!("{:.0}", of(name, 1)? / 1e3)]);
    }
    Ok(())
}

fn promise(page: &mut Page, name: &str, thousands: f64, most: f64) {
    let promised = format!("at most {most:.0} thousand instructions");
    page.promise(name, &promised, format!("{thousands:.0} thousand"), thousands <= most);
}

/// Instructions of one call of a step, without the start of the program and the nodes that are read once.
fn of(name: &str, times: u32) -> Result<f64> {
    let taken = |times: u32| -> Result<f64> {
        Ok(count(&["step", name, &times.to_string()])?.ok_or("valgrind was there a moment ago")?)
    };
    Ok((taken(times + 1)? - taken(1)?) / f64::from(times))
}

/// Does a step this many times.
pub(crate) fn step(name: &str, times: u32) -> Result {
    let text = fs::read_to_string(FLUX)?;
    let document = fs::read_to_string(DOCUMENT)?;
    let definition: std::sync::Arc<WorkflowDefinition> = std::sync::Arc::new(text.parse()?);
    let workflow = Workflow::new(definition.clone(), NodeCatalog::embedded());
    for _ in 0..times {
        match name {
            "read" => drop(black_box(text.parse::<WorkflowDefinition>()?)),
            "open" => drop(black_box(Workflow::new(definition.clone(), NodeCatalog::embedded()))),
            "list inputs" => drop(black_box(workflow.inputs().to_vec())),
            "check" => drop(black_box(workflow.problems())),
            "request as bytes" => drop(black_box(workflow.enqueue_bytes(&EnqueueOptions::default())?)),
            name if name == WAYS[0] => drop(black_box(NodeCatalog::from_openapi(&serde_json::from_str(&document)?)?)),
            name if name == WAYS[1] => drop(black_box(NodeCatalog::from_openapi_text(&document)?)),
            _ => return Err(format!("no step {name}").into()),
        }
    }
    Ok(())
}

/// Instructions of this program with these arguments. `None` if there is no tool to count them.
pub(crate) fn count(arguments: &[&str]) -> Result<Option<f64>> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(None);
    }
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(env::current_exe()?).args(arguments);
    let output = valgrind.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    match output.status.success() {
        true => Ok(Some(count.ok_or_else(|| format!("valgrind: {said}"))?)),
        false => Err(format!("{arguments:?} by valgrind: {said}").into()),
    }
}
