//! What a backend reads: plain words as the original says them, or JSON for those who ask for it.
//!
//! In: receipts and failures. Out: responses. Refuses to know: where they come from, and any credential.

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use turted_core::envelope::Refusal;
use turted_core::{PushError, Receipt};

use crate::Answers;

/// Tells those who read only `OK` what was probably not meant.
pub(crate) const WARNING: HeaderName = HeaderName::from_static("turted-warning");

/// What became of a request that was not refused as a whole.
pub(crate) enum Outcome {
    /// Of one push.
    One(Receipt),
    /// Of one that is published elsewhere.
    Queued,
    /// Of a list of pushes, one each, in order.
    List(Vec<Result<Receipt, Failure>>),
}

/// Why there is no receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// What the original says instead of `message`.
    plain: Option<&'static str>,
    /// The header that belongs to the status.
    header: Option<(HeaderName, &'static str)>,
}

impl Failure {
    /// For programs, and for counting.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// Whose fault it is.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// For people.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// A failure with the status 400.
    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            message: message.into(),
            plain: None,
            header: None,
        }
    }

    /// 401. Says nothing about why: that would help only an attacker.
    pub(crate) fn denied(message: &'static str) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            header: Some((WWW_AUTHENTICATE, "Bearer")),
            ..Self::bad_request("denied", message)
        }
    }

    /// 403: who it is, is known, and it may not tell one of the targets; `which` push of a list, `""` when it is alone.
    pub(crate) fn forbidden(which: &str, error: &PushError) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            ..Self::bad_request("forbidden", format!("{which}{error}"))
        }
    }

    /// 404, the original's answer to an inline push that it cannot read.
    pub(crate) fn malformed_list() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            ..Self::bad_request("bad_list", "not a list of 1 to 10 commands")
        }
    }

    /// 405, with the methods that are allowed.
    pub(crate) fn method(allowed: &'static str) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            header: Some((ALLOW, allowed)),
            ..Self::bad_request("method_not_allowed", format!("allowed are {allowed}"))
        }
    }

    /// 413, with the bound in bytes.
    pub(crate) fn too_large(allowed: usize) -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..Self::bad_request("too_large", format!("the body is larger than {allowed} bytes"))
        }
    }

    /// 415, with what is taken instead.
    pub(crate) fn encoded() -> Self {
        Self {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            header: Some((ACCEPT_ENCODING, "identity")),
            ..Self::bad_request("encoded", "the body is compressed; send it without Content-Encoding")
        }
    }

    fn unavailable(code: &'static str, message: String) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            header: Some((RETRY_AFTER, "1")),
            ..Self::bad_request(code, message)
        }
    }

    /// Says this instead, to those who know these words.
    pub(crate) fn saying(self, status: StatusCode, plain: &'static str) -> Self {
        Self {
            status,
            plain: Some(plain),
            ..self
        }
    }

    /// The status, the words of the original, and the header that belongs to it.
    pub(crate) fn as_page(&self) -> Response<Bytes> {
        let response = page(self.words().to_owned().into(), self.status);
        with_header(response, self)
    }

    /// True when the server, not the push, is the reason: the pushes behind it would fail in the same way.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    fn words(&self) -> &str {
        self.plain.unwrap_or(&self.message)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self {
            plain: (refusal.code == "not_json").then_some("Data was not json"),
            ..Self::bad_request(refusal.code, refusal.message)
        }
    }
}

impl From<PushError> for Failure {
    fn from(error: PushError) -> Self {
        let message = error.to_string();
        match error {
            PushError::Refused(_) => Self::bad_request("refused", message),
            PushError::Forbidden { .. } => Self::forbidden("", &error),
            PushError::ShuttingDown => Self::unavailable("shutting_down", message),
            PushError::Away => Self::unavailable("away", message),
            PushError::Unknown => Self {
                status: StatusCode::GATEWAY_TIMEOUT,
                ..Self::bad_request("outcome_unknown", message)
            },
            // And whatever else may pass.
            _ => Self::unavailable("overloaded", message),
        }
    }
}

/// `{"error":{"code":"bad_target","message":"…"}}`
impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Inner<'a> {
            code: &'a str,
            message: &'a str,
        }
        let mut outer = serializer.serialize_map(Some(1))?;
        let (code, message) = (self.code, self.message.as_str());
        outer.serialize_entry("error", &Inner { code, message })?;
        outer.end()
    }
}

/// One element of the answer to a list.
#[derive(Serialize)]
#[serde(untagged)]
enum Element<'a> {
    Receipt(&'a Receipt),
    Failure(&'a Failure),
}

/// In which form a backend wants to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `OK`, as the original.
    Plain,
    /// Plain words as the PHP server says them.
    Php,
    /// Receipts and errors for programs.
    Json,
}

