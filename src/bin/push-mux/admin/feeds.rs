use super::{
    reach::{ReachArgs, print},
    table::table,
};
use clap::Args;
use push_mux::{CallError, Client};
use serde::Deserialize;

#[derive(Args)]
pub(crate) struct FeedsArgs {
    /// Print each feed as the server says it, a JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

/// A feed that the server keeps, or wants.
#[derive(Debug, Deserialize)]
struct Feed {
    id: String,
    sequence: u64,
    hops: Option<i64>,
    /// Messages that peers have told to have and not sent yet.
    lag: Option<u64>,
}

pub(crate) fn run(args: &FeedsArgs) -> Result<(), String> {
    if args.json {
        return args.reach.with(async |client| print_lines(client).await);
    }
    let feeds = args.reach.with(async |client| {
        let mut rx = client.source("feeds", ()).await?;
        let mut feeds = Vec::new();
        while let Some(body) = rx.next().await {
            let feed = serde_json::from_slice(&body?.bytes);
            feeds.push(feed.map_err(|error| CallError::Result(error.to_string()))?);
        }
        Ok(feeds)
    })?;
    print(&show(feeds))
}

async fn print_lines(client: &Client) -> Result<(), CallError> {
    let mut rx = client.source("feeds", ()).await?;
    while let Some(body) = rx.next().await {
        print(String::from_utf8_lossy(body?.bytes.trim_ascii_end()).as_ref())?;
    }
    Ok(())
}

/// Those that lag most first, then the nearest.
fn show(mut feeds: Vec<Feed>) -> String {
    if feeds.is_empty() {
        return "no feeds\n".to_owned();
    }
    feeds.sort_by_key(|feed| (std::cmp::Reverse(feed.lag), feed.hops.unwrap_or(i64::MAX)));
    let number = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let count = feeds.len();
    let rows = feeds.into_iter().map(|feed| {
        let (hops, lag) = (feed.hops.map(|hops| hops.to_string()), feed.lag.map(|lag| lag.to_string()));
        vec![feed.id, feed.sequence.to_string(), number(hops), number(lag)]
    });
    let feeds = if count == 1 { "feed" } else { "feeds" };
    format!("{}{count} {feeds}\n", table(&["feed", "sequence", "hops", "lag"], &[1, 2, 3], rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_lag_come_first() {
        let feed = |id: &str, sequence, hops, lag| Feed { id: id.to_owned(), sequence, hops, lag };
        let feeds = vec![
            feed("@far", 1, Some(2), None),
            feed("@near", 20, Some(1), None),
            feed("@late", 3, None, Some(9)),
        ];
        let text = "feed   sequence  hops  lag\n@late         3     -    9\n@near        20     1    -\n\
                    @far          1     2    -\n3 feeds\n";
        assert_eq!(show(feeds), text);
        assert_eq!(show(Vec::new()), "no feeds\n");
    }
}
