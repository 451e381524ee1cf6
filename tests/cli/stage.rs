//! An embedded server, a picture to upload, a folder to download into, and a look at what is on the server.

use std::{fs, io::Cursor, path::PathBuf, time::Duration};

use futures::TryStreamExt as _;
use invokeai_client::{Client, testing::TestServer};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::proxy::Proxy;

pub(crate) const RESIZE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json");
pub(crate) const FLUX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");

/// Models of the embedded server for the FLUX workflow.
const MODELS: [&str; 4] = [
    "model=tiny-flux-dev",
    "t5_encoder_model=tiny-t5",
    "clip_embed_model=tiny-clip-l",
    "vae_model=tiny-FLUX.1-schnell_ae",
];

pub(crate) struct Stage {
    pub(crate) server: TestServer,
    pub(crate) proxy: Proxy,
    pub(crate) folder: TempDir,
    client: Client,
    runtime: Runtime,
}

/// Everything that belongs to a user on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) images: Vec<String>,
    pub(crate) intermediates: Vec<String>,
    /// The batch and status of each item.
    pub(crate) items: Vec<(String, String)>,
    pub(crate) boards: Vec<String>,
}

impl Rows {
    pub(crate) fn is_empty(&self) -> bool {
        self.images.is_empty() && self.intermediates.is_empty() && self.items.is_empty() && self.boards.is_empty()
    }

    /// Whether no item is running or waiting to run.
    pub(crate) fn is_quiet(&self) -> bool {
        self.items.iter().all(|(_, status)| ["completed", "failed", "canceled"].contains(&status.as_str()))
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with_steps(Duration::from_millis(5))
    }

    /// How long the steps of pretended models take.
    pub(crate) fn with_steps(time: Duration) -> Self {
        let server = TestServer::builder().step_time(time).start().unwrap();
        let proxy = Proxy::before(server.url());
        let folder = tempfile::tempdir().unwrap();
        let mut png = Cursor::new(Vec::new());
        // Noise, so that the file is some kilobytes long.
        let noise = |x: u32, y: u32| (x * 7919 + y * 104_729).wrapping_mul(2_654_435_761).to_le_bytes();
        let noise = |x, y| image::Rgb([noise(x, y)[3], noise(x, y)[2], noise(y, x)[3]]);
        image::RgbImage::from_fn(64, 48, noise).write_to(&mut png, image::ImageFormat::Png).unwrap();
        fs::write(folder.path().join("photo.png"), png.into_inner()).unwrap();
        // With the cache, every run would give the image of the first.
        let resize = fs::read_to_string(RESIZE).unwrap().replace("\"useCache\": true", "\"useCache\": false");
        assert!(resize.contains("\"useCache\": false"));
        fs::write(folder.path().join("resize.json"), resize).unwrap();
        let client = server.client().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { server, proxy, folder, client, runtime }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Arguments for a quick run that uploads and downloads, by way of the proxy.
    pub(crate) fn resize(&self, more: &[&str]) -> Vec<String> {
        let (workflow, upload) = (self.text("resize.json"), format!("Picture={}", self.text("photo.png")));
        let mut arguments = vec!["run", &workflow, "--server", &self.proxy.url, "--upload", &upload];
        arguments.extend(more);
        arguments.into_iter().map(str::to_owned).collect()
    }

    /// Arguments for a run that takes 20 steps.
    pub(crate) fn denoise(&self, more: &[&str]) -> Vec<String> {
        let upload = format!("image={}", self.text("photo.png"));
        let mut arguments = vec!["run", FLUX, "--server", &self.proxy.url, "--upload", &upload];
        for set in MODELS.into_iter().chain(["prompt=a lighthouse"]) {
            arguments.extend(["--set", set]);
        }
        arguments.extend(more);
        arguments.into_iter().map(str::to_owned).collect()
    }

    pub(crate) fn ask<T>(&self, ask: impl AsyncFnOnce(&Client) -> invokeai_client::Result<T>) -> T {
        self.runtime.block_on(ask(&self.client)).unwrap()
    }

    pub(crate) fn rows(&self) -> Rows {
        self.ask(async |client| {
            let names = async |intermediate| -> invokeai_client::Result<Vec<String>> {
                let images = client.images().list().intermediate(intermediate).stream();
                images.map_ok(|image| image.image_name).try_collect().await
            };
            let items = client.queue("default").list().stream().map_ok(|item| (item.batch_id, item.status.to_string()));
            Ok(Rows {
                images: names(false).await?,
                intermediates: names(true).await?,
                items: items.try_collect().await?,
                boards: client.boards().list().stream().map_ok(|board| board.board_name).try_collect().await?,
            })
        })
    }
}

/// The texts as arguments of a process.
pub(crate) fn strs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}
