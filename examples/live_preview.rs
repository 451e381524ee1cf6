//! Text to image, with the picture appearing in the terminal while it is made.
//!
//! `cargo run --features testing --example live_preview -- [--server URL] [PROMPT]`

#[path = "common/server.rs"]
mod server;
#[path = "common/workflow.rs"]
mod workflow;

use std::{
    env,
    error::Error,
    io::{IsTerminal as _, stdout},
};

use image::{imageops::FilterType, load_from_memory};
use invokeai_client::{Client, progress::PreviewImage, workflow::WorkflowDefinition};

const TEXT_TO_IMAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/text-to-image.json");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = server::Server::find()?;
    let client = Client::new(&server.url)?;
    let mut picture = client.workflow(WorkflowDefinition::from_path(TEXT_TO_IMAGE)?).await?;
    workflow::choose_models(&client, &mut picture).await?;
    picture.set_inputs([("Steps", 12), ("Width", 256), ("Height", 256)])?;
    picture.set_input("Prompt", server.arguments.first().map_or("a lighthouse at dusk", String::as_str))?;

    let submission = client.submit(&picture).await?;
    let mut screen = Screen::default();
    let mut shown = None;
    let job = submission.job()?;
    let wait = job.wait().on_progress(|progress| {
        // The progress keeps the last preview, so most of its changes bring no new picture.
        if progress.preview.is_some() && progress.preview != shown {
            shown = progress.preview.clone();
            let message = progress.message.as_deref().unwrap_or("…");
            if let Err(error) = screen.show(progress.preview.as_ref(), message) {
                println!("a preview cannot be shown: {error}");
            }
        }
    });
    let pictures = workflow::fetch(wait.await, env::temp_dir().join("invokeai-preview")).await;
    let cleaned = workflow::cleaned(&client.cleanup().everything().outputs(pictures.is_ok()).await?);
    for file in pictures? {
        println!("The picture: {}", file.path.display());
    }
    if screen.pictures == 0 { Err("no preview came".into()) } else { cleaned }
}

/// Draws pictures over each other, two pixels in each character.
#[derive(Default)]
struct Screen {
    pictures: usize,
    lines: u32,
}

impl Screen {
    fn show(&mut self, preview: Option<&PreviewImage>, message: &str) -> Result<(), image::ImageError> {
        const WIDTH: u32 = 64;
        let Some(preview) = preview else { return Ok(()) };
        let picture = load_from_memory(&preview.bytes)?;
        self.pictures += 1;
        if !stdout().is_terminal() {
            println!("{message}: preview of {} x {} pixels", picture.width(), picture.height());
            return Ok(());
        }
        let height = (WIDTH * preview.height / preview.width.max(1)).max(2) & !1;
        let pixels = picture.resize_exact(WIDTH, height, FilterType::Triangle).to_rgb8();
        if self.lines > 0 {
            print!("\x1b[{}A", self.lines);
        }
        for y in (0..height).step_by(2) {
            for x in 0..WIDTH {
                let ([r, g, b], [s, h, c]) = (pixels.get_pixel(x, y).0, pixels.get_pixel(x, y + 1).0);
                print!("\x1b[38;2;{r};{g};{b};48;2;{s};{h};{c}m▀");
            }
            println!("\x1b[0m");
        }
        println!("\x1b[2K{message}");
        self.lines = height / 2 + 1;
        Ok(())
    }
}
