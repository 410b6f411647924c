//! What is said: wishes line by line, and one answer for all of them.
//!
//! In: a batch, notices, the time. Out: wishes in order, then the answer.

use std::time::Duration;

use bytes::Bytes;
use turted_core::{
    ChannelName, Conversation, Delivery, Ending, Intent, Limits, Notice, Protocol, Reaction, Rejection, Tag, Welcome,
};

/// The dialect.
pub struct Sample;

#[derive(Default)]
struct Batch {
    answers: Vec<String>,
    /// Of how many commands.
    expected: usize,
    late: Option<Duration>,
}

impl Protocol for Sample {
    fn name(&self) -> &'static str {
        "sample"
    }

    fn open(&self) -> Box<dyn Conversation> {
        Box::new(Batch::default())
    }

    fn encode_event(&self, delivery: &Delivery<'_>) -> Bytes {
        delivery.payload.as_str().to_owned().into()
    }
}

impl Batch {
    fn answer(&mut self, line: String, out: &mut Vec<Reaction>) {
        self.answers.push(line);
        // What takes its time is begun when everything before it is done.
        if self.answers.len() + 1 == self.expected
            && let Some(after) = self.late.take()
        {
            return out.push(Reaction::Wake(after));
        }
        if self.answers.len() == self.expected {
            out.push(Reaction::Send(self.answers.join("\n").into()));
            *self = Self::default();
        }
    }
}

impl Conversation for Batch {
    fn welcome(&mut self, _: &Welcome, _: &mut Vec<Reaction>) {}

    fn receive(&mut self, text: &str, out: &mut Vec<Reaction>) {
        self.expected = text.lines().count();
        for line in text.lines() {
            let (word, name) = line.split_once(' ').unwrap_or((line, ""));
            let channel = ChannelName::parse(name, &Limits::default());
            match (word, channel) {
                ("join", Ok(channel)) => out.push(Reaction::Want(Intent::Join(channel.into()), None)),
                ("leave", Ok(channel)) => out.push(Reaction::Want(Intent::Leave(channel.into()), None)),
                ("late", _) => self.late = Some(Duration::from_millis(name.parse().unwrap_or_default())),
                ("panic", _) => panic!("a dialect may be wrong"),
                _ => self.answer(format!("{word}?"), out),
            }
        }
    }

    fn refuse(&mut self, _: &str, rejection: &Rejection, out: &mut Vec<Reaction>) {
        out.push(Reaction::Send(rejection.to_string().into()));
    }

    fn notify(&mut self, notice: &Notice, _: &Tag, out: &mut Vec<Reaction>) {
        match notice {
            Notice::Joined(channel) => self.answer(format!("in {channel}"), out),
            Notice::Left(channel) => self.answer(format!("out of {channel}"), out),
            Notice::Rejected(rejection) => self.answer(rejection.to_string(), out),
            _ => {}
        }
    }

    fn wake(&mut self, out: &mut Vec<Reaction>) {
        self.answer("at last".to_owned(), out);
    }

    fn farewell(&mut self, ending: Ending, out: &mut Vec<Reaction>) {
        out.push(Reaction::Send(format!("end {}", ending.code()).into()));
    }
}
