//! Whether a file is whole, judging by its own bytes, and of the kind that its label says.

use crate::{
    error::BodyFault,
    media::{HEAD, Kind},
};

const PNG_SIGNATURE: u64 = 8;
const PNG_END: &[u8] = b"\0\0\0\0IEND\xaeB`\x82";

/// The record at the end of a zip file, and the longest comment that may follow it.
const ZIP_END: &[u8] = b"PK\x05\x06";
const ZIP_END_LENGTH: usize = 22;
const ZIP_COMMENT: usize = u16::MAX as usize;

/// Watches the bytes of a file pass by.
#[derive(Debug, Default)]
pub(super) struct Watch {
    head: Vec<u8>,
    tail: Vec<u8>,
    chunks: PngChunks,
    length: u64,
}

impl Watch {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let wanting = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..wanting]);
        self.chunks.feed(bytes);
        self.length = self.length.saturating_add(bytes.len() as u64);
        // Only a zip file may have something after its end: a comment, whose length its end states.
        let edge = if self.head.starts_with(b"PK") { ZIP_END_LENGTH + ZIP_COMMENT } else { ZIP_END_LENGTH };
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(edge)..]);
        let surplus = self.tail.len().saturating_sub(edge);
        self.tail.drain(..surplus);
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The kind of the file, by its first bytes. Before [`HEAD`] bytes it may not be known yet.
    pub(super) fn kind(&self) -> Option<Kind> {
        Kind::of_bytes(&self.head)
    }

    /// What is missing from the file, as far as its kind shows. Bytes after its end are not a fault: pictures are
    /// edited.
    pub(super) fn cut(&self) -> Option<String> {
        if self.length == 0 {
            return Some("is empty".into());
        }
        match self.kind()? {
            Kind::Png => {
                let whole = self.chunks.is_at_end() || self.tail.ends_with(PNG_END);
                (!whole).then(|| format!("is a PNG image without an end, cut after {} bytes", self.length))
            }
            Kind::WebP => {
                let told = self.head.get(4..8)?.try_into().map(u32::from_le_bytes).map_or(0, u64::from) + 8;
                (self.length < told).then(|| format!("says it has {told} bytes, but {} came", self.length))
            }
            Kind::Zip => (!has_zip_end(&self.tail)).then(|| "is a zip file without an end".into()),
            Kind::Jpeg | Kind::Gif | Kind::Avif | Kind::Mp4 | Kind::WebM => None,
        }
    }

    /// What is wrong with the whole file. `label` is the content type that the server gave.
    pub(super) fn fault(&self, label: &str) -> Option<(BodyFault, String)> {
        if let Some(cut) = self.cut() {
            return Some((BodyFault::CutOff, cut));
        }
        let (told, kind) = (Kind::of_label(label)?, self.kind());
        // InvokeAI labels the WebP images of workflows, models and presets image/png.
        let agrees = kind == Some(told) || (told == Kind::Png && kind == Some(Kind::WebP));
        let is_no = told.described().split_once(' ').map_or("", |(_, words)| words);
        (!agrees).then(|| (BodyFault::WrongKind, format!("is labeled {label}, but does not begin like any {is_no}")))
    }
}

/// Whether this ends with the record that ends a zip file, and the comment that it announces.
fn has_zip_end(tail: &[u8]) -> bool {
    let begins = |at: &usize| tail[*at..].starts_with(ZIP_END);
    let last = tail.len().saturating_sub(ZIP_END_LENGTH - 1);
    (0..last).rev().filter(begins).any(|at| match tail[at..].split_at(ZIP_END_LENGTH) {
        ([.., low, high], comment) => comment.len() == usize::from(u16::from_le_bytes([*low, *high])),
        _ => false,
    })
}

/// Follows the chunks of a PNG image to the last. A chunk is: length of its data, four letters, data, checksum.
#[derive(Debug)]
struct PngChunks {
    /// Header of the next chunk, as far as it has come.
    header: Vec<u8>,
    /// This many bytes come before the next chunk.
    before: u64,
    last: bool,
}

