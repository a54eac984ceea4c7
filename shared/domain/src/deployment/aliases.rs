//! The aliases of a stack, and what the rollout answers about their traffic.

/// An alias of a stack, with the versions that share its invocations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasVersions {
    /// The alias's logical id.
    pub alias: String,
    /// The alias's ARN, which ends with its name.
    pub arn: String,
    /// The version that it named before the deployment.
    pub stable: String,
    /// The version that the deployment published; `None` before it is known.
    pub new: Option<String>,
    /// The revision that the alias had when Flotilla last read or set it. Lambda refuses to set an alias that has another one, so a call
    /// that was decided earlier and arrives later changes nothing.
    pub revision: String,
}

/// The rollout's answer to a deployment whose traffic is shifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrafficAnswer {
    /// The share stays as it is.
    Wait,
    /// The new versions get this share, in percent.
    Shift(u8),
    /// The new versions get everything, and an update lets the template say so.
    Complete,
    /// The old versions get everything back.
    Abort,
}
