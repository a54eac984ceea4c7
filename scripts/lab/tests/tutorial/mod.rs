//! A reader of a tutorial: takes its blocks from the page, and does what they say in a folder.

mod page;

pub use page::{Block, blocks};

use flotilla_contract::{Page, RolloutView, UploadView};
use flotilla_lab::World;
use flotilla_lab::emulator::ACCOUNT;
use flotilla_lab::world::text;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::Command;

impl Block {
    /// True if the block is below this heading, or has a command that begins like this.
    pub fn comes_after(&self, place: &str) -> bool {
        match self {
            Self::File { heading, .. } => heading.starts_with(place),
            Self::Commands { heading, lines, .. } => {
                heading.starts_with(place) || lines.iter().any(|line| line.starts_with(place))
            }
        }
    }
}

/// What stands for a value that differs from run to run.
fn comparable(line: &str) -> String {
    let word = |word: &str| {
        let id = |prefix: &str| word.starts_with(prefix) && word.len() == prefix.len() + 26;
        let hex = |text: &str| text.len() >= 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let time = word.len() >= 20 && word.ends_with('Z') && word.as_bytes()[4] == b'-';
        match word {
            _ if id("rlo_") => "ROLLOUT".to_owned(),
            _ if id("rel_") => "RELEASE".to_owned(),
            _ if word.starts_with("sha256:") || hex(word) => "DIGEST".to_owned(),
            _ if time => "TIME".to_owned(),
            _ if word.starts_with("https://") || word.starts_with("http://") => "URL".to_owned(),
            _ if word.starts_with("arn:aws:") => "PRINCIPAL".to_owned(),
            // The emulator names the property only; AWS names what has changed in it.
            "Code.S3Key" => "Code".to_owned(),
            _ => word.to_owned(),
        }
    };
    let trimmed = |text: &str| text.trim_end_matches([':', ',']).to_owned();
    line.split_whitespace().map(|text| word(&trimmed(text))).collect::<Vec<_>>().join(" ")
}

/// Commands that only read.
const READS: [&str; 4] = ["flotilla rollout", "flotilla status", "flotilla plan", "flotilla releases"];

/// The lines of a page that a command does not print.
fn missing(shown: &str, printed: &str) -> Vec<String> {
    let found: Vec<String> = printed.lines().map(comparable).collect();
    shown.lines().map(comparable).filter(|line| !found.contains(line)).collect()
}

/// Somebody who follows a tutorial.
pub struct Reader<'a> {
    pub world: &'a World,
    home: TempDir,
    /// The rollouts of the page, and those that exist instead.
    rollouts: BTreeMap<String, String>,
    newest: Option<String>,
}

impl<'a> Reader<'a> {
    pub fn new(world: &'a World) -> Self {
        let home = TempDir::new().unwrap();
        std::fs::create_dir(home.path().join("flotilla-tutorial")).unwrap();
        Self { world, home, rollouts: BTreeMap::new(), newest: None }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.home.path().join("flotilla-tutorial").join(path)
    }

    /// Saves a file, with the account of the emulator and without the long bakes.
    pub fn save(&self, path: &str, content: &str) {
        let content = content.replace("111122223333", ACCOUNT).replace(r#"bake = "10m""#, r#"bake = "20s""#);
        std::fs::write(self.path(path), content).unwrap();
    }

    /// Replaces a text of a file.
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let content = std::fs::read_to_string(self.path(path)).unwrap();
        assert!(content.contains(from), "{path} does not contain {from}");
        std::fs::write(self.path(path), content.replace(from, to)).unwrap();
    }

    /// Runs commands, each with the rollouts that exist instead of those of the page. The last one prints what the page shows: a
    /// command that only reads is repeated until it does.
    pub async fn run(&mut self, lines: &[String], output: Option<&str>) {
        let output = output.unwrap_or_default().replace("111122223333", ACCOUNT);
        let failure = output.starts_with("error") || output.contains("status   reverted");
        for (at, line) in lines.iter().enumerate() {
            if ["scripts/build", "export ", "cd "].iter().any(|begin| line.starts_with(begin)) {
                continue;
            }
            let line = self.real(line).await;
            self.wait_for(&line).await;
            let shown = if at + 1 == lines.len() { output.as_str() } else { "" };
            let deadline = Instant::now() + Duration::from_secs(60);
            let printed = loop {
                let (printed, succeeded) = self.shell(&line).await;
                let missing = missing(shown, &printed);
                let reads = READS.iter().any(|begin| line.starts_with(begin));
                if missing.is_empty() && succeeded != (failure && !shown.is_empty()) {
                    break printed;
                }
                assert!(
                    reads && Instant::now() < deadline,
                    "{line}\nsucceeds: {succeeded}\nthe page shows: {missing:#?}\nprinted:\n{printed}"
                );
                tokio::time::sleep(Duration::from_millis(300)).await;
            };
            if let Some((_, id)) = printed.rsplit_once("rollout  rlo_") {
                self.newest = Some(format!("rlo_{}", id.split_whitespace().next().unwrap()));
            }
            if line.starts_with("flotilla push") && line.ends_with("--no-follow") {
                self.newest = Some(self.uploaded().await);
            }
        }
    }

    /// Runs one command as a user of a shell does; answers what it prints, and whether it succeeds.
    async fn shell(&self, line: &str) -> (String, bool) {
        let binaries = std::env::var("FLOTILLA_BINARIES").unwrap();
        let tools = std::env::var("FLOTILLA_AWS_CLI").expect("FLOTILLA_AWS_CLI, which scripts/tools sets");
        let line = match line.strip_prefix("flotilla install") {
            Some(rest) => format!("flotilla install{rest} --allow-plain-http --binaries {binaries}"),
            None => line.to_owned(),
        };
        let path = format!("{binaries}:{tools}:{}", std::env::var("PATH").unwrap());
        let output = Command::new("sh")
            .args(["-c", &line])
            .current_dir(self.path(""))
            .env("PATH", path)
            .env("HOME", self.home.path())
            .env("FLOTILLA_REGION", "eu-central-1")
            .env("AWS_ENDPOINT_URL", self.world.emulator.endpoint())
            .env("AWS_ACCESS_KEY_ID", ACCOUNT)
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "eu-central-1")
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        (text(&output), output.status.success())
    }

    /// The command with the rollouts that exist.
    async fn real(&mut self, line: &str) -> String {
        let mut real = line.replace("111122223333", ACCOUNT);
        for word in line.split_whitespace().filter(|word| word.starts_with("rlo_")) {
            let newest = self.newest.clone().expect("a rollout");
            let id = self.rollouts.entry(word.to_owned()).or_insert(newest);
            real = real.replace(word, id);
        }
        real
    }

    /// Waits as the page tells its reader to: for the plan before an approval, for the bake before the first request.
    async fn wait_for(&self, line: &str) {
        let status = match line {
            _ if line.starts_with("flotilla approve") => "gated",
            _ if line.starts_with("aws lambda invoke --function-name orders-production") => "baking",
            _ => return,
        };
        let rollout = self.newest.as_ref().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            let view: RolloutView = self.world.api().get(&format!("/v1/rollouts/{rollout}")).await.unwrap();
            if view.status == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{rollout} is not {status} in time");
    }

    /// The rollout of the newest upload.
    async fn uploaded(&self) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            let page: Page<UploadView> = self.world.api().get("/v1/services/orders/uploads").await.unwrap();
            if let Some(rollout) = page.items.into_iter().next().and_then(|upload| upload.rollout)
                && Some(&rollout) != self.newest.as_ref()
            {
                return rollout;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the upload began no rollout");
    }
}
