//! The server's part: what the request at the start of a stream asks for.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{HEAD, framed, inbox};
use crate::compare::peers::request::{REQUEST, Request};
use crate::compare::verify::{self, Check};
use crate::compare::work::Shape;

/// Serves one stream to its end.
pub(crate) async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> anyhow::Result<()> {
    let mut request = [0; REQUEST];
    stream.read_exact(&mut request).await?;
    let request = Request::unpack(&request)?;
    match request.shape {
        Shape::Source => send_all(&mut stream, request).await?,
        Shape::Sink => collect(&mut stream, request).await?,
        Shape::PingPong => echo(&mut stream, request).await?,
        Shape::Async => same(&mut stream, request).await?,
    }
    Ok(stream.shutdown().await?)
}

async fn send_all(stream: &mut (impl AsyncWrite + Unpin), request: Request) -> anyhow::Result<()> {
    let mut message = framed(request.body)?;
    for index in 0..request.each {
        verify::number(&mut message[HEAD..], index);
        stream.write_all(&message).await?;
    }
    Ok(())
}

/// A sink: the report is all that is sent.
async fn collect(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: Request) -> anyhow::Result<()> {
    let mut check = Check::new(request.body);
    let mut inbox = inbox(request.streams, request.body);
    loop {
        let read = stream.read(inbox.room()).await?;
        if read == 0 && inbox.is_empty() {
            break;
        }
        inbox.filled(read)?;
        inbox.frames::<HEAD>(|_, body| check.message(body))?;
    }
    Ok(stream.write_all(&verify::report(check.tally())).await?)
}

/// Ping-pong: each message is sent back as it came, by a write of its own.
async fn echo(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: Request) -> anyhow::Result<()> {
    let mut inbox = inbox(request.streams, request.body);
    loop {
        let read = stream.read(inbox.room()).await?;
        if read == 0 && inbox.is_empty() {
            return Ok(());
        }
        inbox.filled(read)?;
        while let Some(frame) = inbox.frame::<HEAD>()? {
            stream.write_all(frame).await?;
        }
    }
}

/// A call: its argument is its answer.
async fn same(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: Request) -> anyhow::Result<()> {
    let mut message = framed(request.body)?;
    stream.read_exact(&mut message).await?;
    Ok(stream.write_all(&message).await?)
}
