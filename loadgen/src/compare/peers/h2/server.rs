//! The server's part: what a request's path asks for.

use anyhow::bail;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{Request, Response};

use super::messages::{Pieces, send_all, whole};
use crate::compare::verify::{self, Check};

/// Does what the path says: `/source/EACH/BODY`, `/sink/BODY`, `/echo/BODY`, or `/same` for a call.
pub(super) async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> anyhow::Result<()> {
    let (parts, received) = request.into_parts();
    let mut stream = respond.send_response(Response::new(()), false)?;
    let path: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
    match path[..] {
        ["source", each, body] => send_all(&mut stream, each.parse()?, body.parse()?, || ()).await,
        ["sink", body] => collect(received, &mut stream, body.parse()?).await,
        ["echo", body] => echo(received, &mut stream, body.parse()?).await,
        ["same"] => same(received, &mut stream).await,
        _ => bail!("nothing is at {}", parts.uri.path()),
    }
}

/// A sink: the report is all that is sent.
async fn collect(received: RecvStream, stream: &mut SendStream<Bytes>, body: usize) -> anyhow::Result<()> {
    let mut check = Check::new(body);
    let mut pieces = Pieces::new(received, body);
    while pieces.next(|message| check.message(&message)).await? {}
    Ok(stream.send_data(Bytes::copy_from_slice(&verify::report(check.tally())), true)?)
}

/// Ping-pong: each message is sent back as it came, in a frame of its own.
async fn echo(received: RecvStream, stream: &mut SendStream<Bytes>, body: usize) -> anyhow::Result<()> {
    let mut pieces = Pieces::new(received, body);
    loop {
        let mut sent = Ok(());
        let more = pieces
            .next(|message| {
                if sent.is_ok() {
                    sent = stream.send_data(message, false);
                }
            })
            .await?;
        sent?;
        if !more {
            return Ok(stream.send_data(Bytes::new(), true)?);
        }
    }
}

async fn same(mut received: RecvStream, stream: &mut SendStream<Bytes>) -> anyhow::Result<()> {
    let body = whole(&mut received).await?;
    Ok(stream.send_data(body, true)?)
}
