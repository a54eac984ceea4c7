//! Authorization: roles that are granted to IAM principals, for some services and stages.
//!
//! Reads are authorized per service: a grant for one stage of a service allows viewing the service. Changes are
//! authorized per stage, and changes of more than one stage need a grant without a limit on stages.

mod four_eyes;
mod person;
mod principal;

pub use four_eyes::{Approver, may_approve};
pub use person::{Author, Identity};
pub use principal::PrincipalPattern;

use crate::code::{Code, Refusal};
use crate::names::{ServiceName, StageName};
use globset::{GlobBuilder, GlobMatcher};

/// A role. Each role may view; an admin may do everything; deployers may not approve and approvers may not
/// deploy, unless both roles are granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Starts, pauses, cancels and retries rollouts, and holds packages.
    Deployer,
    /// Approves waves.
    Approver,
    /// Changes the configuration.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Deployer, Self::Approver, Self::Admin];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Deployer => "deployer",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == text)
    }

    fn includes(self, needed: Self) -> bool {
        self == needed || self == Self::Admin || needed == Self::Viewer
    }
}

/// A command that changes something. Its name is recorded in the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Puts the grants.
    PutAccess,
    /// Puts an account.
    PutAccount,
    /// Puts a profile.
    PutProfile,
    /// Puts a service's configuration.
    PutService,
    /// Starts a plan-only rollout.
    Plan,
    /// Starts a rollout.
    Start,
    /// Promotes a release from one stage to another.
    Promote,
    /// Rolls a stage back.
    RollBack,
    /// Retries a rollout.
    Retry,
    /// Cancels a rollout.
    Cancel,
    /// Pauses a rollout.
    Pause,
    /// Resumes a rollout.
    Resume,
    /// Sets, promotes or aborts the traffic of a rollout.
    ShiftTraffic,
    /// Opens the console.
    OpenConsole,
    /// Signs out of the console.
    CloseConsole,
    /// Extends the lifetime of a preview.
    ExtendPreview,
    /// Removes a preview.
    RemovePreview,
    /// Removes a stage that is permanent.
    RemoveStage,
    /// Holds a package.
    Hold,
    /// Releases holds.
    LiftHold,
    /// Approves a wave.
    Approve,
    /// Opens every gate of a rollout.
    BreakGlass,
    /// Freezes a line.
    Freeze,
    /// Ends a freeze.
    Unfreeze,
}

impl Act {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::PutAccess => "put access",
            Self::PutAccount => "put account",
            Self::PutProfile => "put profile",
            Self::PutService => "put service",
            Self::Plan => "plan",
            Self::Start => "start",
            Self::Promote => "promote",
            Self::RollBack => "rollback",
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::ShiftTraffic => "shift traffic",
            Self::OpenConsole => "open console",
            Self::CloseConsole => "close console",
            Self::ExtendPreview => "extend preview",
            Self::RemovePreview => "remove preview",
            Self::RemoveStage => "remove stage",
            Self::Hold => "hold",
            Self::LiftHold => "unhold",
            Self::Approve => "approve",
            Self::BreakGlass => "break glass",
            Self::Freeze => "stop the line",
            Self::Unfreeze => "let the line go on",
        }
    }

    /// The role that it needs.
    pub fn role(self) -> Role {
        match self {
            Self::PutAccess
            | Self::PutAccount
            | Self::PutProfile
            | Self::PutService
            | Self::RemoveStage
            | Self::BreakGlass
            | Self::Unfreeze => Role::Admin,
            Self::OpenConsole | Self::CloseConsole => Role::Viewer,
            Self::Approve => Role::Approver,
            Self::Plan
            | Self::Start
            | Self::Promote
            | Self::RollBack
            | Self::Retry
            | Self::Cancel
            | Self::Pause
            | Self::Resume
            | Self::ShiftTraffic
            | Self::ExtendPreview
            | Self::RemovePreview
            | Self::Hold
            | Self::LiftHold
            // A deployer who sees a problem may freeze, but not unfreeze.
            | Self::Freeze => Role::Deployer,
        }
    }
}

/// Which of the services, or of the stages, a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of<T> {
    /// Any one of them: a grant for one of them is enough.
    Any,
    /// This one.
    One(T),
    /// Every one of them: only a grant for all is enough.
    All,
}

/// The services and stages that a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// Which service.
    pub service: Of<&'a ServiceName>,
    /// Which stage.
    pub stage: Of<&'a StageName>,
}

impl<'a> Scope<'a> {
    /// Every service and every stage.
    pub const EVERYTHING: Scope<'static> = Scope { service: Of::All, stage: Of::All };
    /// Any service and any stage: the scope is not known yet, or does not matter.
    pub const ANYTHING: Scope<'static> = Scope { service: Of::Any, stage: Of::Any };

    /// One stage of a service.
    pub fn stage(service: &'a ServiceName, stage: &'a StageName) -> Self {
        Self { service: Of::One(service), stage: Of::One(stage) }
    }

    /// A service, with all its stages.
    pub fn service(service: &'a ServiceName) -> Self {
        Self { service: Of::One(service), stage: Of::All }
    }

    /// Any one stage of a service.
    pub fn something_of(service: &'a ServiceName) -> Self {
        Self { service: Of::One(service), stage: Of::Any }
    }
}