impl Form {
    /// JSON for those who name `application/json` in `Accept`. `*/*`, which every HTTP library sends, does not.
    pub(crate) fn wanted(headers: &HeaderMap, answers: Answers) -> Self {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let named = values.flat_map(|value| value.split(',')).any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let json = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
            json && !parts.any(is_never)
        });
        match (named, answers) {
            (true, _) => Self::Json,
            (false, Answers::Turted) => Self::Plain,
            (false, Answers::Php) => Self::Php,
            (false, Answers::RealizeHit) => Self::Plain,
        }
    }

    /// The response to a request, with a warning about what was taken although it is doubtful.
    pub(crate) fn answer(self, outcome: &Result<Outcome, Failure>, warning: Option<&str>) -> Response<Bytes> {
        let mut response = match outcome {
            Ok(Outcome::One(receipt)) => self.receipt(receipt),
            // Only realizehit's API queues, and it does not answer here.
            Ok(Outcome::Queued) => plain("OK".into(), StatusCode::OK),
            Ok(Outcome::List(list)) => self.list(list),
            Err(failure) => self.failure(failure),
        };
        // Texts of this server with names that were escaped: they are visible ASCII.
        if let Some(value) = warning.and_then(|text| HeaderValue::from_str(text).ok()) {
            response.headers_mut().insert(WARNING, value);
        }
        response
    }

    fn receipt(self, receipt: &Receipt) -> Response<Bytes> {
        match self {
            Self::Plain => plain("OK".into(), StatusCode::OK),
            Self::Php => plain("ok".into(), StatusCode::OK),
            Self::Json => json(receipt, StatusCode::OK),
        }
    }

    fn failure(self, failure: &Failure) -> Response<Bytes> {
        let response = match self {
            Self::Php if failure.status == StatusCode::UNAUTHORIZED => {
                return plain("FORBIDDEN".into(), StatusCode::FORBIDDEN);
            }
            Self::Plain | Self::Php => plain(failure.words().to_owned(), failure.status),
            Self::Json => json(failure, failure.status),
        };
        with_header(response, failure)
    }

    /// In words the first failure decides; in JSON every push speaks for itself. As soon as one push was dispatched
    /// the status does not invite to repeat the request: whoever does must not dispatch anything twice.
    fn list(self, list: &[Result<Receipt, Failure>]) -> Response<Bytes> {
        let first = list
            .iter()
            .enumerate()
            .find_map(|(at, push)| Some((at, push.as_ref().err()?)));
        let nothing_done = list.iter().all(Result::is_err);
        match (self, first) {
            (Self::Plain, None) => plain("OK".into(), StatusCode::OK),
            (Self::Php, None) => plain("ok".into(), StatusCode::OK),
            (Self::Plain | Self::Php, Some((at, failure))) => {
                let words = format!("push[{at}]: {}", failure.words());
                match nothing_done {
                    true => with_header(plain(words, failure.status), failure),
                    false => plain(words, StatusCode::BAD_REQUEST),
                }
            }
            (Self::Json, Some((_, failure))) if nothing_done => {
                with_header(json(&elements(list), failure.status), failure)
            }
            (Self::Json, _) => json(&elements(list), StatusCode::OK),
        }
    }
}

/// `q=0`, `q=0.0` …: anything but this.
fn is_never(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some((name, weight)) => name.eq_ignore_ascii_case("q") && weight.parse() == Ok(0.0_f32),
        None => false,
    }
}

fn elements(list: &[Result<Receipt, Failure>]) -> Vec<Element<'_>> {
    let element = |push| match push {
        Ok(receipt) => Element::Receipt(receipt),
        Err(failure) => Element::Failure(failure),
    };
    list.iter().map(Result::as_ref).map(element).collect()
}

fn plain(words: String, status: StatusCode) -> Response<Bytes> {
    response(words.into(), "text/plain; charset=utf-8", status)
}

/// As realizehit's API answers, in whatever it says.
pub(crate) fn page(words: Bytes, status: StatusCode) -> Response<Bytes> {
    response(words, "text/html; charset=utf-8", status)
}

fn json<T: Serialize>(value: &T, status: StatusCode) -> Response<Bytes> {
    // Texts and numbers under fixed names: writing them to memory cannot fail.
    let text = serde_json::to_vec(value).unwrap_or_default();
    response(text.into(), "application/json", status)
}

fn response(body: Bytes, media_type: &'static str, status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

fn with_header(mut response: Response<Bytes>, failure: &Failure) -> Response<Bytes> {
    if let Some((name, value)) = &failure.header {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
