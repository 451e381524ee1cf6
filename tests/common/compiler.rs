//! Compiles generated code against the library that the test is linked with; nothing is built anew.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use invokeai_client::bindings::Code;

/// The directory of the test programs and of the libraries that they are linked with.
fn libraries() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

/// The library that this test is linked with. There may be others, with other features or of another document. Code that
/// was generated for this one is in a directory whose name has all of that in it; who includes the code names it.
fn library(directory: &Path) -> PathBuf {
    let generated = Path::new(env!("OUT_DIR")).parent().unwrap().file_name().unwrap().to_str().unwrap();
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let found = files.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        let Some(hash) = name.strip_prefix("libinvokeai_client-").and_then(|name| name.strip_suffix(".rlib")) else {
            return false;
        };
        let included = fs::read_to_string(directory.join(format!("invokeai_client-{hash}.d"))).unwrap_or_default();
        included.contains(generated)
    });
    // Another compiler may have made one before.
    let newest = found.max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
    newest.unwrap_or_else(|| panic!("no library in {} includes {generated}", directory.display()))
}

/// A directory to compile in.
pub(crate) struct Compiler {
    directory: tempfile::TempDir,
    libraries: PathBuf,
    library: PathBuf,
}

impl Compiler {
    pub(crate) fn new() -> Self {
        let libraries = libraries();
        let library = library(&libraries);
        Compiler { directory: tempfile::tempdir().unwrap(), libraries, library }
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
