//! What the system says of itself, and of a process and its descendants. Linux only: elsewhere every figure is `None`.

use std::fs;

/// CPU time of a process and its descendants so far, in microseconds.
pub fn cpu(pid: u32) -> Option<f64> {
    let mut nanoseconds = 0.0;
    for pid in family(pid) {
        for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
            // The first word of schedstat is the time on a CPU, in nanoseconds.
            let Ok(text) = fs::read_to_string(task.ok()?.path().join("schedstat")) else {
                continue;
            };
            nanoseconds += text.split(' ').next()?.parse::<f64>().ok()?;
        }
    }
    Some(nanoseconds / 1e3)
}

/// Memory of a process and its descendants now, in MB.
pub fn resident(pid: u32) -> Option<f64> {
    sum(pid, "VmRSS:").map(|kilobytes| kilobytes / 1024.0)
}

/// The most memory of a process and its descendants so far, in MB.
pub fn peak(pid: u32) -> Option<f64> {
    sum(pid, "VmHWM:").map(|kilobytes| kilobytes / 1024.0)
}

/// Threads of a process and its descendants.
pub fn threads(pid: u32) -> Option<f64> {
    sum(pid, "Threads:")
}

/// Context switches of all threads of a process and its descendants so far.
pub fn switches(pid: u32) -> Option<f64> {
    let mut switches = 0.0;
    for pid in family(pid) {
        for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
            let text = fs::read_to_string(task.ok()?.path().join("status")).ok()?;
            // Both kinds, voluntary_ctxt_switches and nonvoluntary_ctxt_switches.
            for line in text.lines().filter(|line| line.contains("ctxt_switches:")) {
                switches += line.split_ascii_whitespace().nth(1)?.parse::<f64>().ok()?;
            }
        }
    }
    Some(switches)
}

fn sum(pid: u32, name: &str) -> Option<f64> {
    let mut total = 0.0;
    for pid in family(pid) {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        total += line.split_ascii_whitespace().nth(1)?.parse::<f64>().ok()?;
    }
    Some(total)
}

/// A process, its children, and theirs.
fn family(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten();
        let children: Vec<u32> = tasks
            .flatten()
            .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
            .flat_map(|text| {
                text.split_ascii_whitespace()
                    .filter_map(|word| word.parse().ok())
                    .collect::<Vec<_>>()
            })
            .collect();
        found.extend(children);
        next += 1;
    }
    found
}

/// The processors and the system, for people.
pub fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": "));
    let model = model.map_or(std::env::consts::ARCH, |(_, model)| model);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = std::env::consts::OS;
    format!("{processors} × {model}, {system} {}", release.trim())
}
