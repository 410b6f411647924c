//! The responses that carry a session's frames to its client.
//!
//! In: a reader of the session. Out: one frame, or a stream of frames up to a limit, each in a chunk of its own. A
//! response that breaks off ends its session: what was written may be lost, and SockJS has no way to ask again.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::{Version, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use futures_util::{Stream, stream};

use super::frame::{self, Form};
use super::{SockJsOptions, goodbye, pages};
use crate::carriers::body;
use crate::carriers::websocket::frame as socket_frame;
use crate::client::{Reader, Reading};

/// What is said to whoever came second.
const BUSY: (u16, &str) = (2010, "Another connection still open");
const INTERRUPTED: (u16, &str) = (1002, "Connection interrupted");

/// A response to a receiving request. `is_new` says that the session was opened by it.
pub async fn respond(
    form: Form,
    reader: Reader,
    is_new: bool,
    options: &SockJsOptions,
    version: Version,
) -> HttpResponse {
    let mut response = head(&form);
    if form.is_polling() {
        let frame = poll(reader, is_new, options.heartbeat).await;
        response.body(form.wrap(&frame))
    } else {
        let mut response = response.streaming(flow(form, reader, is_new, options));
        body::suit(version, &mut response);
        response
    }
}

/// The head of a response in this form.
pub fn head(form: &Form) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CACHE_CONTROL, pages::NO_CACHE))
        .content_type(match form {
            Form::Xhr | Form::XhrStreaming | Form::Jsonp(_) => "application/javascript; charset=UTF-8",
            Form::EventSource => "text/event-stream",
            Form::HtmlFile(_) => "text/html; charset=UTF-8",
        })
        // Proxies of the nginx family buffer responses unless told otherwise.
        .insert_header(("X-Accel-Buffering", "no"));
    if matches!(form, Form::Jsonp(_)) {
        response.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    }
    response
}

/// One frame.
async fn poll(reader: Reader, is_new: bool, heartbeat: Duration) -> String {
    if is_new {
        reader.finish();
        return frame::OPEN.to_owned();
    }
    let reading = reader.read(None, heartbeat).await;
    reader.finish();
    match reading {
        Reading::Frames(frames) | Reading::Numbered(frames, _) => {
            merged(&frames).unwrap_or_else(|| frame::HEARTBEAT.to_owned())
        }
        Reading::Last(frames, ending) => merged(&frames).unwrap_or_else(|| goodbye(ending)),
        Reading::Nothing => frame::HEARTBEAT.to_owned(),
        Reading::Busy | Reading::Moved | Reading::TooFast => frame::close(BUSY.0, BUSY.1),
        Reading::Gone | Reading::Vanished => frame::close(INTERRUPTED.0, INTERRUPTED.1),
    }
}

fn merged(frames: &Bytes) -> Option<String> {
    frame::merge(texts(frames))
}

/// The SockJS frames in what an outbox gave.
fn texts(frames: &[u8]) -> impl Iterator<Item = &str> {
    socket_frame::texts(frames).filter_map(|text| std::str::from_utf8(text).ok())
}

/// A streaming response under way.
struct Flow {
    form: Form,
    reader: Option<Reader>,
    heartbeat: Duration,
    left: usize,
    ready: VecDeque<Bytes>,
}

fn flow(
    form: Form,
    reader: Reader,
    is_new: bool,
    options: &SockJsOptions,
) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    let mut flow = Flow {
        ready: VecDeque::from([prelude(&form)]),
        form,
        reader: Some(reader),
        heartbeat: options.heartbeat,
        left: options.response_bytes,
    };
    if is_new {
        flow.write(frame::OPEN);
    }
    stream::unfold(flow, |mut flow| async move {
        let chunk = flow.next().await?;
        Some((Ok(chunk), flow))
    })
}

