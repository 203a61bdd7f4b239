use super::CONTENT_TYPE;
use crate::runtime::Clock;
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Bytes of a request. Stops a client from making us keep what it sends for ever.
const REQUEST_BYTES_MAX: usize = 8 << 10;
/// How long a request may take to arrive, and its answer to leave. Stops a silent client from keeping the others out.
const EXCHANGE_MAX: Duration = Duration::from_secs(2);
/// How long a failing accept is not tried again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A tiny HTTP server for whoever watches: `GET /metrics` and `GET /healthz`. One thread, one connection at a time, one request
/// each; stopped when dropped. It has no secrets to keep from who can reach it, and no lock to keep strangers out: bind it where
/// only those who watch get to.
#[derive(Debug)]
pub struct MetricsServer {
    address: SocketAddr,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What is served.
struct Pages<M, H> {
    metrics: M,
    health: H,
}

impl MetricsServer {
    /// Listens, and serves what `metrics` writes in OpenMetrics and what `health` thinks of the server.
    ///
    /// # Errors
    /// What binding the address or starting the thread fails with.
    pub fn start(
        address: SocketAddr,
        metrics: impl Fn() -> String + Send + 'static,
        health: impl Fn() -> Result<(), String> + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (pages, stopped) = (Pages { metrics, health }, Arc::clone(&is_stopped));
        let thread = thread::Builder::new().name("metrics".to_owned());
        let thread = thread.spawn(move || pages.serve(&listener, &stopped))?;
        Ok(Self { address, is_stopped, thread: Some(thread) })
    }

    /// Where it listens, with the port that was chosen.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        // It waits for a connection: this is one.
        let mut own = self.address;
        if own.ip().is_unspecified() {
            own.set_ip(if own.is_ipv4() {
                [127, 0, 0, 1].into()
            } else {
                std::net::Ipv6Addr::LOCALHOST.into()
            });
        }
        let is_told = TcpStream::connect_timeout(&own, EXCHANGE_MAX).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| is_told) {
            let _ = thread.join();
        }
    }
}

/// An answer.
struct Answer {
    status: &'static str,
    content_type: &'static str,
    body: String,
}

impl Answer {
    fn text(status: &'static str, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: body.into() + "\n" }
    }
}

impl<M: Fn() -> String, H: Fn() -> Result<(), String>> Pages<M, H> {
    fn serve(&self, listener: &TcpListener, is_stopped: &AtomicBool) {
        let clock = Clock::start();
        loop {
            let accepted = listener.accept();
            if is_stopped.load(Ordering::Relaxed) {
                return;
            }
            match accepted {
                // A client that went away meanwhile is none of our concern.
                Ok((mut stream, _)) => drop(self.exchange(&mut stream, clock)),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept who asks for metrics");
                    thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
    }

    fn exchange(&self, stream: &mut TcpStream, clock: Clock) -> io::Result<()> {
        let answer = match read_head(stream, clock)? {
            Some(head) => self.answer(&head),
            None => Answer::text("431 Request Header Fields Too Large", "the request is too long"),
        };
        let Answer { status, content_type, body } = &answer;
        let allow = if status.starts_with("405") { "Allow: GET\r\n" } else { "" };
        let length = body.len();
        let page = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n{body}"
        );
        stream.set_write_timeout(Some(EXCHANGE_MAX))?;
        stream.write_all(page.as_bytes())?;
        stream.shutdown(std::net::Shutdown::Write)
    }

    fn answer(&self, head: &str) -> Answer {
        let mut words = head.lines().next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Answer::text("400 Bad Request", "this is no request");
        };
        if !version.starts_with("HTTP/1.") {
            return Answer::text("400 Bad Request", "this is no request of HTTP/1");
        }
        let path = target.split('?').next().unwrap_or_default();
        match path {
            "/metrics" | "/healthz" if method != "GET" => {
                Answer::text("405 Method Not Allowed", "only GET is answered")
            }
            "/metrics" => Answer { status: "200 OK", content_type: CONTENT_TYPE, body: (self.metrics)() },
            "/healthz" => match (self.health)() {
                Ok(()) => Answer::text("200 OK", "well"),
                Err(reason) => Answer::text("503 Service Unavailable", reason),
            },
            _ => Answer::text("404 Not Found", "there are /metrics and /healthz"),
        }
    }
}

