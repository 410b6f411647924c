//! realizehit as the configuration offers it.
//!
//! In: a section of the configuration. Out: an Engine.IO service for its clients.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use turted_core::{Protocol, SettingError};

use super::RealizeHit;
use super::door::Shared;
use crate::carriers::engineio::{EngineIo, EngineIoOptions};
use crate::carriers::{Bounds, OfferConfig};

/// The original's: its clients ask, and wait so long for an answer.
const PING_TIMEOUT: Duration = Duration::from_secs(60);

/// `type = "realizehit"`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealizeHitConfig {}

impl OfferConfig for RealizeHitConfig {
    const TYPE: &'static str = "realizehit";
    type Offer = Shared;

    fn build(self, bounds: &Bounds) -> Result<Shared, SettingError> {
        let protocol: Arc<dyn Protocol> = Arc::new(RealizeHit::new(bounds.limits, bounds.bad_messages));
        Ok(Shared(EngineIo {
            v4: Arc::clone(&protocol),
            v3: Some(protocol),
            options: EngineIoOptions {
                ping_interval: bounds.ping,
                ping_timeout: PING_TIMEOUT,
                max_payload: bounds.message_bytes,
                is_told: true,
                ..EngineIoOptions::default()
            },
        }))
    }
}
