//! The check that an mcp-remote is running for a server: after a move it has no tokens, and after our first renewal the
//! tokens in its memory are dead.
//!
//! Where there is a `/proc` its processes are looked up; during a sign-in mcp-remote answers on its callback port.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Returns the command lines of this user's processes, as words. Another user's process is not this user's mcp-remote,
/// and no reason to open the files that its arguments name.
pub fn command_lines() -> Vec<Vec<String>> {
    let entries = std::fs::read_dir(Path::new("/proc")).into_iter().flatten();
    let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let processes = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_number))
        .filter(|entry| entry.metadata().is_ok_and(|found| is_ours(&found)));
    processes
        .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .filter_map(|line| String::from_utf8(line).ok())
        .map(|line| line.split_terminator('\0').map(str::to_owned).collect())
        .collect()
}

#[cfg(unix)]
fn is_ours(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    metadata.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn is_ours(_: &std::fs::Metadata) -> bool {
    true
}

/// Says whether an mcp-remote answers on one of the ports it would use, for this key.
pub async fn answers(key: &str, first_port: u16) -> bool {
    for port in (first_port..=u16::MAX).take(PORTS) {
        let asked = tokio::time::timeout(PATIENCE, ask(port)).await;
        if let Ok(Some(answer)) = asked
            && answer.contains("\"mcpRemote\":true")
            && answer.contains(key)
        {
            return true;
        }
    }
    false
}

/// The number of ports that mcp-remote tries in a row.
const PORTS: usize = 8;
const PATIENCE: Duration = Duration::from_millis(300);

async fn ask(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = format!(
        "GET /.mcp-remote/id HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.take(16 << 10).read_to_end(&mut answer).await.ok()?;
    Some(String::from_utf8_lossy(&answer).replace(": ", ":"))
}