impl Default for PngChunks {
    fn default() -> Self {
        Self { header: Vec::with_capacity(8), before: PNG_SIGNATURE, last: false }
    }
}

impl PngChunks {
    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_at_end() {
            let passing = usize::try_from(self.before).unwrap_or(usize::MAX).min(bytes.len());
            self.before -= passing as u64;
            bytes = &bytes[passing..];
            if self.before > 0 || self.last {
                continue;
            }
            let wanting = (8 - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..wanting]);
            bytes = &bytes[wanting..];
            if let [l0, l1, l2, l3, kind @ ..] = &self.header[..]
                && kind.len() == 4
            {
                self.before = u64::from(u32::from_be_bytes([*l0, *l1, *l2, *l3])) + 4;
                self.last = kind == b"IEND";
                self.header.clear();
            }
        }
    }

    fn is_at_end(&self) -> bool {
        self.last && self.before == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

    fn watched(bytes: &[u8], size: usize) -> Watch {
        let mut watch = Watch::default();
        bytes.chunks(size).for_each(|chunk| watch.feed(chunk));
        assert_eq!(watch.length(), bytes.len() as u64);
        watch
    }

    fn fault(bytes: &[u8], label: &str) -> Option<(BodyFault, String)> {
        // However the bytes are cut into chunks, the answer is the same.
        let verdicts = [1, 3, 7, 1000].map(|size| watched(bytes, size).fault(label));
        assert!(verdicts.windows(2).all(|pair| pair[0] == pair[1]), "{verdicts:?}");
        verdicts[0].clone()
    }

    #[test]
    fn cut_files_are_distinguished_from_whole_ones() {
        let png = [PNG, b"\0\0\0\x05tEXta\0bcd\x01\x02\x03\x04", PNG_END].concat();
        assert_eq!(fault(&png, "image/png"), None);
        for cut in 1..png.len() {
            assert!(fault(&png[..cut], "image/png").is_some(), "{cut}");
        }
        assert!(fault(b"", "video/mp4").is_some());

        let webp = [&b"RIFF"[..], &12u32.to_le_bytes(), b"WEBPVP8 \0\0\0\0"].concat();
        assert_eq!(fault(&webp, "image/png"), None);
        assert!(fault(&webp[..15], "image/webp").is_some());

        let zip = [&b"PK\x03\x04 files PK\x05\x06"[..], &[0; 18]].concat();
        assert_eq!(fault(&zip, "application/zip"), None);
        assert!(fault(&zip[..20], "application/zip").is_some());
        assert_eq!(fault(b"\0\0\0\x20ftypisom", "video/mp4"), None);
    }

    #[test]
    fn bytes_after_the_end_are_not_a_fault() {
        let png = [PNG, PNG_END, b"edited by a program that appends its own"].concat();
        assert_eq!(fault(&png, "image/png"), None);
        let webp = [&b"RIFF"[..], &4u32.to_le_bytes(), b"WEBPmore"].concat();
        assert_eq!(fault(&webp, "image/webp"), None);
        for comment in [&b"a comment"[..], b"PK\x05\x06 in it", &[b'x'; ZIP_COMMENT]] {
            let length = (comment.len() as u16).to_le_bytes();
            let zip = [&b"PK\x03\x04 files PK\x05\x06"[..], &[0; 16], &length, comment].concat();
            assert_eq!(watched(&zip, 1000).cut(), None);
            assert!(watched(&zip[..zip.len() - 1], 1000).cut().is_some());
        }
    }

    #[test]
    fn a_file_is_of_the_kind_of_its_label() {
        for (bytes, label) in [
            (&b"#!/bin/sh\n"[..], "image/jpeg"),
            (b"#!/bin/sh\n", "image/webp"),
            (b"\xff\xd8\xff", "image/png"),
            (b"<html>", "video/mp4"),
            (b"\x89", "image/gif"),
        ] {
            assert!(fault(bytes, label).is_some_and(|fault| fault.1.contains("not begin like")), "{bytes:?} {label}");
        }
        // What a newer server may give.
        assert_eq!(fault(b"\xff\x0a", "image/jxl"), None);
    }
}
