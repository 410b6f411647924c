//! What the server under test costs: CPU time and memory, read from Linux's `/proc`.
//!
//! In: process ids. Out: nanoseconds of CPU and bytes of memory, summed over these processes and all their
//! descendants, so that nginx's workers count. It knows nothing of the benchmark.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result};

/// Nanoseconds of one clock tick in `/proc/PID/stat`: USER_HZ is 100 on every common Linux.
const TICK: u64 = 10_000_000;

/// The processes to watch.
#[derive(Debug)]
pub struct Watched {
    roots: Vec<u32>,
}

/// What the watched processes had used at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// CPU time in nanoseconds, user and system.
    pub cpu: u64,
    /// Memory in bytes. Pages shared by several processes count once (PSS) where the kernel tells, else as in RSS.
    pub memory: u64,
    /// How many processes were summed.
    pub processes: usize,
}

impl Watched {
    /// Watches `roots` and whatever they start.
    pub fn new(roots: Vec<u32>) -> Self {
        Self { roots }
    }

    /// Usage until now; `None` when there is nothing to watch.
    pub fn usage(&self) -> Result<Option<Usage>> {
        if self.roots.is_empty() {
            return Ok(None);
        }
        let family = self.family()?;
        let mut usage = Usage {
            cpu: 0,
            memory: 0,
            processes: family.len(),
        };
        for pid in family {
            usage.cpu += cpu(pid).unwrap_or(0);
            usage.memory += memory(pid).unwrap_or(0);
        }
        Ok(Some(usage))
    }

    /// The roots, which must be running, and their descendants, which may end at any moment.
    fn family(&self) -> Result<BTreeSet<u32>> {
        for root in &self.roots {
            stat_field(*root, PARENT)
                .with_context(|| format!("--pid {root}: no such process (they are read from Linux's /proc)"))?;
        }
        let parents: Vec<(u32, u32)> = numbered(Path::new("/proc"))
            .context("failed to list the processes in /proc")?
            .into_iter()
            .filter_map(|pid| Some((pid, stat_field(pid, PARENT)?.try_into().ok()?)))
            .collect();
        let mut family: BTreeSet<u32> = self.roots.iter().copied().collect();
        loop {
            let before = family.len();
            let children = parents.iter().filter(|(_, parent)| family.contains(parent));
            let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
            family.extend(children);
            if family.len() == before {
                return Ok(family);
            }
        }
    }
}

/// Positions in `/proc/PID/stat`, counted after the command name (proc(5) counts two more).
const PARENT: usize = 1;
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;

fn stat_field(pid: u32, position: usize) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name stands in parentheses and may itself contain any of them.
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(position)?.parse().ok()
}

/// Nanoseconds from the scheduler where it keeps them, else clock ticks.
fn cpu(pid: u32) -> Option<u64> {
    scheduled(pid).or_else(|| Some((stat_field(pid, USER_TIME)? + stat_field(pid, SYSTEM_TIME)?) * TICK))
}

fn scheduled(pid: u32) -> Option<u64> {
    let tasks = format!("/proc/{pid}/task");
    let times = numbered(Path::new(&tasks)).ok()?.into_iter().filter_map(|task| {
        let schedstat = fs::read_to_string(format!("{tasks}/{task}/schedstat")).ok()?;
        schedstat.split(' ').next()?.parse::<u64>().ok()
    });
    times.reduce(|sum, time| sum + time)
}

fn memory(pid: u32) -> Option<u64> {
    let figure = |file, label| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
        kilobytes(&text, label)
    };
    figure("smaps_rollup", "Pss:").or_else(|| figure("status", "VmRSS:"))
}

fn kilobytes(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    let number = line.trim().strip_suffix(" kB")?;
    Some(number.parse::<u64>().ok()? * 1024)
}

/// The entries of `directory` whose names are numbers.
fn numbered(directory: &Path) -> std::io::Result<Vec<u32>> {
    let entries = fs::read_dir(directory)?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_and_its_children_are_summed() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let family = Watched::new(vec![std::process::id()]).family().unwrap();
        child.kill().unwrap();
        assert!(family.contains(&std::process::id()) && family.contains(&child.id()));
        child.wait().unwrap();
    }

    #[test]
    fn this_process_uses_time_and_memory() {
        let usage = Watched::new(vec![std::process::id()]).usage().unwrap().unwrap();
        assert!(usage.cpu > 0 && usage.memory > 100_000);
        assert!(Watched::new(Vec::new()).usage().unwrap().is_none());
        assert!(Watched::new(vec![u32::MAX]).usage().is_err());
    }

    #[test]
    fn memory_lines_are_read_in_kilobytes() {
        assert_eq!(kilobytes("Rss: 5 kB\nPss:   12 kB\n", "Pss:"), Some(12 * 1024));
        assert_eq!(kilobytes("Rss: 5 kB\n", "Pss:"), None);
    }
}
