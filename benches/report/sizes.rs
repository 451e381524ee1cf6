//! How long the crate takes to compile, and how big programs get. `tests/offline/size.rs` makes sure that the counts do
//! not grow.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Instant, SystemTime},
};

use crate::{
    Result,
    counts::{CRATES, GENERATED, SOURCES, crates},
    page::Page,
};

pub(crate) fn report(page: &mut Page, target: &Path) -> Result {
    counts(page);
    if env::var_os("REPORT_BUILDS").is_none() {
        page.skipped("compile times and sizes: set REPORT_BUILDS=1 (some minutes more)");
        return Ok(());
    }
    let home = target.join("report").join("builds");
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    let program = Program::write(&home)?;
    page.heading("Compile time");
    page.line(
        "The program is the ten lines of the README in a package of their own, with the default features. Debug builds",
    );
    page.line("in folders where nothing is before; the release build where this report was built, so most of its");
    page.line("dependencies are there.");
    page.table(&["", "seconds"]);
    let own = env!("CARGO_MANIFEST_DIR");
    let source = Path::new(own).join("src/lib.rs");
    let debug = home.join("debug-builds");
    let mut row = |what: &str, arguments: &[&str], folder: &Path, target: &Path| -> Result {
        let began = Instant::now();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(folder).args(arguments).args(["--quiet", "--offline"]).env("CARGO_TARGET_DIR", target);
        // A dependency from the registry is never built in increments.
        cargo.env("CARGO_INCREMENTAL", "0");
        let status = cargo.status()?;
        if !status.success() {
            return Err(format!("cargo {arguments:?}: {status}").into());
        }
        page.row(&[what.into(), format!("{:.1}", began.elapsed().as_secs_f64())]);
        Ok(())
    };
    let without_tls = ["check", "--lib", "--no-default-features", "--features", "events"];
    row("check without TLS, from nothing", &without_tls, Path::new(own), &home.join("without-tls"))?;
    row("check, from nothing", &["check", "--lib"], Path::new(own), &debug)?;
    touch(&source)?;
    row("check, this crate alone", &["check", "--lib"], Path::new(own), &debug)?;
    row("program, debug, from nothing", &["build"], &program.folder, &home.join("program"))?;
    touch(&program.source)?;
    row("program, debug, after a change in it", &["build"], &program.folder, &home.join("program"))?;
    touch(&source)?;
    row("program, debug, after a change in this crate", &["build"], &program.folder, &home.join("program"))?;
    row("program, release", &["build", "--release"], &program.folder, target)?;

    page.heading("Size of the program");
    page.table(&["", "MiB"]);
    let mib = |file: &Path| Ok::<_, std::io::Error>(format!("{:.1}", fs::metadata(file)?.len() as f64 / 1_048_576.0));
    let release = target.join("release").join(PROGRAM);
    page.row(&["debug".into(), mib(&home.join("program/debug").join(PROGRAM))?]);
    page.row(&["release".into(), mib(&release)?]);
    let stripped = home.join("stripped");
    match Command::new("strip").arg("-o").arg(&stripped).arg(&release).status() {
        Ok(status) if status.success() => page.row(&["release, stripped".into(), mib(&stripped)?]),
        _ => page.skipped("size without symbols: there is no `strip`"),
    }
    fs::remove_dir_all(&home)?;
    Ok(())
}

const PROGRAM: &str = "ten-lines";

/// A package such as a user would write.
struct Program {
    folder: PathBuf,
    source: PathBuf,
}

impl Program {
    fn write(home: &Path) -> Result<Self> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let readme = fs::read_to_string(own.join("README.md"))?;
        let code = readme.split_once("```rust,no_run\n").and_then(|(_, rest)| rest.split_once("```"));
        let (code, _) = code.ok_or("the README has no code")?;
        let code: String = code.lines().map(|line| line.strip_prefix("# ").unwrap_or(line).to_owned() + "\n").collect();
        let code = code.replace("async fn example()", "#[tokio::main]\nasync fn main()");

        let folder = home.join(PROGRAM);
        let source = folder.join("src/main.rs");
        fs::create_dir_all(folder.join("src"))?;
        fs::write(&source, code)?;
        let manifest = format!(
            "[package]\nname = \"{PROGRAM}\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
             invokeai-client = {{ path = {own:?} }}\ntokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest)?;
        // The same versions as here.
        fs::copy(own.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        Ok(Self { folder, source })
    }
}

/// Makes cargo treat a file as changed.
fn touch(file: &Path) -> Result {
    Ok(fs::File::options().append(true).open(file)?.set_modified(SystemTime::now())?)
}

/// Figures that do not depend on the machine.
fn counts(page: &mut Page) {
    page.heading("Counts");
    page.table(&["", "are", "may be"]);
    for (what, count, most, _) in GENERATED {
        page.row(&[(*what).to_owned(), count(&SOURCES).to_string(), most.to_string()]);
    }
    for (options, most, _) in CRATES {
        let what = format!("crates, `cargo tree {}`", options.join(" "));
        page.row(&[what, crates(options).len().to_string(), most.to_string()]);
    }
}
