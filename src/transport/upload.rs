//! Files to send: from disk, from memory, or from a reader, without holding a whole file in memory.

use std::{
    borrow::Cow,
    fmt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures::Stream;
use reqwest::{Body, Request, RequestBuilder, multipart};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::io::ReaderStream;

use crate::{
    base::local_file,
    error::{Error, Result},
    media::{HEAD, Kind},
    transport::not_a_request,
};

/// A file to send to the server.
///
/// ```
/// use invokeai_client::Upload;
///
/// let from_disk = Upload::path("photo.jpg");
/// let from_memory = Upload::bytes("drawing.png", vec![0x89, b'P', b'N', b'G']);
/// let from_reader = Upload::reader("stream.webp", tokio::io::empty(), None);
/// # let _ = (from_disk, from_memory, from_reader);
/// ```
pub struct Upload {
    source: Source,
    name: String,
    content_type: Option<String>,
}

enum Source {
    Path(PathBuf),
    Bytes(Bytes),
    Reader { reader: Box<dyn AsyncRead + Send + Sync + Unpin>, length: Option<u64> },
}

impl Upload {
    /// A file on disk. It is opened when it is sent, and streamed.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self { source: Source::Path(path), name, content_type: None }
    }

    /// Bytes in memory, with a file name for the server.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { source: Source::Bytes(bytes.into()), name: name.into(), content_type: None }
    }

    /// A reader, with a file name for the server, and its length in bytes if known.
    pub fn reader(
        name: impl Into<String>,
        reader: impl AsyncRead + Send + Sync + Unpin + 'static,
        length: Option<u64>,
    ) -> Self {
        let reader = Box::new(reader);
        Self { source: Source::Reader { reader, length }, name: name.into(), content_type: None }
    }

    /// Sets the content type, for example `image/png`. By default it is derived from the first bytes and the name.
    ///
    /// InvokeAI refuses an image whose part is not `image/*` (415).
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// File name for the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn part(self, field: &str) -> Result<multipart::Part> {
        let (head, part) = match self.source {
            Source::Bytes(bytes) => {
                let (head, length) = (bytes.slice(..bytes.len().min(HEAD)), bytes.len() as u64);
                (head, multipart::Part::stream_with_length(Body::wrap_stream(pieces(bytes)), length))
            }
            Source::Path(path) => {
                let failed = |error: std::io::Error| match error.kind() {
                    std::io::ErrorKind::InvalidInput => {
                        Error::invalid(field, format!("`{}` is {error}", path.display()))
                    }
                    _ => Error::io("read", path.clone(), error),
                };
                let opened = path.clone();
                let opened = tokio::task::spawn_blocking(move || {
                    let file = local_file::open(&opened)?;
                    let length = file.metadata()?.len();
                    Ok((file, length))
                });
                let opened = opened.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
                let (file, length) = opened.map_err(failed)?;
                streamed(tokio::fs::File::from_std(file), Some(length), HEAD).await.map_err(failed)?
            }
            Source::Reader { reader, length } => {
                let failed = |error| Error::io("read", self.name.clone(), error);
                streamed(reader, length, HEAD).await.map_err(failed)?
            }
        };
        let content_type = self.content_type.unwrap_or_else(|| guess(&self.name, &head));
        let name = if self.name.is_empty() { "file".to_owned() } else { self.name };
        part.file_name(name)
            .mime_str(&content_type)
            .map_err(|_| Error::invalid(field, format!("has no valid content type: {content_type:?}")))
    }
}

/// How many bytes are handed to the connection at a time. That it asks for more shows that the upload is moving.
pub(super) const PIECE: usize = 256 * 1024;

pub(super) fn pieces(mut bytes: Bytes) -> impl Stream<Item = std::io::Result<Bytes>> {
    let next = move || (!bytes.is_empty()).then(|| Ok(bytes.split_to(bytes.len().min(PIECE))));
    futures::stream::iter(std::iter::from_fn(next))
}

