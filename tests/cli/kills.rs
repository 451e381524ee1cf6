//! Long series of rows: they may end at any moment, and take no more memory the longer they are.

use std::{collections::BTreeSet, fs, thread::sleep, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;

use crate::{
    program::{Program, names_below, run},
    stage::Stage,
};

/// A folder of pictures, no two of the same size.
fn pictures(stage: &Stage, count: u32) {
    fs::create_dir(stage.path("in")).unwrap();
    for number in 0..count {
        let picture = image::RgbImage::from_pixel(32 + number % 64, 32 + number / 64, image::Rgb([number as u8; 3]));
        picture.save(stage.path(&format!("in/{number:04}.png"))).unwrap();
    }
}

#[test]
fn a_series_that_is_killed_at_random_moments_loses_and_repeats_nothing() {
    const WIDTHS: [&str; 4] = ["64", "72", "80", "88"];
    const PICTURES: usize = 10;
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let stage = Stage::new();
    pictures(&stage, PICTURES as u32);
    let (each, widths) = (format!("Picture={}", stage.text("in")), format!("Width={}", WIDTHS.join(",")));
    let (workflow, ticket, out) = (stage.text("resize.json"), stage.text("run.ticket"), stage.text("out"));
    let (url, sheet) = (stage.proxy.url.as_str(), stage.text("sheet.png"));
    let given = ["run", &workflow, "--server", url, "--each", &each, "--each", &widths, "--resume", &ticket];
    let wanted = ["--out", &out, "--name", "{Picture}-{Width}", "--sheet", &sheet, "--json", "--quiet"];
    let arguments = [&given[..], &wanted].concat();
    let (mut lines, mut kills) = (Vec::new(), 0);
    let last = loop {
        let program = Program::start(&arguments);
        sleep(Duration::from_millis(random.random_range(0..2000 + 100 * kills)));
        // Ctrl-C is followed by an orderly end, the other signal is not.
        program.signal(if random.random() { "KILL" } else { "INT" });
        let ended = program.end();
        lines.extend(ended.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()));
        if ended.code == Some(0) {
            break ended;
        }
        kills += 1;
        assert!(kills < 200, "it does not come to an end: {ended:?}");
    };
    println!("{kills} kills");
    let whole = format!("seed {seed}, {kills} kills: {last:?}");
    // Each row has its picture, under its own name, of its own width.
    let expected: BTreeSet<String> =
        (0..PICTURES).flat_map(|number| WIDTHS.map(|width| format!("{number:04}-{width}.png"))).collect();
    let there = names_below(&stage.path("out"));
    assert_eq!(there.iter().cloned().collect::<BTreeSet<_>>(), expected, "{whole}");
    assert_eq!(there.len(), expected.len(), "{whole}");
    for name in &there {
        let picture = image::open(stage.path("out").join(name)).unwrap();
        assert!(name.contains(&format!("-{}.", picture.width())), "{name}: {whole}");
    }
    // Each ran to its end once, and was reported at least once. Others were canceled before that.
    let ran = stage.rows().items.iter().filter(|(_, status)| status == "completed").count();
    assert_eq!(ran, expected.len(), "{whole}");
    let told: BTreeSet<u64> = lines
        .iter()
        .filter(|line| line["status"] == "completed" && line["error"].is_null())
        .map(|line| line["index"].as_u64().unwrap())
        .collect();
    assert_eq!(told, (1..=expected.len() as u64).collect(), "{whole}");
    // The sheet has the pictures of all tries: seven in a row, six in a column.
    let (width, height) = image::image_dimensions(&sheet).unwrap();
    assert!(width > 6 * 64 && height > 5 * 32, "{width} x {height}: {whole}");
    // And there is nothing else: the next run finds nothing to do.
    let ended = run(&arguments);
    assert!(ended.code == Some(0) && ended.stdout.is_empty(), "{ended:?} {whole}");
    let other: Vec<String> = names_below(stage.folder.path())
        .into_iter()
        .filter(|name| name.ends_with(".part") || name.contains(" ("))
        .collect();
    assert_eq!(other, [""; 0], "{whole}");
}

/// The most memory that a program has had, in KiB.
#[cfg(target_os = "linux")]
fn peak(arguments: &[&str]) -> u64 {
    let mut program = Program::start(arguments);
    let mut peak = 0;
    while program.runs() {
        let status = fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = kib.unwrap_or(0).max(peak);
        sleep(Duration::from_millis(10));
    }
    let ended = program.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    peak
}

#[cfg(target_os = "linux")]
#[test]
fn hundreds_of_rows_with_pictures_take_little_more_memory_than_some() {
    // More than one batch has room for, which is 500.
    const ROWS: usize = 520;
    const FEW: usize = 60;
    let stage = Stage::new();
    pictures(&stage, ROWS as u32);
    fs::create_dir(stage.path("few")).unwrap();
    for name in names_below(&stage.path("in")).iter().take(FEW) {
        fs::copy(stage.path("in").join(name), stage.path("few").join(name)).unwrap();
    }
    let workflow = stage.text("resize.json");
    let peaks = ["few", "in"].map(|folder| {
        let (each, out) = (format!("Picture={}", stage.text(folder)), stage.text(&format!("out-{folder}")));
        let ticket = stage.text(&format!("{folder}.ticket"));
        let given = ["run", &workflow, "--server", stage.server.url(), "--each", &each, "--set", "width=32"];
        let wanted = ["--out", &out, "--name", "{Picture}", "--resume", &ticket, "--json", "--cleanup", "--quiet"];
        peak(&[&given[..], &wanted].concat())
    });
    assert_eq!(names_below(&stage.path("out-in")).len(), ROWS);
    println!("peak memory in KiB of {FEW} and {ROWS} rows: {peaks:?}");
    // A row costs its record, which is some kilobytes, and no picture.
    assert!(peaks[1] < peaks[0] + 18 * (ROWS - FEW) as u64, "{peaks:?}");
}
