//! Secrets in a host's messages that are not mcpipe's, and that it writes nowhere.

use super::protocol::secret_param;
use crate::frame::{Frame, Object, string};
use crate::secret::live;

/// Notes the secret in a message of the host, if its method has one, before anything is written of the message.
pub(crate) fn note(frame: &Frame) {
    let Some((outer, name)) = frame.method().and_then(secret_param) else {
        return;
    };
    let outer = frame.param(outer).and_then(Object::read);
    if let Some(secret) = outer.and_then(|outer| string(outer.get(name)?)) {
        live::note(&secret);
    }
}
