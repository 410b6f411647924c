//! What the Dispatcher needs to know of a configuration.
//!
//! In: the configuration, and what the other rooms give. Out: the settings of a desk where everybody may do everything,
//! with an epoch that no other has. It builds nothing.

use std::sync::Arc;

use turted_core::{EncodeEvent, Epoch, Observer};

use super::ServeError;
use crate::config::Config;
use crate::dispatcher::log::LogBounds;
use crate::dispatcher::parked::ParkingBounds;
use crate::dispatcher::{DeskSettings, Queued};

/// The settings of a desk.
///
/// # Errors
/// When the system has no random numbers.
pub fn settings(
    config: &Config,
    encoders: Vec<Arc<dyn EncodeEvent>>,
    queued: Arc<Queued>,
    observer: Arc<dyn Observer>,
) -> Result<DeskSettings, ServeError> {
    let epoch = getrandom::u32().map_err(|_| ServeError::Random)?;
    let history = &config.history;
    let is_off = history.age.is_zero() || history.bytes == 0 || history.count == 0;
    Ok(DeskSettings {
        epoch: Epoch::new(&format!("{epoch:08x}")),
        is_shared: false,
        log: LogBounds {
            age: history.age,
            bytes: history.bytes,
            count: if is_off { 0 } else { history.count },
        },
        parking: ParkingBounds {
            window: history.age,
            count: if is_off { 0 } else { config.limits.connections },
            bytes: config.limits.parked_bytes,
        },
        channels: config.limits.channels_per_connection,
        // Half of an outbox: the rest is for what comes live meanwhile.
        replay_frames: config.limits.outbox_frames / 2,
        replay_bytes: config.limits.outbox_bytes / 2,
        encoders,
        queued,
        observer,
        ident: config.limits.ident,
        permissions: Arc::default(),
        tells_why: !config.is_public(),
        refusals: Arc::new(()),
    })
}
