//! Image files as InvokeAI writes them: PNG with its texts, and WebP thumbnails.

use bytes::Bytes;
use image::{DynamicImage, ImageError, ImageFormat};
use std::io::Cursor;

/// The longer side of a thumbnail.
const THUMBNAIL: u32 = 256;

/// PNG bytes, with these texts in chunks of their own.
pub(crate) fn encode(image: &DynamicImage, texts: [(&str, Option<&str>); 3]) -> Result<Bytes, ImageError> {
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
    // Signature and header chunk come first, 33 bytes; texts may follow at once.
    let rest = bytes.split_off(33.min(bytes.len()));
    for (key, text) in texts {
        if let Some(text) = text {
            add_text(&mut bytes, key, text);
        }
    }
    bytes.extend_from_slice(&rest);
    Ok(bytes.into())
}

/// A `tEXt` chunk where the text is Latin-1, an `iTXt` chunk otherwise, as Pillow decides.
fn add_text(png: &mut Vec<u8>, key: &str, text: &str) {
    let latin: Option<Vec<u8>> = text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
    let mut chunk = Vec::with_capacity(text.len() + 64);
    match latin {
        Some(latin) => {
            chunk.extend_from_slice(b"tEXt");
            chunk.extend_from_slice(key.as_bytes());
            chunk.push(0);
            chunk.extend_from_slice(&latin);
        }
        None => {
            chunk.extend_from_slice(b"iTXt");
            chunk.extend_from_slice(key.as_bytes());
            // Not compressed; no language, no translated key.
            chunk.extend_from_slice(&[0, 0, 0, 0, 0]);
            chunk.extend_from_slice(text.as_bytes());
        }
    }
    let length = u32::try_from(chunk.len() - 4).unwrap_or(u32::MAX);
    png.extend_from_slice(&length.to_be_bytes());
    png.extend_from_slice(&chunk);
    png.extend_from_slice(&crc32(&chunk).to_be_bytes());
}

/// A thumbnail of a PNG, as WebP.
pub(crate) fn thumbnail(png: &[u8]) -> Result<Bytes, ImageError> {
    let image = image::load_from_memory(png)?;
    let small =
        if image.width().max(image.height()) > THUMBNAIL { image.thumbnail(THUMBNAIL, THUMBNAIL) } else { image };
    let small = if small.color().has_alpha() {
        DynamicImage::from(small.into_rgba8())
    } else {
        DynamicImage::from(small.into_rgb8())
    };
    let mut bytes = Vec::new();
    small.write_to(&mut Cursor::new(&mut bytes), ImageFormat::WebP)?;
    Ok(bytes.into())
}

/// The checksum of PNG and zip.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !bytes.iter().fold(!0, |crc, byte| TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8))
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_in_the_file_and_the_file_is_whole() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let image = DynamicImage::new_rgb8(300, 3);
        let texts = [("invokeai_metadata", Some("{}")), ("invokeai_workflow", Some("\u{4e2d}")), ("x", None)];
        let png = encode(&image, texts).expect("PNG");
        assert_eq!(image::load_from_memory(&png).expect("it can be read").width(), 300);
        let found = |text: &[u8]| png.windows(text.len()).any(|window| window == text);
        assert!(found(b"tEXtinvokeai_metadata\0{}") && found("iTXtinvokeai_workflow\0\0\0\0\0\u{4e2d}".as_bytes()));
        let small = thumbnail(&png).expect("WebP");
        assert_eq!(image::load_from_memory(&small).expect("it can be read").width(), 256);
    }
}
