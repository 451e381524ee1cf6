//! Text chunks of PNG images, where InvokeAI keeps the workflow that made an image.
//!
//! InvokeAI writes tEXt, or iTXt without compression if the text is not Latin-1. Other programs that pass on an image
//! may compress the text, so zTXt and compressed iTXt are read as well.

use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};

/// The longest text that is read, in bytes, compressed or not. The largest workflows that people share are below one
/// megabyte, and a few compressed kilobytes may hold text of any length.
const MAX_TEXT: usize = 8 * 1024 * 1024;

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

pub(super) fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(&SIGNATURE)
}

/// The text of the first text chunk with this keyword. The error says what is wrong with the file.
pub(crate) fn find(bytes: &[u8], keyword: &str) -> Result<Option<String>, String> {
    let Some(mut rest) = bytes.strip_prefix(&SIGNATURE) else {
        return Err("it is not a PNG image".into());
    };
    // A chunk is: length of its data, four letters, data, checksum. Checking the checksum is left to whoever draws the
    // image.
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let [l0, l1, l2, l3, kind @ ..] = *head;
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        let Some((data, after)) = after.split_at_checked(length) else {
            return Err("the image is cut off".into());
        };
        if let Some(text) = text_of(&kind, data, keyword.as_bytes())? {
            return Ok(Some(text));
        }
        rest = after.get(4..).unwrap_or_default();
    }
    Ok(None)
}

/// The text of a chunk, if it is a text chunk with the keyword.
fn text_of(kind: &[u8; 4], data: &[u8], keyword: &[u8]) -> Result<Option<String>, String> {
    let Some(data) = data.strip_prefix(keyword).and_then(|data| data.strip_prefix(b"\0")) else {
        return Ok(None);
    };
    let text = match kind {
        b"tEXt" => latin1(plain(data)?),
        b"zTXt" => latin1(inflate(data.get(1..).unwrap_or_default())?),
        b"iTXt" => {
            let Some(([compressed, _method], data)) = data.split_first_chunk::<2>() else {
                return Err("a text chunk is cut off".into());
            };
            // Language and translated keyword, both ended by a zero byte.
            let Some(text) = data.splitn(3, |byte| *byte == 0).nth(2) else {
                return Err("a text chunk is cut off".into());
            };
            let text = if *compressed == 0 { plain(text)? } else { inflate(text)? };
            String::from_utf8(text).map_err(|_| "a text chunk is not UTF-8".to_owned())?
        }
        _ => return Ok(None),
    };
    Ok(Some(text))
}

/// Bytes of Latin-1 are the first 256 characters of Unicode.
fn latin1(bytes: Vec<u8>) -> String {
    if !bytes.is_ascii() {
        return bytes.into_iter().map(char::from).collect();
    }
    String::from_utf8(bytes).unwrap_or_default()
}

fn plain(data: &[u8]) -> Result<Vec<u8>, String> {
    if data.len() > MAX_TEXT { Err(too_long()) } else { Ok(data.to_vec()) }
}

fn inflate(data: &[u8]) -> Result<Vec<u8>, String> {
    decompress_to_vec_zlib_with_limit(data, MAX_TEXT).map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => too_long(),
        _ => format!("a compressed text chunk cannot be read: {error}"),
    })
}

fn too_long() -> String {
    format!("its text is longer than {MAX_TEXT} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        for (kind, data) in chunks {
            bytes.extend((data.len() as u32).to_be_bytes());
            bytes.extend(*kind);
            bytes.extend(*data);
            bytes.extend([0; 4]);
        }
        bytes
    }

    #[test]
    fn every_kind_of_text_chunk_is_read() {
        let packed = miniz_oxide::deflate::compress_to_vec_zlib("gr\u{fc}n".as_bytes(), 6);
        let mut itxt = b"key\0\x01\0de\0wort\0".to_vec();
        itxt.extend(&packed);
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(b"gr\xfcn", 6);
        let mut ztxt = b"key\0\0".to_vec();
        ztxt.extend(&packed);
        let chunks: [(&[u8; 4], &[u8]); 4] = [
            (b"tEXt", b"key\0gr\xfcn"),
            (b"iTXt", "key\0\0\0\0\0gr\u{fc}n".as_bytes()),
            (b"iTXt", &itxt),
            (b"zTXt", &ztxt),
        ];
        for (kind, data) in chunks {
            let image = png(&[(b"IHDR", b"0123"), (b"tEXt", b"other\0no"), (kind, data)]);
            assert_eq!(find(&image, "key").unwrap().as_deref(), Some("grün"), "{kind:?}");
        }
    }

    #[test]
    fn broken_images_are_errors() {
        assert!(find(b"GIF89a", "key").is_err());
        let whole = png(&[(b"tEXt", b"key\0text")]);
        assert_eq!(find(&whole, "absent").unwrap(), None);
        for cut in 16..whole.len() - 4 {
            assert!(find(&whole[..cut], "key").is_err(), "{cut}");
        }
        assert!(find(&png(&[(b"zTXt", b"key\0\0not zlib")]), "key").is_err());
        assert!(find(&png(&[(b"iTXt", b"key\0\0")]), "key").is_err());
    }

    #[test]
    fn a_text_without_end_is_cut() {
        let text = |length: usize| miniz_oxide::deflate::compress_to_vec_zlib(&vec![b'['; length], 6);
        for kind in [b"zTXt", b"iTXt"] {
            let chunk = |packed: &[u8]| {
                let head: &[u8] = if kind == b"zTXt" { b"key\0\0" } else { b"key\0\x01\0\0\0" };
                png(&[(kind, &[head, packed].concat())])
            };
            assert_eq!(find(&chunk(&text(MAX_TEXT)), "key").unwrap().map(|text| text.len()), Some(MAX_TEXT));
            let error = find(&chunk(&text(MAX_TEXT + 1)), "key").unwrap_err();
            assert!(error.contains("longer than"), "{error}");
        }
        let plain = [b"key\0", &vec![b'['; MAX_TEXT + 1][..]].concat();
        assert!(find(&png(&[(b"tEXt", &plain)]), "key").unwrap_err().contains("longer than"));
    }
}
