//! Finds what a misspelt name was meant to be.

/// Longer names are not compared by their letters.
const MAX_BYTES: usize = 100;

/// The known name that `name` probably stands for: the same in another case, else one that contains it or is contained in it, else one within
/// few edits.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    // The distance takes time in proportion to both lengths.
    if name.len() > MAX_BYTES {
        return None;
    }
    let name = name.to_lowercase();
    let find = |is_meant: &dyn Fn(&str) -> bool| known.clone().find(|known| is_meant(&known.to_lowercase()));
    let is_part =
        |known: &str| name.len() >= 3 && known.len() >= 3 && (known.contains(&name) || name.contains(known));
    if let Some(known) = find(&|known| known == name).or_else(|| find(&is_part)) {
        return Some(known);
    }
    // A third of the letters wrong is a misspelling; more is another word.
    let most = name.chars().count() / 3 + 1;
    let is_near = |known: &&str| known.len() <= MAX_BYTES;
    let distance = |known: &'a str| (strsim::levenshtein(&name, &known.to_lowercase()), known);
    known
        .filter(is_near)
        .map(distance)
        .min()
        .filter(|(distance, _)| *distance <= most)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_recognised() {
        let near = |name| {
            nearest(name, ["Chrome", "RU", "KZ", "Saint Petersburg", "browser", "overview"].into_iter())
        };
        assert_eq!(near("chrome"), Some("Chrome"));
        assert_eq!(near("ru"), Some("RU"));
        assert_eq!(near("saint petersburg"), Some("Saint Petersburg"));
        assert_eq!(near("Petersburg"), Some("Saint Petersburg"));
        assert_eq!(near("browsers"), Some("browser"));
        assert_eq!(near("overveiw"), Some("overview"));
        assert_eq!(near("xyzzy-plugh"), None);
        assert_eq!(near("/doctors/1"), None);
    }
}