/// Patterns of names. At least one must match.
#[derive(Debug, Clone)]
pub struct NamePatterns(Option<Vec<GlobMatcher>>);

impl NamePatterns {
    /// Most patterns of a list.
    pub const MAX: usize = 20;

    /// Reads patterns. An empty list, or a pattern `*`, matches every name.
    ///
    /// # Errors
    /// [`Code::ConfigInvalid`] when one of them can match no name.
    pub fn parse(patterns: &[String]) -> Result<Self, Refusal> {
        let refuse =
            |what: String| Refusal::new(Code::ConfigInvalid, what, "give names such as production, or pr-*");
        if patterns.len() > Self::MAX {
            return Err(refuse(format!("{} patterns, at most {} are allowed", patterns.len(), Self::MAX)));
        }
        let globs = patterns.iter().map(|text| {
            let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-*?".contains(&b);
            let glob = (!text.is_empty() && text.len() <= 63 && text.bytes().all(known))
                .then(|| GlobBuilder::new(text).build().ok())
                .flatten();
            glob.map(|glob| glob.compile_matcher()).ok_or_else(|| {
                refuse(format!("{:?} is not a pattern of names", text.chars().take(64).collect::<String>()))
            })
        });
        let globs = globs.collect::<Result<Vec<_>, _>>()?;
        let all = patterns.is_empty() || patterns.iter().any(|text| text == "*");
        Ok(Self((!all).then_some(globs)))
    }

    /// The patterns as written; none if every name matches.
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().flatten().map(|matcher| matcher.glob().glob().to_owned()).collect()
    }

    fn cover(&self, which: Of<&str>) -> bool {
        match (which, &self.0) {
            (_, None) | (Of::Any, _) => true,
            (Of::One(name), Some(globs)) => globs.iter().any(|glob| glob.is_match(name)),
            (Of::All, Some(_)) => false,
        }
    }
}

/// A role for some principals.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Who has it.
    pub principal: PrincipalPattern,
    /// The role.
    pub role: Role,
    /// At which stages.
    pub stages: NamePatterns,
    /// Of which services.
    pub services: NamePatterns,
}

/// Who may do what.
#[derive(Debug, Clone)]
pub enum Authority {
    /// No grants were ever put, and the installation names no administrators: every caller that IAM allows may do everything.
    Open,
    /// Only what is granted is allowed.
    Granted(Vec<Grant>),
}

impl Authority {
    /// Most grants.
    pub const GRANTS_MAX: usize = 200;
    /// Most admins that a refusal names.
    const ADMINS_NAMED_MAX: usize = 5;

    /// Whether a principal has a role for something.
    ///
    /// # Errors
    /// [`Code::Forbidden`], with the admins who can grant it.
    pub fn allows(&self, principal: &str, needed: Role, scope: Scope<'_>) -> Result<(), Refusal> {
        let Self::Granted(grants) = self else { return Ok(()) };
        let service = match scope.service {
            Of::One(name) => Of::One(name.as_str()),
            Of::Any => Of::Any,
            Of::All => Of::All,
        };
        let stage = match scope.stage {
            Of::One(name) => Of::One(name.as_str()),
            Of::Any => Of::Any,
            Of::All => Of::All,
        };
        let granted = grants.iter().any(|grant| {
            grant.role.includes(needed)
                && grant.services.cover(service)
                && grant.stages.cover(stage)
                && grant.principal.matches(principal)
        });
        if granted {
            return Ok(());
        }
        let place = match (service, stage) {
            (Of::One(service), Of::One(stage)) => format!(" for {service} at {stage}"),
            (Of::One(service), Of::All) => format!(" for {service} at every stage"),
            (Of::One(service), Of::Any) => format!(" for {service}"),
            (Of::All, _) => " for all services and stages".to_owned(),
            _ => String::new(),
        };
        let what = format!("{principal} does not have the role {}{place}", needed.name());
        Err(Refusal::new(Code::Forbidden, what, format!("ask an admin for a grant ({})", self.admins())))
    }

    /// Checks that these grants keep their author an admin of everything, so that nobody locks everybody out.
    ///
    /// # Errors
    /// [`Code::AdminMissing`].
    pub fn keeps_admin(&self, author: &str) -> Result<(), Refusal> {
        self.allows(author, Role::Admin, Scope::EVERYTHING).map_err(|_| {
            let what = format!("with these grants {author} would no longer be an admin of all services and stages");
            let fix = "keep a grant that makes you an admin without stages and services, or let another admin put the grants";
            Refusal::new(Code::AdminMissing, what, fix)
        })
    }

    /// The grants of a principal; `None` if everybody may do everything.
    pub fn grants_of(&self, principal: &str) -> Option<Vec<&Grant>> {
        let Self::Granted(grants) = self else { return None };
        Some(grants.iter().filter(|grant| grant.principal.matches(principal)).collect())
    }

    /// The patterns of the first few admins of everything.
    fn admins(&self) -> String {
        let Self::Granted(grants) = self else { return String::new() };
        let everything = |grant: &&Grant| {
            grant.role == Role::Admin && grant.services.cover(Of::All) && grant.stages.cover(Of::All)
        };
        let admins = grants.iter().filter(everything).map(|grant| grant.principal.as_str());
        admins.take(Self::ADMINS_NAMED_MAX).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests;
