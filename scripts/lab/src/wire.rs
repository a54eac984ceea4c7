//! HTTP/1.1 as the proxies of this crate need it: one request and one reply for each connection.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Largest head of a request or reply.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A request as it was sent.
pub(crate) struct Request {
    /// The request line and the header fields.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// Reads a request; `None` if the connection ends before it is complete.
pub(crate) async fn read_request(client: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = end_of_head(&bytes) {
            break end;
        }
        if bytes.len() > HEAD_BYTES_MAX || client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let body = bytes.split_off(end);
    let mut request = Request { head: String::from_utf8_lossy(&bytes).into_owned(), body };
    if request.header("transfer-encoding").is_some() {
        return Err(std::io::Error::other("the length of the body is unknown"));
    }
    if request.header("expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while request.body.len() < length {
        if client.read_buf(&mut request.body).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(request))
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The head with `connection: close`.
fn closing(head: &str) -> String {
    let mut lines = head.trim_end().lines();
    let mut closing = format!("{}\r\nconnection: close\r\n", lines.next().unwrap_or_default());
    for line in lines.filter(|line| !line.to_ascii_lowercase().starts_with("connection:")) {
        closing.push_str(line);
        closing.push_str("\r\n");
    }
    closing + "\r\n"
}

/// Forwards a request; answers the whole reply of the emulator.
pub(crate) async fn forward(request: &Request, port: u16) -> std::io::Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(("127.0.0.1", port)).await?;
    upstream.write_all(closing(&request.head).as_bytes()).await?;
    upstream.write_all(&request.body).await?;
    let mut reply = Vec::new();
    upstream.read_to_end(&mut reply).await?;
    if reply.starts_with(b"HTTP/1.1 100")
        && let Some(end) = end_of_head(&reply)
    {
        reply.drain(..end);
    }
    let Some(end) = end_of_head(&reply) else { return Err(std::io::Error::other("the reply is incomplete")) };
    let mut whole = closing(&String::from_utf8_lossy(&reply[..end])).into_bytes();
    whole.extend_from_slice(&reply[end..]);
    Ok(whole)
}

impl Request {
    /// The value of a header field.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}
