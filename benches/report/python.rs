//! The Python client on the same work.

use std::{env, fs, path::PathBuf, process::Command};

use serde_json::Value;

use crate::{FLUX, Result, page::Page, statistics::time};

const PACKAGE: &str = "invokeai-py-client==1.1.1";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/report/python_client.py");

/// An environment with the Python client in it.
pub(crate) struct Python(PathBuf);

impl Python {
    /// Installs it once, in the user's cache. `None`, said in the report, where that cannot be done.
    pub(crate) fn install(page: &mut Page) -> Result<Option<Self>> {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let Some(cache) = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache"))) else {
            page.skipped("the Python client: no home directory to keep it in");
            return Ok(None);
        };
        let home = cache.join("invokeai-client").join("python-client-1.1.1");
        let python = home.join("bin/python");
        if !home.join("complete").exists() {
            let made = Command::new("python3").args(["-m", "venv"]).arg(&home).status();
            let pip = |_| Command::new(&python).args(["-m", "pip", "install", "--quiet", PACKAGE]).status();
            if !made.and_then(pip).is_ok_and(|status| status.success()) {
                page.skipped("the Python client: it cannot be installed here");
                return Ok(None);
            }
            fs::write(home.join("complete"), PACKAGE)?;
        }
        Ok(Some(Self(python)))
    }

    fn run(&self, arguments: &[&str]) -> Result<Value> {
        let output = Command::new(&self.0).arg(SCRIPT).args(arguments).output()?;
        if !output.status.success() {
            return Err(format!("the Python client: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let text = String::from_utf8(output.stdout)?;
        Ok(serde_json::from_str(text.lines().last().ok_or("the Python client said nothing")?)?)
    }

    /// Import, and reading a workflow; `ours` is what this crate takes for the second.
    pub(crate) fn offline(&self, page: &mut Page, ours: f64) -> Result {
        // The first writes its byte code.
        self.run(&["offline", FLUX, "http://127.0.0.1:9"])?;
        let said = self.run(&["offline", FLUX, "http://127.0.0.1:9"])?;
        let seconds = |name: &str| said[name].as_f64().ok_or_else(|| format!("no {name} in {said}"));
        let (import, theirs) = (seconds("import")?, seconds("load_and_list")?);
        page.heading("Against invokeai-py-client 1.1.1");
        page.line(format!("Import: {}; a Rust program has nothing to import.", time(import)));
        page.line(format!(
            "\nRead the file flux-image-to-image.json and list its inputs ({} there): {} in Python, {} here.",
            said["inputs"],
            time(theirs),
            time(ours)
        ));
        let ratio = theirs / ours;
        page.promise(
            "read a workflow, list its inputs",
            "100 times the Python client",
            format!("{ratio:.0} times"),
            ratio >= 100.0,
        );
        Ok(())
    }

    /// Seconds of a whole run on a server, in the median.
    pub(crate) fn whole_run(&self, workflow: &str, url: &str, times: usize) -> Result<f64> {
        let said = self.run(&["live", workflow, url, &times.to_string()])?;
        Ok(said["run"].as_f64().ok_or_else(|| format!("no run in {said}"))?)
    }
}
