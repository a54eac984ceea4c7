//! Who may do what: roles that are granted to IAM principals, for some services and stages.
//!
//! Reading goes by service: who may view one stage of a service may view the service. What changes
//! something goes by stage, and what concerns more than one stage needs a grant without limits.

mod principal;

pub use principal::PrincipalPattern;

use crate::code::{Code, Refusal};
use crate::names::{ServiceName, StageName};
use globset::{GlobBuilder, GlobMatcher};

/// What somebody may do. Each role may view; an admin may do everything; who deploys may not approve, and
/// who approves may not deploy, unless both are granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Starts, steers and ends rollouts, holds packages.
    Deployer,
    /// Lets rollouts pass.
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

/// What can be asked for that changes something. Its name is what the audit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Puts who may do what.
    PutAccess,
    /// Puts an account.
    PutAccount,
    /// Puts a profile.
    PutProfile,
    /// Puts a service's configuration.
    PutService,
    /// Has a rollout planned that is not carried out.
    Plan,
    /// Starts a rollout.
    Start,
    /// Brings a release from one stage to another.
    Promote,
    /// Brings a stage back.
    RollBack,
    /// Does again what a rollout did not bring about.
    Retry,
    /// Calls a rollout off.
    Cancel,
    /// Holds a rollout.
    Pause,
    /// Lets a rollout go on.
    Resume,
    /// Holds a package.
    Hold,
    /// Lifts holds.
    LiftHold,
    /// Approves a wave.
    Approve,
    /// Opens every gate of a rollout.
    BreakGlass,
    /// Stops a line.
    StopLine,
    /// Lets a line go on.
    LiftLine,
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
            Self::Hold => "hold",
            Self::LiftHold => "unhold",
            Self::Approve => "approve",
            Self::BreakGlass => "break glass",
            Self::StopLine => "stop the line",
            Self::LiftLine => "let the line go on",
        }
    }

    /// The least role that may ask for it.
    pub fn role(self) -> Role {
        match self {
            Self::PutAccess
            | Self::PutAccount
            | Self::PutProfile
            | Self::PutService
            | Self::BreakGlass
            | Self::LiftLine => Role::Admin,
            Self::Approve => Role::Approver,
            Self::Plan
            | Self::Start
            | Self::Promote
            | Self::RollBack
            | Self::Retry
            | Self::Cancel
            | Self::Pause
            | Self::Resume
            | Self::Hold
            | Self::LiftHold
            // Whoever sees that something goes wrong may stop it.
            | Self::StopLine => Role::Deployer,
        }
    }
}

/// Which of the services, or of the stages, something is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of<T> {
    /// Whichever: a grant for any of them will do.
    Any,
    /// This one.
    One(T),
    /// Every one of them: only a grant for all will do.
    All,
}

/// What something that is asked for is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// Which service.
    pub service: Of<&'a ServiceName>,
    /// Which stage.
    pub stage: Of<&'a StageName>,
}

impl<'a> Scope<'a> {
    /// Everything there is.
    pub const EVERYTHING: Scope<'static> = Scope { service: Of::All, stage: Of::All };
    /// Whatever it is: what it is about is not known yet, or does not matter.
    pub const ANYTHING: Scope<'static> = Scope { service: Of::Any, stage: Of::Any };

    /// One stage of a service.
    pub fn stage(service: &'a ServiceName, stage: &'a StageName) -> Self {
        Self { service: Of::One(service), stage: Of::One(stage) }
    }

    /// A service, with all its stages.
    pub fn service(service: &'a ServiceName) -> Self {
        Self { service: Of::One(service), stage: Of::All }
    }

    /// Something of a service.
    pub fn something_of(service: &'a ServiceName) -> Self {
        Self { service: Of::One(service), stage: Of::Any }
    }
}

/// Patterns of names, of which one has to match.
#[derive(Debug, Clone)]
pub struct NamePatterns(Option<Vec<GlobMatcher>>);

