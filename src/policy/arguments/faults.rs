//! The faults of arguments, in words by which a model mends its call. Values of the arguments are never quoted: they
//! may be long, or secret. Names and limits of the schema are.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use super::instance::Instance;
use crate::text::plain;

/// The faults that are told one by one.
const MAX_TOLD: usize = 4;
/// The names and options that are listed.
const MAX_LISTED: usize = 12;
/// The characters of a name, an option or a pattern.
const MAX_NAME: usize = 60;
/// The characters of a place.
const MAX_PLACE: usize = 120;
/// The forms within forms that are looked into for the one that was meant.
const MAX_FORMS: usize = 3;

/// The keyword of a multiple that is counted in decimal digits.
pub(super) const MULTIPLE_OF: &str = "multipleOf";

/// Returns the faults as one text; `None` where none of them is certain. `schema` is the schema that found them.
pub(super) fn text(
    errors: &[ValidationError<'_>],
    instance: &Instance,
    schema: &Value,
    is_schema_exact: bool,
) -> Option<String> {
    let is_certain = |error: &&ValidationError<'_>| is_certain(error, instance, is_schema_exact);
    let certain: Vec<_> = errors.iter().filter(is_certain).collect();
    let mut told: Vec<String> = Vec::new();
    for error in certain.iter().take(MAX_TOLD) {
        told.push(told_of(error, instance, schema, 0));
    }
    let more = certain.len().saturating_sub(MAX_TOLD);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    (!told.is_empty()).then(|| told.join("; "))
}

/// Says whether an evaluation ended before it knew.
pub(super) fn is_undecided(errors: &[ValidationError<'_>]) -> bool {
    errors.iter().any(|error| {
        let kind = error.kind();
        matches!(
            kind,
            Kind::BacktrackLimitExceeded { .. }
                | Kind::RegexEngineFailure { .. }
                | Kind::Referencing(_)
        )
    })
}

/// Says whether the arguments have a fault for certain. Numbers that no binary fraction is are compared by their
/// neighbours, so what depends on them may be wrong.
fn is_certain(error: &ValidationError<'_>, instance: &Instance, is_schema_exact: bool) -> bool {
    if instance.inexact.is_empty() && is_schema_exact {
        return true;
    }
    let way = error.evaluation_path().as_str();
    if way.contains("/then") || way.contains("/else") {
        return false;
    }
    match error.kind() {
        Kind::Type { .. }
        | Kind::Required { .. }
        | Kind::AdditionalProperties { .. }
        | Kind::AdditionalItems { .. }
        | Kind::MinItems { .. }
        | Kind::MaxItems { .. }
        | Kind::MinProperties { .. }
        | Kind::MaxProperties { .. }
        | Kind::FalseSchema => true,
        Kind::Enum { .. }
        | Kind::Pattern { .. }
        | Kind::MinLength { .. }
        | Kind::MaxLength { .. }
            if error.instance().is_string() =>
        {
            !instance.is_inexact_at(error.instance_path().as_str())
        }
        Kind::UnevaluatedItems { .. } | Kind::UnevaluatedProperties { .. } => false,
        _ => is_schema_exact && !instance.is_inexact_at(error.instance_path().as_str()),
    }
}

fn told_of(
    error: &ValidationError<'_>,
    instance: &Instance,
    schema: &Value,
    level: usize,
) -> String {
    let place = match error.instance_path().as_str() {
        "" => "the arguments".to_owned(),
        place => plain(place, MAX_PLACE),
    };
    let rule = error.kind().keyword();
    let rule = match error.kind() {
        Kind::Custom { keyword, .. } => keyword,
        _ => rule,
    };
    let words = words(error, instance, schema, level);
    format!("{place}: {words} ({rule})")
}

fn words(error: &ValidationError<'_>, instance: &Instance, schema: &Value, level: usize) -> String {
    match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            format!("the member {} is missing", name_of(name))
        }
        Kind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(wanted) => wanted.to_string(),
                TypeKind::Multiple(wanted) => {
                    let wanted: Vec<_> = wanted.iter().map(|it| it.to_string()).collect();
                    wanted.join(" or ")
                }
            };
            format!(
                "must be of type {wanted}, and is {}",
                type_of(error.instance())
            )
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let known = siblings(schema, error.schema_path().as_str());
            format!(
                "has members that are not allowed: {}{known}",
                listed(unexpected)
            )
        }
        Kind::AdditionalItems { limit } => format!("may have at most {limit} elements"),
        Kind::UnevaluatedItems { .. } => "has elements that are not allowed".into(),
        Kind::Enum { options } => format!("must be one of {}", options_of(options)),
        Kind::Constant { expected_value } => format!("must be {}", short(expected_value)),
        Kind::Minimum { limit } => format!("must be at least {}", short(limit)),
        Kind::Maximum { limit } => format!("must be at most {}", short(limit)),
        Kind::ExclusiveMinimum { limit } => format!("must be greater than {}", short(limit)),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {}", short(limit)),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("may have at most {limit} characters"),
        Kind::MinItems { limit } => format!("must have at least {limit} elements"),
        Kind::MaxItems { limit } => format!("may have at most {limit} elements"),
        Kind::MinProperties { limit } => format!("must have at least {limit} members"),
        Kind::MaxProperties { limit } => format!("may have at most {limit} members"),
        Kind::Pattern { pattern } => format!("must match the pattern {}", name_of(pattern)),
        Kind::UniqueItems => "has the same element twice".into(),
        Kind::Contains => "has too few or too many elements of the kind it must contain".into(),
        Kind::PropertyNames { error } => {
            format!(
                "has a member whose name is not allowed ({})",
                error.kind().keyword()
            )
        }
        Kind::Not { .. } => "has a form that is not allowed".into(),
        Kind::FalseSchema => "may not be there".into(),
        Kind::OneOfMultipleValid { .. } => {
            "has more than one of the forms of which it must have exactly one".into()
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            forms(context, instance, schema, level)
        }
        Kind::ContentEncoding { content_encoding } => {
            format!("must be encoded as {}", name_of(content_encoding))
        }
        Kind::ContentMediaType { content_media_type } => {
            format!("must hold {}", name_of(content_media_type))
        }
        Kind::Format { format } => format!("must have the format {}", name_of(format)),
        Kind::Custom { message, .. } => plain(message, MAX_PLACE),
        _ => "does not fit".into(),
    }
}

