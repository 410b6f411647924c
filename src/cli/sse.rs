//! Reads server-sent events (WHATWG HTML, section 9.2).
//!
//! In: bytes, cut anywhere. Out: the name and the data of each event. It knows neither ids nor retry times: whoever
//! watches cannot resume. The size of one event is bounded.

/// Bytes of one event, and of one line.
const LARGEST: usize = 64 * 1024 * 1024;

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub struct Sent {
    /// `message` where the server names none.
    pub name: String,
    /// Its data lines, joined by line breaks.
    pub data: String,
}

/// More came in one event than anybody should keep.
#[derive(Debug, thiserror::Error)]
#[error("the server sent an event of more than {LARGEST} bytes")]
pub struct TooLarge;

/// The part of a stream that is not complete yet.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    after_cr: bool,
    name: String,
    data: String,
}

impl Parser {
    /// Takes the next bytes, and gives the events that they complete.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Sent>, TooLarge> {
        let mut complete = Vec::new();
        for byte in bytes {
            let second_half = std::mem::replace(&mut self.after_cr, *byte == b'\r') && *byte == b'\n';
            match byte {
                b'\n' if second_half => {}
                b'\n' | b'\r' => complete.extend(self.end_line()),
                _ => self.line.push(*byte),
            }
            if self.line.len() + self.data.len() > LARGEST {
                return Err(TooLarge);
            }
        }
        Ok(complete)
    }

    /// Takes one line into account; an empty one completes an event.
    fn end_line(&mut self) -> Option<Sent> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return self.end_event();
        }
        let line = String::from_utf8_lossy(&line);
        // A comment is a field without a name, and skipped like any other that is unknown.
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<Sent> {
        let (name, mut data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
        data.pop()?;
        let name = if name.is_empty() { "message".to_owned() } else { name };
        Some(Sent { name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a stream, the same however it is cut.
    fn events(text: &str) -> Vec<(String, String)> {
        let whole = Parser::default().feed(text.as_bytes()).unwrap();
        for size in 1..5 {
            let mut parser = Parser::default();
            let chunks = text.as_bytes().chunks(size);
            let cut: Vec<Sent> = chunks.flat_map(|chunk| parser.feed(chunk).unwrap()).collect();
            assert_eq!(cut, whole, "in pieces of {size}");
        }
        whole.into_iter().map(|sent| (sent.name, sent.data)).collect()
    }

    fn one(name: &str, data: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), data.to_owned())]
    }

    #[test]
    fn an_event_ends_with_an_empty_line() {
        assert_eq!(events("event: joined\ndata: {\"a\":1}\n\n"), one("joined", "{\"a\":1}"));
        assert_eq!(events("data:x\n\ndata: not complete\n"), one("message", "x"));
        assert_eq!(events("event: e\r\ndata: é\r\n\r\n"), one("e", "é"));
        assert_eq!(events("event: e\rdata: x\r\r"), one("e", "x"));
    }

    #[test]
    fn data_may_take_several_lines() {
        assert_eq!(
            events("data: {\ndata: \"a\":\ndata:  1}\n\n"),
            one("message", "{\n\"a\":\n 1}")
        );
        assert_eq!(events("data\n\n"), one("message", ""));
    }

    #[test]
    fn comments_and_unknown_fields_are_passed_over() {
        assert_eq!(
            events(": turted\n\n:\n\nid: 7\nretry: 8000\nfoo\ndata: x\n\n"),
            one("message", "x")
        );
        assert_eq!(
            events("event: nothing\n\ndata: x\n\n"),
            one("message", "x"),
            "a name without data is no event"
        );
    }

    #[test]
    fn what_never_ends_is_refused() {
        let mut parser = Parser::default();
        let megabyte = vec![b'x'; 1024 * 1024];
        assert!((0..65).any(|_| parser.feed(&megabyte).is_err()));
    }
}
