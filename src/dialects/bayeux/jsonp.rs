//! Callback-polling: batches through script elements.
//!
//! In: the name of a function, and an answer. Out: a script that calls it with the answer.

/// The `Content-Type` of the script.
pub const CONTENT_TYPE: &str = "text/javascript; charset=utf-8";
/// Longest name.
const LONGEST: usize = 128;

/// Whether a function may be called so: identifiers with dots between them, and nothing else that could get into a
/// script (CWE-79).
#[must_use]
pub fn is_function(name: &str) -> bool {
    let is_identifier = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
        !part.is_empty() && !part.starts_with(|c: char| c.is_ascii_digit()) && part.chars().all(plain)
    };
    name.len() <= LONGEST && name.split('.').all(is_identifier)
}

/// The script. The comment in front keeps it from being taken for something else than a script (CVE-2014-4671); U+2028
/// and U+2029 end a line of JavaScript before 2019; `<` could end a script element.
#[must_use]
pub fn script(function: &str, json: &str) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 8 + 64);
    out.push_str("/**/");
    out.push_str(function);
    out.push('(');
    for c in json.chars() {
        match c {
            // In JSON they occur only in strings.
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            '<' => out.push_str("\\u003c"),
            _ => out.push(c),
        }
    }
    out.push_str(");");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_a_name_and_nothing_else() {
        for name in ["__jsonp1__", "_cometd_jsonp_0", "jsonpcallback", "a.b.$c", "$"] {
            assert!(is_function(name), "{name}");
        }
        let long = "x".repeat(LONGEST + 1);
        for evil in [
            "",
            "alert(1)//",
            "a b",
            "1a",
            "a.",
            ".a",
            "a..b",
            "a[0]",
            "é",
            "a;b",
            "a\n",
            "a<b",
            &long,
        ] {
            assert!(!is_function(evil), "{evil}");
        }
    }

    #[test]
    fn the_script_means_the_answer() {
        assert_eq!(
            script("f", "[\"\u{2028}\u{2029}</script>é\"]"),
            r#"/**/f(["\u2028\u2029\u003c/script>é"]);"#
        );
    }
}
