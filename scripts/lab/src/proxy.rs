//! A proxy between the functions and the emulator. It counts the AWS calls of the functions, injects a fault into one of them, and plays
//! manners of AWS that the emulator lacks. It knows nothing about rollouts.

use crate::emulator::{function_processes, kill};
use crate::error::{Doing, LabError};
use crate::manners::{Manner, Rule};
use crate::points::{Call, Fault, Spoil};
use crate::wire::{Request, forward, read_request};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// The functions that carry out a rollout. `api` only reads, and `cleanup` runs on a schedule.
pub(crate) const COUNTED: [&str; 3] = ["ingest", "replicate", "deploy"];

/// What the proxy has seen since it was armed.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The calls, in order of arrival.
    pub calls: Vec<Call>,
    /// Whether the call of the fault was made.
    pub reached: bool,
    /// Why the fault could not be injected.
    pub failure: Option<String>,
}

#[derive(Default)]
struct State {
    /// The emulator's port and process.
    emulator: (u16, u32),
    spoil: Option<Spoil>,
    manners: Vec<Rule>,
    seen: Seen,
}

/// A running proxy; it stops on drop.
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
    /// Starts to listen on a free port.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start() -> Result<Self, LabError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.doing("starting the proxy")?;
        let port = listener.local_addr().doing("starting the proxy")?.port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((client, peer)) = listener.accept().await {
                let state = Arc::clone(&shared);
                // The caller handles a broken connection, as it does with AWS.
                tokio::spawn(async move { serve(client, peer, port, &state).await.unwrap_or_default() });
            }
        });
        Ok(Self { port, state, task })
    }

    /// Its URL, for the functions.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sets the emulator to forward to.
    pub fn forward_to(&self, emulator: &crate::emulator::Emulator) {
        lock(&self.state).emulator = (emulator.port, emulator.process());
    }

    /// Resets the counts and sets the fault to inject.
    pub fn arm(&self, spoil: Option<Spoil>) {
        let mut state = lock(&self.state);
        state.spoil = spoil;
        state.seen = Seen::default();
    }

    /// Plays these manners from now on.
    pub fn behave(&self, manners: Vec<Rule>) {
        lock(&self.state).manners = manners;
    }

    /// The operations whose manners were not played as often as they should be.
    pub fn unplayed(&self) -> Vec<String> {
        let state = lock(&self.state);
        state.manners.iter().filter(|rule| rule.times > 0).map(|rule| rule.operation.to_owned()).collect()
    }

    /// The calls since [`Self::arm`].
    pub fn seen(&self) -> Seen {
        lock(&self.state).seen.clone()
    }
}

impl State {
    /// How AWS treats a call, if not as the emulator does.
    fn manner(&mut self, request: &Request, call: &Call) -> Option<Manner> {
        let rule = self.manners.iter_mut().find(|rule| rule.matches(request, call))?;
        rule.times -= 1;
        Some(rule.manner)
    }

    /// Counts a call; answers the fault to inject into it.
    fn note(&mut self, call: Call) -> Option<Fault> {
        self.seen.calls.push(call);
        let spoil = self.spoil.as_ref().filter(|spoil| self.seen.calls.last() == Some(&spoil.call))?;
        let nth = self.seen.calls.iter().filter(|call| **call == spoil.call).count();
        let fault = (nth == spoil.nth).then_some(spoil.fault);
        self.seen.reached |= fault.is_some();
        fault
    }
}

/// Serves one connection: one request and one reply.
async fn serve(
    mut client: TcpStream,
    peer: SocketAddr,
    port: u16,
    state: &Mutex<State>,
) -> std::io::Result<()> {
    let Some(request) = read_request(&mut client).await? else { return Ok(()) };
    let ((emulator, process), manner, fault) = {
        let mut state = lock(state);
        let call = request.call();
        let manner = call.as_ref().and_then(|call| state.manner(&request, call));
        (state.emulator, manner, call.and_then(|call| state.note(call)))
    };
    if let Some(reply) = manner.and_then(Manner::reply) {
        return client.write_all(&reply).await;
    }
    let kill_caller = || match caller(peer.port(), port, process) {
        Some(process) => kill(process),
        None => lock(state).seen.failure = Some("the process that made the call was not found".into()),
    };
    if fault == Some(Fault::KillBefore) {
        kill_caller();
        return Ok(());
    }
    let reply = forward(&request, emulator).await?;
    if let Some(Manner::Silent(time)) = manner {
        tokio::time::sleep(time).await;
    }
    match fault {
        Some(Fault::KillAfter) => kill_caller(),
        Some(Fault::DropReply) => {}
        Some(Fault::KillBefore) | None => client.write_all(&reply).await?,
    }
    Ok(())
}

impl Request {
    /// The call, if one of the counted functions makes it.
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

    /// The operation of a form request, as CloudFormation and STS use them.
    fn action(&self) -> Option<String> {
        let form = std::str::from_utf8(&self.body).ok()?;
        let mut fields = form.split('&').filter_map(|field| field.split_once('='));
        fields.find(|(name, _)| *name == "Action").map(|(_, value)| value.to_owned())
    }
}

/// The process of the function at the other end of a connection: the owner of the socket with the port `local`,
/// connected to the port `remote`.
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
