//! Answers what clients ask of collections in MongoDB.
//!
//! In: calls, `{"handler": "query", "params": <criteria>}`, with criteria as Waterline 0.10 writes them. Out: a list of
//! documents, one, or `null`; or a sentence about what is not understood. Criteria are translated into typed values and
//! never run; answers have bounds. It refuses to know who may ask: that is decided before.

mod config;
mod criteria;
mod database;
mod fields;
mod filter;
mod json;
mod rackhd;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::value::RawValue;
use turted_core::{Call, Caller, Failure, Limits, Line, Payload, Responder};

pub use config::MongodbConfig;
use criteria::Question;
use database::Database;
use fields::Fields;

/// Answers for one collection.
struct Collection {
    database: Arc<Database>,
    name: String,
    fields: Arc<Fields>,
    is_exact: bool,
    patience: Duration,
}

/// What a call wants.
#[derive(Deserialize)]
struct Asked<'a> {
    handler: Handler,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Handler {
    /// What fits.
    Query,
    /// Everything.
    All,
    /// The first that fits.
    Get,
}

impl Responder for Collection {
    fn answer(&self, call: Call, _: Caller, _: Line) -> BoxFuture<'static, Result<Payload, Failure>> {
        let read = self.read(call.params.as_str());
        let (database, name) = (Arc::clone(&self.database), self.name.clone());
        let fields = Arc::clone(&self.fields);
        async move {
            let (handler, question) = read.map_err(Failure::Refused)?;
            let first = handler == Handler::Get;
            if question.filter.is_nothing() {
                return Ok(payload(if first { "null" } else { "[]" }.to_owned()));
            }
            let answer = database.find(&name, question, fields, first).await?;
            Ok(payload(answer))
        }
        .boxed()
    }

    fn patience(&self) -> Duration {
        // The database keeps to the limit and says more about it.
        self.patience + Duration::from_secs(1)
    }
}

impl Collection {
    fn read(&self, params: &str) -> Result<(Handler, Question), String> {
        let asked: Asked<'_> = serde_json::from_str(params).map_err(|_| {
            "a question is {\"handler\": \"query\", \"params\": {…}}; handlers are query, all and get".to_owned()
        })?;
        let question = match (asked.handler, asked.params) {
            (Handler::All, _) | (_, None) => Question::all(),
            (_, Some(criteria)) => Question::read(criteria.get(), &self.fields, self.is_exact)?,
        };
        Ok((asked.handler, question))
    }
}

fn payload(json: String) -> Payload {
    // It is JSON, and not deep.
    Payload::parse(json.into(), &Limits::default()).unwrap_or_else(|_| Payload::null())
}
