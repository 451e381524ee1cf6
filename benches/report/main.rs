//! How fast this crate is: one report, in Markdown with plots, under `target/report/`. `BENCHMARKS.md` says how to run it.
//!
//! Figures of the crate alone need nothing else. With `INVOKEAI_TEST_URL` the real server is measured as well, and with
//! Python the client `invokeai-py-client`; the report lists what was left out. Every promise is a ratio within one run,
//! because seconds differ from machine to machine. Nothing here fails because it is slow: the report says for each
//! promise whether it holds.

mod instructions;
mod live;
mod page;
mod python;
mod sizes;
mod statistics;
mod steps;
mod transfers;

#[path = "../../tests/common/counts.rs"]
mod counts;
#[path = "../../tests/common/http.rs"]
mod http;
#[path = "../../tests/common/workflows.rs"]
mod workflows;

use std::{env, error::Error, path::Path};

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

/// The workflow that this crate and the Python client both read.
const FLUX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");

fn main() -> Result {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // The whole program that is compared with one in Python.
        ["load-and-list", file] => {
            println!("{}", steps::load_and_list(Path::new(file))?);
            return Ok(());
        }
        // What is measured in a process of its own.
        ["load-and-list-again", file] => {
            println!("{}", statistics::seconds(|| steps::load_and_list(Path::new(file)).expect("a workflow")));
            return Ok(());
        }
        ["body", nodes, times] => return steps::build_bodies(nodes.parse()?, times.parse()?),
        ["step", name, times] => return instructions::step(name, times.parse()?),
        ["batch", url, items] => return runtime()?.block_on(live::batch(url, items.parse()?)),
        _ => {}
    }
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), Into::into);
    let folder = target.join("report");
    std::fs::create_dir_all(&folder)?;
    let mut page = page::Page::new();
    steps::report(&mut page, &folder)?;
    instructions::report(&mut page)?;
    let runtime = runtime()?;
    runtime.block_on(transfers::report(&mut page))?;
    let python = python::Python::install(&mut page)?;
    if let Some(python) = &python {
        python.offline(&mut page)?;
    }
    match env::var("INVOKEAI_TEST_URL") {
        Ok(url) => runtime.block_on(live::report(&mut page, &url, python.as_ref()))?,
        Err(_) => page.skipped("a real server: INVOKEAI_TEST_URL is not set"),
    }
    let sizes = sizes::report(&mut page, &target);
    // What was measured is kept, even if a build failed at the end.
    let file = folder.join("report.md");
    std::fs::write(&file, page.to_markdown())?;
    println!("\n{}", file.display());
    sizes
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
