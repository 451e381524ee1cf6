//! Compiles generated code against the library that the test is linked with; nothing is built anew.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use invokeai_client::bindings::Code;

/// The directory of the test programs and of the libraries that they are linked with.
fn libraries() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

/// Libraries of this crate, newest first: one of them is linked with this test.
fn candidates(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("libinvokeai_client-") && name.ends_with(".rlib")
    };
    let mut found: Vec<(SystemTime, PathBuf)> =
        files.filter(is_ours).map(|path| (fs::metadata(&path).unwrap().modified().unwrap(), path)).collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

/// A directory to compile in.
pub(crate) struct Compiler {
    directory: tempfile::TempDir,
    libraries: PathBuf,
    library: PathBuf,
}

impl Compiler {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let libraries = libraries();
        let probe =
            "#![allow(unused)]\nuse invokeai_client::{bindings::Builder, testing::TestServer, typed::TypedWorkflow};\n";
        for library in candidates(&libraries) {
            let compiler = Compiler { directory: tempfile::tempdir().unwrap(), libraries: libraries.clone(), library };
            if compiler.compile("probe", probe, "lib").is_ok() {
                return Compiler { directory, ..compiler };
            }
        }
        panic!("no library in {} has what the generated code needs", libraries.display());
    }

    /// The program or library, or what the compiler says against it.
    pub(crate) fn compile(&self, name: &str, source: &str, kind: &str) -> Result<PathBuf, String> {
        let file = self.directory.path().join(format!("{name}.rs"));
        let out = self.directory.path().join(name);
        fs::write(&file, source).unwrap();
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.arg(&file).args(["--edition=2024", "--crate-type", kind, "-Cdebuginfo=0", "--crate-name", name]);
        rustc.arg("--extern").arg(format!("invokeai_client={}", self.library.display()));
        rustc.arg("-L").arg(format!("dependency={}", self.libraries.display())).arg("-o").arg(&out);
        // A library need not become machine code to be checked.
        rustc.args((kind == "lib").then_some("--emit=metadata"));
        let output = rustc.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(out) } else { Err(said) }
    }
}

/// A module of its own for code.
pub(crate) fn module(code: &Code) -> String {
    format!("/// Generated.\npub mod {} {{\n{}\n}}\n", code.module, code.text)
}
