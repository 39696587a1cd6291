//! The tables of a file that count for one server, as layers: the nearest first.

use std::path::PathBuf;

use url::Url;

use crate::settings::config_file::file::ConfigFile;
use crate::settings::config_file::sections::{Entry, EntryValue, Section};

/// The tables of a file that count for one server, the nearest first.
#[derive(Clone, Debug, Default)]
pub(in crate::settings) struct Layers(pub(in crate::settings) Vec<Layer>);

/// The values of one table.
#[derive(Clone, Debug)]
pub(in crate::settings) struct Layer {
    /// The file.
    pub(in crate::settings) path: PathBuf,
    /// The values, in the file's order.
    pub(in crate::settings) values: Vec<LayerValue>,
}

/// A value of a key.
#[derive(Clone, Debug)]
pub(in crate::settings) struct LayerValue {
    /// The key.
    pub(in crate::settings) key: String,
    /// The value as it would be typed; `None` for a switch.
    pub(in crate::settings) text: Option<String>,
    /// False for a switch that is off.
    pub(in crate::settings) is_on: bool,
    /// The line, from 1.
    pub(in crate::settings) line: usize,
}

impl LayerValue {
    /// Returns flag and value as one word of a command line; `None` for a switch that is off.
    pub(in crate::settings) fn word(&self) -> Option<String> {
        match &self.text {
            Some(text) => Some(format!("--{}={text}", self.key)),
            None => self.is_on.then(|| format!("--{}", self.key)),
        }
    }
}

impl Layers {
    /// Returns the layers for this server; for a text that is no address those that are for all servers. Of two tables that
    /// are as near, the later in the file is the nearer.
    pub(in crate::settings) fn of(file: &ConfigFile, server: Option<&Url>) -> Self {
        let for_all = file
            .sections
            .iter()
            .filter(|section| section.server.is_none());
        let mut for_one: Vec<_> = file
            .sections
            .iter()
            .enumerate()
            .filter_map(|(at, section)| {
                let nearness = section.server.as_ref()?.nearness(server?)?;
                Some(((nearness, at), section))
            })
            .collect();
        for_one.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
        let layer = |sections: &[&Section]| Layer {
            path: file.path.clone(),
            values: sections
                .iter()
                .flat_map(|section| section.entries.iter().map(value))
                .collect(),
        };
        let for_all: Vec<_> = for_all.collect();
        let mut layers: Vec<_> = for_one
            .into_iter()
            .map(|(_, section)| layer(&[section]))
            .collect();
        layers.push(layer(&for_all));
        layers.retain(|layer| !layer.values.is_empty());
        Self(layers)
    }

    /// Returns all values of a file as one layer, to be checked.
    pub(in crate::settings) fn all(file: &ConfigFile) -> Self {
        let sections = file.sections.iter();
        let values = sections.flat_map(|section| section.entries.iter().map(value));
        Self(vec![Layer {
            path: file.path.clone(),
            values: values.collect(),
        }])
    }
}

fn value(entry: &Entry) -> LayerValue {
    let (text, is_on) = match &entry.value {
        EntryValue::Text(text) => (Some(text.clone()), true),
        EntryValue::Switch(is_on) => (None, *is_on),
    };
    LayerValue {
        key: entry.key.name.clone(),
        text,
        is_on,
        line: entry.line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::keys;

    #[test]
    fn the_nearest_table_comes_first_and_other_servers_have_no_part() {
        let text = "\
[server.'https://*']
grace = 2
[defaults]
grace = 1
[server.'https://a.example/mcp']
grace = 5
[server.'https://b.example']
grace = 9
[server.'https://a.example']
grace = 3
[server.'https://A.example:443/']
grace = 4
[tool.x]
deny = true
";
        let file = ConfigFile::of("/mcpipe.toml".into(), text, &keys(), false).unwrap();
        let lines = |server: Option<&str>| -> Vec<Vec<usize>> {
            let server = server.map(|server| Url::parse(server).unwrap());
            let layers = Layers::of(&file, server.as_ref());
            let lines = |layer: &Layer| layer.values.iter().map(|value| value.line).collect();
            layers.0.iter().map(lines).collect()
        };
        assert_eq!(
            lines(Some("https://a.example/mcp")),
            [vec![6], vec![12], vec![10], vec![2], vec![4, 14]]
        );
        assert_eq!(lines(Some("http://c.example/")), [vec![4, 14]]);
        assert_eq!(lines(None), [vec![4, 14]]);
    }
}
