//! Files in what speaks like S3: `moto_server` (from PyPI), if it is on this machine; `MOTO_SERVER` says where.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    http,
    skip::skipped,
    stage::{Process, Stage, servers},
};

const BUCKET: &str = "fleet-files";

/// Keys of nobody: the server takes any.
const KEYS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_ALLOW_HTTP", "true"),
];

struct Moto {
    url: String,
    server: Child,
}

impl Moto {
    fn start() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let mut command = Command::new(std::env::var("MOTO_SERVER").unwrap_or_else(|_| "moto_server".to_owned()));
        command.args(["-H", "127.0.0.1", "-p", &port]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Some(Self { url: format!("http://127.0.0.1:{port}"), server: command.spawn().ok()? })
    }

    /// It does not look at who makes a bucket.
    async fn make_bucket(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        let bucket = format!("{}/{BUCKET}", self.url);
        loop {
            match http::client().put(&bucket).send().await {
                Ok(answer) if answer.status().is_success() => return,
                other => assert!(Instant::now() < end, "{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_in_s3() {
    let Some(moto) = Moto::start() else {
        return skipped(format_args!("files_are_kept_in_s3: there is no moto_server on this machine"));
    };
    moto.make_bucket().await;
    let servers = servers(2, 1);
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("fleet.sqlite").display());
    let (place, workflow) = (format!("s3://{BUCKET}/some/where"), crate::stage::TEXT);
    let run = |arguments: &[&str]| {
        let mut all = vec!["fleet"];
        all.extend(arguments);
        all.extend(["--store", &store]);
        let environment = KEYS.iter().copied().chain([("AWS_ENDPOINT_URL", moto.url.as_str())]);
        Process::start_with(&all, environment)
    };
    let urls: Vec<&str> = servers.iter().map(|server| server.url()).collect();
    let seeds = folder.path().join("rows.csv");
    std::fs::write(&seeds, "Prompt\na lighthouse\na windmill\na bridge\na ship\n").unwrap();
    let seeds = seeds.display().to_string();
    let model = "Model=tiny-sd1";
    let submitted =
        run(&["submit", workflow, "--rows", &seeds, "--set", model, "--files", &place, "--server", urls[0]]).ended();
    assert_eq!(submitted, Some(0));
    let worker = run(&["worker", "--lease", "3", "--server", urls[0], "--server", urls[1]]);
    assert_eq!(run(&["wait", "--timeout", "60"]).ended(), Some(0));
    let out = folder.path().join("out");
    assert_eq!(run(&["results", "--out", &out.display().to_string()]).ended(), Some(0));
    let pictures: Vec<_> = std::fs::read_dir(&out).unwrap().flatten().map(|entry| entry.path()).collect();
    assert_eq!(pictures.len(), 4, "{pictures:?}");
    for picture in &pictures {
        assert!(std::fs::read(picture).unwrap().starts_with(b"\x89PNG"), "{picture:?}");
    }
    // All of it is below the prefix, and nothing beside the database.
    let listed =
        http::client().get(format!("{}/{BUCKET}?list-type=2", moto.url)).send().await.unwrap().text().await.unwrap();
    let keys: Vec<&str> = listed.split("<Key>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    // The workflow, what it needs, and of each job the picture, the outputs and the result.
    assert_eq!(keys.len(), 2 + 3 * 4, "{keys:?}");
    assert!(keys.iter().all(|key| key.starts_with("some/where/")), "{keys:?}");
    assert!(!folder.path().join("fleet.sqlite-files").exists());
    let stage_urls = urls.iter().map(|url| (*url).to_owned()).collect();
    let stage =
        Stage::with(tempfile::tempdir().unwrap(), format!("sqlite:{}", folder.path().join("x").display()), stage_urls);
    stage.await.is_clean().await;
    worker.kill();
}
