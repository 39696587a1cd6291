//! Base64 as servers write it (RFC 4648 section 4): with padding and without, and in lines.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Takes both forms of the end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Returns the bytes; `None` where it is something else.
pub(super) fn decoded(data: &str) -> Option<Vec<u8>> {
    match data.contains(char::is_whitespace) {
        false => LENIENT.decode(data).ok(),
        true => {
            let data: String = data.split_whitespace().collect();
            LENIENT.decode(data).ok()
        }
    }
}

/// Returns bytes as base64 with padding.
pub(super) fn encoded(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
