//! How long the crate takes to compile, and how big programs get. `tests/size.rs` sees to it that the counts do not grow.

use std::{env, fs, path::Path, process::Command, time::Instant};

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
    page.heading("Compile time");
    page.line(
        "With the default features, if nothing is said. Debug builds in folders of their own, where nothing is before;",
    );
    page.line("the release build where this report was built, so its dependencies are there.");
    page.table(&["", "seconds"]);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    for (what, arguments) in [
        ("check without TLS, from nothing", &["check", "--lib", "--no-default-features", "--features", "events"][..]),
        ("check, from nothing", &["check", "--lib"]),
        ("check, this crate alone", &["check", "--lib"]),
        ("quickstart, debug, after the check", &["build", "--example", "quickstart"]),
        ("quickstart, debug, this crate alone", &["build", "--example", "quickstart"]),
        ("quickstart, release", &["build", "--release", "--example", "quickstart"]),
    ] {
        if what.ends_with("alone") {
            fs::File::options().append(true).open(&source)?.set_modified(std::time::SystemTime::now())?;
        }
        let folder = match what {
            _ if arguments.contains(&"--release") => target.to_owned(),
            "check without TLS, from nothing" => home.join("without-tls"),
            _ => home.clone(),
        };
        let began = Instant::now();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).arg("--quiet").env("CARGO_TARGET_DIR", folder);
        let status = cargo.status()?;
        if !status.success() {
            return Err(format!("cargo {arguments:?}: {status}").into());
        }
        page.row(&[what.into(), format!("{:.1}", began.elapsed().as_secs_f64())]);
    }
    page.heading("Size of the quickstart");
    page.table(&["", "MiB"]);
    let mib = |file: &Path| Ok::<_, std::io::Error>(format!("{:.1}", fs::metadata(file)?.len() as f64 / 1_048_576.0));
    let release = target.join("release/examples/quickstart");
    page.row(&["debug".into(), mib(&home.join("debug/examples/quickstart"))?]);
    page.row(&["release".into(), mib(&release)?]);
    let stripped = home.join("stripped");
    match Command::new("strip").arg("-o").arg(&stripped).arg(&release).status() {
        Ok(status) if status.success() => page.row(&["release, stripped".into(), mib(&stripped)?]),
        _ => page.skipped("size without symbols: there is no `strip`"),
    }
    fs::remove_dir_all(&home)?;
    Ok(())
}

/// What no machine changes.
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
