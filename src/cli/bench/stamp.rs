//! The mark every benchmark payload carries.
//!
//! In: a sequence number and a send time. Out: a JSON payload of the wanted size; and, from any message a subscriber
//! receives, the mark again. It does not know which server or protocol wrapped the payload: because servers embed it
//! byte for byte, the mark is found by its prefix, without parsing the message.

const OPENING: &str = r#"{"bench":""#;
const MIDDLE: &str = r#"","pad":""#;
const CLOSING: &str = r#""}"#;
const RUN_DIGITS: usize = 16;
const SEQUENCE_DIGITS: usize = 8;
const TIME_DIGITS: usize = 16;

/// The smallest payload (bytes) that has room for a mark.
pub const SMALLEST_PAYLOAD: usize = OPENING.len()
    + "bench/".len()
    + RUN_DIGITS
    + "/".len()
    + SEQUENCE_DIGITS
    + "/".len()
    + TIME_DIGITS
    + MIDDLE.len()
    + CLOSING.len();

/// The largest number of publishes whose sequence numbers fit into a mark.
pub const MOST_PUBLISHES: usize = 10_usize.pow(SEQUENCE_DIGITS as u32);

/// What one payload says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Position of the publish in this run, from 0, warm-up included.
    pub sequence: usize,
    /// When the push was sent, in nanoseconds since the run began.
    pub sent: u64,
}

/// Writes and finds the marks of one run.
///
/// The run id keeps events of an earlier run (a server's history, say) out of the count.
#[derive(Debug)]
pub struct Stamp {
    prefix: String,
    payload_bytes: usize,
}

impl Stamp {
    /// Marks for the run `run` in payloads of `payload_bytes` (at least [`SMALLEST_PAYLOAD`]).
    pub fn new(run: u64, payload_bytes: usize) -> Self {
        Self {
            prefix: format!("bench/{run:0RUN_DIGITS$x}/"),
            payload_bytes,
        }
    }

    /// The JSON payload that carries `mark`.
    pub fn payload(&self, mark: Mark) -> String {
        let padding = self.payload_bytes.saturating_sub(SMALLEST_PAYLOAD);
        format!(
            "{OPENING}{}{:0SEQUENCE_DIGITS$}/{:0TIME_DIGITS$}{MIDDLE}{:x<padding$}{CLOSING}",
            self.prefix, mark.sequence, mark.sent, ""
        )
    }

    /// The mark in `message`, or `None` for a message that is not an event of this run.
    ///
    /// `hint` is the reader's memory of where the mark stood last time. The wrapping changes rarely, so nearly every
    /// message costs one short comparison.
    pub fn find(&self, message: &[u8], hint: &mut usize) -> Option<Mark> {
        let prefix = self.prefix.as_bytes();
        let expected = message.get(*hint..).unwrap_or_default();
        if !expected.starts_with(prefix) {
            *hint = message.windows(prefix.len()).position(|w| w == prefix)?;
        }
        let digits = &message[*hint + prefix.len()..];
        let sequence = number(digits.get(..SEQUENCE_DIGITS)?)?;
        let sent = number(digits.get(SEQUENCE_DIGITS + 1..SEQUENCE_DIGITS + 1 + TIME_DIGITS)?)?;
        Some(Mark {
            sequence: usize::try_from(sequence).ok()?,
            sent,
        })
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark {
        sequence: 4711,
        sent: 1_234_567_890,
    };

    #[test]
    fn a_payload_is_json_of_the_wanted_size() {
        for size in [SMALLEST_PAYLOAD, 128, 4096] {
            let payload = Stamp::new(7, size).payload(MARK);
            assert_eq!(payload.len(), size);
            assert!(serde_json::from_str::<serde_json::Value>(&payload).is_ok());
        }
    }

    #[test]
    fn the_mark_is_found_wherever_the_wrapping_puts_it() {
        let stamp = Stamp::new(7, 128);
        let payload = stamp.payload(MARK);
        let mut hint = 0;
        for wrapping in ["", r#"42["EVENT","#, r#"{"type":"EVENT","data":"#, ""] {
            let message = format!("{wrapping}{payload}]");
            assert_eq!(stamp.find(message.as_bytes(), &mut hint), Some(MARK));
            assert_eq!(stamp.find(message.as_bytes(), &mut hint), Some(MARK));
        }
    }

    #[test]
    fn other_runs_and_broken_marks_are_not_found() {
        let stamp = Stamp::new(7, 128);
        let mut hint = 90;
        let foreign = Stamp::new(8, 128).payload(MARK);
        assert_eq!(stamp.find(foreign.as_bytes(), &mut hint), None);
        let payload = stamp.payload(MARK);
        assert_eq!(stamp.find(&payload.as_bytes()[..40], &mut hint), None);
        assert_eq!(stamp.find(b"", &mut hint), None);
    }
}