/// Says what is wrong with the form that was most likely meant: the one whose faults lie deepest, and then the one with the
/// fewest.
fn forms(
    context: &[Vec<ValidationError<'static>>],
    instance: &Instance,
    schema: &Value,
    level: usize,
) -> String {
    let none = format!("has none of the {} forms that are allowed", context.len());
    if level >= MAX_FORMS {
        return none;
    }
    let depth = |error: &ValidationError<'_>| error.instance_path().as_str().matches('/').count();
    let shallowest = |errors: &[ValidationError<'_>]| errors.iter().map(depth).min();
    let forms = context.iter().enumerate().filter(|(_, it)| !it.is_empty());
    let likely = forms.max_by_key(|(at, errors)| {
        let is_of_type = !errors
            .iter()
            .any(|error| matches!(error.kind(), Kind::Type { .. }));
        let fewest = std::cmp::Reverse((errors.len(), *at));
        (shallowest(errors), is_of_type, fewest)
    });
    let Some((at, errors)) = likely else {
        return none;
    };
    let told = errors.iter().take(2);
    let told: Vec<_> = told
        .map(|error| told_of(error, instance, schema, level + 1))
        .collect();
    format!("{none}; nearest is form {}: {}", at + 1, told.join(", "))
}

/// The names that an object may have, of the schema that refused another one.
fn siblings(schema: &Value, path: &str) -> String {
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let properties = schema
        .pointer(parent)
        .and_then(|it| it.get("properties")?.as_object());
    let names: Vec<_> = properties
        .into_iter()
        .flat_map(|it| it.keys().cloned())
        .collect();
    match names.is_empty() {
        true => String::new(),
        false => format!("; allowed are {}", listed(&names)),
    }
}

fn listed(names: &[String]) -> String {
    let shown: Vec<_> = names
        .iter()
        .take(MAX_LISTED)
        .map(|it| name_of(it))
        .collect();
    with_more(&shown, names.len())
}

fn options_of(options: &Value) -> String {
    let options = options.as_array().map_or(&[][..], Vec::as_slice);
    let shown: Vec<_> = options.iter().take(MAX_LISTED).map(short).collect();
    with_more(&shown, options.len())
}

fn with_more(shown: &[String], all: usize) -> String {
    match all.saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn name_of(name: &str) -> String {
    format!("\"{}\"", plain(name, MAX_NAME))
}

/// A value of the schema as JSON, cut.
fn short(value: &Value) -> String {
    plain(&value.to_string(), MAX_NAME)
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
