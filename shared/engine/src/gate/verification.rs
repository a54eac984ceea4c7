//! The verification gate: runs the profile's verifications on each target of a wave.

use crate::EngineError;
use crate::ports::{HttpObserved, Place, PortError};
use crate::rollout::RolloutController;
use flotilla_domain::Target;
use flotilla_domain::deployment::{AliasVersions, Deployment, DeploymentKind, State};
use flotilla_domain::gate::Probe;
use flotilla_domain::rollout::Rollout;
use flotilla_domain::secret::HIDDEN;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};

/// Verifications run concurrently: each may take many seconds, and a step has little time.
const AT_ONCE: usize = 100;

/// The result of one verification.
pub(crate) struct Checked {
    pub target: Target,
    /// The request and the reply.
    pub said: String,
    pub passed: bool,
}

impl RolloutController {
    /// Runs the verifications of every target of a wave that was deployed.
    pub(crate) async fn checks_of(
        &self,
        rollout: &Rollout,
        wave: usize,
        deployments: &[Deployment],
    ) -> Result<Vec<Checked>, EngineError> {
        let of_wave = |d: &&Deployment| {
            (d.state.is_success() || matches!(d.state, State::Shifting { .. }))
                && d.id.direction == flotilla_domain::Direction::Forward
                && rollout.waves[wave].targets.contains(&d.id.target)
        };
        let asked = deployments.iter().filter(of_wave);
        let checks =
            asked.flat_map(|d| rollout.verifications(&d.state).into_iter().map(move |c| (d, c.probe)));
        let checks: Vec<_> =
            checks.map(|(deployment, probe)| self.check(deployment, probe_of(deployment, probe))).collect();
        Ok(stream::iter(checks).buffered(AT_ONCE).try_collect().await?)
    }

    async fn check(&self, deployment: &Deployment, probe: Probe) -> Result<Checked, PortError> {
        let answer = match &probe {
            Probe::Http { output, path, status } => self.get(deployment, output, path, *status).await,
            Probe::Function { name } => self.invoke(deployment, name).await,
        };
        let (passed, answer) = match answer {
            // It is retried until its time is over; then this is the reason of the failure.
            Err(error) => (false, error.message),
            Ok(answer) => answer,
        };
        let said = flotilla_domain::code::storable(format!("{probe}: {answer}"));
        Ok(Checked { target: deployment.id.target.clone(), said, passed })
    }

    async fn get(
        &self,
        deployment: &Deployment,
        output: &str,
        path: &str,
        wanted: u16,
    ) -> Result<(bool, String), PortError> {
        let Some(url) = deployment.outputs.get(output) else {
            return Ok((false, format!("the stack has no output {output}")));
        };
        if url == HIDDEN {
            return Ok((
                false,
                format!(
                    "the output {output} is secret, so its value is not kept; verify a URL without a secret, or with a function"
                ),
            ));
        }
        let url = format!("{}{path}", if path.is_empty() { url } else { url.trim_end_matches('/') });
        Ok(match self.probes.get(&url).await? {
            HttpObserved::Answered { status, .. } if status == wanted => {
                (true, format!("{url} answers {status}"))
            }
            HttpObserved::Answered { status, excerpt } => {
                (false, format!("{url} answers {status}: {excerpt}"))
            }
            HttpObserved::Unreachable(why) => (false, format!("{url} does not answer: {why}")),
        })
    }

    async fn invoke(&self, deployment: &Deployment, name: &str) -> Result<(bool, String), PortError> {
        let place = crate::deployment::place(deployment);
        let (release, package) = match &deployment.spec.kind {
            DeploymentKind::Deploy(brought) => (brought.release.to_string(), brought.package.to_string()),
            DeploymentKind::Remove => Default::default(),
        };
        let Place { site, .. } = &place;
        let details = json!({
            "service": deployment.spec.service.as_str(),
            "stage": deployment.spec.stage.as_str(),
            "account": site.account.as_str(),
            "region": site.region.as_str(),
            "slot": deployment.id.target.slot.map(|slot| slot.to_string()),
            "stack": deployment.spec.stack.as_str(),
            "rollout": deployment.id.rollout.to_string(),
            "release": release,
            "digest": package,
            "outputs": deployment.outputs,
            "aliases": deployment.shared().map(versions_of).collect::<Vec<_>>(),
        });
        let invoked = self.functions.invoke(&place, name, &details).await?;
        Ok((invoked.ok, invoked.reply))
    }
}

/// What verifies a target: each slot has its own functions.
fn probe_of(deployment: &Deployment, probe: Probe) -> Probe {
    match probe {
        Probe::Function { name } => {
            let stage = deployment.id.target.stage(&deployment.spec.stage);
            Probe::Function { name: name.replace("{stage}", &stage) }
        }
        probe => probe,
    }
}

/// The versions of a function that share its alias, by their qualified ARNs.
fn versions_of(alias: &AliasVersions) -> Value {
    let function = alias.arn.rsplit_once(':').map_or(alias.arn.as_str(), |(function, _)| function);
    let version = |number: &str| format!("{function}:{number}");
    json!({"alias": alias.arn, "stable": version(&alias.stable), "new": alias.new.as_deref().map(version)})
}
