use super::reach::{ReachArgs, print};
use clap::Args;
use push_mux::PublicKey;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

#[derive(Args)]
pub(crate) struct PublishArgs {
    /// The content, a JSON object with a type, such as '{"type":"about","about":"@...","name":"our pub"}'.
    content: String,
    #[command(flatten)]
    reach: ReachArgs,
}

#[derive(Args)]
pub(crate) struct FeedArgs {
    /// The feed, @...=.ed25519.
    #[arg(value_parser = crate::serve::feed)]
    feed: PublicKey,
    #[command(flatten)]
    reach: ReachArgs,
}

pub(crate) fn run(args: &PublishArgs) -> Result<(), String> {
    let content =
        serde_json::from_str::<Value>(&args.content).map_err(|error| format!("this is no JSON: {error}"))?;
    if content.get("type").and_then(Value::as_str).is_none() {
        return Err("the content is no object with a type".to_owned());
    }
    // As it was written: the order of members is part of what is signed.
    let content = RawValue::from_string(args.content.clone()).map_err(|error| error.to_string())?;
    publish(&args.reach, &content)
}

pub(crate) fn block(args: &FeedArgs) -> Result<(), String> {
    publish(&args.reach, &stance(&args.feed, true))
}

pub(crate) fn unblock(args: &FeedArgs) -> Result<(), String> {
    publish(&args.reach, &stance(&args.feed, false))
}

/// What blocks a feed, or takes that back: a message for all to see.
fn stance(feed: &PublicKey, is_blocked: bool) -> Value {
    let mut content = json!({ "type": "contact", "contact": feed.to_string(), "blocking": is_blocked });
    if is_blocked {
        content["following"] = false.into();
    }
    content
}

/// Has the server's own feed say something; prints the message as it was stored.
fn publish(reach: &ReachArgs, content: &impl Serialize) -> Result<(), String> {
    let stored = reach.with(async |client| client.call_body("publish", (content,)).await)?;
    print(&String::from_utf8_lossy(&stored.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocking_ends_following_and_unblocking_does_not_follow() {
        let feed = PublicKey([0; 32]);
        assert_eq!(
            stance(&feed, true),
            json!({ "type": "contact", "contact": feed.to_string(), "blocking": true, "following": false })
        );
        assert_eq!(
            stance(&feed, false),
            json!({ "type": "contact", "contact": feed.to_string(), "blocking": false })
        );
    }
}
