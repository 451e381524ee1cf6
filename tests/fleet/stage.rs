//! Servers, a store, workers as processes of their own, and a look at what is left.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use invokeai_client::{
    Client, Sweep,
    fleet::{Fleet, FleetJob, FleetStatus, FleetSubmission, JobState, WaitingJobs},
    testing::TestServer,
    workflow::{Workflow, WorkflowDefinition, field::InkField},
};
use tempfile::TempDir;

pub(crate) const TEXT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/text-to-image.json");

pub(crate) const RESIZE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json");

/// The shortest there is: tests wait for it.
pub(crate) const LEASE: &str = "3";

pub(crate) struct Stage {
    pub(crate) fleet: Fleet,
    pub(crate) store: String,
    pub(crate) urls: Vec<String>,
    pub(crate) folder: TempDir,
}

/// A worker in a process of its own, which is killed with this.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_invokeai-client")), arguments)
    }

    /// The same, with more in its environment.
    pub(crate) fn start_with<'a>(arguments: &[&str], more: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_invokeai-client"));
        command.envs(more);
        Self::start_by(command, arguments)
    }

    /// The same, whose clock is ahead by so many hours, if there is a library for that on this machine.
    pub(crate) fn start_ahead(arguments: &[&str], hours: i32) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_invokeai-client"));
        if let Some(library) = faketime().filter(|_| hours != 0) {
            command.env("LD_PRELOAD", library).env("FAKETIME", format!("{hours:+}h"));
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        Self::start_by(command, arguments)
    }

    fn start_by(mut command: Command, arguments: &[&str]) -> Self {
        command.args(arguments).env("XDG_CONFIG_HOME", "/nonexistent").env_remove("INVOKEAI_URL");
        // What it says is shown where a test fails.
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap())
    }

    /// How much memory it has that is not swapped out, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let pages = std::fs::read_to_string(format!("/proc/{}/statm", self.0.id())).unwrap();
        // Linux on all that this is tested on has pages of 4 KiB.
        pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status();
        assert!(sent.unwrap().success(), "{name}");
    }

    /// Waits for its own end, and answers how that was.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }

    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Asks it to stop, and answers how it ended.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        let end = Instant::now() + Duration::from_secs(90);
        while Instant::now() < end {
            if let Some(ended) = self.0.try_wait().unwrap() {
                return ended.code();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the worker does not end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A number from the environment, to make a test longer.
pub(crate) fn number(name: &str, otherwise: i64) -> i64 {
    std::env::var(name).map_or(otherwise, |given| given.parse().unwrap_or_else(|_| panic!("{name}={given}")))
}

/// The library that gives a process another clock, where Debian has it.
pub(crate) fn faketime() -> Option<PathBuf> {
    let mut folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    folders.find_map(|folder| Some(folder.join("faketime/libfaketimeMT.so.1")).filter(|library| library.exists()))
}

impl Stage {
    pub(crate) async fn new(servers: &[TestServer]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite:{}", folder.path().join("fleet.sqlite").display());
        Self::with(folder, store, servers.iter().map(|server| server.url().to_owned()).collect()).await
    }

    pub(crate) async fn with(folder: TempDir, store: String, urls: Vec<String>) -> Self {
        let files = folder.path().join("files").display().to_string();
        let fleet = Fleet::open(&store).files(files).await.unwrap();
        Self { fleet, store, urls, folder }
    }

    pub(crate) fn worker(&self) -> Process {
        self.worker_of(&self.urls)
    }

    pub(crate) fn worker_of(&self, urls: &[String]) -> Process {
        Process::start(&self.arguments_of_a_worker(urls))
    }

    pub(crate) fn arguments_of_a_worker<'a>(&'a self, urls: &'a [String]) -> Vec<&'a str> {
        let mut arguments = vec!["fleet", "worker", "--quiet", "--store", &self.store, "--lease", LEASE];
        for url in urls {
            arguments.extend(["--server", url]);
        }
        arguments
    }

    /// Where the store of files has the file of a hash.
    pub(crate) fn file(&self, hash: &str) -> PathBuf {
        self.folder.path().join("files").join(&hash[..2]).join(hash)
    }

    pub(crate) async fn submit(&self, jobs: i64, attempts: u32) -> FleetSubmission {
        let client = Client::new(&self.urls[0]).unwrap();
        let workflow = workflow(&client).await;
        self.fleet.submit(&workflow).sweep(seeds(&workflow, jobs)).attempts(attempts).await.unwrap()
    }

    pub(crate) async fn state_of(&self, state: JobState) -> usize {
        self.fleet.jobs().await.unwrap().iter().filter(|job| job.state == state).count()
    }

    /// Waits until so many jobs are in a state.
    pub(crate) async fn until(&self, state: JobState, jobs: usize) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.state_of(state).await < jobs {
            assert!(Instant::now() < end, "{jobs} jobs are not {state}: {:?}", self.fleet.jobs().await.unwrap());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the fleet is said to be so, and answers how.
    pub(crate) async fn until_status(&self, is_so: impl Fn(&FleetStatus) -> bool) -> FleetStatus {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let status = self.fleet.status().await.unwrap();
            if is_so(&status) {
                return status;
            }
            assert!(Instant::now() < end, "{status:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until jobs wait for a reason that has this in it, and answers how the fleet is.
    pub(crate) async fn until_waiting_for(&self, reason: &str) -> FleetStatus {
        let has = |waiting: &WaitingJobs| waiting.reasons.iter().any(|why| why.contains(reason));
        self.until_status(|status| status.waiting.iter().any(has)).await
    }

    pub(crate) async fn ended(&self, within: u64) -> Vec<FleetJob> {
        self.fleet.jobs().wait().timeout(Duration::from_secs(within)).await.unwrap()
    }

    /// Every job of a submission has one result, whose files are there, and whose picture is its own.
    pub(crate) async fn is_complete(&self, submission: &FleetSubmission) {
        let mut pictures = std::collections::HashSet::new();
        let jobs = self.fleet.jobs().submission(&submission.id).await.unwrap();
        assert_eq!(jobs.len(), submission.jobs.len());
        for job in jobs {
            assert_eq!(job.state, JobState::Done, "{job:?}");
            let result = self.fleet.result(&job.id).await.unwrap().expect("a result");
            assert_eq!(result.files.len(), 1, "{result:?}");
            let bytes = self.fleet.file(&result.files[0]).await.unwrap();
            assert!(bytes.starts_with(b"\x89PNG"));
            assert!(pictures.insert(result.files[0].sha256.clone()), "two jobs have one picture: {result:?}");
        }
    }

    /// Servers come to have nothing of the fleet any more.
    pub(crate) async fn is_clean(&self) {
        self.is_clean_but_for(0).await;
    }

    /// The same of servers that have so many pictures of their own, as those of `demo` have one.
    pub(crate) async fn is_clean_but_for(&self, own: usize) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let mut left = Vec::new();
            for url in &self.urls {
                let client = Client::new(url).unwrap();
                let images = client.images().list().names().await.unwrap().image_names;
                let items = client.queue("default").item_ids().await.unwrap();
                if images.len() > own || !items.is_empty() {
                    left.push((url.clone(), images, items));
                }
            }
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "left on servers: {left:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Servers whose steps take this long: an item has about twenty.
pub(crate) fn servers(count: usize, step: u64) -> Vec<TestServer> {
    let start = |_| TestServer::builder().step_time(Duration::from_millis(step)).start().unwrap();
    (0..count).map(start).collect()
}

pub(crate) async fn workflow(client: &Client) -> Workflow {
    let definition = WorkflowDefinition::from_path(Path::new(TEXT)).unwrap();
    let mut workflow = client.workflow(definition).await.unwrap();
    let models = client.models().records().await.unwrap();
    let model = models.iter().find(|model| model.name == "tiny-sd1").unwrap();
    workflow.set_named_field("Model", model).unwrap();
    workflow.set_named_field("Prompt", "a lighthouse").unwrap();
    workflow
}

pub(crate) fn seeds(workflow: &Workflow, jobs: i64) -> Sweep {
    let mut seeds = workflow.fields_called("seed");
    seeds.retain(|field| !field.connected && matches!(field.field, InkField::Integer(_)));
    let seed = format!("{}.{}", seeds[0].node_id, seeds[0].field_name);
    Sweep::new().product(workflow, seed, 1..=jobs).unwrap()
}

/// How many batches the servers were sent.
pub(crate) fn batches(servers: &[TestServer]) -> usize {
    servers.iter().map(|server| server.faults().calls("enqueue_batch")).sum()
}
