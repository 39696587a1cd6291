//! The network: TLS, timeouts, size caps; an HTTP response to an Answer. (next)
