//! Zip files, stored without compression: PNG does not get smaller.

use super::png::crc32;

/// A zip of these files.
pub(crate) fn zip<'a>(files: impl IntoIterator<Item = (String, &'a [u8])>) -> Vec<u8> {
    let mut zip = Vec::new();
    let mut directory = Vec::new();
    let mut count: u16 = 0;
    for (name, bytes) in files {
        let start = four(zip.len());
        // Version 2.0; UTF-8 names; stored; 1980-01-01.
        let mut head = vec![20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0];
        head.extend(crc32(bytes).to_le_bytes());
        head.extend(four(bytes.len()));
        head.extend(four(bytes.len()));
        head.extend(u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
        head.extend([0, 0]);
        zip.extend(b"PK\x03\x04");
        zip.extend(&head);
        zip.extend(name.as_bytes());
        zip.extend(bytes);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&head);
        // No comment, first disk, no attributes.
        directory.extend([0; 10]);
        directory.extend(start);
        directory.extend(name.as_bytes());
        count = count.saturating_add(1);
    }
    let start = four(zip.len());
    let size = four(directory.len());
    zip.append(&mut directory);
    zip.extend(b"PK\x05\x06\0\0\0\0");
    zip.extend(count.to_le_bytes());
    zip.extend(count.to_le_bytes());
    zip.extend(size);
    zip.extend(start);
    zip.extend([0, 0]);
    zip
}

/// A length in four bytes.
fn four(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_empty_zip_is_its_end_only() {
        assert_eq!(super::zip([]).len(), 22);
        let one = super::zip([("a".to_owned(), &b"bc"[..])]);
        assert_eq!(one.len(), 30 + 1 + 2 + 46 + 1 + 22);
    }
}
