//! turted inside another program: it pushes by itself and watches what is dispatched.
//!
//!     cargo run --example embed
//!
//! In: Ctrl-C. Out: a server on a free port, an event every second on the channel `ticks`, a line for each dispatched
//! `TICK`.

use std::time::Duration;

use turted::Server;
use turted::config::Sources;
use turted_core::{ChannelName, EventName, Limits, Payload};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    actix_web::rt::System::new().block_on(serve())
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let sources = Sources {
        sets: vec!["server.listen=127.0.0.1:0".into()],
        ..Sources::default()
    };
    let config = Server::load(&sources)?;
    let server = Server::builder().config(config).build()?;
    server.observe().on("TICK", |seen| {
        println!("{} reached {} connections", seen.receipt.id, seen.receipt.recipients);
    });
    let running = server.start()?;
    for (address, scheme) in running.addresses() {
        println!("listening on {scheme}://{address}; try: turted listen --url {scheme}://{address} --channel ticks");
    }

    let limits = Limits::default();
    let (ticks, tick) = (
        ChannelName::parse("ticks", &limits)?,
        EventName::parse("TICK", &limits)?,
    );
    let inbox = running.inbox();
    let mut every_second = actix_web::rt::time::interval(Duration::from_secs(1));
    for number in 0_u64.. {
        tokio::select! {
            _ = every_second.tick() => {
                let payload = Payload::parse(number.to_string().into(), &limits)?;
                inbox.notify_channel(ticks.clone(), tick.clone(), payload).await?;
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    running.stop().await;
    Ok(())
}