impl NamePatterns {
    /// Most patterns of a list.
    pub const MAX: usize = 20;

    /// Reads patterns; none, or one that is `*`, are for every name.
    ///
    /// # Errors
    /// [`Code::ConfigInvalid`] when one of them can match no name.
    pub fn parse(patterns: &[String]) -> Result<Self, Refusal> {
        let refuse =
            |what: String| Refusal::new(Code::ConfigInvalid, what, "give names such as production, or pr-*");
        if patterns.len() > Self::MAX {
            return Err(refuse(format!("{} patterns, {} may be", patterns.len(), Self::MAX)));
        }
        let globs = patterns.iter().map(|text| {
            let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-*?".contains(&b);
            let glob = (!text.is_empty() && text.len() <= 63 && text.bytes().all(known))
                .then(|| GlobBuilder::new(text).build().ok())
                .flatten();
            glob.map(|glob| glob.compile_matcher()).ok_or_else(|| {
                refuse(format!("{:?} is no pattern of names", text.chars().take(64).collect::<String>()))
            })
        });
        let globs = globs.collect::<Result<Vec<_>, _>>()?;
        let all = patterns.is_empty() || patterns.iter().any(|text| text == "*");
        Ok(Self((!all).then_some(globs)))
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
    /// Whose it is.
    pub principal: PrincipalPattern,
    /// What they may do.
    pub role: Role,
    /// At which stages.
    pub stages: NamePatterns,
    /// Of which services.
    pub services: NamePatterns,
}

/// Who may do what.
#[derive(Debug, Clone)]
pub enum Authority {
    /// Nothing was ever put: whoever IAM lets in may do everything.
    Open,
    /// Only what is granted.
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
    /// [`Code::Forbidden`], with who can grant it.
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
            (Of::One(service), Of::One(stage)) => format!(" of {service} at {stage}"),
            (Of::One(service), Of::All) => format!(" of {service} at every stage"),
            (Of::One(service), Of::Any) => format!(" of {service}"),
            (Of::All, _) => " of everything".to_owned(),
            _ => String::new(),
        };
        let what = format!("{principal} is no {}{place}", needed.name());
        Err(Refusal::new(Code::Forbidden, what, format!("ask an admin for a grant ({})", self.admins())))
    }

    /// Looks whether what is to hold from now on keeps its author an admin of everything: nobody locks
    /// everybody out.
    ///
    /// # Errors
    /// [`Code::AdminMissing`].
    pub fn keeps_admin(&self, author: &str) -> Result<(), Refusal> {
        self.allows(author, Role::Admin, Scope::EVERYTHING).map_err(|_| {
            let what = format!("with this, {author} would be no admin of everything any more");
            let fix = "grant yourself admin without stages and services, or let another admin put it";
            Refusal::new(Code::AdminMissing, what, fix)
        })
    }

    /// The patterns of the admins of everything, the first few.
    fn admins(&self) -> String {
        let Self::Granted(grants) = self else { return String::new() };
        let everything = |grant: &&Grant| {
            grant.role == Role::Admin && grant.services.cover(Of::All) && grant.stages.cover(Of::All)
        };
        let admins = grants.iter().filter(everything).map(|grant| grant.principal.as_str());
        admins.take(Self::ADMINS_NAMED_MAX).collect::<Vec<_>>().join(", ")
    }
}

/// Four eyes: whether somebody may approve what somebody has started. Two sessions of a role are two persons
/// if their names differ, so a role that people share has to make them give their own
/// (`sts:RoleSessionName` in its trust policy).
///
/// # Errors
/// [`Code::OwnApproval`].
pub fn may_approve(requested_by: &str, approver: &str, four_eyes: bool) -> Result<(), Refusal> {
    if !four_eyes || requested_by != approver {
        return Ok(());
    }
    let what = format!("{approver} has started it, and the profile asks for four eyes");
    Err(Refusal::new(Code::OwnApproval, what, "let another approver look at it"))
}

#[cfg(test)]
mod tests;
