//! The preview images in progress events.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use crate::json::lenient;

/// A preview of an image in the making, as an encoded picture file.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreviewImage {
    /// Width in pixels at which to *show* the preview: that of the final image. The picture itself is smaller.
    pub width: u32,
    /// Height in pixels at which to show the preview.
    pub height: u32,
    /// Media type of `bytes`; `image/jpeg` from every known server.
    pub mime: String,
    /// The encoded picture.
    pub bytes: Bytes,
}

/// Why a preview could not be decoded.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PreviewError {
    /// The member is missing, or not of the expected kind.
    #[error("preview image: `{member}` should be {expected}")]
    Member {
        /// Name of the member in the event's `image` object.
        member: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// The data URL's content is not base64.
    #[error("preview image: `dataURL` is not valid base64: {0}")]
    Base64(String),
}

crate::base::debug::short_debug! { enum PreviewError { Member { member, expected }, Base64(value) } }

impl PreviewImage {
    /// Decodes the server's `ProgressImage`: `{"width", "height", "dataURL"}`.
    ///
    /// # Errors
    ///
    /// When a member is missing or malformed, or the data URL is not base64.
    pub fn from_value(image: &Value) -> Result<Self, PreviewError> {
        Self::of_parts(image.get("dataURL").and_then(Value::as_str), |member| lenient::integer_at(image, member))
    }

    pub(super) fn of_parts(
        url: Option<&str>,
        size: impl Fn(&'static str) -> Option<i64>,
    ) -> Result<Self, PreviewError> {
        let size = |member| {
            let pixels = size(member).and_then(|n| u32::try_from(n).ok());
            pixels.ok_or(PreviewError::Member { member, expected: "a size in pixels" })
        };
        let malformed = PreviewError::Member {
            member: "dataURL",
            expected: "a data URL: `data:image/jpeg;base64,` and the picture",
        };
        let url = url.ok_or(malformed.clone())?;
        let (head, content) =
            url.strip_prefix("data:").and_then(|rest| rest.split_once(',')).ok_or(malformed.clone())?;
        let media = head.strip_suffix(";base64").ok_or(malformed)?;
        let bytes = STANDARD.decode(content).map_err(|error| PreviewError::Base64(error.to_string()))?;
        Ok(Self { width: size("width")?, height: size("height")?, mime: media.to_owned(), bytes: bytes.into() })
    }
}

/// Shows the size of the picture, not its bytes.
impl fmt::Debug for PreviewImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| {
            let Self { width, height, mime, bytes } = self;
            write!(f, "PreviewImage({mime}, {width}x{height}, {} bytes)", bytes.len())
        })
    }
}
