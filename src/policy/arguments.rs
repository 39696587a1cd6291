//! The arguments of a tool call, judged by the tool's own `inputSchema` (JSON Schema 2020-12 unless `$schema` names an
//! earlier draft; MCP 2025-11-25, basic, "JSON Schema Usage").
//!
//! Nothing is fetched: a schema that refers to another document cannot be evaluated, and what cannot be evaluated is
//! refused. `format` is a remark and not a rule, as 2020-12 has it by default: what a server takes for a date is its own
//! affair. Numbers beyond 64 bits are judged as far as that is certain.
//!
//! The time that an evaluation takes cannot be bounded from within. [`Schema::is_little_work`] says beforehand whether it is
//! little; the caller bounds the time of what is not, on another thread.

mod decimal;
mod faults;
mod instance;
mod work;

use std::fmt;
use std::sync::OnceLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::Location;
use jsonschema::{Draft, Keyword, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

use crate::text::plain;
use decimal::Decimal;
use instance::{Instance, MAX_DEPTH, Unread};
use work::{Shape, Work};

/// The bytes that a schema may have.
pub const MAX_SCHEMA: usize = 1 << 20;
/// The steps back that one match of a pattern may take.
const MAX_BACKTRACKS: usize = 100_000;
/// The bytes that a compiled pattern may take.
const MAX_PATTERN: usize = 1 << 20;
/// The bytes of a stack that one subschema within another needs, with room to spare.
const STACK_PER_LEVEL: usize = 4096;
/// The bytes of a stack that is not asked for: an evaluation that might need more is refused.
const MAX_STACK: usize = 256 << 20;
/// The steps up to which it is said what is wrong, beside that something is: a fault may be built at each.
const MAX_EXPLAINED: u64 = 200_000;
/// The steps, each over all of the arguments, that are little: some hundred microseconds.
const LITTLE: u64 = 200_000;
/// The subschemas within one another for which any thread's stack is enough.
const SHALLOW: usize = 100;

/// A tool's schema, ready to judge arguments.
pub struct Schema {
    validator: Validator,
    text: Value,
    /// False where a number of the schema is rounded.
    is_exact: bool,
    shape: Shape,
    levels: usize,
    /// The work for arguments of each depth, once it is known.
    work: Vec<OnceLock<Work>>,
}

/// The arguments of a call, read.
#[derive(Debug)]
pub struct Arguments {
    read: Instance,
    length: usize,
}

/// The reason why arguments are not judged, and so refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unjudged {
    /// The arguments have the same name twice in one object. Readers disagree on which of the two counts (RFC 8259
    /// section 4), so the server might act on one that was not judged.
    Duplicate(String),
    /// The arguments have more levels than are evaluated.
    Deep,
    /// The arguments have more values than are evaluated.
    Large,
    /// The schema is longer than [`MAX_SCHEMA`], or has more values than are evaluated.
    LargeSchema,
    /// The schema has more levels than are evaluated.
    DeepSchema,
    /// The schema is none: it breaks the rules for schemas at the place that is named.
    Broken(String),
    /// The schema refers to this address, and nothing is fetched.
    Remote(String),
    /// The schema names this dialect, which is none that is known.
    Dialect(String),
    /// A pattern of the schema took too many steps.
    Pattern,
}

impl fmt::Display for Unjudged {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(place) => write!(
                out,
                "the member {} stands twice in the arguments, and the server may read the other one",
                plain(place, 120)
            ),
            Self::Deep => write!(out, "the arguments have more than {MAX_DEPTH} levels"),
            Self::Large => write!(
                out,
                "the arguments have more than {} values",
                instance::MAX_VALUES
            ),
            Self::LargeSchema => {
                write!(
                    out,
                    "the tool's input schema is longer than {MAX_SCHEMA} bytes"
                )
            }
            Self::DeepSchema => write!(out, "the tool's input schema is nested too deeply"),
            Self::Broken(reason) => write!(
                out,
                "the tool's input schema is not a JSON Schema: {}",
                plain(reason, 200)
            ),
            Self::Remote(address) => write!(
                out,
                "the tool's input schema refers to {}, and schemas are not fetched",
                plain(address, 200)
            ),
            Self::Dialect(dialect) => write!(
                out,
                "the tool's input schema is of the unknown dialect {}",
                plain(dialect, 200)
            ),
            Self::Pattern => write!(
                out,
                "a pattern of the tool's input schema took more than {MAX_BACKTRACKS} steps"
            ),
        }
    }
}

