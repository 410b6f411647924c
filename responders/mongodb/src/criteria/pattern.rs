//! Texts become regular expressions.
//!
//! In: what a client looks for. Out: an expression in which each of its characters stands for itself, but `%` where
//! that is anything. What would take an engine that tries again and again long is refused (CWE-1333).

use crate::filter::Pattern;

/// Longest text that is looked for, in bytes.
const TEXT: usize = 256;
/// Most places in it where anything may stand.
const PLACES: usize = 6;
/// Anything, lines too.
const ANYTHING: &str = r"[\s\S]*";

/// Where a text has to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// It is the whole; `%` is anything.
    Whole,
    /// Anywhere.
    Inside,
    /// At the beginning.
    Start,
    /// At the end.
    End,
}

/// The expression that finds it.
pub fn pattern(text: &str, place: Where, is_exact: bool) -> Result<Pattern, String> {
    if text.len() > TEXT {
        return Err(format!("a text to look for is at most {TEXT} bytes long"));
    }
    if text.contains('\0') {
        return Err("a text to look for has no character 0".to_owned());
    }
    let mut expression = "^".to_owned();
    if matches!(place, Where::Inside | Where::End) {
        expression.push_str(ANYTHING);
    }
    let mut places = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            // Two in a row mean what one means.
            '%' if place == Where::Whole && text[..at].ends_with('%') => {}
            '%' if place == Where::Whole => {
                places += 1;
                expression.push_str(ANYTHING);
            }
            letter => {
                if letter.is_ascii_punctuation() && letter != '_' {
                    expression.push('\\');
                }
                expression.push(letter);
            }
        }
    }
    if places > PLACES {
        return Err(format!("a text to look for has % at {PLACES} places at most"));
    }
    if matches!(place, Where::Inside | Where::Start) {
        expression.push_str(ANYTHING);
    }
    expression.push('$');
    Ok(Pattern { expression, is_exact })
}
