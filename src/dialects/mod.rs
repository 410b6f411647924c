//! What is said: a folder or a file per dialect, each with everything that only it knows.
//!
//! In: messages that a carrier has received, and notices of the server. Out: intents and answers. The contracts are in
//! `core`; carriers carry what is said here without knowing it.

pub mod bayeux;
pub mod classic;
pub mod command;
pub mod kinds;
pub mod native;
pub mod nodefony;
pub mod php;
pub mod primus;
pub mod rackhd;
pub mod realizehit;
#[cfg(test)]
pub mod sample;
pub mod socketio;
pub mod sockjs;
#[cfg(test)]
mod transcripts;
