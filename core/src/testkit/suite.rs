//! The suite that every connector passes.
//!
//! In: a [`Subject`]. Out: nothing, or a panic that says which promise is broken.

use super::{Recorder, Run, soon, start};
use crate::connector::PushConnector;
use crate::report::ConnectorState;

/// A connector and the source it reads, as the suite needs them.
pub trait Subject {
    /// The connector.
    type Connector: PushConnector;

    /// A connector as its section would build it; each call is for the same source.
    fn connector(&mut self) -> Self::Connector;

    /// Puts a message into the source that becomes one event with the payload `number`.
    fn send(&mut self, run: &Run, number: u64) -> impl Future<Output = ()>;

    /// Puts a message into the source that can never become an event.
    fn send_malformed(&mut self, run: &Run) -> impl Future<Output = ()>;

    /// How many messages the source still holds for us because they were not acknowledged; `None` for a source without
    /// acknowledgements.
    fn unacknowledged(&mut self) -> impl Future<Output = Option<usize>> {
        async { None }
    }
}

/// Runs all stories, one after the other.
///
/// # Panics
/// When the connector breaks a promise.
pub async fn every_connector(mut subject: impl Subject) {
    it_starts_takes_events_in_order_and_stops_when_asked(&mut subject).await;
    it_survives_malformed_input_and_counts_it(&mut subject).await;
    it_offers_again_what_an_overloaded_server_did_not_take(&mut subject).await;
    it_acknowledges_only_after_the_receipt(&mut subject).await;
    it_can_be_run_again(&mut subject).await;
}

async fn it_starts_takes_events_in_order_and_stops_when_asked(subject: &mut impl Subject) {
    let recorder = Recorder::default();
    let mut run = start(subject.connector(), &recorder);
    run.running().await;
    for number in 1..=10 {
        subject.send(&run, number).await;
    }
    recorder.has(10).await;
    assert_eq!(
        recorder.payloads(),
        (1..=10).map(|n| n.to_string()).collect::<Vec<_>>(),
        "order"
    );
    accepted(&run, 10).await;
    assert_eq!(run.report.counts(), (10, 0), "counts");
    let report = run.report.clone();
    assert_eq!(run.stop().await, Ok(()), "an orderly stop is no failure");
    assert!(
        !matches!(report.current(), ConnectorState::Retrying { .. }),
        "nothing failed"
    );
}

async fn it_survives_malformed_input_and_counts_it(subject: &mut impl Subject) {
    let recorder = Recorder::default();
    let mut run = start(subject.connector(), &recorder);
    run.running().await;
    subject.send_malformed(&run).await;
    subject.send(&run, 1).await;
    recorder.has(1).await;
    accepted(&run, 1).await;
    assert_eq!(run.report.counts(), (1, 1), "the malformed input is counted once");
    assert!(
        run.report.refusals().keys().all(|reason| !reason.is_empty()),
        "with its reason"
    );
    subject.send_malformed(&run).await;
    subject.send(&run, 2).await;
    recorder.has(2).await;
    assert_eq!(run.stop().await, Ok(()));
}

async fn it_offers_again_what_an_overloaded_server_did_not_take(subject: &mut impl Subject) {
    let recorder = Recorder::default();
    let mut run = start(subject.connector(), &recorder);
    run.running().await;
    recorder.overload(3);
    for number in 1..=3 {
        subject.send(&run, number).await;
    }
    let taken = recorder.has(3).await.len();
    assert_eq!(taken, 3, "nothing is doubled");
    assert_eq!(recorder.payloads(), ["1", "2", "3"], "later ones do not overtake");
    assert_eq!(run.stop().await, Ok(()));
}

async fn it_acknowledges_only_after_the_receipt(subject: &mut impl Subject) {
    let recorder = Recorder::default();
    let mut run = start(subject.connector(), &recorder);
    run.running().await;
    if subject.unacknowledged().await.is_none() {
        return assert_eq!(run.stop().await, Ok(()));
    }
    recorder.hold();
    subject.send(&run, 1).await;
    recorder.has(1).await;
    assert_eq!(subject.unacknowledged().await, Some(1), "there is no receipt yet");
    recorder.release();
    let acknowledged = async {
        while subject.unacknowledged().await != Some(0) {
            tokio::task::yield_now().await;
        }
    };
    soon("acknowledging", acknowledged).await;
    assert_eq!(run.stop().await, Ok(()));
}

async fn it_can_be_run_again(subject: &mut impl Subject) {
    for round in 1..=2 {
        let recorder = Recorder::default();
        let mut run = start(subject.connector(), &recorder);
        run.running().await;
        subject.send(&run, round).await;
        recorder.has(1).await;
        accepted(&run, 1).await;
        assert_eq!(
            recorder.payloads(),
            [round.to_string()],
            "what was acknowledged does not come again"
        );
        assert_eq!(run.stop().await, Ok(()));
    }
}

/// The count follows the receipt by a moment.
async fn accepted(run: &Run, count: u64) {
    let counted = async {
        while run.report.counts().0 < count {
            tokio::task::yield_now().await;
        }
    };
    soon("counting", counted).await;
}
