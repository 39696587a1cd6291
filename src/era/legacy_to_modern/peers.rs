//! The two sides as they have declared themselves, and the keys that every request to the server carries for that.

use super::handshake::HostInfo;
use crate::era::server_info::ServerInfo;
use crate::frame::{Frame, Id, Object};

/// The host and the server.
#[derive(Debug)]
pub(super) struct Peers {
    pub(super) host: HostInfo,
    pub(super) server: ServerInfo,
    /// The name for a server that does not give its own.
    fallback_name: String,
    /// The log level as JSON text, once the host has set one.
    pub(super) level: Option<String>,
    pub(super) is_host_gone: bool,
}

impl Peers {
    pub(super) fn new(discover: &str, fallback_name: &str) -> Self {
        Self {
            host: HostInfo::default(),
            server: ServerInfo::from_discover(discover),
            fallback_name: fallback_name.to_owned(),
            level: None,
            is_host_gone: false,
        }
    }

    /// Reads the host's `initialize` and returns its result.
    pub(super) fn initialize(&mut self, frame: &Frame) -> String {
        self.level = None;
        self.host = HostInfo::read(frame);
        self.server
            .initialize_result(&self.host.version, &self.fallback_name)
    }

    /// Returns a frame with the three reserved keys, under that id.
    pub(super) fn signed(
        &self,
        frame: &Frame,
        id: Option<&Id>,
        drives_tasks: bool,
        edit: impl FnOnce(&mut Object),
    ) -> Frame {
        frame.edit(|message| {
            if let Some(id) = id {
                message.set("id", id.text());
            }
            let mut params = message.object("params").unwrap_or_default();
            edit(&mut params);
            let mut meta = params.object("_meta").unwrap_or_default();
            let level = self.level.as_deref();
            self.host
                .sign(&mut meta, self.server.revision, level, drives_tasks);
            params.set_object("_meta", meta);
            message.set_object("params", params);
        })
    }
}
