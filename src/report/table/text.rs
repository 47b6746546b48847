//! Text for a terminal. Words of an answer come from outside (paths, referrers, error messages), so only visible characters may
//! reach the terminal: no address of a page can move the cursor or reverse the text.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text with a replacement character for everything that cannot be seen.
pub(super) fn visible(text: &str) -> String {
    let hidden = |letter: char| {
        letter.is_control()
            // Marks of direction and other characters without width can make a text look like another.
            || (letter.width() == Some(0) && !is_combining(letter))
            || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if hidden(letter) { '\u{fffd}' } else { letter }).collect()
}

/// Accents and vowel signs, which belong to the letter before.
fn is_combining(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{64b}'..='\u{65f}'
        | '\u{900}'..='\u{dff}' | '\u{e31}'..='\u{e4e}')
}

/// The text, broken between words into lines of at most `width`, with a newline at the end.
pub(super) fn wrap(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        if used > 0 && used + 1 + word.width() > width {
            out.push('\n');
            used = 0;
        }
        if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += word.width();
    }
    out.push('\n');
    out
}

/// The width of the longest word of a text.
pub(super) fn longest_word(text: &str) -> usize {
    text.split(' ').map(UnicodeWidthStr::width).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_replaced() {
        assert_eq!(visible("/a\u{1b}[2J\n\u{202e}b\u{200b}"), "/a\u{fffd}[2J\u{fffd}\u{fffd}b\u{fffd}");
        assert_eq!(visible("/врачи/й\u{306}"), "/врачи/й\u{306}");
    }
}
