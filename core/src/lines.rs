//! Cuts bytes into lines.
//!
//! In: bytes in whatever pieces they come. Out: lines without their ends, each once, at its end; never more than a
//! bound in memory. Who reads decides what a line beyond the bound is worth: [`Line::is_cut`] says so, its beginning is
//! there, its rest is skipped. It does no I/O and knows no encoding.

use bytes::Bytes;

/// A line that is being put together.
#[derive(Debug, Clone)]
pub struct Lines {
    max: usize,
    /// At most one byte more than `max`: the last may turn out to be the `\r` of the end.
    kept: Vec<u8>,
    /// Bytes of the line so far, kept or not.
    length: u64,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Without `\n` or `\r\n`, and no longer than the bound.
    pub bytes: Bytes,
    /// The line was longer than the bound: these are the first bytes of it, perhaps with half a character at the end.
    pub is_cut: bool,
    /// How many bytes of the source it took, with its end and what was cut: adding them up gives the place of the next
    /// line.
    pub length: u64,
}

impl Line {
    /// Nothing, or nothing but spaces and tabs.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }
}

impl Lines {
    /// Lines of up to `max` bytes, their ends not counted.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            max,
            kept: Vec::new(),
            length: 0,
        }
    }

    /// Takes from `input` up to the end of a line and gives that line; `None` when `input` is used up before.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Line> {
        let end = input.iter().position(|byte| *byte == b'\n');
        let (line, rest) = input.split_at(end.unwrap_or(input.len()));
        let room = self.max.saturating_add(1) - self.kept.len();
        self.kept.extend_from_slice(&line[..line.len().min(room)]);
        self.length += line.len() as u64;
        *input = rest.get(1..).unwrap_or_default();
        end.map(|_| self.finish(1))
    }

    /// The source has ended: what came after the last end of a line, if anything did.
    pub fn rest(&mut self) -> Option<Line> {
        (self.length > 0).then(|| self.finish(0))
    }

    fn finish(&mut self, end: u64) -> Line {
        let mut bytes = std::mem::take(&mut self.kept);
        let length = std::mem::take(&mut self.length);
        if bytes.len() as u64 == length && bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        let is_cut = bytes.len() > self.max;
        bytes.truncate(self.max);
        Line {
            bytes: bytes.into(),
            is_cut,
            length: length + end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as text, those that were cut with a mark; the source comes in pieces of `step` bytes.
    fn split(source: &str, max: usize, step: usize) -> Vec<String> {
        let (mut lines, mut found, mut place) = (Lines::new(max), Vec::new(), 0);
        for mut piece in source.as_bytes().chunks(step) {
            while let Some(line) = lines.next(&mut piece) {
                found.push(line);
            }
            assert!(lines.kept.len() <= max + 1, "never more than the bound");
        }
        found.extend(lines.rest());
        assert_eq!(lines.rest(), None, "the rest is given once");
        let show = |line: Line| {
            place += line.length;
            format!(
                "{}{}",
                str::from_utf8(&line.bytes).unwrap(),
                if line.is_cut { "…" } else { "" }
            )
        };
        let found = found.into_iter().map(show).collect();
        assert_eq!(place, source.len() as u64, "every byte belongs to a line");
        found
    }

    #[test]
    fn lines_come_out_the_same_however_they_come_in() {
        for (source, expected) in [
            ("", vec![]),
            ("\n", vec![""]),
            ("a\nb\n", vec!["a", "b"]),
            ("a\r\n\r\nb", vec!["a", "", "b"]),
            ("a\rb\n", vec!["a\rb"]),
            ("12345\n", vec!["12345"]),
            ("12345\r\n", vec!["12345"]),
            ("123456\nb\n", vec!["12345…", "b"]),
            ("12345\r6\nb\n", vec!["12345…", "b"]),
            ("123456789012345678\r\nb", vec!["12345…", "b"]),
            ("b\n1234567", vec!["b", "12345…"]),
        ] {
            for step in 1..=20 {
                assert_eq!(split(source, 5, step), expected, "{source:?} in pieces of {step}");
            }
        }
    }

    #[test]
    fn blank_is_what_has_no_sign_on_it() {
        let line = |text: &'static str| Lines::new(9).next(&mut format!("{text}\n").as_bytes()).unwrap();
        assert!(line("").is_blank() && line(" \t\r").is_blank());
        assert!(!line(" x").is_blank());
    }
}
