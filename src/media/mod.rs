//! Media files: whether they are images or videos, what they begin with, how they are labeled, how their names end, and
//! where JSON mentions them.

mod mentions;

pub(crate) use mentions::{names_in, scan};

use serde::{Deserialize, Serialize};

/// Whether a file is an image or a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FileKind {
    /// An image.
    Image,
    /// A video.
    Video,
}

/// A kind of file that InvokeAI makes, or that it may accept and return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Png,
    Jpeg,
    WebP,
    Gif,
    Avif,
    Mp4,
    WebM,
    Zip,
}

/// How many bytes are needed to recognize the kind of a file.
pub(crate) const HEAD: usize = 16;

/// The kind, its content type, and how names of such files end. The first ending is the usual one.
const KINDS: [(Kind, &str, &[&str]); 8] = [
    (Kind::Png, "image/png", &["png"]),
    (Kind::Jpeg, "image/jpeg", &["jpg", "jpeg"]),
    (Kind::WebP, "image/webp", &["webp"]),
    (Kind::Gif, "image/gif", &["gif"]),
    (Kind::Avif, "image/avif", &["avif"]),
    (Kind::Mp4, "video/mp4", &["mp4", "m4v"]),
    (Kind::WebM, "video/webm", &["webm"]),
    (Kind::Zip, "application/zip", &["zip"]),
];

impl Kind {
    /// The kind by the first bytes of a file.
    pub(crate) fn of_bytes(head: &[u8]) -> Option<Self> {
        let at = |start: usize, bytes: &[u8]| head.get(start..).is_some_and(|rest| rest.starts_with(bytes));
        // What an MP4 file may begin with; `ftyp` is usual (`_is_mp4_file` in `invokeai/app/api/routers/videos.py`
        // accepts any box before it).
        const BOXES: [&[u8; 4]; 7] = [b"ftyp", b"free", b"skip", b"wide", b"moov", b"mdat", b"uuid"];
        Some(match () {
            () if at(0, b"\x89PNG") => Self::Png,
            () if at(0, b"\xff\xd8\xff") => Self::Jpeg,
            () if at(0, b"RIFF") && at(8, b"WEBP") => Self::WebP,
            () if at(0, b"GIF8") => Self::Gif,
            () if at(4, b"ftypavif") || at(4, b"ftypavis") => Self::Avif,
            () if BOXES.iter().any(|kind| at(4, *kind)) => Self::Mp4,
            () if at(0, b"\x1a\x45\xdf\xa3") => Self::WebM,
            () if at(0, b"PK\x03\x04") || at(0, b"PK\x05\x06") => Self::Zip,
            () => return None,
        })
    }

    /// The kind by a content type.
    pub(crate) fn of_label(label: &str) -> Option<Self> {
        KINDS.iter().find(|(_, known, _)| *known == label).map(|(kind, ..)| *kind)
    }

    /// The kind by the name of a file.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let ending = name.rsplit_once('.')?.1.to_ascii_lowercase();
        KINDS.iter().find(|(.., endings)| endings.contains(&&*ending)).map(|(kind, ..)| *kind)
    }

    /// Its content type.
    pub(crate) fn label(self) -> &'static str {
        self.row().0
    }

    /// How the names of such files end.
    pub(crate) fn ending(self) -> &'static str {
        self.row().1[0]
    }

    /// Every ending of names of files whose content type begins with this.
    pub(crate) fn endings(label: &str) -> String {
        let kinds = KINDS.iter().filter(|(_, known, _)| known.starts_with(label));
        kinds.flat_map(|(.., endings)| endings.iter()).map(|ending| format!(".{ending}")).collect::<Vec<_>>().join(", ")
    }

    /// In words, with its article.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::Png => "a PNG image",
            Self::Jpeg => "a JPEG image",
            Self::WebP => "a WebP image",
            Self::Gif => "a GIF image",
            Self::Avif => "an AVIF image",
            Self::Mp4 => "an MP4 video",
            Self::WebM => "a WebM video",
            Self::Zip => "a zip file",
        }
    }

    fn row(self) -> (&'static str, &'static [&'static str]) {
        let row = KINDS.iter().find(|(kind, ..)| *kind == self);
        row.map_or(("application/octet-stream", &["bin"]), |(_, label, endings)| (label, endings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_known_by_its_bytes_its_label_and_its_name() {
        let heads: [(Kind, &[u8]); 8] = [
            (Kind::Png, b"\x89PNG\r\n\x1a\n"),
            (Kind::Jpeg, b"\xff\xd8\xff\xe0"),
            (Kind::WebP, b"RIFF\0\0\0\0WEBPVP8 "),
            (Kind::Gif, b"GIF89a"),
            (Kind::Avif, b"\0\0\0\x20ftypavif"),
            (Kind::Mp4, b"\0\0\0\x20ftypisom"),
            (Kind::WebM, b"\x1a\x45\xdf\xa3"),
            (Kind::Zip, b"PK\x03\x04"),
        ];
        for ((kind, head), (listed, label, endings)) in heads.into_iter().zip(KINDS) {
            assert_eq!((kind, Kind::of_bytes(head)), (listed, Some(kind)));
            assert_eq!((Kind::of_label(label), kind.label(), kind.ending()), (Some(kind), label, endings[0]));
            for ending in endings {
                assert_eq!(Kind::of_name(&format!("a.b.{}", ending.to_uppercase())), Some(kind));
            }
        }
        assert_eq!(Kind::endings("video/"), ".mp4, .m4v, .webm");
    }

    #[test]
    fn other_files_are_of_no_kind() {
        for head in [&b"#!/bin/sh"[..], b"MZ", b"\x7fELF", b"<svg", b"RIFF\0\0\0\0WAVE", b""] {
            assert_eq!(Kind::of_bytes(head), None, "{head:?}");
        }
        for name in ["Makefile", "conftest.py", "x.png.exe", "png", "a.svg", ""] {
            assert_eq!(Kind::of_name(name), None, "{name}");
        }
    }
}
