use super::{
    reach::{ReachArgs, first, print},
    table::table,
};
use clap::Args;
use serde_json::Value;

#[derive(Args)]
pub(crate) struct PeersArgs {
    /// Print what the server says, as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

pub(crate) fn run(args: &PeersArgs) -> Result<(), String> {
    let peers = args.reach.with(async |client| first(client, "conn.peers").await)?;
    if args.json {
        return print(&peers.to_string());
    }
    print(&show(&peers))
}

/// The peers as ssb-conn lists them: pairs of an address and what is known of it.
fn show(peers: &Value) -> String {
    let rows: Vec<_> = peers.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        return "no peers\n".to_owned();
    }
    table(&["peer", "state", "address"], &[], rows)
}

fn row(peer: &Value) -> Vec<String> {
    let (address, data) = match peer {
        Value::Array(pair) => (pair.first().unwrap_or(&Value::Null), pair.get(1).unwrap_or(&Value::Null)),
        data => (data.get("address").unwrap_or(&Value::Null), data),
    };
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let member = |name: &str| data.get(name).map_or_else(|| "-".to_owned(), text);
    vec![member("key"), member("state"), text(address)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pairs_and_objects_are_shown() {
        let peers = json!([
            ["net:a:1~shs:x", { "key": "@a", "state": "connected" }],
            { "key": "@b", "address": "net:b:1" },
            ["net:c:1"],
            7,
        ]);
        let text = "peer  state      address\n@a    connected  net:a:1~shs:x\n@b    -          net:b:1\n\
                    -     -          net:c:1\n-     -          -\n";
        assert_eq!(show(&peers), text);
        assert_eq!(show(&json!([])), "no peers\n");
        assert_eq!(show(&Value::Null), "no peers\n");
    }
}
