//! For build scripts.

use super::code::{self, Code};
use super::error::BindingsError;
use crate::schema::NodeCatalog;
use crate::workflow::{SharedCatalog, Workflow, WorkflowDefinition};
use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Generates code from workflow files in a build script. See [`bindings`](crate::bindings).
#[derive(Clone)]
#[must_use = "nothing is generated before `generate`"]
pub struct Builder {
    workflows: Vec<PathBuf>,
    out_dir: Option<PathBuf>,
    catalog: SharedCatalog,
    outputs: bool,
}

crate::base::debug::short_debug! { Builder { workflows, out_dir, catalog, outputs } }

impl Default for Builder {
    fn default() -> Self {
        Builder { workflows: Vec::new(), out_dir: None, catalog: NodeCatalog::embedded().into(), outputs: true }
    }
}

impl Builder {
    /// Creates a builder without workflows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a workflow file, or a PNG image made by InvokeAI. The file's name becomes the name of the struct and of the
    /// file with the code: `workflows/flux dev.json` gives the struct `FluxDev` in `flux_dev.rs`.
    pub fn workflow(mut self, path: impl Into<PathBuf>) -> Self {
        self.workflows.push(path.into());
        self
    }

    /// Writes the code into this directory instead of cargo's `OUT_DIR`. The directory must exist.
    pub fn out_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.out_dir = Some(directory.into());
        self
    }

    /// Uses these nodes instead of those of InvokeAI 6.14.2: those of a server's `openapi.json`, with custom nodes.
    pub fn catalog(mut self, catalog: impl Into<SharedCatalog>) -> Self {
        self.catalog = catalog.into();
        self
    }

    /// Sets whether to generate the struct `Outputs` as well. Default: on. Turn it off for programs that use this crate
    /// without its feature `client`.
    pub fn outputs(mut self, outputs: bool) -> Self {
        self.outputs = outputs;
        self
    }

    /// Generates the code, and tells cargo to do so again when a workflow changes. A file that would not change is not
    /// touched; one that does is replaced as a whole.
    ///
    /// # Errors
    /// If a workflow cannot be read, or the code cannot be written.
    pub fn generate(self) -> Result<Vec<Code>, BindingsError> {
        let out_dir =
            self.out_dir.or_else(|| env::var_os("OUT_DIR").map(PathBuf::from)).ok_or(BindingsError::NoOutDir)?;
        let mut made: Vec<Code> = Vec::new();
        let mut names: HashMap<String, PathBuf> = HashMap::new();
        for path in self.workflows {
            println!("cargo::rerun-if-changed={}", path.display());
            let read = |reason| BindingsError::Read { path: path.clone(), reason };
            let workflow = Workflow::new(WorkflowDefinition::from_path(&path).map_err(read)?, &self.catalog);
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let code = code::generate(&workflow, &name, self.outputs)?;
            if let Some(first) = names.insert(code.module.clone(), path.clone()) {
                return Err(BindingsError::SameName { name: code.module, first, second: path });
            }
            write(&out_dir, &code)?;
            made.push(code);
        }
        Ok(made)
    }
}

fn write(directory: &Path, code: &Code) -> Result<(), BindingsError> {
    let path = directory.join(format!("{}.rs", code.module));
    if fs::read(&path).is_ok_and(|there| there == code.text.as_bytes()) {
        return Ok(());
    }
    // Written beside it first: a reader sees either the old file or the new one.
    let part = directory.join(format!("{}.rs.part", code.module));
    let written = fs::File::create(&part).and_then(|mut file| {
        file.write_all(code.text.as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&part, &path)).map_err(|reason| {
        // The reason of the failure matters, not whether the rest can be removed.
        _ = fs::remove_file(&part);
        BindingsError::Write { path, reason }
    })
}
