//! Pictures on a terminal.

use std::io::{self, IsTerminal as _};

use crate::Failure;

/// Widest and highest, in characters: several pictures of a run should fit on one screen.
const WIDTH: u32 = 60;
const HEIGHT: u32 = 24;

/// Shows a picture on standard output: by the terminal's own protocol (Kitty, iTerm) where it has one, else by coloured
/// blocks. Does nothing where standard output is no terminal, or colours are off.
pub(crate) fn show(bytes: &[u8]) -> Result<(), Failure> {
    let stdout = io::stdout();
    if !stdout.is_terminal() || anstream::AutoStream::choice(&stdout) == anstream::ColorChoice::Never {
        return Ok(());
    }
    let picture = image::load_from_memory(bytes).map_err(|error| Failure::Other(error.into()))?;
    // Small pictures are not blown up. A character is twice as high as it is wide.
    let width = WIDTH.min(picture.width()).min(HEIGHT * 2 * picture.width() / picture.height().max(1)).max(1);
    let config = viuer::Config { absolute_offset: false, width: Some(width), ..viuer::Config::default() };
    viuer::print(&picture, &config).map_err(|error| Failure::Other(error.into()))?;
    Ok(())
}
