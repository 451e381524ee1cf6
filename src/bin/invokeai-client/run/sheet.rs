//! A contact sheet: one small image for each item, in the order of the items.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Cursor, Write as _},
    path::Path,
};

use image::{ImageFormat, Rgb, RgbImage, imageops};
use invokeai_client::Client;

use super::ticket::Picture;
use crate::{
    failure::{Failure, with_causes},
    folder, local_file,
};

/// Space between images, in pixels.
const GAP: u32 = 6;
/// About the greatest width of a sheet, in pixels, as long as its images stay recognizable.
const WIDEST: u64 = 4096;
const BACKGROUND: Rgb<u8> = Rgb([32, 32, 36]);

/// Checks that a sheet can be written there.
pub(super) fn check(path: &Path) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::other(format!("--sheet {}: {error}", path.display()));
    local_file::replaced(path).map_err(|error| failed(&error))?;
    match format(path) {
        format if format.writing_enabled() => Ok(()),
        format => {
            let known = ImageFormat::all().filter(ImageFormat::writing_enabled);
            let known: Vec<&str> = known.filter_map(|format| format.extensions_str().first().copied()).collect();
            Err(failed(&format!("{format:?} images cannot be written; expected one of {}", known.join(", "))))
        }
    }
}

/// The format that a name says.
fn format(path: &Path) -> ImageFormat {
    ImageFormat::from_path(path).unwrap_or(ImageFormat::Png)
}

/// The images so far, by the number of their item.
#[derive(Default)]
pub(super) struct Sheet {
    pictures: BTreeMap<usize, RgbImage>,
}

impl Sheet {
    /// Adds the first image of an item. With many items, the images are smaller, to limit the memory.
    pub(super) async fn add(
        &mut self,
        client: &Client,
        Picture { image, file }: &Picture,
        index: usize,
        items: u64,
    ) -> Result<(), String> {
        let side = side(items);
        let failed = |error: &dyn std::fmt::Display| format!("{image} is not on the sheet: {error}");
        // The server's thumbnail is enough, and small. An earlier try may have cleaned up.
        let bytes = match (client.image(image).thumbnail().bytes().await, file) {
            (Err(error), Some(file)) if error.is_not_found() => {
                tokio::fs::read(file).await.map_err(|e| failed(&e))?.into()
            }
            (bytes, _) => bytes.map_err(|error| failed(&with_causes(&error)))?,
        };
        let small = tokio::task::spawn_blocking(move || {
            image::load_from_memory(&bytes).map(|picture| picture.thumbnail(side, side).to_rgb8())
        });
        let small = small.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        self.pictures.insert(index, small);
        Ok(())
    }

    /// Whether the image of this item is on it.
    pub(super) fn has(&self, index: usize) -> bool {
        self.pictures.contains_key(&index)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// Draws the sheet and writes it, whole or not at all.
    pub(super) fn write(&self, path: &Path) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| format!("cannot write {}: {error}", path.display());
        let mut bytes = Cursor::new(Vec::new());
        self.draw().write_to(&mut bytes, format(path)).map_err(|error| failed(&error))?;
        // Named and locked like unfinished downloads, so that it is removed like them if this program is killed.
        let path = local_file::replaced(path).map_err(|error| failed(&error))?;
        let part = folder::of_file(&path).join(format!(".{}.part", uuid::Uuid::new_v4()));
        let written = File::create_new(&part).and_then(|mut file| {
            // Some file systems have no locks.
            let _ = file.lock();
            file.write_all(&bytes.into_inner())?;
            let _held = Some(file).filter(|_| !cfg!(windows));
            fs::rename(&part, &path)
        });
        written.map_err(|error| {
            // It may not even have been created.
            let _ = fs::remove_file(&part);
            failed(&error)
        })
    }

    /// About as wide as high.
    fn draw(&self) -> RgbImage {
        let count = self.pictures.len().max(1) as u32;
        let columns = columns(count.into()) as u32;
        let rows = count.div_ceil(columns);
        let width = self.pictures.values().map(RgbImage::width).max().unwrap_or(1) + GAP;
        let height = self.pictures.values().map(RgbImage::height).max().unwrap_or(1) + GAP;
        let mut sheet = RgbImage::from_pixel(columns * width + GAP, rows * height + GAP, BACKGROUND);
        for (place, picture) in self.pictures.values().enumerate() {
            let (column, row) = (place as u32 % columns, place as u32 / columns);
            let x = GAP + column * width + (width - GAP - picture.width()) / 2;
            let y = GAP + row * height + (height - GAP - picture.height()) / 2;
            imageops::replace(&mut sheet, picture, x.into(), y.into());
        }
        sheet
    }
}

/// The number of images in a row that makes a sheet about as wide as high.
fn columns(items: u64) -> u64 {
    let root = items.isqrt();
    if root * root < items { root + 1 } else { root.max(1) }
}

/// The longer side of each image, in pixels, so that all fit.
fn side(items: u64) -> u32 {
    let fits = (WIDEST / columns(items)).saturating_sub(GAP.into());
    fits.clamp(16, 192) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_in_the_order_of_their_items() {
        let color = |value| RgbImage::from_pixel(10, 8, Rgb([value; 3]));
        let pictures = BTreeMap::from([(5, color(50)), (0, color(10)), (2, color(20))]);
        let sheet = Sheet { pictures };
        let drawn = sheet.draw();
        assert_eq!(drawn.dimensions(), (2 * 16 + 6, 2 * 14 + 6));
        let at = |x, y| drawn.get_pixel(x, y).0[0];
        assert_eq!([at(10, 10), at(26, 10), at(10, 24), at(26, 24)], [10, 20, 50, 32]);
    }

    #[test]
    fn a_sheet_that_cannot_be_written_is_refused_before_anything_is_sent() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["s.png", "s.jpg", "s.webp", "s.bmp", "s", "s.of-today"] {
            check(&folder.path().join(name)).expect(name);
        }
        fs::create_dir(folder.path().join("taken.png")).expect("a folder");
        for (name, problem) in [("s.tiff", "expected one of"), ("s.avif", "Avif"), ("taken.png", "a directory")] {
            let refused = check(&folder.path().join(name)).expect_err(name).to_string();
            assert!(refused.contains(problem) && refused.starts_with("--sheet"), "{refused}");
        }
    }

    #[test]
    fn a_sheet_is_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let sheet = Sheet { pictures: BTreeMap::from([(0, RgbImage::new(4, 4))]) };
        sheet.write(&folder.path().join("sheet.png")).expect("written");
        assert!(sheet.write(&folder.path().join("none/sheet.png")).is_err());
        let names: Vec<_> =
            fs::read_dir(folder.path()).expect("a folder").map(|e| e.expect("a name").file_name()).collect();
        assert_eq!(names, ["sheet.png"]);
    }
}
