//! Encodings, redirects, proxies, headers.
