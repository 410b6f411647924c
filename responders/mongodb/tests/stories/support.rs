//! What the stories share: a database with documents in it, and somebody who asks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::Document;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use turted_core::{Call, Caller, Failure, Identity, Limits, Line, Named, Payload, Told};
use turted_mongodb::MongodbConfig;
use turted_services::ferretdb::Ferret;

/// Long enough for a database that starts on a busy machine.
pub const LONG: Duration = Duration::from_secs(90);

/// A database, and those who answer for its collections.
pub struct Bench {
    pub ferret: Ferret,
    responders: Vec<Named>,
}

impl Bench {
    /// With RackHD's collections.
    pub fn rackhd() -> Self {
        Self::with(block_in_place(Ferret::start), json!({"collections": "rackhd"}))
    }

    /// With these settings, and the URL.
    pub fn with(ferret: Ferret, settings: Value) -> Self {
        let responders = build(&ferret.url("pxe"), settings);
        Self { ferret, responders }
    }

    /// With RackHD's collections at this URL.
    pub fn of(ferret: Ferret, url: &str) -> Self {
        let responders = build(url, json!({"collections": "rackhd"}));
        Self { ferret, responders }
    }

    /// Puts documents into a collection, as a program of somebody else does.
    pub async fn put(&self, collection: &str, documents: Vec<Document>) {
        let client = Client::with_uri_str(self.ferret.url("pxe")).await.unwrap();
        let collection = client.database("pxe").collection::<Document>(collection);
        collection.insert_many(documents).await.unwrap();
    }

    /// What a client is told that asks this.
    pub async fn ask(&self, resource: &str, handler: &str, params: Value) -> Result<Value, Failure> {
        let asked = json!({"handler": handler, "params": params});
        let answer = self.call(resource, &asked.to_string()).await?;
        Ok(serde_json::from_str(answer.as_str()).unwrap())
    }

    /// What a client is told that calls with this.
    pub async fn call(&self, resource: &str, params: &str) -> Result<Payload, Failure> {
        let (_, responder) = self.responders.iter().find(|(name, _)| &**name == resource).unwrap();
        let call = Call {
            name: resource.into(),
            params: Payload::parse(params.to_owned().into(), &Limits::default()).unwrap(),
        };
        let caller = Caller {
            identity: Arc::new(Identity::default()),
            connection: "c1".into(),
            address: [127, 0, 0, 1].into(),
        };
        let (_, said) = mpsc::channel(1);
        let line = Line {
            told: Told::new(|_| Box::pin(async { true })),
            said,
        };
        responder.answer(call, caller, line).await
    }

    /// The documents that fit, of which only this field is of interest.
    pub async fn names(&self, resource: &str, criteria: Value) -> Vec<String> {
        let found = self.ask(resource, "query", criteria.clone()).await;
        let found = found.unwrap_or_else(|why| panic!("{criteria}: {why:?}"));
        let found = found.as_array().unwrap().iter();
        found
            .map(|document| document["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Those who answer, by name.
fn build(url: &str, mut settings: Value) -> Vec<Named> {
    settings["url"] = url.into();
    let config: MongodbConfig = serde_json::from_value(settings).unwrap();
    config.build("rackhd").unwrap()
}

/// Keeps what is written to the log, for stories about what must not be there.
pub struct Ear(Mutex<String>);

static EAR: Ear = Ear(Mutex::new(String::new()));

impl Ear {
    /// Begins to listen.
    pub fn open() -> &'static Self {
        // One story may have begun already.
        let _ = log::set_logger(&EAR);
        log::set_max_level(log::LevelFilter::Trace);
        &EAR
    }

    /// Everything so far.
    pub fn heard(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl log::Log for Ear {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut heard = self.0.lock().unwrap();
        heard.push_str(&format!("{} {}: {}\n", record.level(), record.target(), record.args()));
    }

    fn flush(&self) {}
}
