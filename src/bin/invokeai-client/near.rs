//! Names that were probably meant.

/// `; did you mean …?` with the nearest names; nothing if none is near.
pub(crate) fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 3;
    /// Two words at least this similar may be a typing error.
    const ALIKE: f64 = 0.8;
    let wanted = wanted.to_lowercase();
    let likeness = |name: &str| match name.to_lowercase() {
        name if wanted.len() > 2 && name.contains(&wanted) => 1.0,
        name => strsim::jaro_winkler(&wanted, &name),
    };
    let mut found: Vec<(f64, &str)> =
        names.map(|name| (likeness(name), name)).filter(|(like, _)| *like >= ALIKE).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.len().cmp(&b.1.len())));
    let found: Vec<String> = found.into_iter().take(MOST).map(|(_, name)| format!("`{name}`")).collect();
    if found.is_empty() { String::new() } else { format!("; did you mean {}?", found.join(" or ")) }
}
