//! A proxy between the functions and the emulator: it counts the AWS calls of a rollout's functions and
//! spoils one of them. It never changes what is asked or answered, and knows nothing of rollouts.

use crate::emulator::{function_processes, kill};
use crate::error::{Doing, LabError};
use crate::points::{Call, Fault, Spoil};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The functions of a rollout's way: `api` only answers questions, `cleanup` runs by the clock.
pub(crate) const COUNTED: [&str; 3] = ["ingest", "replicate", "deploy"];
/// Longest head of a request or reply.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What the proxy has seen since it was armed.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The calls, in the order in which they came.
    pub calls: Vec<Call>,
    /// Whether the call that was to be spoiled has come.
    pub reached: bool,
    /// Why it could not be spoiled after all.
    pub failure: Option<String>,
}

#[derive(Default)]
struct State {
    /// The emulator's port and process.
    emulator: (u16, u32),
    spoil: Option<Spoil>,
    seen: Seen,
}

/// The running proxy; it ends when it is dropped.
pub struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Listens on a free port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start() -> Result<Self, LabError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.doing("starting the proxy")?;
        let port = listener.local_addr().doing("starting the proxy")?.port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((client, peer)) = listener.accept().await {
                let state = Arc::clone(&shared);
                // A connection that breaks is the caller's to notice, as it is with AWS.
                tokio::spawn(async move { serve(client, peer, port, &state).await.unwrap_or_default() });
            }
        });
        Ok(Self { port, state, task })
    }

    /// Its URL, for the functions.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Says which emulator answers.
    pub fn forward_to(&self, emulator: &crate::emulator::Emulator) {
        lock(&self.state).emulator = (emulator.port, emulator.process());
    }

    /// Counts anew, and spoils this call.
    pub fn arm(&self, spoil: Option<Spoil>) {
        let mut state = lock(&self.state);
        state.spoil = spoil;
        state.seen = Seen::default();
    }

    /// What it has seen since then.
    pub fn seen(&self) -> Seen {
        lock(&self.state).seen.clone()
    }
}

impl State {
    /// Counts a call; answers what is to be done to it.
    fn note(&mut self, call: Call) -> Option<Fault> {
        self.seen.calls.push(call);
        let spoil = self.spoil.as_ref().filter(|spoil| self.seen.calls.last() == Some(&spoil.call))?;
        let nth = self.seen.calls.iter().filter(|call| **call == spoil.call).count();
        let fault = (nth == spoil.nth).then_some(spoil.fault);
        self.seen.reached |= fault.is_some();
        fault
    }
}

/// One connection: one request, one reply.
async fn serve(
    mut client: TcpStream,
    peer: SocketAddr,
    port: u16,
    state: &Mutex<State>,
) -> std::io::Result<()> {
    let Some(request) = read_request(&mut client).await? else { return Ok(()) };
    let ((emulator, process), fault) = {
        let mut state = lock(state);
        (state.emulator, request.call().and_then(|call| state.note(call)))
    };
    let kill_caller = || match caller(peer.port(), port, process) {
        Some(process) => kill(process),
        None => lock(state).seen.failure = Some("the process that made the call was not found".into()),
    };
    if fault == Some(Fault::KillBefore) {
        kill_caller();
        return Ok(());
    }
    let reply = forward(&request, emulator).await?;
    match fault {
        Some(Fault::KillAfter) => kill_caller(),
        Some(Fault::DropReply) => {}
        Some(Fault::KillBefore) | None => client.write_all(&reply).await?,
    }
    Ok(())
}

struct Request {
    head: String,
    body: Vec<u8>,
}

async fn read_request(client: &mut TcpStream) -> std::io::Result<Option<Request>> {
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
        return Err(std::io::Error::other("a body of unknown length"));
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

/// A head that ends its connection.
fn closing(head: &str) -> String {
    let mut lines = head.trim_end().lines();
    let mut closing = format!("{}\r\nconnection: close\r\n", lines.next().unwrap_or_default());
    for line in lines.filter(|line| !line.to_ascii_lowercase().starts_with("connection:")) {
        closing.push_str(line);
        closing.push_str("\r\n");
    }
    closing + "\r\n"
}

/// The emulator's whole reply.
async fn forward(request: &Request, port: u16) -> std::io::Result<Vec<u8>> {
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
    let Some(end) = end_of_head(&reply) else { return Err(std::io::Error::other("half a reply")) };
    let mut whole = closing(&String::from_utf8_lossy(&reply[..end])).into_bytes();
    whole.extend_from_slice(&reply[end..]);
    Ok(whole)
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Who calls what, if it is a function of a rollout's way.
    fn call(&self) -> Option<Call> {
        let agent = self.header("user-agent")?;
        let function = COUNTED.iter().find(|name| agent.contains(&format!("app/flotilla-{name}")))?;
        // Credential=<key>/<date>/<region>/<service>/aws4_request
        let mut scope = self.header("authorization")?.split_once("Credential=")?.1.split('/').skip(2);
        let (region, service) = (scope.next()?, scope.next()?);
        let method = self.head.split(' ').next().unwrap_or_default();
        let operation = match self.header("x-amz-target").and_then(|target| target.rsplit('.').next()) {
            Some(target) => target.to_owned(),
            None => self.action().unwrap_or_else(|| method.to_owned()),
        };
        Some(Call {
            function: (*function).into(),
            operation: format!("{service}:{operation}"),
            region: region.into(),
        })
    }

    /// The operation of a request that is a form, as CloudFormation's and STS's are.
    fn action(&self) -> Option<String> {
        let form = std::str::from_utf8(&self.body).ok()?;
        let mut fields = form.split('&').filter_map(|field| field.split_once('='));
        fields.find(|(name, _)| *name == "Action").map(|(_, value)| value.to_owned())
    }
}

/// The function's process at the other end of a connection: it has the socket whose own port is `local` and
/// whose peer's is `remote`.
fn caller(local: u16, remote: u16, emulator: u32) -> Option<u32> {
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    let (local, remote) = (format!(":{local:04X}"), format!(":{remote:04X}"));
    let mut sockets = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let socket = sockets.find(|s| s.len() > 9 && s[1].ends_with(&local) && s[2].ends_with(&remote))?;
    let name = format!("socket:[{}]", socket[9]);
    let holds = |process: &u32| {
        let Ok(files) = std::fs::read_dir(format!("/proc/{process}/fd")) else { return false };
        files.flatten().any(|file| std::fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == &*name))
    };
    function_processes(emulator).into_iter().find(holds)
}
