use super::{
    reach::{ReachArgs, first, print},
    table::plain,
};
use clap::Args;
use serde_json::Value;

#[derive(Args)]
pub(crate) struct StatusArgs {
    /// Print what the server says, as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

pub(crate) fn run(args: &StatusArgs) -> Result<(), String> {
    let status = args.reach.with(async |client| first(client, "status").await)?;
    if args.json {
        return print(&status.to_string());
    }
    let mut text = String::new();
    show(&status, 0, &mut text);
    print(&text)
}

/// Objects as indented blocks, lists as lines.
fn show(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    let named: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (plain(name) + ":", value)).collect(),
        Value::Array(values) => values.iter().map(|value| ("-".to_owned(), value)).collect(),
        value => return text.push_str(&format!("{indent}{}\n", scalar(value))),
    };
    let width = named.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in named {
        match value {
            Value::Object(members) if !members.is_empty() => {
                text.push_str(&format!("{indent}{name}\n"));
                show(value, depth + 1, text);
            }
            Value::Array(values) if !values.is_empty() => {
                text.push_str(&format!("{indent}{name}\n"));
                show(value, depth + 1, text);
            }
            value => text.push_str(&format!("{indent}{name:width$} {}\n", scalar(value))),
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Null => "-".to_owned(),
        Value::Bool(value) => if *value { "yes" } else { "no" }.to_owned(),
        Value::Array(_) | Value::Object(_) => "none".to_owned(),
        Value::Number(number) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_readable() {
        let mut text = String::new();
        show(
            &json!({ "id": "@a", "peers": 3, "blobs": {}, "store": { "bytes": 5, "full": false }, "todo": ["x\u{7}", null] }),
            0,
            &mut text,
        );
        let wanted = "blobs: none\nid:    @a\npeers: 3\nstore:\n  bytes: 5\n  full:  no\ntodo:\n  - x\u{fffd}\n  - -\n";
        assert_eq!(text, wanted);
    }
}
