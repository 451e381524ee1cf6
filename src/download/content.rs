//! Whether a file is whole, by what it says of itself.

/// So many bytes at either end tell.
const EDGE: usize = 22;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const PNG_END: &[u8] = b"\0\0\0\0IEND\xaeB`\x82";

/// Watches the bytes of a file pass by.
#[derive(Debug, Default)]
pub(super) struct Watch {
    head: Vec<u8>,
    tail: Vec<u8>,
    length: u64,
}

impl Watch {
    pub(super) fn feed(&mut self, chunk: &[u8]) {
        let wanting = EDGE.saturating_sub(self.head.len()).min(chunk.len());
        self.head.extend_from_slice(&chunk[..wanting]);
        self.length += chunk.len() as u64;
        self.tail.extend_from_slice(&chunk[chunk.len().saturating_sub(EDGE)..]);
        let surplus = self.tail.len().saturating_sub(EDGE);
        self.tail.drain(..surplus);
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// What is wrong with the whole file. `label` is the content type that the server gave.
    pub(super) fn fault(&self, label: &str) -> Option<String> {
        if self.length == 0 {
            return Some("is empty".into());
        }
        if self.head.starts_with(PNG) {
            let whole = self.tail.ends_with(PNG_END);
            return (!whole).then(|| format!("is a PNG image without an end, cut after {} bytes", self.length));
        }
        if self.head.starts_with(b"RIFF") {
            let told = self.head.get(4..8)?.try_into().map(u32::from_le_bytes).map_or(0, u64::from) + 8;
            // The format pads to an even length.
            let whole = self.length == told || self.length == told + 1;
            return (!whole).then(|| format!("says it has {told} bytes, but {} came", self.length));
        }
        if self.head.starts_with(b"PK") {
            return (!self.tail.starts_with(b"PK\x05\x06")).then(|| "is a zip file without an end".into());
        }
        match label {
            // InvokeAI labels the WebP thumbnails of workflows so, too; those were seen to above.
            "image/png" => Some("is labelled image/png and is no PNG image".into()),
            "application/zip" => Some("is labelled application/zip and is no zip file".into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8], label: &str) -> Option<String> {
        // However the bytes are cut into chunks, the answer is the same.
        let verdicts: Vec<_> = [1, 3, 7, 1000]
            .map(|size| {
                let mut watch = Watch::default();
                bytes.chunks(size).for_each(|chunk| watch.feed(chunk));
                assert_eq!(watch.length(), bytes.len() as u64);
                watch.fault(label)
            })
            .to_vec();
        assert!(verdicts.windows(2).all(|pair| pair[0] == pair[1]), "{verdicts:?}");
        verdicts[0].clone()
    }

    #[test]
    fn cut_files_are_told_from_whole_ones() {
        let png = [PNG, &[7; 40], PNG_END].concat();
        assert_eq!(fault(&png, "image/png"), None);
        assert!(fault(&png[..png.len() - 1], "image/png").is_some());
        assert!(fault(&[&png[..], b"more"].concat(), "image/png").is_some());
        assert!(fault(b"\xff\xd8\xff", "image/png").is_some());
        assert!(fault(b"", "video/mp4").is_some());

        let webp = [&b"RIFF"[..], &12u32.to_le_bytes(), b"WEBPVP8 \0\0\0\0"].concat();
        assert_eq!(webp.len(), 24 - 4);
        assert_eq!(fault(&webp, "image/png"), None);
        assert!(fault(&webp[..15], "image/webp").is_some());

        let zip = [&b"PK\x03\x04 files PK\x05\x06"[..], &[0; 18]].concat();
        assert_eq!(fault(&zip, "application/zip"), None);
        assert!(fault(&zip[..20], "application/zip").is_some());
        assert_eq!(fault(b"\0\0\0\x20ftypisom", "video/mp4"), None);
    }
}
