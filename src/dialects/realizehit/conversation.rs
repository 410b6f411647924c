//! One client's conversation.
//!
//! In: its messages and the server's notices. Out: intents and answers, each under the id of what was asked.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use turted_core::facets;
use turted_core::json::check_depth;
use turted_core::{ChannelName, Conversation, Ending, Intent, Limits, Notice, Reaction, Rejection, Tag, Welcome};

use super::ascii;

/// Longest `id` of a message in bytes of JSON.
const ID_BYTES: usize = 128;

/// What a client says.
#[derive(serde::Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    act: Option<String>,
    pat: Option<Value>,
}

/// One client.
pub struct Hits {
    limits: Limits,
    bad_messages: u32,
    strikes: u32,
    /// Messages that had no id, which gets one.
    unnamed: u64,
}

impl Hits {
    pub fn new(limits: Limits, bad_messages: u32) -> Self {
        Self {
            limits,
            bad_messages,
            strikes: 0,
            unnamed: 0,
        }
    }

    fn fail(&mut self, id: Option<&str>, why: &str, out: &mut Vec<Reaction>) {
        out.push(answer(id, Some(("err", why))));
        self.strikes += 1;
        if self.strikes >= self.bad_messages {
            out.push(Reaction::Close(Ending::BadMessages));
        }
    }

    /// The id as JSON text: the client's, or one that is made.
    fn id(&mut self, id: Option<&RawValue>) -> String {
        match id.map(RawValue::get) {
            Some(id) if id.len() <= ID_BYTES && !id.starts_with(['{', '[', 'n']) => id.to_owned(),
            _ => {
                self.unnamed += 1;
                format!("\"turted{}\"", self.unnamed)
            }
        }
    }
}

/// `{"id":…}` with another member, if there is one.
fn answer(id: Option<&str>, more: Option<(&str, &str)>) -> Reaction {
    let id = id.map(|id| format!(r#""id":{id}"#));
    let more = more.map(|(name, text)| format!(r#""{name}":{}"#, json!(text)));
    let members: Vec<String> = id.into_iter().chain(more).collect();
    Reaction::Send(ascii(&format!("{{{}}}", members.join(","))))
}

impl Conversation for Hits {
    fn welcome(&mut self, _: &Welcome, _: &mut Vec<Reaction>) {}

    fn receive(&mut self, text: &str, out: &mut Vec<Reaction>) {
        let said = serde_json::from_str::<Said<'_>>(text).map_err(|error| error.to_string());
        let said = said.and_then(|said| match check_depth(text.as_bytes(), &self.limits) {
            Ok(()) => Ok(said),
            Err(error) => Err(error.to_string()),
        });
        let Said { id, act, pat } = match said {
            Ok(said) => said,
            Err(why) => return self.fail(None, &why, out),
        };
        let id = self.id(id);
        let wish: fn(ChannelName) -> Intent = match act.as_deref() {
            Some("ping") => {
                self.strikes = 0;
                return out.push(answer(Some(&id), Some(("ret", "pong"))));
            }
            Some("sub") => |channel| Intent::Join(channel.into()),
            Some("unsub") => |channel| Intent::Leave(channel.into()),
            _ => return self.fail(Some(&id), "Unable to attend request", out),
        };
        let spelling = match facets::canonical(pat.as_ref()) {
            Ok(spelling) => spelling,
            Err(why) => return self.fail(Some(&id), why, out),
        };
        match ChannelName::parse(&spelling, &self.limits) {
            Ok(channel) => {
                self.strikes = 0;
                out.push(Reaction::Want(wish(channel), Some(id.into())));
            }
            Err(why) => self.fail(Some(&id), &format!("the pattern {why}"), out),
        }
    }

    fn refuse(&mut self, text: &str, rejection: &Rejection, out: &mut Vec<Reaction>) {
        let said = serde_json::from_str::<Said<'_>>(text).ok();
        let id = self.id(said.and_then(|said| said.id));
        out.push(answer(Some(&id), Some(("err", &rejection.to_string()))));
    }

    fn notify(&mut self, notice: &Notice, tag: &Tag, out: &mut Vec<Reaction>) {
        match notice {
            Notice::Joined(_) | Notice::Left(_) => out.push(answer(tag.as_deref(), None)),
            Notice::Rejected(Rejection::NotJoined(_)) => {
                let why = "We did not found a subscription on this client";
                out.push(answer(tag.as_deref(), Some(("err", why))));
            }
            Notice::Rejected(rejection) => out.push(answer(tag.as_deref(), Some(("err", &rejection.to_string())))),
            // There is no word for anything else.
            _ => {}
        }
    }

    fn farewell(&mut self, _: Ending, _: &mut Vec<Reaction>) {}
}
