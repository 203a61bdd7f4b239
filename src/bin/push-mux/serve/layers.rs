//! Where options come from: each source is a layer of texts by name, and each text knows where it stood.

use super::settings::{self, Shape};
use std::{collections::BTreeMap, ops::Range, path::Path};
use toml::de::{DeTable, DeValue};

/// The options that one source gives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer(BTreeMap<&'static str, Given>);

/// What a source says of an option.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    /// Where it stands, for people to find it.
    pub(crate) origin: String,
    pub(crate) values: Vec<String>,
}

impl Layer {
    pub(crate) fn insert(&mut self, name: &'static str, origin: String, values: Vec<String>) {
        self.0.insert(name, Given { origin, values });
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Given> {
        self.0.get(name)
    }

    /// What the environment says. Variables that are no option are left alone: other commands, and orchestrators that
    /// name a service push-mux, have some of that kind. An empty one counts as not set.
    pub(crate) fn of_environment(environment: &BTreeMap<String, String>) -> Self {
        let mut layer = Self::default();
        for setting in settings::all() {
            let mut variables = vec![variable(setting.name)];
            if setting.name == "log-filter" {
                // What all commands read.
                variables.push("PUSH_MUX_LOG".to_owned());
            }
            let found = variables.into_iter().find_map(|variable| {
                let value = environment.get(&variable).filter(|value| !value.trim().is_empty())?;
                Some((variable, value))
            });
            if let Some((variable, value)) = found {
                let values = match setting.shape {
                    Shape::One | Shape::Flag => vec![value.clone()],
                    Shape::Many => value.split_whitespace().map(str::to_owned).collect(),
                };
                layer.insert(setting.name, variable, values);
            }
        }
        layer
    }

    /// What a file says.
    pub(crate) fn of_file(path: &Path, text: &str) -> Result<Self, String> {
        let place = |span: Range<usize>| format!("{}:{}", path.display(), line_of(text, span.start));
        let table = DeTable::parse(text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            format!("{}: {}", place(span), error.message())
        })?;
        let mut layer = Self::default();
        for (key, value) in table.get_ref() {
            let name = key.get_ref().as_ref();
            let Some(setting) = settings::all().find(|setting| setting.name == name) else {
                let near = settings::all().map(|setting| setting.name).find(|known| is_near(known, name));
                let hint = near.map(|near| format!("; {near:?} is")).unwrap_or_default();
                return Err(format!("{}: {name:?} is no option{hint}", place(key.span())));
            };
            let wrong = |wants: &str| format!("{}: {name}: {wants} is wanted", place(value.span()));
            let values = match (value.get_ref(), setting.shape) {
                (DeValue::Array(values), Shape::Many) => {
                    let texts = values.iter().map(|value| scalar(value.get_ref()));
                    texts.collect::<Option<Vec<_>>>().ok_or_else(|| wrong("a list of strings"))?
                }
                (_, Shape::Many) => return Err(wrong("a list of strings")),
                (DeValue::Boolean(value), Shape::Flag) => vec![value.to_string()],
                (_, Shape::Flag) => return Err(wrong("true or false")),
                (DeValue::Boolean(_), Shape::One) => return Err(wrong("a string or a number")),
                (value, Shape::One) => vec![scalar(value).ok_or_else(|| wrong("a string or a number"))?],
            };
            layer.insert(setting.name, format!("{}: {name}", place(key.span())), values);
        }
        Ok(layer)
    }
}

/// The variable of an option.
pub(crate) fn variable(name: &str) -> String {
    format!("PUSH_MUX_{}", name.replace('-', "_").to_uppercase())
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        // TOML lets digits be set apart, and numbers be written in other bases, which our own readers do not know.
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix()).ok().map(|number| number.to_string())
        }
        _ => None,
    }
}

/// The line of a byte, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Whether one is probably what was meant by the other.
fn is_near(known: &str, given: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_'], "").trim_end_matches('s').to_owned();
    plain(known) == plain(given)
}
