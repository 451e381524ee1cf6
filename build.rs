//! Generates the REST client from InvokeAI's OpenAPI document. See `openapi/README.md`.

#[cfg(feature = "client")]
extern crate prettyplease_of_build as prettyplease;
#[cfg(feature = "client")]
extern crate syn_of_build as syn;

#[path = "build/catalog.rs"]
mod catalog;
#[cfg(feature = "client")]
#[path = "build/enums.rs"]
mod enums;
#[path = "build/fault.rs"]
mod fault;
#[cfg(feature = "client")]
#[path = "build/generate.rs"]
mod generate;
#[cfg(feature = "client")]
#[path = "build/incompatible.rs"]
mod incompatible;
#[cfg(feature = "client")]
#[path = "build/lower/mod.rs"]
mod lower;
#[cfg(feature = "client")]
#[path = "build/merge.rs"]
mod merge;
#[path = "build/required.rs"]
mod required;
#[cfg(feature = "client")]
#[path = "build/rewrite/mod.rs"]
mod rewrite;

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

/// The version of the package's own document; `INVOKEAI_OPENAPI` names another document.
const VERSION: &str = "openapi/VERSION";

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-env-changed=INVOKEAI_OPENAPI");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed={VERSION}");
    let version = fs::read_to_string(root.join(VERSION)).map_err(|error| format!("{VERSION}: {error}"))?;
    let own = root.join(format!("openapi/invokeai-{}.json", version.trim()));
    let path = match env::var_os("INVOKEAI_OPENAPI").filter(|path| !path.is_empty()) {
        // An absolute path replaces the root; a relative one starts there.
        Some(other) => root.join(other),
        None => own.clone(),
    };
    println!("cargo::rerun-if-changed={}", own.display());
    println!("cargo::rerun-if-changed={}", path.display());
    // For tests, which compare the generated code with the document.
    println!("cargo::rustc-env=INVOKEAI_DOCUMENT={}", path.display());
    build(&path, &own, &out)
        .map_err(|error| format!("cannot generate the client from {}: {error}", path.display()).into())
}

/// `own` is the package's own document, for which the hand-written code was made.
fn build(path: &Path, own: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(path)?;
    let mut document = json(&text)?;
    required::check(&document)?;
    // For the embedded server, which serves it.
    fs::write(out.join("openapi.json"), text)?;
    fs::write(out.join("catalog.rs"), catalog::nodes(&document))?;
    client(&mut document, path != own, own, out)
}

/// Without the client there is nothing to generate, and the generator is not built.
#[cfg(not(feature = "client"))]
fn client(_: &mut serde_json::Value, _: bool, _: &Path, _: &Path) -> Result<(), Box<dyn Error>> {
    Ok(())
}

#[cfg(feature = "client")]
fn client(document: &mut serde_json::Value, is_other: bool, own: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let counts = lower::lower(document)?;
    fs::write(out.join("lowering.txt"), lower::report(&counts))?;
    if is_other {
        let mut own = json(&fs::read_to_string(own)?)?;
        lower::lower(&mut own)?;
        merge::merge(document, &own)?;
    }
    let generated = generate::generate(document)?;
    fs::write(out.join("client.rs"), generated.client)?;
    fs::write(out.join("events.rs"), generated.events)?;
    fs::write(out.join("enums.rs"), generated.enums)?;
    Ok(())
}

fn json(text: &str) -> Result<serde_json::Value, Box<dyn Error>> {
    serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}").into())
}
