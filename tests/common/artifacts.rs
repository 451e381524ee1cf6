//! Pictures for tests, and what runs leave on a server.

use invokeai_client::{Client, Upload, images::ImageCategory, queue::QueueItem};
use serde_json::Value;

/// Uploads a colorful square with sides of this many pixels, and returns its name.
pub(crate) async fn picture(client: &Client, side: u32) -> String {
    let shade = |part: u32| (part * 255 / side) as u8;
    let picture = image::RgbImage::from_fn(side, side, |x, y| image::Rgb([shade(x), shade(y), 90]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    let upload = Upload::bytes("picture.png", bytes.into_inner());
    client.images().upload(upload).category(ImageCategory::User).intermediate(true).await.unwrap().image_name
}

/// Names of the images (`image_name`) or videos (`video_name`) among the results of an item.
pub(crate) fn results(item: &QueueItem, kind: &str) -> Vec<String> {
    let mut names = Vec::new();
    collect(&item.session["results"], kind, &mut names);
    names.sort_unstable();
    names.dedup();
    names
}

fn collect(value: &Value, kind: &str, names: &mut Vec<String>) {
    match value {
        Value::Object(object) => match object.get(kind).and_then(Value::as_str) {
            Some(name) => names.push(name.to_owned()),
            None => object.values().for_each(|value| collect(value, kind, names)),
        },
        Value::Array(items) => items.iter().for_each(|value| collect(value, kind, names)),
        _ => {}
    }
}
