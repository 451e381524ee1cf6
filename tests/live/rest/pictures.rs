//! Uploaded pictures: the server makes PNGs of them, and not one pixel may change on the way there and back.

use std::{io::Cursor, sync::Arc};

use futures::TryStreamExt as _;
use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};
use invokeai_client::Upload;

use super::stage::{Stage, done};

/// A picture in which no two pixels are alike; with transparency if wanted.
fn picture(opaque: bool) -> DynamicImage {
    let picture = RgbaImage::from_fn(57, 31, |x, y| {
        let alpha = if opaque { 255 } else { (x * 4) as u8 };
        Rgba([(x * 4) as u8, (y * 8) as u8, (x ^ y) as u8, alpha])
    });
    match opaque {
        true => DynamicImage::ImageRgba8(picture).to_rgb8().into(),
        false => picture.into(),
    }
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).unwrap();
    file.into_inner()
}

pub(crate) async fn round_trips(stage: Arc<Stage>) {
    for (extension, format, opaque) in [
        ("png", ImageFormat::Png, true),
        ("png", ImageFormat::Png, false),
        // The encoder of the `image` crate is lossless.
        ("webp", ImageFormat::WebP, true),
        ("webp", ImageFormat::WebP, false),
        ("jpg", ImageFormat::Jpeg, true),
    ] {
        let picture = picture(opaque);
        let bytes = encoded(&picture, format);
        let length = bytes.len() as u64;
        // What our decoder sees in the file: a JPEG differs from what went into it.
        let sent = image::load_from_memory(&bytes).unwrap();
        let path = stage.folder.path().join(format!("prüfung {opaque}.{extension}"));
        std::fs::write(&path, &bytes).unwrap();
        let name = format!("a \"b\".{extension}");
        for upload in [
            Upload::path(&path),
            Upload::bytes(&name, bytes.clone()),
            Upload::reader(&name, Cursor::new(bytes.clone()), Some(length)),
            Upload::reader(&name, Cursor::new(bytes.clone()), None),
            // The first bytes say what it is.
            Upload::bytes("", bytes.clone()),
        ] {
            let what = format!("{upload:?}");
            let came = download(&stage, upload).await;
            match format {
                // Two JPEG decoders may round differently.
                ImageFormat::Jpeg => assert!(difference(&sent, &came) <= 3, "{what}: {}", difference(&sent, &came)),
                _ => assert!(sent.to_rgba8() == came.to_rgba8(), "{what}: other pixels came back"),
            }
        }
    }
}

async fn download(stage: &Stage, upload: Upload) -> DynamicImage {
    let api = stage.api();
    let dto = stage.image(upload).await;
    let file = done!(api.get_image_full().image_name(&dto.image_name));
    let bytes = file.into_inner().try_collect::<Vec<_>>().await.unwrap().concat();
    let picture = image::load_from_memory_with_format(&bytes, ImageFormat::Png).unwrap();
    assert_eq!((dto.width, dto.height), (picture.width().into(), picture.height().into()));
    picture
}

/// The greatest difference of any channel of any pixel.
fn difference(one: &DynamicImage, other: &DynamicImage) -> u8 {
    let (one, other) = (one.to_rgba8(), other.to_rgba8());
    assert_eq!(one.dimensions(), other.dimensions());
    one.iter().zip(other.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}
