//! Finds the name that a misspelt one was meant to be.

/// The known name that `name` probably stands for: one that contains it or is contained in it, else one within few edits.
pub(super) fn nearest(name: &str, known: impl Iterator<Item = &'static str> + Clone) -> Option<&'static str> {
    let name = name.to_lowercase();
    let is_part = |known: &&str| name.len() >= 3 && (known.contains(&name) || name.contains(known));
    if let Some(known) = known.clone().find(is_part) {
        return Some(known);
    }
    // A third of the letters wrong is a misspelling; more is another word.
    let most = name.chars().count() / 3 + 1;
    let (distance, known) = known.map(|known| (edit_distance(&name, known), known)).min()?;
    (distance <= most).then_some(known)
}

/// Levenshtein distance: the fewest letters to change, add or remove.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let unchanged = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = unchanged.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