impl Flow {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Some(chunk);
            }
            if self.left == 0
                && let Some(reader) = self.reader.take()
            {
                // The client comes with its next request as soon as this response ends.
                reader.leave().await;
            }
            let reading = self.reader.as_ref()?.read(None, self.heartbeat).await;
            match reading {
                Reading::Frames(frames) | Reading::Numbered(frames, _) => {
                    texts(&frames).for_each(|frame| self.write(frame))
                }
                Reading::Nothing => self.write(frame::HEARTBEAT),
                Reading::Last(frames, ending) => {
                    let messages = texts(&frames).filter(|frame| frame.starts_with('a'));
                    messages.for_each(|frame| self.write(frame));
                    self.end(&goodbye(ending));
                }
                Reading::Busy | Reading::Moved | Reading::TooFast => self.end(&frame::close(BUSY.0, BUSY.1)),
                Reading::Gone | Reading::Vanished => self.end(&frame::close(INTERRUPTED.0, INTERRUPTED.1)),
            }
        }
    }

    fn write(&mut self, frame: &str) {
        let chunk = self.form.wrap(frame);
        self.left = self.left.saturating_sub(chunk.len());
        self.ready.push_back(chunk);
    }

    fn end(&mut self, frame: &str) {
        self.write(frame);
        self.finish();
    }

    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.finish();
        }
    }
}

/// What old browsers and proxies need before they show anything.
fn prelude(form: &Form) -> Bytes {
    match form {
        Form::EventSource => Bytes::from_static(b"\r\n"),
        Form::HtmlFile(callback) => pages::htmlfile(callback).into(),
        _ => format!("{:h<2048}\n", "").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carriers::sockjs::SockJsFraming;
    use crate::client::Framing;
    use futures_util::FutureExt;
    use turted_core::Ending;

    fn unread(form: Form, left: usize) -> Flow {
        Flow {
            ready: VecDeque::from([prelude(&form)]),
            form,
            reader: None,
            heartbeat: Duration::from_secs(25),
            left,
        }
    }

    fn chunks(mut flow: Flow) -> Vec<Bytes> {
        std::iter::from_fn(|| flow.next().now_or_never().unwrap()).collect()
    }

    #[test]
    fn a_poll_gets_all_messages_of_an_outbox_as_one_frame() {
        let waiting = |ending| {
            let close = SockJsFraming.close(ending).unwrap();
            let ping = SockJsFraming.ping().unwrap();
            [
                SockJsFraming.message(b"1"),
                ping,
                SockJsFraming.message(b"\"x\""),
                close,
            ]
            .concat()
        };
        let frames = Bytes::from(waiting(Ending::GoingAway));
        assert_eq!(merged(&frames).unwrap(), r#"a["1","\"x\""]"#);
        let all: Vec<&str> = texts(&frames).collect();
        assert_eq!(all, [r#"a["1"]"#, r#"a["\"x\""]"#, r#"c[1001,"going away"]"#]);
        let goodbye = SockJsFraming.close(Ending::GoingAway).unwrap();
        assert_eq!(merged(&goodbye), None, "the goodbye comes in an answer of its own");
    }

    #[test]
    fn a_stream_begins_with_what_old_browsers_want_and_each_frame_is_a_chunk() {
        let stream = |form: Form| {
            let mut flow = unread(form, 131_072);
            flow.write(frame::OPEN);
            flow.write(&frame::message("100%"));
            flow.end(&frame::close(3000, "Go away!"));
            chunks(flow)
        };
        let padding = "h".repeat(2048) + "\n";
        assert_eq!(
            stream(Form::XhrStreaming),
            [&padding, "o\n", "a[\"100%\"]\n", "c[3000,\"Go away!\"]\n"]
        );
        assert_eq!(
            stream(Form::EventSource),
            [
                "\r\n",
                "data: o\r\n\r\n",
                "data: a[\"100%25\"]\r\n\r\n",
                "data: c[3000,\"Go away!\"]\r\n\r\n"
            ]
        );
        let page = stream(Form::HtmlFile("cb".into()));
        assert!(page[0].starts_with(b"<!doctype html>\n<html><head>\n") && page[0].ends_with(b" \r\n\r\n"));
        assert_eq!(page[1], "<script>\np(\"o\");\n</script>\r\n");
    }

    #[test]
    fn the_limit_counts_frames_with_their_wrapping_and_no_prelude() {
        // The arithmetic of the protocol's suite: 134 bytes each, and the opening.
        let mut flow = unread(Form::XhrStreaming, 4096);
        flow.write(frame::OPEN);
        for _ in 0..30 {
            flow.write(&frame::message(&"x".repeat(128)));
        }
        assert_eq!(flow.left, 4096 - 2 - 30 * 134);
        flow.write(&frame::message(&"x".repeat(128)));
        assert_eq!(flow.left, 0);
    }
}