/// What stands before the empty line that ends a request; `None` when there is more than we read.
fn read_head(stream: &mut TcpStream, clock: Clock) -> io::Result<Option<String>> {
    let deadline = clock.now() + EXCHANGE_MAX;
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while head.len() <= REQUEST_BYTES_MAX {
        // The time for all of it, not for each part: a client that sends a byte a second is as slow as a silent one.
        let left = deadline.since(clock.now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let bytes = match stream.read(&mut chunk) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        // The end may stand astride two parts.
        let from = head.len().saturating_sub(3);
        head.extend_from_slice(chunk.get(..bytes).unwrap_or_default());
        let is_end = |window: &[u8]| window == b"\r\n\r\n";
        if head.get(from..).is_some_and(|new| new.windows(4).any(is_end)) {
            return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> MetricsServer {
        let health = || Err("shard 3 is ill".to_owned());
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        MetricsServer::start(address, || "figures 1\n# EOF\n".to_owned(), health).expect("a port is free")
    }

    fn connect(server: &MetricsServer) -> TcpStream {
        let stream = TcpStream::connect(server.address()).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("it can be set");
        stream
    }

    fn ask(server: &MetricsServer, parts: &[&str]) -> String {
        let mut stream = connect(server);
        for part in parts {
            stream.write_all(part.as_bytes()).expect("it listens");
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    #[test]
    fn pages_are_served_and_other_requests_are_told_why_not() {
        let server = server();
        let page = ask(&server, &["GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n", "\r", "\n"]);
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        assert!(page.contains(&format!("Content-Type: {CONTENT_TYPE}\r\nContent-Length: 16\r\n")), "{page}");
        assert!(page.ends_with("\r\n\r\nfigures 1\n# EOF\n"), "{page}");
        for (request, status) in [
            ("GET /healthz HTTP/1.1\r\n\r\n", "503 Service Unavailable"),
            ("GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
            ("GET /metrics/ HTTP/1.1\r\n\r\n", "404 Not Found"),
            ("POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
            ("HEAD /healthz HTTP/1.0\r\n\r\n", "405 Method Not Allowed"),
            ("GET /metrics\r\n\r\n", "400 Bad Request"),
            ("GET /metrics HTTP/2\r\n\r\n", "400 Bad Request"),
            ("\r\n\r\n", "400 Bad Request"),
        ] {
            let answer = ask(&server, &[request]);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:?}: {answer}");
        }
        assert!(ask(&server, &["GET /healthz HTTP/1.1\r\n\r\n"]).ends_with("\r\n\r\nshard 3 is ill\n"));
    }

    #[test]
    fn a_request_without_end_is_refused() {
        let server = server();
        let mut stream = connect(&server);
        // One byte more than is read, so that none is left unread: the kernel would take the answer back.
        let long = "GET /metrics HTTP/1.1\r\nX: ".to_owned();
        let padded = format!("{long:x<width$}", width = REQUEST_BYTES_MAX + 1);
        stream.write_all(padded.as_bytes()).expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }

    #[test]
    fn a_silent_client_keeps_nobody_out_for_long() {
        let server = server();
        let mut silent = connect(&server);
        silent.write_all(b"GET /met").expect("it listens");
        let answer = ask(&server, &["GET /metrics HTTP/1.1\r\n\r\n"]);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let mut rest = Vec::new();
        // With what it sent unread, the kernel may call this a reset.
        let _ = silent.read_to_end(&mut rest);
        assert!(rest.is_empty(), "it was hung up on");
    }

    #[test]
    fn it_stops_when_it_is_dropped() {
        let server = server();
        let address = server.address();
        drop(server);
        TcpListener::bind(address).expect("its port is free again");
    }
}
