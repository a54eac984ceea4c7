//! The stable error codes, and the refusal that carries one.
//!
//! Each code has an entry in `docs/errors.md`; a test checks that.

use crate::secret::hide;
use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $title:literal;)*) => {
        /// A stable error code, written `FL0101`. A number is never reused with another meaning.
        ///
        /// 01xx uploads, 02xx packages, 03xx configuration, 04xx API, 05xx deployments, 06xx warnings of packages.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number after `FL`.
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number,)* }
            }

            /// A short name of the problem, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// The key is not `incoming/<service>/<branch|tag|pr>/<ref…>/<build>.zip`.
    KeyMalformed = 101, "the upload's key has the wrong form";
    /// No service of the key's name is configured.
    ServiceUnknown = 102, "the service is not configured";
    /// None of the service's rules matches the key's ref.
    RefUnmatched = 103, "no rule matches this ref";
    /// The object or its version no longer exists.
    UploadGone = 104, "the uploaded object no longer exists";
    /// The object is larger than a package may be.
    UploadTooLarge = 105, "the upload is too large";
    /// A service had as many uploads within a minute, or a preview within an hour, as is allowed.
    UploadsTooFrequent = 106, "too many uploads";
    /// The ref was closed after the upload.
    RefClosed = 107, "the ref of the upload was closed";
    /// A ref was closed whose stage does not end with it.
    StageOutlivesRef = 108, "the stage does not end with this ref";
    /// The Sigstore bundle beside the upload does not prove that it was signed.
    SignatureInvalid = 109, "the signature of the upload does not verify";

    /// The upload has no zip directory.
    NotAZip = 201, "the upload is not a zip";
    /// The zip is cut off, or its directory points outside of it.
    ZipDamaged = 202, "the zip is damaged";
    /// An entry's name leads outside of the package or is not portable.
    EntryNameUnsafe = 203, "an entry has an unsafe name";
    /// An entry is a link, a device or another special file.
    EntrySpecial = 204, "an entry is not a plain file";
    /// Two entries share a name or bytes, or bytes belong to no entry.
    EntriesInconsistent = 205, "the zip's entries contradict each other";
    /// An entry's local header differs from the directory.
    HeaderMismatch = 206, "an entry's header contradicts the directory";
    /// A limit was exceeded; the message names it.
    LimitExceeded = 207, "the package is over a limit";
    /// Encryption, or a compression other than stored and deflate.
    EntryUnreadable = 208, "an entry has an unsupported compression or encryption";
    /// An entry's bytes do not match its checksum or length.
    EntryCorrupt = 209, "an entry is corrupt";

    /// No known manifest is at the top of the package.
    FormatUnknown = 221, "the package has no known format";
    /// The manifest does not follow its format.
    ManifestInvalid = 222, "the package's manifest is invalid";
    /// The template is not a CloudFormation template.
    TemplateInvalid = 223, "the template is invalid";
    /// A file the template or manifest names is not in the package.
    AssetMissing = 224, "the package lacks a file that it names";
    /// A function's code is not in the package.
    CodeOutsidePackage = 225, "code comes from outside of the package";
    /// The package was built for another stage than the one it would be deployed to.
    StageMismatch = 226, "the package was built for another stage";
    /// The template uses a feature that Flotilla cannot deploy the same way in every region.
    TemplateUnsupported = 227, "the template cannot be deployed the same way in every region";
    /// The template needs a capability that the profile does not grant.
    CapabilityMissing = 228, "the profile does not grant a capability that the template needs";
    /// The template has a parameter without a value.
    ParameterMissing = 229, "a parameter of the template has no value";
    /// A placeholder is used where CloudFormation accepts no parameter.
    PlaceholderMisplaced = 230, "a placeholder is where CloudFormation accepts no parameter";
    /// The stacks of the package have a dependency cycle.
    StacksCircular = 231, "the package's stacks have a dependency cycle";
    /// A name that exists once for all regions would be created in several.
    NameExistsOnce = 232, "a name exists once for all regions";
    /// A name has more characters than AWS accepts, with the stage in it.
    NameTooLong = 233, "a name is too long at a stage";
    /// A container image of the package cannot be read, or is not one that Lambda runs.
    ImageUnsupported = 234, "a container image cannot be deployed";
    /// Code of another bucket cannot be read, or its bytes have another digest than the service's configuration says.
    ExternalCodeDiffers = 235, "code in another bucket or repository cannot be taken";

    /// The configuration does not follow its schema.
    ConfigInvalid = 301, "the configuration is invalid";
    /// A region of that name does not exist.
    RegionUnknown = 302, "the region does not exist";
    /// The profile that a route or a command names is not configured.
    ProfileUnknown = 303, "the profile is not configured";
    /// The account of a profile is not registered.
    AccountUnknown = 304, "the account is not registered";
    /// The account-region has not been prepared.
    RegionNotPrepared = 305, "the region has no artifact bucket";
    /// The role of a target account cannot be assumed.
    RoleNotAssumed = 306, "the account's role could not be assumed";
    /// The role of a target account may not read the ingest bucket.
    SourceDenied = 307, "the account's role may not read the ingest bucket";
    /// A file of the package is no longer in the ingest bucket.
    HomeCopyGone = 308, "the package is no longer in the ingest bucket";
    /// CloudFormation Guard cannot read the rules of a profile.
    RulesInvalid = 309, "the profile's rules cannot be read";
    /// A route for previews names a profile of stages that stay, or the other way round.
    ProfileNotForPreviews = 310, "previews and stages that stay need different profiles";
    /// The account was prepared without the roles of previews.
    PreviewsNotPrepared = 311, "the account has no roles for previews";
    /// The names of a preview's resources would not have the account's mark.
    PreviewUnmarked = 312, "the names of a preview's resources need the account's mark";
    /// A quota of the profile for its previews is used up.
    PreviewQuotaReached = 313, "a quota of previews is used up";
    /// A preview may not use an output of a stage that stays.
    OutputNotShared = 314, "the output is not shared with previews";
    /// A profile contains the value of a secret.
    SecretInPlain = 315, "a secret is written in plain text";
    /// A profile shifts traffic, and no alias of the package can be shifted.
    TrafficUnshiftable = 316, "the package has no alias whose traffic can be shifted";
    /// A profile requires signed releases, and this one is not.
    ProvenanceMissing = 317, "the release is not signed";
    /// Somebody else signed the release than a profile requires.
    ProvenanceRefused = 318, "the release was not signed as the profile requires";
    /// A profile excludes the authors of a release from its approvals, and the release names none.
    AuthorUnknown = 319, "the release does not say who wrote it";
    /// A package cannot be deployed to two slots, or to regions that are drained, as the profile says.
    RouterUnfit = 320, "the package does not fit the profile's router";
    /// A stage gets its traffic by another API mapping than the profile says.
    RouteChanged = 321, "the stage gets its traffic another way";

    /// The request is not understood.
    RequestInvalid = 401, "the request is invalid";
    /// The request is not signed.
    NotAuthenticated = 403, "the caller is not authenticated";
    /// The requested resource does not exist.
    NotFound = 404, "the resource does not exist";
    /// The route has other methods.
    MethodNotAllowed = 405, "the route does not support this method";
    /// The resource has changed meanwhile, or its state does not allow this.
    Conflict = 409, "the current state does not allow this";
    /// No grant gives the caller the role that this needs.
    Forbidden = 410, "the caller may not do this";
    /// With the new grants their author would no longer be an admin.
    AdminMissing = 411, "the author of the grants must remain an admin";
    /// Whoever started a rollout, or wrote what it deploys, wants to approve it, and the profile requires four eyes.
    OwnApproval = 412, "this person may not approve the rollout";
    /// An internal failure; a retry may succeed.
    Unavailable = 503, "Flotilla could not answer";

    /// CloudFormation refused the change set.
    ChangeSetRefused = 510, "CloudFormation refused the change";
    /// The update failed and CloudFormation rolled it back.
    RolledBack = 511, "the stack was rolled back";
    /// The stack is in a state that only an operator can fix.
    StackStuck = 512, "the stack needs an operator";
    /// A function runs other bytes than the package holds.
    CodeDiffers = 513, "a function does not run the package's bytes";
    /// A state took longer than its deadline.
    DeadlinePassed = 514, "a deadline passed";
    /// AWS denied a call.
    AccessDenied = 515, "AWS denied a call";
    /// A quota of the account is used up.
    QuotaReached = 516, "a quota of the account is used up";
    /// The stack was deleted or recreated by another actor.
    StackReplaced = 517, "the stack was deleted or recreated by another actor";
    /// AWS refused a call permanently.
    CallRefused = 518, "AWS refused a call";
    /// The bytes in a region are not, or cannot be proven to be, the package's.
    ReplicaUnproven = 519, "the package could not be proven in a region";
    /// Deleting the stack failed.
    DeleteFailed = 520, "the stack could not be deleted";
    /// The stack's tags name another service or stage.
    StackForeign = 521, "the stack belongs to another service";
    /// The stack has termination protection, which Flotilla never disables.
    TerminationProtected = 522, "the stack is protected from deletion";
    /// Another stack imports what this one exports.
    ExportInUse = 523, "another stack uses an export of this one";
    /// The lease of the stack passed to another deployment.
    LeaseLost = 524, "another deployment took the stack over";
    /// An operator stopped the running update.
    Stopped = 525, "the update was stopped";
    /// The change set would revert a change that was made outside of CloudFormation.
    DriftFound = 526, "the stack was changed outside of CloudFormation";
    /// CloudFormation's early validation, or a hook, refused the change set.
    ValidationFailed = 527, "CloudFormation's validation failed";
    /// CloudFormation's validation warns, and the profile refuses warnings.
    ValidationWarned = 528, "CloudFormation's validation warns";
    /// The stage has no stable release to revert to.
    NothingToRevertTo = 529, "there is no release to roll back to";
    /// The package is on hold at the stage.
    PackageHeld = 530, "the package is held";
    /// The release is older than its service's retention, and no stage needed it.
    ReleaseNotKept = 535, "the release is no longer kept";
    /// A stateful resource would be, or may be, replaced.
    StatefulReplaced = 540, "a resource that holds data would be replaced";
    /// A stateful resource would be removed.
    StatefulRemoved = 541, "a resource that holds data would be removed";
    /// A resource of a type that the profile forbids would be created or changed.
    TypeForbidden = 542, "a resource type is forbidden";
    /// A change set would delete more resources than the profile allows.
    TooManyDeletions = 543, "too many resources would be deleted";
    /// A stack would lack a tag that the profile requires.
    TagMissing = 544, "a required tag is missing";
    /// A change set is too large to be checked completely.
    PlanUnchecked = 545, "the plan cannot be checked";
    /// A template violates the profile's rules.
    RuleBroken = 546, "a rule of the profile is violated";
    /// The profile's rules could not be evaluated.
    RulesUnapplied = 547, "the profile's rules could not be applied";
    /// An alarm of the profile was raised while a wave baked.
    AlarmRaised = 550, "an alarm was raised";
    /// A wave did not pass its verification.
    CheckFailed = 551, "a verification failed";
    /// The plan that would be executed is not the one that was approved.
    PlanChanged = 552, "the plan is not the one that was approved";
    /// The new versions lost their share of the traffic: a failure, a cancellation or an operator's order.
    TrafficAborted = 553, "traffic was shifted back";
    /// The old versions could not get all traffic back.
    TrafficNotRestored = 554, "traffic could not be shifted back";
    /// The metrics of the new versions breach a limit of the profile's analysis.
    AnalysisFailed = 555, "the new versions are not good enough";
    /// An API mapping points at an API that Flotilla did not let it point at.
    MappingChanged = 556, "the API mapping was changed outside of Flotilla";
    /// A stack that is deployed blue/green has no API, or several.
    ApiNotFound = 557, "the stack has no API that the domain can be mapped to";
    /// A weighted record does not exist, has another weight than the profile says, or is the last one with any.
    RecordUnexpected = 558, "the DNS record is not as the profile says";

    /// The packaging tool does this with its own API calls, outside of CloudFormation.
    OutsideCloudformation = 601, "the tool does this outside of CloudFormation";
    /// A container image is not in the package, so the code that it runs cannot be proven.
    ImageOutsidePackage = 602, "a container image is not in the package";
    /// A literal of the packaging region could not be neutralised.
    RegionStays = 603, "a region remains in the template";
    /// A stack of the package sets something that belongs in a profile.
    BelongsInProfile = 604, "this belongs in the profile";
    /// A literal of the packaging account could not be neutralised.
    AccountStays = 605, "an account remains in the template";
    /// The code of a nested stack's function is not read back after the deployment.
    NestedUnproven = 606, "a nested stack's function is not read back";
    /// A stack of the package has no resources, so it is left out.
    StackEmpty = 607, "a stack without resources is not deployed";
    /// Logical ids contain the stage, so some may differ from those that the tool makes.
    StageInIds = 608, "logical ids contain the stage";
    /// A layer is not in the package, so its bytes in each region cannot be proven.
    LayerOutsidePackage = 609, "a layer is not in the package";
    /// Functions run the new code as soon as their stack is updated, while the traffic of others is shifted.
    FunctionNotShifted = 610, "functions take no part in traffic shifting";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FL{:04}", self.number())
    }
}

