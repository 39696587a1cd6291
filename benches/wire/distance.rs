//! A server that is 40 ms away: a forwarder on this machine that holds back what passes, 20 ms in each direction.
//!
//! The system completes a TCP handshake with the forwarder at once, while one with a distant server takes a round trip.
//! So what a client sends first waits until that round trip would be over. The bandwidth is unlimited.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The time from one end to the other.
const ONE_DIRECTION: Duration = Duration::from_millis(20);

/// Starts a forwarder to `server`, which runs until the process ends. Returns its address.
pub fn forwarder(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, is_connected) = (client.unwrap(), Instant::now() + 2 * ONE_DIRECTION);
            let server = TcpStream::connect(server).unwrap();
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let (to_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            delay(client, to_server, is_connected);
            delay(server, to_client, Instant::now());
        }
    });
    address
}

/// Passes on what `from` sends, late; nothing counts as sent before `earliest`. Threads of its own, because a timer of
/// tokio is only exact to a millisecond.
fn delay(mut from: TcpStream, mut to: TcpStream, earliest: Instant) {
    let (send, receive) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let due = Instant::now().max(earliest) + ONE_DIRECTION;
            if send.send((due, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in receive {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