/// The judgement of arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// They fit, as far as that can be said.
    Fit,
    /// They do not, and this is wrong with them: places (RFC 6901) with the rule that each breaks.
    Faulty(String),
}

impl Arguments {
    /// Reads the text of `params.arguments`. Absent ones are an empty object, and so is `null`, which some hosts send for
    /// none.
    ///
    /// # Errors
    /// [`Unjudged::Duplicate`], [`Unjudged::Deep`], [`Unjudged::Large`].
    pub fn read(text: Option<&str>) -> Result<Self, Unjudged> {
        let text = text.filter(|text| *text != "null").unwrap_or("{}");
        let read = Instance::read(text).map_err(|reason| match reason {
            Unread::TooDeep => Unjudged::Deep,
            // A frame holds JSON.
            Unread::TooMany | Unread::NotJson => Unjudged::Large,
        })?;
        match read.duplicate {
            Some(place) => Err(Unjudged::Duplicate(place)),
            None => Ok(Self {
                read,
                length: text.len(),
            }),
        }
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Schema").finish_non_exhaustive()
    }
}

impl Schema {
    /// Compiles the text of an `inputSchema`. May take a while: for a thread that may be blocked.
    ///
    /// # Errors
    /// [`Unjudged::LargeSchema`], [`Unjudged::DeepSchema`], [`Unjudged::Broken`], [`Unjudged::Remote`],
    /// [`Unjudged::Dialect`].
    pub fn compile(text: &str) -> Result<Self, Unjudged> {
        if text.len() > MAX_SCHEMA {
            return Err(Unjudged::LargeSchema);
        }
        let read = Instance::read(text).map_err(|reason| match reason {
            Unread::TooDeep => Unjudged::DeepSchema,
            Unread::TooMany => Unjudged::LargeSchema,
            Unread::NotJson => Unjudged::Broken("it is not JSON".into()),
        })?;
        let built = jsonschema::options()
            .with_draft(draft(&read.value)?)
            .offline()
            .should_validate_formats(false)
            .with_pattern_options(
                PatternOptions::fancy_regex()
                    .backtrack_limit(MAX_BACKTRACKS)
                    .size_limit(MAX_PATTERN)
                    .dfa_size_limit(MAX_PATTERN),
            )
            .with_keyword(faults::MULTIPLE_OF, multiple_of)
            .build(&read.value);
        let validator = built.map_err(|error| broken(&error))?;
        let shape = Shape::of(&read.value);
        Ok(Self {
            validator,
            is_exact: read.inexact.is_empty(),
            levels: (shape.references + 1).saturating_mul(read.depth + 1),
            shape,
            text: read.value,
            work: std::iter::repeat_with(OnceLock::new)
                .take(MAX_DEPTH + 1)
                .collect(),
        })
    }

    fn work(&self, arguments: &Arguments) -> Work {
        let depth = arguments.read.depth;
        self.work.get(depth).map_or(Work::UNKNOWN, |known| {
            *known.get_or_init(|| self.shape.work(&self.text, depth))
        })
    }

    /// Says whether it takes little time and little stack to judge these arguments.
    pub fn is_little_work(&self, arguments: &Arguments) -> bool {
        let work = self.work(arguments);
        // A pattern reads all of a string, and an element is compared with the others.
        let length = u64::try_from(arguments.length).unwrap_or(u64::MAX);
        let steps = work.steps.saturating_mul(length.saturating_add(16));
        steps <= LITTLE && work.levels <= SHALLOW && !self.shape.has_costly_pattern
    }

    /// Returns the bytes of stack that it takes to judge these arguments; `None` where that is more than is given.
    pub fn stack(&self, arguments: &Arguments) -> Option<usize> {
        let levels = match self.work(arguments).levels {
            // A reference that comes back to itself is followed once for each value.
            usize::MAX => self.levels.saturating_mul(arguments.read.depth + 1),
            levels => levels,
        };
        let needed = levels
            .saturating_mul(STACK_PER_LEVEL)
            .saturating_add(1 << 20);
        (needed <= MAX_STACK).then_some(needed)
    }

