//! Images that callers send. Their bytes decide what they are, whatever a caller calls them.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use crate::{
    media::{HEAD, Kind},
    serve::problem::Problem,
};

/// A picture.
#[derive(Clone, PartialEq)]
pub(in crate::serve) struct Picture {
    kind: Kind,
    pub(in crate::serve) bytes: Bytes,
}

/// Shows what it is, not its bytes.
impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}, {} bytes)", self.kind.label(), self.bytes.len())
    }
}

/// What is taken, in words.
const TAKEN: &str = "a PNG, JPEG, WebP, GIF or AVIF image";

impl Picture {
    /// A file that was sent for this input.
    pub(in crate::serve) fn read(input: &str, bytes: Bytes) -> Result<Self, Problem> {
        let head = bytes.get(..HEAD.min(bytes.len())).unwrap_or_default();
        match Kind::of_bytes(head) {
            Some(kind) if kind.label().starts_with("image/") => Ok(Self { kind, bytes }),
            found => {
                let found = found.map_or("a file of another kind", Kind::described);
                Err(Problem::input(input, Some(found.to_owned()), TAKEN))
            }
        }
    }

    /// A `data:` address that was given for this input.
    pub(in crate::serve) fn of_data_url(input: &str, url: &str) -> Result<Self, Problem> {
        let refused = || Problem::input(input, None, "a data URL of an image: `data:image/png;base64,` and its bytes");
        let (head, data) = url.strip_prefix("data:").and_then(|rest| rest.split_once(',')).ok_or_else(refused)?;
        if !head.ends_with(";base64") {
            return Err(refused());
        }
        let bytes = STANDARD.decode(data.trim()).map_err(|_| refused())?;
        Self::read(input, bytes.into())
    }

    /// What names of such files end with.
    pub(in crate::serve) fn ending(&self) -> &'static str {
        self.kind.ending()
    }
}
