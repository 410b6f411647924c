//! Pub/Sub channels that are heard only while somebody needs them.
//!
//! In: which channels of the server have somebody in them. Out: SUBSCRIBE and UNSUBSCRIBE on a connection. What is
//! published between the two is heard; whoever joins a channel is answered after SUBSCRIBE is.

use std::sync::Arc;

use redis::aio::PubSubSink;
use turted_core::may::{Claims, Pattern};
use turted_core::occupancy::{Changes, Watch};
use turted_core::{ChannelName, ConnectorError, Occupancy, SettingError};

use crate::pubsub::silent;
use crate::server::{ANSWER, Server};

/// Most channels in one command.
const BATCH: usize = 500;

/// Which channels are heard when somebody needs them. Cheap to clone.
#[derive(Clone)]
pub struct Wanted(Arc<[Pattern]>);

impl Wanted {
    /// Reads the key `on_demand`; `None` when it is empty.
    pub fn parse(texts: &[String]) -> Result<Option<Self>, SettingError> {
        let mut patterns = Vec::with_capacity(texts.len());
        for text in texts {
            let wrong = |why: String| SettingError::new("on_demand", format!("{text:?}: the pattern {why}"));
            let pattern = Pattern::parse(text).map_err(|error| wrong(error.to_string()))?;
            if pattern.wants_user() || pattern.claims().next().is_some() {
                return Err(wrong(
                    "must not name {user} or {claim.…}: nobody in particular asks".into(),
                ));
            }
            patterns.push(pattern);
        }
        Ok((!patterns.is_empty()).then(|| Self(patterns.into())))
    }

    /// Begins to watch them.
    pub fn watch(&self, occupancy: &Occupancy) -> Watch {
        let patterns = Arc::clone(&self.0);
        let claims = Claims::default();
        occupancy.watch(move |name| patterns.iter().any(|pattern| pattern.matches(name, None, &claims)))
    }
}

/// Hears what is needed from here on, and what is not no more.
pub async fn follow(
    watch: &Watch,
    changes: Changes,
    sink: &mut PubSubSink,
    server: &Server,
) -> Result<(), ConnectorError> {
    for names in changes.needed.chunks(BATCH) {
        let subscribed = tokio::time::timeout(ANSWER, sink.subscribe(texts(names))).await;
        let subscribed = subscribed.map_err(|_| silent(server, ANSWER))?;
        subscribed.map_err(|error| server.error("SUBSCRIBE", &error))?;
    }
    watch.settled(&changes);
    for names in changes.released.chunks(BATCH) {
        let left = tokio::time::timeout(ANSWER, sink.unsubscribe(texts(names))).await;
        let left = left.map_err(|_| silent(server, ANSWER))?;
        left.map_err(|error| server.error("UNSUBSCRIBE", &error))?;
    }
    Ok(())
}

fn texts(names: &[ChannelName]) -> Vec<&str> {
    names.iter().map(ChannelName::as_str).collect()
}
