//! One stack of the suite, and the operations on it.

use super::{Bench, Fate};
use flotilla_domain::deployment::Effort;
use flotilla_domain::deployment::event::StackObserved;
use flotilla_domain::deployment::stack_event::StackEvent;
use flotilla_domain::deployment::state::ChangeSetKind;
use flotilla_domain::release::package::{ASSETS_BUCKET_PARAMETER, asset_key, template_key};
use flotilla_domain::{Digest, StackName};
use flotilla_engine::ports::{
    ChangeSetObserved, ChangeSetRequest, ChangeSetStatus, Executed, PortError, StackResource, Stacks,
};
use serde_json::json;
use std::time::Duration;

/// The timeout of every wait.
const LOOKS_MAX: u32 = 480;
/// How long a stable status other than the awaited one may remain.
const SETTLED_LOOKS_MAX: u32 = 60;
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// A stack.
pub(super) struct Scene<'a> {
    pub stacks: &'a dyn Stacks,
    pub bench: &'a dyn Bench,
    pub stack: StackName,
}

impl<'a> Scene<'a> {
    /// A stack of this name, which does not exist yet.
    pub fn new(stacks: &'a dyn Stacks, bench: &'a dyn Bench, name: &str) -> Self {
        let stack = StackName::parse(&format!("{}-{name}", bench.space())).expect("a stack's name");
        Self { stacks, bench, stack }
    }

    /// Stores a template with one function of this code in the target's bucket.
    pub async fn template(&self, code: &str) -> Digest {
        self.place(code, Fate::Works).await
    }

    /// Stores this template in the target's bucket.
    pub async fn place(&self, code: &str, fate: Fate) -> Digest {
        let zip = crate::package(code);
        let asset = Digest::of(&zip);
        self.bench.place_object(&asset_key(&asset), zip.into()).await;
        let mut template = json!({
            "Parameters": {ASSETS_BUCKET_PARAMETER: {"Type": "String"}},
            "Resources": {"App": {"Type": "AWS::Lambda::Function", "Properties": {
                "Runtime": "python3.12", "Handler": "app.handler", "Role": self.bench.function_role(),
                "Code": {"S3Bucket": {"Ref": ASSETS_BUCKET_PARAMETER}, "S3Key": asset_key(&asset)},
            }}},
            "Outputs": {"Code": {"Value": code}, "AppName": {"Value": {"Ref": "App"}}},
        });
        match fate {
            Fate::Works => {}
            Fate::RollsBack => {
                let handle = json!({"Type": "AWS::CloudFormation::WaitConditionHandle"});
                template["Resources"]["NeverReadyHandle"] = handle;
                let wait = json!({"Handle": {"Ref": "NeverReadyHandle"}, "Timeout": "1", "Count": 1});
                template["Resources"]["NeverReady"] =
                    json!({"Type": "AWS::CloudFormation::WaitCondition", "Properties": wait});
            }
            Fate::Refuses => template["Transform"] = json!("NoSuchMacroAnywhere"),
        }
        let bytes = template.to_string().into_bytes();
        let digest = Digest::of(&bytes);
        self.bench.place_object(&template_key(&digest), bytes.into()).await;
        self.bench.fate(fate).await;
        digest
    }

    /// Requests a change set.
    pub async fn ask(&self, kind: ChangeSetKind, name: &str, template: Digest) -> Result<(), PortError> {
        let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let request = ChangeSetRequest {
            express: false,
            revert_drift: false,
            rollback: None,
            stack: self.stack.clone(),
            name: name.to_owned(),
            kind,
            template,
            parameters: [].into(),
            tags: [tag("flotilla:service", self.bench.space()), tag("flotilla:stage", "contract")].into(),
            capabilities: [].into(),
        };
        self.stacks.create_change_set(self.bench.place(), &request).await
    }

    /// A change set, by name or id.
    pub async fn change_set(&self, name: &str) -> Option<ChangeSetObserved> {
        let seen = self.stacks.describe_change_set(self.bench.place(), &self.stack, name).await;
        seen.expect("an answer")
    }

