//! Images on a terminal.

use std::{env, fmt::Write as _, io};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use image::{DynamicImage, ImageError, ImageFormat};

/// Largest width and height, in characters: several images of a run should fit on one screen.
const WIDTH: u32 = 60;
const HEIGHT: u32 = 24;

/// What a terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Terminal {
    /// Takes PNG over the graphics protocol of kitty.
    Kitty,
    /// Takes PNG as inline images of iTerm2.
    Iterm,
    /// Colors only: two pixels in each character.
    Blocks,
}

impl Terminal {
    /// Detects the terminal by the variables that terminals set for this purpose. Asking the terminal itself would mean
    /// reading its answer from an input that may be a pipe.
    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let term = variable("TERM").unwrap_or_default();
        match variable("TERM_PROGRAM").as_deref() {
            Some("iTerm.app" | "WezTerm" | "mintty") => Self::Iterm,
            Some("ghostty") => Self::Kitty,
            _ if variable("KITTY_WINDOW_ID").is_some() || term.contains("kitty") => Self::Kitty,
            _ => Self::Blocks,
        }
    }
}

/// An image as the terminal takes it: only escape sequences and characters that this module generates.
pub(crate) fn drawn(file: &[u8]) -> Result<String, ImageError> {
    draw(&image::load_from_memory(file)?, Terminal::of(|name| env::var(name).ok()))
}

fn draw(picture: &DynamicImage, terminal: Terminal) -> Result<String, ImageError> {
    // Small images are not enlarged. A character is twice as high as it is wide.
    let highest = scaled(HEIGHT * 2, picture.width(), picture.height());
    let columns = WIDTH.min(picture.width()).min(highest).max(1);
    Ok(match terminal {
        Terminal::Kitty => kitty(&png(picture)?, columns),
        Terminal::Iterm => {
            let png = png(picture)?;
            format!("\x1b]1337;File=inline=1;size={};width={columns}:{}\x07\n", png.len(), STANDARD.encode(&png))
        }
        Terminal::Blocks => blocks(picture, columns),
    })
}

/// `length * numerator / denominator`, without overflow: an image may have any width.
fn scaled(length: u32, numerator: u32, denominator: u32) -> u32 {
    let scaled = u64::from(length) * u64::from(numerator) / u64::from(denominator.max(1));
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

fn png(picture: &DynamicImage) -> Result<Vec<u8>, ImageError> {
    let mut file = io::Cursor::new(Vec::new());
    picture.write_to(&mut file, ImageFormat::Png)?;
    Ok(file.into_inner())
}

/// The protocol takes at most 4096 characters at once; `m=1` says that more follow.
fn kitty(png: &[u8], columns: u32) -> String {
    let encoded = STANDARD.encode(png);
    let mut text = String::with_capacity(encoded.len() + encoded.len() / 100);
    let mut keys = format!("f=100,a=T,c={columns},");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(4096));
        text += &format!("\x1b_G{keys}m={};{piece}\x1b\\", u8::from(!after.is_empty()));
        keys.clear();
        rest = after;
    }
    text + "\n"
}

/// The upper pixel is the color of the character, the lower one that of its background.
fn blocks(picture: &DynamicImage, columns: u32) -> String {
    // A very narrow image is drawn wider than it is.
    let rows = scaled(columns, picture.height(), picture.width()).div_ceil(2).clamp(1, HEIGHT);
    // Other ways to shrink it hold a strip of the whole width in memory, at sixteen bytes per pixel.
    let small = picture.thumbnail_exact(columns, rows * 2).into_rgb8();
    let mut text = String::new();
    for row in 0..rows {
        for column in 0..columns {
            let ([r, g, b], [s, h, c]) = (small[(column, row * 2)].0, small[(column, row * 2 + 1)].0);
            // Writing to a string cannot fail.
            let _ = write!(text, "\x1b[38;2;{r};{g};{b};48;2;{s};{h};{c}m▀");
        }
        text += "\x1b[0m\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_known_by_what_they_say_of_themselves() {
        for (variables, terminal) in [
            (&[("TERM", "xterm-256color")][..], Terminal::Blocks),
            (&[], Terminal::Blocks),
            (&[("TERM", "xterm-kitty")], Terminal::Kitty),
            (&[("KITTY_WINDOW_ID", "1")], Terminal::Kitty),
            (&[("TERM_PROGRAM", "iTerm.app")], Terminal::Iterm),
        ] {
            let found = Terminal::of(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()));
            assert_eq!(found, terminal, "{variables:?}");
        }
    }

    #[test]
    fn two_pixels_share_a_character() {
        let mut picture = image::RgbImage::new(1, 2);
        picture.put_pixel(0, 0, image::Rgb([1, 2, 3]));
        picture.put_pixel(0, 1, image::Rgb([4, 5, 6]));
        assert_eq!(blocks(&picture.into(), 1), "\x1b[38;2;1;2;3;48;2;4;5;6m▀\x1b[0m\n");
    }

    #[test]
    fn a_long_file_is_sent_in_pieces() {
        let text = kitty(&[7; 7000], 10);
        let pieces: Vec<&str> = text.trim_end().split("\x1b\\").filter(|piece| !piece.is_empty()).collect();
        assert_eq!(pieces.len(), 3);
        assert!(pieces[0].starts_with("\x1b_Gf=100,a=T,c=10,m=1;") && pieces[1].starts_with("\x1b_Gm=1;"));
        let sent: String = pieces.iter().map(|piece| piece.split_once(';').unwrap().1).collect();
        assert!(pieces[2].starts_with("\x1b_Gm=0;") && STANDARD.decode(sent).unwrap() == [7; 7000]);
    }

    #[test]
    fn every_shape_is_drawn_within_the_limits() {
        for (width, height) in [(1, 1), (1, 5000), (5000, 1), (64, 64), (1024, 768)] {
            let picture = DynamicImage::new_rgb8(width, height);
            let text = draw(&picture, Terminal::Blocks).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            assert!((1..=HEIGHT as usize).contains(&lines.len()), "{width} x {height}: {} lines", lines.len());
            assert!(lines.iter().all(|line| (1..=WIDTH as usize).contains(&line.matches('▀').count())));
            assert!(draw(&picture, Terminal::Iterm).unwrap().contains("File=inline=1"));
        }
    }
}
