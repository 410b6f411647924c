//! Stories about the real binary: every test starts its own `turted serve` on a free port and speaks to it over
//! sockets.
//!
//! In: what backends, clients and people send. Out: what they must hear, and that a server which was abused still
//! serves the next one. No test sleeps in the hope that something has happened: it waits for an answer, and to assert
//! silence it waits for a later event (`Client::heard`).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

mod abuse;
mod api;
mod auth;
mod bayeux;
mod bayeux_hostile;
mod calls;
mod cli;
mod cluster;
mod connectors;
mod crowd;
mod denials;
mod doors;
mod engineio;
mod file;
mod foreign;
mod halves;
mod hooks;
mod hostile;
mod http2;
mod jwt;
mod kick;
mod life;
mod limits;
mod nodefony;
mod nodefony_hostile;
mod nodefony_login;
mod observe;
mod packets;
mod pages;
mod polls;
mod primus;
mod proxied;
mod push;
mod rabbitmq;
mod rackhd;
mod rackhd_broker;
mod rackhd_database;
mod realizehit;
mod redis;
mod refusals;
mod restart;
mod resume;
mod semantics;
mod shutdown;
mod slow;
mod socketio;
mod sockjs;
mod sse;
mod stdin;
mod tcp;
mod tickets;
mod tls;
mod transcripts;
mod wires;
mod wishes;
