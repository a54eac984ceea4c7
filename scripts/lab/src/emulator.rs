//! MiniStack, the emulator: one process on a free port of this machine, killed on drop.

use crate::error::{Doing, LabError};
use crate::recorder::{self, Recorder};
use flotilla_cli::http;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The account of the control plane.
pub const ACCOUNT: &str = "000000000000";

/// Lambda's default limit of concurrent invocations in an account. The emulator's own depends on the machine.
const CONCURRENCY: u32 = 1_000;

/// A running emulator.
pub struct Emulator {
    process: Child,
    /// Its port.
    pub port: u16,
    /// The port of the recorder in front of it, if calls are recorded.
    recorder: Option<u16>,
    /// Its folder, with the log and the unpacked functions.
    pub folder: tempfile::TempDir,
}

/// The path of the emulator: `FLOTILLA_MINISTACK`, which scripts/tools sets.
///
/// # Errors
/// The variable is missing.
pub fn program() -> Result<PathBuf, LabError> {
    let path = std::env::var("FLOTILLA_MINISTACK").map_err(|_| {
        LabError("FLOTILLA_MINISTACK is not set. Run scripts/demo or scripts/test, which set it".into())
    })?;
    Ok(PathBuf::from(path))
}

impl Emulator {
    /// Starts an emulator that checks signatures and permissions, and waits until it answers. Functions use
    /// `functions_endpoint`, by default the endpoint of the emulator.
    ///
    /// # Errors
    /// The emulator does not start within 30 seconds. The error contains its log.
    pub async fn start(program: &Path, functions_endpoint: Option<&str>) -> Result<Self, LabError> {
        Self::start_with_limit(program, functions_endpoint, CONCURRENCY).await
    }

    /// The same, for an account that may run this many functions at once.
    ///
    /// # Errors
    /// The emulator does not start within 30 seconds. The error contains its log.
    pub async fn start_with_limit(
        program: &Path,
        functions_endpoint: Option<&str>,
        concurrency: u32,
    ) -> Result<Self, LabError> {
        let folder = tempfile::Builder::new()
            .prefix("flotilla-")
            .tempdir()
            .doing("creating a folder for the emulator")?;
        let port = free_port()?;
        let log = File::create(folder.path().join("log")).doing("creating the log of the emulator")?;
        let errors = log.try_clone().doing("creating the log of the emulator")?;
        let recorder = recorder::folder().map(|folder| Recorder::start(&folder, port)).transpose()?;
        let recorder = recorder.map(|recorder| recorder.port);
        let own_endpoint = format!("http://127.0.0.1:{}", recorder.unwrap_or(port));
        let mut command = Command::new(program);
        for name in [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_PROFILE",
            "HTTP_PROXY",
            "HTTPS_PROXY",
        ] {
            command.env_remove(name);
        }
        let process = command
            .env("AWS_ENDPOINT_URL", functions_endpoint.unwrap_or(&own_endpoint))
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("AUTH", "true")
            .env("LAMBDA_ACCOUNT_CONCURRENCY", concurrency.to_string())
            .env("LOG_LEVEL", "WARNING")
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .doing("starting the emulator")?;
        let mut emulator = Self { process, port, recorder, folder };
        emulator.wait().await?;
        Ok(emulator)
    }

    async fn wait(&mut self) -> Result<(), LabError> {
        let http = http::client().build().doing("creating the HTTP client")?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if http
                .get(format!("{}/_ministack/health", self.endpoint()))
                .send()
                .await
                .is_ok_and(|r| r.status().is_success())
            {
                return Ok(());
            }
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(LabError(format!("the emulator ended with {status}:\n{}", self.log())));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(LabError(format!("the emulator did not answer within 30 seconds:\n{}", self.log())))
    }

    /// Its URL, or the recorder's. The host is an address, so that S3 clients use path-style URLs.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.recorder.unwrap_or(self.port))
    }

    /// Its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Its process ID.
    pub fn process(&self) -> u32 {
        self.process.id()
    }

    /// The process IDs of its running functions.
    pub fn function_processes(&self) -> Vec<u32> {
        function_processes(self.process.id())
    }
}

/// The process IDs of the running functions of an emulator, given its process ID.
pub fn function_processes(emulator: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| is_function_of(*id, emulator)).collect()
}

/// Whether a process is a function, `bootstrap`, started by `parent`.
fn is_function_of(id: u32, parent: u32) -> bool {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
    let stat = read("stat");
    let ppid =
        stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
    ppid == Some(parent) && read("cmdline").contains("/bootstrap")
}

/// Kills a process with SIGKILL.
pub fn kill(id: u32) {
    let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The functions are listed first, because they outlive their parent.
        let functions = self.function_processes();
        let _ = self.process.kill();
        let _ = self.process.wait();
        functions.into_iter().for_each(kill);
    }
}

fn free_port() -> Result<u16, LabError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).doing("finding a free port")?;
    Ok(listener.local_addr().doing("finding a free port")?.port())
}
