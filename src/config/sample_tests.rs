//! What flows in: the annotated `turted.toml` of this repository, which is the manual of this room. What flows out: the
//! assurance that it says what is so, sample by sample. Refuses to know: anything that is not written there.

use std::path::PathBuf;

use super::tests::{load, registries};
use super::{Config, Sources};

const SAMPLE: &str = include_str!("../../turted.toml");

/// Commented-out samples: lines with a `#` right before their text, as (first line, lines without the `#`).
fn samples() -> Vec<(usize, Vec<&'static str>)> {
    let mut samples: Vec<(usize, Vec<&str>)> = Vec::new();
    for (index, line) in SAMPLE.lines().enumerate() {
        let Some(line) = line
            .strip_prefix('#')
            .filter(|line| !line.is_empty() && !line.starts_with(' '))
        else {
            continue;
        };
        match samples.last_mut() {
            Some((first, lines)) if *first + lines.len() == index => lines.push(line),
            _ => samples.push((index, vec![line])),
        }
    }
    samples
}

/// Every `${NAME}` of the sample has a value.
fn environment() -> Vec<(&'static str, &'static str)> {
    let names = SAMPLE.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    names
        .map(|(name, _)| (name, "some value, long enough for a secret"))
        .collect()
}

#[test]
fn the_annotated_file_is_the_default() {
    assert_eq!(load(SAMPLE, &[], &[]), Ok(Config::default()));
}

#[test]
fn every_setting_stands_in_the_annotated_file() {
    let shown: toml::Table = Config::default().to_toml_masked().parse().unwrap();
    let written: toml::Table = SAMPLE.parse().unwrap();
    for (section, keys) in &shown {
        for key in keys.as_table().unwrap().keys() {
            let there = written[section].get(key).is_some();
            assert!(there, "{section}.{key} is not in turted.toml");
        }
    }
}

#[test]
fn every_sample_becomes_valid_when_its_comment_sign_goes() {
    let samples = samples();
    assert!(samples.len() >= 6, "the samples are found: {samples:?}");
    for (first, lines) in samples {
        let alone = lines[0].starts_with('[');
        let text = if alone {
            // A table of its own may stand there already: it is read by itself.
            lines.join("\n")
        } else {
            let uncommented = |(index, line): (usize, &'static str)| {
                if (first..first + lines.len()).contains(&index) {
                    &line[1..]
                } else {
                    line
                }
            };
            SAMPLE
                .lines()
                .enumerate()
                .map(uncommented)
                .collect::<Vec<_>>()
                .join("\n")
        };
        let Err(error) = load(&text, &environment(), &[]) else {
            continue;
        };
        // The files of the samples are the reader's own.
        let real = error
            .problems
            .iter()
            .filter(|problem| !problem.message.starts_with("there is no "));
        assert_eq!(real.count(), 0, "line {}: {error}", first + 1);
    }
}

#[test]
fn the_file_that_was_asked_for_must_exist() {
    let sources = Sources {
        file: Some(PathBuf::from("no/such.toml")),
        ..Sources::default()
    };
    let error = Config::load(&sources, registries()).unwrap_err().to_string();
    assert!(error.starts_with("no/such.toml: cannot be read: "), "{error}");
}
