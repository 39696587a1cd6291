//! The sockets of a listener, and the handle that closes them.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// The handle that closes a listener, for any task that waits at it.
#[derive(Clone, Debug, Default)]
pub struct ListenerHandle {
    listeners: Arc<Mutex<Vec<TcpListener>>>,
    closed: CancellationToken,
}

impl ListenerHandle {
    /// Closes the listener now: the port is free when this function returns.
    pub fn close(&self) {
        self.listeners().clear();
        self.closed.cancel();
    }

    /// Returns when the listener is closed.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    pub(super) fn listeners(&self) -> MutexGuard<'_, Vec<TcpListener>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the next connection at the listener of that number. Waits for ever when the listener is closed.
    pub(super) async fn accept(&self, number: usize) -> io::Result<TcpStream> {
        std::future::poll_fn(|context| match self.listeners().get(number) {
            Some(listener) => listener.poll_accept(context).map_ok(|(stream, _)| stream),
            None => Poll::Pending,
        })
        .await
    }
}