    /// Creates a change set and waits until it is complete.
    pub async fn plan(&self, kind: ChangeSetKind, name: &str, template: Digest) -> ChangeSetObserved {
        self.ask(kind, name, template).await.expect("a change set");
        let mut last = None;
        for _ in 0..LOOKS_MAX {
            last = self.change_set(name).await;
            match &last {
                Some(seen) if seen.status != ChangeSetStatus::Pending => return seen.clone(),
                _ => self.bench.pass(BETWEEN_LOOKS).await,
            }
        }
        panic!("the change set {name} is not made: {last:?}")
    }

    /// Executes a change set.
    pub async fn execute(&self, change_set: &ChangeSetObserved, token: &str) -> Executed {
        let executed = self.stacks.execute(self.bench.place(), &self.stack, &change_set.id, token).await;
        executed.expect("an answer")
    }

    /// Creates a change set, executes it with its name as the token, and waits for the stack's final status.
    pub async fn deploy(
        &self,
        kind: ChangeSetKind,
        name: &str,
        template: Digest,
        end: &str,
    ) -> StackObserved {
        let plan = self.plan(kind, name, template).await;
        assert_eq!(plan.status, ChangeSetStatus::Ready);
        assert_eq!(self.execute(&plan, name).await, Executed::Started);
        self.until(&plan.stack_id, end).await
    }

    /// The stack, by name or id.
    pub async fn look(&self, stack: &str) -> Option<StackObserved> {
        self.stacks.describe(self.bench.place(), stack).await.expect("an answer")
    }

    /// Waits until a stack has a status. If the stack is stable with another status, the wait continues for a while,
    /// because the read may be stale, and then fails.
    pub async fn until(&self, stack: &str, status: &str) -> StackObserved {
        let (mut last, mut settled_looks) = (None, 0);
        for _ in 0..LOOKS_MAX {
            last = self.look(stack).await;
            match &last {
                Some(seen) if seen.status == status => return seen.clone(),
                Some(seen) if seen.status.ends_with("_IN_PROGRESS") => settled_looks = 0,
                _ => settled_looks += 1,
            }
            if settled_looks > SETTLED_LOOKS_MAX {
                break;
            }
            self.bench.pass(BETWEEN_LOOKS).await;
        }
        panic!("{stack} does not become {status}: {last:?}")
    }

    /// Waits until a stack is deleted.
    pub async fn until_gone(&self, stack_id: &str) {
        let mut last = None;
        for _ in 0..LOOKS_MAX {
            last = self.look(stack_id).await;
            if is_gone(last.as_ref()) {
                return;
            }
            self.bench.pass(BETWEEN_LOOKS).await;
        }
        panic!("{stack_id} does not go: {last:?}")
    }

    /// Deletes a stack.
    pub async fn delete(&self, stack_id: &str, token: &str) {
        let deleted = self.stacks.delete(self.bench.place(), stack_id, token, &Effort::First).await;
        deleted.expect("that a stack is gone is no error");
    }

    /// All events of a stack.
    pub async fn events(&self, stack_id: &str) -> Result<Vec<StackEvent>, PortError> {
        let (mut events, mut next) = (Vec::new(), None);
        loop {
            let page = self.stacks.events(self.bench.place(), stack_id, next.as_deref()).await?;
            events.extend(page.events);
            next = page.next;
            if next.is_none() {
                return Ok(events);
            }
        }
    }

    /// A stack's resources.
    pub async fn resources(&self, stack_id: &str) -> Result<Vec<StackResource>, PortError> {
        self.stacks.resources(self.bench.place(), stack_id).await
    }

    /// A valid id of a stack that never existed.
    pub fn unknown_id(&self, kind: &str) -> String {
        let site = &self.bench.place().site;
        let (region, account) = (&site.region, &site.account);
        let stack = &self.stack;
        format!(
            "arn:aws:cloudformation:{region}:{account}:{kind}/{stack}-no/00000000-0000-4000-8000-000000000000"
        )
    }
}

/// Whether a stack is missing or reported as deleted. By id, CloudFormation describes deleted stacks for 90 days.
pub(super) fn is_gone(seen: Option<&StackObserved>) -> bool {
    seen.is_none_or(|seen| seen.status == "DELETE_COMPLETE")
}
