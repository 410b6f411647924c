//! Runs real services for scripts, until it is killed.
//!
//! In: their names. Out: a line with a name and a URL for each, when all of them listen. They end with it.

#![allow(clippy::print_stdout, reason = "this is how a script hears of it")]

use turted_services::ferretdb::Ferret;
use turted_services::rabbitmq::Broker;
use turted_services::redis::Redis;

fn main() {
    let mut kept: Vec<Box<dyn std::any::Any>> = Vec::new();
    for name in std::env::args().skip(1) {
        let url = match name.as_str() {
            "ferretdb" => {
                let ferret = Ferret::start();
                let url = ferret.url("pxe");
                kept.push(Box::new(ferret));
                url
            }
            "rabbitmq" => {
                let broker = Broker::start();
                let url = broker.url();
                kept.push(Box::new(broker));
                url
            }
            "redis" => {
                let redis = Redis::start();
                let url = redis.url();
                kept.push(Box::new(redis));
                url
            }
            other => panic!("{other} is none of ferretdb, rabbitmq, redis"),
        };
        println!("{name} {url}");
    }
    println!("ready");
    loop {
        std::thread::park();
    }
}
