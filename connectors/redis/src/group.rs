//! The consumer group of a stream: made when it is not there.
//!
//! In: where a new group begins, and how far we have read if we have. Out: where the group stands. A group that is
//! gone, because Redis lost its data or somebody removed it, is made anew where we stopped, so that nothing added since
//! then is left out.

use std::collections::HashMap;

use log::info;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult, Value, cmd, from_redis_value};

use crate::config::Start;
use crate::entry::EntryId;

/// Makes sure that `group` exists; gives the id of the last entry that it was given.
pub async fn ready(
    redis: &mut MultiplexedConnection,
    stream: &str,
    group: &str,
    start: Start,
    known: Option<EntryId>,
) -> RedisResult<Option<EntryId>> {
    if let Some(last) = delivered(redis, stream, group).await? {
        return Ok(EntryId::parse(&last));
    }
    let from = match known {
        Some(known) => match generated(redis, stream).await? {
            Some(last) if last >= known => known.to_string(),
            // Another stream under the same name: all in it is new.
            _ => "0".to_owned(),
        },
        None => start.id().to_owned(),
    };
    let mut create = cmd("XGROUP");
    create.arg("CREATE").arg(stream).arg(group).arg(&from).arg("MKSTREAM");
    match create.exec_async(redis).await {
        Err(error) if error.code() == Some("BUSYGROUP") => {}
        created => {
            created?;
            info!("the group {group} of the stream {stream} was not there; it was made to begin at {from}");
        }
    }
    let last = delivered(redis, stream, group).await?;
    Ok(last.as_deref().and_then(EntryId::parse))
}

async fn delivered(redis: &mut MultiplexedConnection, stream: &str, group: &str) -> RedisResult<Option<String>> {
    let groups: Vec<HashMap<String, Value>> = match cmd("XINFO").arg("GROUPS").arg(stream).query_async(redis).await {
        Err(error) if is_no_such_key(&error) => return Ok(None),
        groups => groups?,
    };
    let is_ours = |about: &HashMap<String, Value>| about.get("name") == Some(&Value::BulkString(group.into()));
    let last = groups
        .into_iter()
        .find(is_ours)
        .and_then(|mut about| about.remove("last-delivered-id"));
    Ok(last.map(from_redis_value).transpose()?)
}

async fn generated(redis: &mut MultiplexedConnection, stream: &str) -> RedisResult<Option<EntryId>> {
    let mut about: HashMap<String, Value> = match cmd("XINFO").arg("STREAM").arg(stream).query_async(redis).await {
        Err(error) if is_no_such_key(&error) => return Ok(None),
        about => about?,
    };
    let last: Option<String> = about.remove("last-generated-id").map(from_redis_value).transpose()?;
    Ok(last.as_deref().and_then(EntryId::parse))
}

fn is_no_such_key(error: &RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.contains("no such key"))
}