/// Reads the first bytes, and makes a form part from them and the rest.
async fn streamed(
    mut reader: impl AsyncRead + Send + Sync + Unpin + 'static,
    length: Option<u64>,
    head: usize,
) -> std::io::Result<(Bytes, multipart::Part)> {
    let mut first = Vec::with_capacity(head);
    (&mut reader).take(head as u64).read_to_end(&mut first).await?;
    let first = Bytes::from(first);
    // A file may grow while it is sent; the length is announced before.
    let whole = std::io::Cursor::new(first.clone()).chain(reader).take(length.unwrap_or(u64::MAX));
    let body = Body::wrap_stream(ReaderStream::with_capacity(whole, PIECE));
    let part = match length {
        Some(length) => multipart::Part::stream_with_length(body, length),
        None => multipart::Part::stream(body),
    };
    Ok((first, part))
}

impl From<PathBuf> for Upload {
    fn from(path: PathBuf) -> Self {
        Self::path(path)
    }
}

impl From<&Path> for Upload {
    fn from(path: &Path) -> Self {
        Self::path(path)
    }
}

/// A path, as everywhere in the standard library.
impl From<&str> for Upload {
    fn from(path: &str) -> Self {
        Self::path(path)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| {
            let source = match &self.source {
                Source::Path(path) => format!("path {}", path.display()),
                Source::Bytes(bytes) => format!("{} bytes", bytes.len()),
                Source::Reader { length, .. } => format!("reader of {length:?} bytes"),
            };
            f.debug_struct("Upload").field("name", &self.name).field("source", &source).finish_non_exhaustive()
        })
    }
}

/// The content type of a file, by its first bytes, otherwise by its name.
fn guess(name: &str, head: &[u8]) -> String {
    let by_name = || mime_guess::from_path(name).first_or_octet_stream().to_string();
    Kind::of_bytes(head).map_or_else(by_name, |kind| kind.label().to_owned())
}

/// A multipart body under construction. A field that is set twice has the later value.
#[derive(Debug, Default)]
pub(crate) struct Form {
    fields: Vec<(Cow<'static, str>, Field)>,
}

#[derive(Debug)]
enum Field {
    Text(String),
    File(Upload),
}

impl Form {
    pub(crate) fn text(&mut self, name: impl Into<Cow<'static, str>>, value: String) {
        self.set(name.into(), Field::Text(value));
    }

    pub(crate) fn file(&mut self, name: impl Into<Cow<'static, str>>, value: Upload) {
        self.set(name.into(), Field::File(value));
    }

    fn set(&mut self, name: Cow<'static, str>, field: Field) {
        self.fields.retain(|(known, _)| *known != name);
        self.fields.push((name, field));
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| *known == name)
    }

    pub(crate) fn require(&self, names: &[&'static str]) -> Result<()> {
        match names.iter().find(|name| !self.has(name)) {
            Some(name) => Err(Error::invalid(*name, "is required and was not set")),
            None => Ok(()),
        }
    }
}

/// Opens the files of a form and puts it into its request.
pub(crate) async fn attach(parts: Result<(RequestBuilder, Form)>) -> Result<Request> {
    let (request, form) = parts?;
    let mut body = multipart::Form::new();
    for (name, field) in form.fields {
        body = match field {
            Field::Text(text) => body.text(name, text),
            Field::File(upload) => {
                let part = upload.part(&name).await?;
                body.part(name, part)
            }
        };
    }
    request.multipart(body).build().map_err(not_a_request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_count_more_than_the_name() {
        assert_eq!(guess("photo.jpg", b"\x89PNG\r\n\x1a\n"), "image/png");
        assert_eq!(guess("noname", b"RIFF\0\0\0\0WEBPVP8 "), "image/webp");
        assert_eq!(guess("clip", b"\0\0\0\x20ftypisom"), "video/mp4");
        assert_eq!(guess("photo.JPG", b""), "image/jpeg");
        assert_eq!(guess("what", b"?"), "application/octet-stream");
    }
}
