//! Titles for fields whose schema has none.

/// `t5_encoder` becomes `T 5 Encoder`: the editor's start case, which splits at everything that is neither letter nor
/// digit, at case changes and between letters and digits.
pub(super) fn start_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().filter(|c| !matches!(c, '\'' | '’')).collect();
    let mut title = String::with_capacity(name.len() + 4);
    let mut rest = chars.as_slice();
    while let Some(length) = next_word(rest) {
        let (word, tail) = rest.split_at(length);
        rest = tail;
        if !is_part_of_word(word) {
            continue;
        }
        if !title.is_empty() {
            title.push(' ');
        }
        capitalize(word, &mut title);
    }
    title
}

fn is_part_of_word(word: &[char]) -> bool {
    word.first().is_some_and(|c| c.is_alphabetic() || c.is_ascii_digit())
}

/// Length of the word (or of the single separator) that `chars` starts with.
fn next_word(chars: &[char]) -> Option<usize> {
    let run = |from: usize, belongs: fn(&char) -> bool| chars.iter().skip(from).take_while(|c| belongs(c)).count();
    let lower = |c: &char| c.is_lowercase();
    let upper = |c: &char| c.is_uppercase();
    let first = chars.first()?;
    Some(if first.is_lowercase() {
        run(0, lower)
    } else if first.is_ascii_digit() {
        run(0, char::is_ascii_digit)
    } else if first.is_uppercase() {
        match run(0, upper) {
            1 => 1 + run(1, lower),
            // The last capital starts the next word: `ABCdef` is `AB` and `Cdef`.
            capitals if run(capitals, lower) > 0 => capitals - 1,
            capitals => capitals,
        }
    } else if first.is_alphabetic() {
        run(0, |c| c.is_alphabetic())
    } else {
        1
    })
}

/// An all-capital word stays; otherwise the first letter is raised and the others are lowered.
fn capitalize(word: &[char], title: &mut String) {
    if !word.iter().any(|c| c.is_lowercase()) {
        title.extend(word);
    } else if let Some((first, others)) = word.split_first() {
        title.extend(first.to_uppercase());
        title.extend(others.iter().flat_map(|c| c.to_lowercase()));
    }
}

#[cfg(test)]
mod tests {
    use super::start_case;

    #[test]
    fn splits_like_the_editor() {
        for (name, title) in [
            ("t5_encoder", "T 5 Encoder"),
            ("image1", "Image 1"),
            ("denoise_mask", "Denoise Mask"),
            ("image", "Image"),
            ("loRAModel", "Lo RA Model"),
            ("CLIPEmbed", "CLIP Embed"),
            ("ABCdef", "AB Cdef"),
            ("a-b_c", "A B C"),
            ("__x__", "X"),
            ("vae2d", "Vae 2 D"),
            ("T2I", "T 2 I"),
            ("it's", "Its"),
            ("größe", "Größe"),
            ("", ""),
            ("___", ""),
        ] {
            assert_eq!(start_case(name), title, "{name}");
        }
    }
}
