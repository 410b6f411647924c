//! Urlencoded forms (WHATWG URL Standard, section 5.1), as browsers without XHR send them.
//!
//! In: the body of a form. Out: the bytes of one field.

/// The first field whose name and equals sign are `name`.
#[must_use]
pub fn field(form: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    fields(form, name).next()
}

/// Every field whose name and equals sign are `name`.
pub fn fields<'a>(form: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = Vec<u8>> + 'a {
    let values = form
        .split(|byte| *byte == b'&')
        .filter_map(|pair| pair.strip_prefix(name));
    values.map(percent_decoded)
}

/// A `%` without two digits stands for itself.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let nibble = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|nibble| u8::try_from(nibble).ok())
    };
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let [first, after @ ..] = rest {
        let escape = match rest {
            [b'%', high, low, ..] => nibble(*high).zip(nibble(*low)),
            _ => None,
        };
        if let Some((high, low)) = escape {
            out.push(high << 4 | low);
            rest = &rest[3..];
        } else {
            out.push(if *first == b'+' { b' ' } else { *first });
            rest = after;
        }
    }
    out
}
