//! Follows a rollout or a set: on a terminal with one line per target or service, elsewhere with one line per change.

use crate::api::Api;
use crate::error::{CliError, Exit};
use crate::show;
use flotilla_contract::RolloutView;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::time::Duration;

/// The exit code for the outcome of a rollout.
pub fn exit_of(rollout: &RolloutView) -> Exit {
    match rollout.status.as_str() {
        "succeeded" | "planned" => Exit::Success,
        "cancelled" | "superseded" => Exit::RolloutStopped,
        _ => Exit::RolloutFailed,
    }
}

/// A subject that can be followed.
pub trait Followed: DeserializeOwned {
    /// Whether it has ended.
    fn ended(&self) -> bool;
    /// Its lines: a name, the status, and whether that status is final.
    fn lines(&self) -> Vec<(String, String, bool)>;
}

impl Followed for RolloutView {
    fn ended(&self) -> bool {
        self.ended
    }

    fn lines(&self) -> Vec<(String, String, bool)> {
        let targets = self.deployments.iter().map(|d| {
            let names: Vec<&str> = [Some(&d.account), Some(&d.region), d.part.as_ref(), d.slot.as_ref()]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect();
            let name = names.join(" ");
            let ended = matches!(
                d.status.as_str(),
                "succeeded" | "removed" | "failed" | "rolled_back" | "cancelled" | "skipped"
            );
            (name, show::deployment_line(d), ended)
        });
        let head = (format!("{}/{}", self.service, self.stage), show::rollout_line(self), self.ended);
        std::iter::once(head).chain(targets).collect()
    }
}

/// Follows a rollout until it ends.
pub async fn follow(api: &Api, id: &str, quiet: bool) -> Result<RolloutView, CliError> {
    follow_path(api, &format!("/v1/rollouts/{id}"), quiet).await
}

/// Follows the subject at a path of the API until it ends.
pub async fn follow_path<T: Followed>(api: &Api, path: &str, quiet: bool) -> Result<T, CliError> {
    let mut screen = Screen::new(quiet);
    for round in 0_u32.. {
        let followed: T = api.get(path).await?;
        screen.show(followed.lines());
        if followed.ended() {
            screen.end();
            return Ok(followed);
        }
        // Short rollouts end quickly; long ones are polled less often.
        let pause_ms = if round < 50 { 200 } else { 1_000 };
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
    Err(CliError::usage("it has not ended", "run flotilla rollout ROLLOUT or flotilla set show SET"))
}

/// How progress is shown.
enum Screen {
    Quiet,
    Lines(BTreeMap<String, String>),
    Live { bars: MultiProgress, by_target: BTreeMap<String, ProgressBar> },
}

impl Screen {
    fn new(quiet: bool) -> Self {
        if quiet {
            Self::Quiet
        } else if console::Term::stderr().is_term() {
            Self::Live { bars: MultiProgress::new(), by_target: BTreeMap::new() }
        } else {
            Self::Lines(BTreeMap::new())
        }
    }

    fn show(&mut self, lines: Vec<(String, String, bool)>) {
        for (name, state, ended) in lines {
            match self {
                Self::Quiet => {}
                Self::Lines(seen) => {
                    if seen.insert(name.clone(), state.clone()).as_ref() != Some(&state) {
                        eprintln!("{name}: {state}");
                    }
                }
                Self::Live { bars, by_target } => {
                    let bar = by_target.entry(name.clone()).or_insert_with(|| {
                        let bar = bars.add(ProgressBar::new_spinner());
                        let style = ProgressStyle::with_template("{spinner:.cyan} {prefix:<28} {msg}");
                        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                        bar.set_prefix(name);
                        bar.enable_steady_tick(Duration::from_millis(100));
                        bar
                    });
                    bar.set_message(state);
                    if ended && !bar.is_finished() {
                        bar.finish();
                    }
                }
            }
        }
    }

    fn end(self) {
        if let Self::Live { bars, .. } = self {
            // The caller prints the final status.
            let _ = bars.clear();
        }
    }
}
