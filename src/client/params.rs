//! Parameters as text: what the user typed leaves digit for digit.

use crate::client::error::Error;
use crate::frame::Object;

/// Returns parameters with these members of `_meta`, each as JSON text; those that the user has given stay.
///
/// # Errors
/// The parameters are no JSON object.
pub(super) fn with_meta(params: Option<&str>, members: &[(&str, &str)]) -> Result<String, Error> {
    let mut params = Object::read(params.unwrap_or("{}")).ok_or(Error::NoObject)?;
    let mut meta = params.object("_meta").unwrap_or_default();
    for (name, value) in members {
        if meta.get(name).is_none() {
            meta.set(name, *value);
        }
    }
    params.set_object("_meta", meta);
    Ok(params.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stay_and_so_does_what_the_user_says_in_meta() {
        let typed = r#"{"n":1.50e400,"_meta":{"a":1}}"#;
        let sent = with_meta(Some(typed), &[("a", "2"), ("b", "3")]).unwrap();
        assert_eq!(sent, r#"{"n":1.50e400,"_meta":{"a":1,"b":3}}"#);
        assert!(with_meta(Some("[]"), &[]).is_err());
    }
}