    /// Judges arguments. May take for ever where [`Schema::is_little_work`] does not say otherwise, and takes as much stack as
    /// [`Schema::stack`] says.
    ///
    /// # Errors
    /// [`Unjudged::Pattern`].
    pub fn judge(&self, arguments: &Arguments) -> Result<Judgement, Unjudged> {
        let read = &arguments.read;
        if self.validator.is_valid(&read.value) {
            return Ok(Judgement::Fit);
        }
        let values = u64::try_from(read.values).unwrap_or(u64::MAX);
        if self.work(arguments).steps.saturating_mul(values) > MAX_EXPLAINED {
            let is_certain = self.is_exact && read.inexact.is_empty();
            return Ok(match is_certain {
                true => Judgement::Faulty(
                    "they do not match; the schema is too intricate to say where".into(),
                ),
                false => Judgement::Fit,
            });
        }
        let errors: Vec<_> = self.validator.iter_errors(&read.value).collect();
        if faults::is_undecided(&errors) {
            return Err(Unjudged::Pattern);
        }
        let faults = faults::text(&errors, read, &self.text, self.is_exact);
        Ok(faults.map_or(Judgement::Fit, Judgement::Faulty))
    }
}

/// The draft that a schema names. `schema#` without a draft stood for the newest one.
fn draft(schema: &Value) -> Result<Draft, Unjudged> {
    let Some(named) = schema.get("$schema") else {
        return Ok(Draft::Draft202012);
    };
    let named = named.as_str().unwrap_or_default();
    let address = named.trim_end_matches('#');
    let address = address
        .strip_prefix("https://")
        .or(address.strip_prefix("http://"));
    match address {
        Some("json-schema.org/draft/2020-12/schema" | "json-schema.org/schema") => {
            Ok(Draft::Draft202012)
        }
        Some("json-schema.org/draft/2019-09/schema") => Ok(Draft::Draft201909),
        Some("json-schema.org/draft-07/schema") => Ok(Draft::Draft7),
        Some("json-schema.org/draft-06/schema") => Ok(Draft::Draft6),
        Some("json-schema.org/draft-04/schema") => Ok(Draft::Draft4),
        _ => Err(Unjudged::Dialect(named.to_owned())),
    }
}

fn broken(error: &ValidationError<'_>) -> Unjudged {
    match error.kind() {
        ValidationErrorKind::Referencing(error) => match error {
            jsonschema::ReferencingError::Unretrievable { uri, .. } => {
                Unjudged::Remote(uri.clone())
            }
            jsonschema::ReferencingError::UnknownSpecification { specification } => {
                Unjudged::Dialect(specification.clone())
            }
            error => Unjudged::Broken(error.to_string()),
        },
        _ => Unjudged::Broken(format!(
            "{}: {}",
            match error.instance_path().as_str() {
                "" => "/",
                place => place,
            },
            error.masked()
        )),
    }
}

/// `multipleOf` in decimal digits: 0.3 is a multiple of 0.1.
struct MultipleOf {
    divisor: Option<Decimal>,
    shown: String,
}

#[expect(clippy::unnecessary_wraps, reason = "the library's type of a factory")]
fn multiple_of<'a>(
    _: &'a Map<String, Value>,
    divisor: &'a Value,
    _: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    let shown = divisor.to_string();
    Ok(Box::new(MultipleOf {
        divisor: Decimal::read(&shown),
        shown,
    }))
}

impl<'i> Keyword<'i> for MultipleOf {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        match Keyword::is_valid(self, instance) {
            true => Ok(()),
            false => Err(ValidationError::custom(format!(
                "must be a multiple of {}",
                self.shown
            ))),
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        let Value::Number(number) = instance else {
            return true;
        };
        let number = Decimal::read(&number.to_string());
        let is_multiple = number
            .zip(self.divisor.as_ref())
            .and_then(|(number, divisor)| number.is_multiple_of(divisor));
        is_multiple.unwrap_or(true)
    }
}

#[cfg(test)]
mod tests;
