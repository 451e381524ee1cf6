//! Names that are similar to one that does not exist.

/// The most names that are suggested.
const MOST: usize = 3;

/// The names that are most similar to this one, best first. Case is ignored.
pub(crate) fn nearest(wanted: &str, names: impl IntoIterator<Item = String>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let mut names: Vec<_> = names.into_iter().map(|name| (distance(&wanted, &name.to_lowercase()), name)).collect();
    names.sort();
    names.dedup_by(|a, b| a.1 == b.1);
    names.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// Levenshtein distance of the first characters.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 100;
    let b: Vec<char> = b.chars().take(LONGEST).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(LONGEST).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_come_first_and_each_once() {
        let names = ["dogs", "Cats", "cat", "holidays in the mountains", "cat"].map(str::to_owned);
        assert_eq!(nearest("CATS", names), ["Cats", "cat", "dogs"]);
        assert!(nearest("a", []).is_empty());
    }
}