impl Code {
    /// Reads `FL0101`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.to_string() == text)
    }
}

/// Why a user's input was refused: what is wrong, where, and how to fix it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// What is wrong, with the offending value.
    pub message: String,
    /// What to do about it.
    pub fix: String,
    /// Where it is wrong: a file in the package, a path in a document, a field.
    pub path: Option<String>,
}

/// Longest message or fix that is kept, in bytes.
pub const TEXT_BYTES_MAX: usize = 2_000;

impl Refusal {
    /// A refusal; its texts are made [`storable`].
    pub fn new(code: Code, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { code, message: storable(message.into()), fix: storable(fix.into()), path: None }
    }

    /// Adds the place of the error.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.path = Some(storable(path.into()));
        self
    }
}

/// A text as it may be stored and shown: without secrets, and cut to [`TEXT_BYTES_MAX`] at a character boundary. Texts of AWS and of
/// deployed functions may contain both.
pub fn storable(text: String) -> String {
    cut_to(hide(&text), TEXT_BYTES_MAX)
}

/// Cuts text to at most `bytes_max` bytes at a character boundary; text that was cut ends with `…`.
pub fn cut_to(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let room = bytes_max.saturating_sub('…'.len_utf8());
        let end = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_readable() {
        let mut numbers: Vec<u16> = Code::ALL.iter().map(|c| c.number()).collect();
        numbers.dedup();
        assert_eq!(numbers.len(), Code::ALL.len());
        assert!(numbers.is_sorted());
        for code in Code::ALL {
            assert_eq!(Code::parse(&code.to_string()), Some(*code));
        }
        assert_eq!(Code::KeyMalformed.to_string(), "FL0101");
        assert_eq!(Code::parse("FL9999"), None);
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let refusal = Refusal::new(Code::NotAZip, "ä".repeat(5_000), "x");
        assert!(refusal.message.len() <= TEXT_BYTES_MAX);
        assert!(refusal.message.ends_with('…'));
    }
}
