//! The Python client on the same work.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::Value;

use crate::{
    FLUX, Result,
    page::Page,
    statistics::{median, time},
    steps::load_and_list,
};

const PACKAGE: &str = "invokeai-py-client==1.1.1";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/report/python_client.py");

/// An environment with the Python client in it.
pub(crate) struct Python(PathBuf);

impl Python {
    /// Installs it once, in the user's cache. `None`, which the report mentions, if that is not possible.
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

    /// Reading a workflow: the step alone, and a whole program that does it.
    pub(crate) fn offline(&self, page: &mut Page) -> Result {
        // The Python client does not accept workflows of version 4.0.0; 3.0.0 has the same structure.
        let file = tempfile::Builder::new().suffix(".json").tempfile()?;
        let mut workflow: Value = serde_json::from_str(&fs::read_to_string(FLUX)?)?;
        workflow["meta"]["version"] = "3.0.0".into();
        fs::write(file.path(), serde_json::to_string_pretty(&workflow)?)?;
        let path = file.path().to_string_lossy().into_owned();

        let (mut theirs, mut ours, mut import) = (vec![], vec![], vec![]);
        let (mut their_program, mut our_program) = (vec![], vec![]);
        let count = load_and_list(file.path())?;
        for run in 0..6 {
            let began = Instant::now();
            let said = self.run(&["once", &path, "http://127.0.0.1:9"])?;
            let whole = began.elapsed().as_secs_f64();
            if said["inputs"] != count {
                return Err(format!("{count} inputs, and {} in Python", said["inputs"]).into());
            }
            let began = Instant::now();
            let status =
                Command::new(env::current_exe()?).args(["load-and-list", &path]).stdout(Stdio::null()).status()?;
            let own = began.elapsed().as_secs_f64();
            if !status.success() {
                return Err(format!("load-and-list: {status}").into());
            }
            // The first run of Python writes its byte code.
            if run > 0 {
                their_program.push(whole);
                our_program.push(own);
                import.extend(said["import"].as_f64());
                theirs.extend(self.run(&["offline", &path, "http://127.0.0.1:9"])?["load_and_list"].as_f64());
                let again = Command::new(env::current_exe()?).args(["load-and-list-again", &path]).output()?;
                ours.push(String::from_utf8(again.stdout)?.trim().parse()?);
            }
        }
        let (theirs, ours, import) = (median(&mut theirs), median(&mut ours), median(&mut import));
        let (their_program, our_program) = (median(&mut their_program), median(&mut our_program));
        page.heading("Against invokeai-py-client 1.1.1");
        page.line(format!("To read flux-image-to-image.json and list its {count} inputs:"));
        page.table(&["", "Python", "this crate", "ratio"]);
        let row = |page: &mut Page, what: &str, theirs: f64, ours: f64| {
            page.row(&[what.into(), time(theirs), time(ours), format!("{:.1}", theirs / ours)]);
        };
        row(page, "the step alone, in a running program", theirs, ours);
        row(page, "a program that does it, from start to end", their_program, our_program);
        page.line(format!("\nImport of the Python client: {}.", time(import)));
        page.line("In a running program the step is mostly the reading of JSON, which Python does in C.");
        let hundredfold = |page: &mut Page, what: &str, ratio: f64| {
            page.promise(what, "100 times the Python client's speed", format!("{ratio:.1} times"), ratio >= 100.0);
        };
        hundredfold(page, "a program that reads a workflow and lists its inputs", their_program / our_program);
        hundredfold(page, "the same step in a running program", theirs / ours);
        Ok(())
    }

    /// Seconds of a whole run on a server, in the median.
    pub(crate) fn whole_run(&self, workflow: &str, url: &str, times: usize) -> Result<f64> {
        let said = self.run(&["live", workflow, url, &times.to_string()])?;
        Ok(said["run"].as_f64().ok_or_else(|| format!("no run in {said}"))?)
    }

    /// Seconds to upload a picture and to download it again, in the median.
    pub(crate) fn transfer(&self, picture: &str, url: &str) -> Result<[f64; 2]> {
        let said = self.run(&["transfer", picture, url])?;
        let of = |name: &str| said[name].as_f64().ok_or_else(|| format!("no {name} in {said}"));
        Ok([of("upload")?, of("download")?])
    }
}
