//! Records the AWS calls of the functions and of the command, for `scripts/aws-calls`: a proxy in front of the emulator writes each
//! call as one line of JSON. It changes nothing.

use crate::error::{Doing, LabError};
use crate::wire::{Request, forward, read_request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// The folder that calls are recorded in: `FLOTILLA_CALLS`.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os("FLOTILLA_CALLS").map(PathBuf::from)
}

/// A running recorder. Its thread ends with the process: it outlives the test that started it, because functions may still run.
pub(crate) struct Recorder {
    /// The port that it listens on.
    pub(crate) port: u16,
}

impl Recorder {
    /// Starts to listen in front of the emulator at this port, in a thread of its own.
    ///
    /// # Errors
    /// There is no free port, or the file cannot be written.
    pub(crate) fn start(folder: &std::path::Path, emulator: u16) -> Result<Self, LabError> {
        const WHAT: &str = "starting the recorder";
        std::fs::create_dir_all(folder).doing(WHAT)?;
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).doing(WHAT)?;
        listener.set_nonblocking(true).doing(WHAT)?;
        let port = listener.local_addr().doing(WHAT)?.port();
        let name = format!("{}-{port}.jsonl", std::process::id());
        let file = Arc::new(Mutex::new(File::create(folder.join(name)).doing(WHAT)?));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().doing(WHAT)?;
        std::thread::spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                while let Ok((client, _)) = listener.accept().await {
                    let file = Arc::clone(&file);
                    // The caller handles a broken connection, as it does with AWS.
                    tokio::spawn(async move { serve(client, emulator, &file).await.unwrap_or_default() });
                }
            });
        });
        Ok(Self { port })
    }
}

/// Serves one connection: one request and one reply.
async fn serve(mut client: TcpStream, emulator: u16, file: &Mutex<File>) -> std::io::Result<()> {
    let Some(request) = read_request(&mut client).await? else { return Ok(()) };
    let reply = forward(&request, emulator).await?;
    if let Some(mut line) = line(&request) {
        let status = reply.get(9..12).and_then(|code| std::str::from_utf8(code).ok()).unwrap_or_default();
        line["status"] = json!(status);
        // The role that later calls of the function have.
        if line["service"] == "sts" {
            line["issued"] = json!(issued(&reply));
        }
        writeln!(file.lock().unwrap_or_else(PoisonError::into_inner), "{line}")?;
    }
    client.write_all(&reply).await
}

/// The access key of an assumed role.
fn issued(reply: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(reply);
    let (_, rest) = text.split_once("<AccessKeyId>")?;
    Some(rest.split_once('<')?.0.to_owned())
}

/// The call, if Flotilla makes it: its caller, scope and request. Contents of objects are left out.
fn line(request: &Request) -> Option<Value> {
    let agent = request.header("user-agent")?;
    let (_, caller) = agent.split_once("app/flotilla-")?;
    let caller = caller.split_whitespace().next()?;
    let mut first = request.head.lines().next()?.split(' ');
    let (method, uri) = (first.next()?, first.next()?);
    // Credential=<key>/<date>/<region>/<service>/aws4_request
    let mut scope = request.header("authorization")?.split_once("Credential=")?.1.split('/');
    let (key, region, service) = (scope.next()?, scope.nth(1)?, scope.next()?);
    let object = service == "s3" && method == "PUT" && !uri.contains('?');
    let object = object || uri.contains("x-id=PutObject") || uri.contains("x-id=UploadPart");
    let body = if object { String::new() } else { STANDARD.encode(&request.body) };
    let headers: serde_json::Map<String, Value> = request
        .head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .filter(|(name, _)| !["authorization", "x-amz-security-token", "user-agent"].contains(&name.as_str()))
        .map(|(name, value)| (name, json!(value)))
        .collect();
    Some(json!({
        "caller": caller, "key": key, "region": region, "service": service,
        "method": method, "uri": uri, "headers": headers, "body": body,
    }))
}
