//! Header fields of the browser's requests: their text, and the sign of a prefetch.

use ::http::header::HeaderMap;

/// Returns the text of a field; `?` where it is no text.
pub(super) fn text_of<'a>(headers: &'a HeaderMap, name: &::http::HeaderName) -> Option<&'a str> {
    let value = headers.get(name)?;
    Some(value.to_str().unwrap_or("?"))
}

/// Says whether a browser fetches a page that the user may visit later: `Sec-Purpose` (Fetch), and the headers that
/// browsers sent before it.
pub(super) fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .into_iter()
        .filter_map(|name| headers.get(name)?.to_str().ok())
        .any(|purpose| purpose.contains("prefetch") || purpose.contains("preview"))
}
