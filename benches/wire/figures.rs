//! The figures of a run, and the tables they are printed as.

use std::collections::HashMap;

/// One figure of everybody.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    pub name: String,
    pub unit: &'static str,
    pub base: Base,
}

/// The figure that a figure is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Base {
    /// None: the figure stands for itself.
    Itself,
    /// The same figure of this party.
    Party(&'static str),
    /// The figure of this name of the same party.
    Row(&'static str),
}

/// The rows of the README's table: its words, and the name of the row in the whole table. A row with a base has ratios,
/// the others have the figure itself.
const README: [(&str, &str); 15] = [
    (
        "start to the first answer, of the floor's time",
        "start, http",
    ),
    ("the same over https", "start, https"),
    (
        "the same, server 40 ms away, https, of the direct client's time",
        "start, https, 40 ms away",
    ),
    (
        "HTTP requests before that answer",
        "requests before the first answer",
    ),
    (
        "start with a stored token (key file), of the start without one",
        "start, http, token by key file",
    ),
    ("one call, JSON, of the floor's time", "one call, json, p50"),
    (
        "one call, event stream, of the direct client's time",
        "one call, sse, p50",
    ),
    (
        "one call, JSON, with every guard rail, of the time without",
        "one call, every guard rail, p50",
    ),
    (
        "64 calls at once: calls per second, of the direct client's (more is better)",
        "64 in flight",
    ),
    (
        "the same: CPU time per call, of the direct client's",
        "64 in flight, CPU per call",
    ),
    (
        "16 MB result: MB per second, of the direct client's (more is better)",
        "16 MB result",
    ),
    (
        "the same: most memory in use, MB",
        "16 MB result, peak memory",
    ),
    (
        "progress notifications per second, of the direct client's (more is better)",
        "progress notifications",
    ),
    (
        "memory after the start, https, MB",
        "resident after start, https",
    ),
    (
        "threads after 256 calls at once, https",
        "256 in flight, https, threads",
    ),
];

/// The middle value; of an even number of values, the upper of the two.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The figures of all rounds, by row and by column, which is a party's place in the list of parties.
#[derive(Default)]
pub struct Figures {
    values: HashMap<(String, usize), Vec<f64>>,
    /// In the order in which they came.
    rows: Vec<Row>,
}

struct Summary {
    median: f64,
    least: f64,
    most: f64,
}

impl Figures {
    /// Adds a figure. Without a value, the row is in the table all the same.
    pub fn note(&mut self, row: Row, column: usize, value: Option<f64>) {
        if !self.rows.contains(&row) {
            self.rows.push(row.clone());
        }
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.values
                .entry((row.name, column))
                .or_default()
                .push(value);
        }
    }

    fn summary(&self, row: &str, column: usize) -> Option<Summary> {
        let mut values = self.values.get(&(row.to_owned(), column))?.clone();
        Some(Summary {
            median: median(&mut values),
            least: values[0],
            most: values[values.len() - 1],
        })
    }

    /// The median of what this figure is divided by.
    fn base(&self, row: &Row, column: usize, parties: &[&str]) -> Option<f64> {
        let base = match row.base {
            Base::Itself => return None,
            Base::Party(name) => {
                let column = parties.iter().position(|party| *party == name)?;
                self.summary(&row.name, column)?
            }
            Base::Row(name) => self.summary(name, column)?,
        };
        Some(base.median)
    }

    /// Prints every row: the median, the least and the most, and the ratio.
    pub fn print(&self, parties: &[&str]) {
        heading(parties);
        for row in &self.rows {
            let cells = (0..parties.len()).map(|column| {
                let Some(summary) = self.summary(&row.name, column) else {
                    return "–".to_owned();
                };
                let Summary {
                    median,
                    least,
                    most,
                } = summary;
                let spread = format!("{} ({}–{})", digits(median), digits(least), digits(most));
                match self.base(row, column, parties) {
                    Some(base) => format!("{spread} **{:.3}×**", median / base),
                    None => spread,
                }
            });
            let cells: Vec<_> = cells.collect();
            let unit = match row.unit {
                "" => String::new(),
                unit => format!(", {unit}"),
            };
            let compared = match row.base {
                Base::Itself => String::new(),
                Base::Party(name) => format!(", of {name}'s"),
                Base::Row(name) => format!(", of \"{name}\""),
            };
            println!("| {}{unit}{compared} | {} |", row.name, cells.join(" | "));
        }
    }

    /// Prints the README's table, with titles for the parties.
    pub fn print_readme(&self, parties: &[&str], titles: &[String]) {
        heading(titles);
        for (words, name) in README {
            let row = self.rows.iter().find(|row| row.name == name);
            let cells = (0..parties.len()).map(|column| {
                let row = row?;
                let median = self.summary(name, column)?.median;
                match row.base {
                    Base::Itself => Some(digits(median)),
                    _ => Some(digits(median / self.base(row, column, parties)?)),
                }
            });
            let cells: Vec<_> = cells
                .map(|cell| cell.unwrap_or_else(|| "–".to_owned()))
                .collect();
            println!("| {words} | {} |", cells.join(" | "));
        }
    }
}

fn heading(titles: &[impl AsRef<str>]) {
    let titles: Vec<_> = titles.iter().map(AsRef::as_ref).collect();
    let rules = "|---".repeat(titles.len());
    println!("| | {} |\n|---{rules}|", titles.join(" | "));
}

/// A figure with two or three digits that count. Whole numbers, such as counts, stay whole.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || (size < 100.0 && value.fract() == 0.0) => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
