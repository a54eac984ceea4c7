//! `flotilla uninstall` and `flotilla account remove`: remove what `install` and `account add` have created, and nothing of the deployed
//! services. What would be removed is shown first. A second run continues after a failed step.

use super::confirm::confirm;
use super::lists::without;
use super::own_stack::OwnStack;
use super::prepare::{account_of, region};
use super::stacks::{bring, delete, is_there};
use crate::args::{Global, Removal, RemoveAccount, Uninstall};
use crate::error::{CliError, Exit};
use crate::{error_text, home, show};
use aws_config::SdkConfig;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use aws_smithy_types::error::display::DisplayErrorContext;
use flotilla_domain::config::account::artifact_bucket;
use flotilla_domain::{AccountId, Region};
use futures::future::try_join_all;
use serde::Serialize;

/// Something to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Item {
    Stack { name: String, region: String },
    Bucket { name: String, region: String },
    Repository { name: String, region: String },
    Table { name: String, region: String },
}

impl Item {
    fn is_data(&self) -> bool {
        !matches!(self, Self::Stack { .. })
    }
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, name, region) = match self {
            Self::Stack { name, region } => ("stack", name, region),
            Self::Bucket { name, region } => ("bucket", name, region),
            Self::Repository { name, region } => ("repository", name, region),
            Self::Table { name, region } => ("table", name, region),
        };
        write!(f, "{kind} {name} in {region}")
    }
}

/// What was removed and what was kept; the JSON output.
#[derive(Serialize)]
struct Removed {
    removed: Vec<Item>,
    kept: Vec<Item>,
}

/// Where to remove: an account, with credentials for it.
struct Place<'a> {
    global: &'a Global,
    config: SdkConfig,
    account: AccountId,
    home: Region,
}

pub async fn uninstall(global: &Global, args: &Uninstall) -> Result<Exit, CliError> {
    let config = home::load(global).await?;
    let account = account_of(&config).await?;
    let home = region(&home::region_of(&config))?;
    let control_plane = home::control_plane_stack(&global.prefix);
    let known = home::parameters(&config, &control_plane).await?;
    let others = known.get("TargetAccounts").map_or("", String::as_str);
    if let Some(other) = others.split(',').map(str::trim).find(|other| !other.is_empty()) {
        let what = format!("the control plane still deploys to other accounts: {others}");
        let fix = format!("remove each of them first: flotilla account remove {other} --aws-profile NAME");
        return Err(CliError::usage(what, fix));
    }
    let place = Place { global, config, account, home };
    let mut items = place.table_and_ingest().await?;
    if is_there(&place.config, &control_plane).await? {
        // First, so that nothing is deployed meanwhile.
        items.insert(0, Item::Stack { name: control_plane, region: place.home.to_string() });
    }
    items.extend(place.regions_and_roles().await?);
    place.remove(items, &args.removal).await
}

pub async fn remove_account(global: &Global, args: &RemoveAccount) -> Result<Exit, CliError> {
    let config = home::load(global).await?;
    let home_account = account_of(&config).await?;
    let theirs = home::acting(&config, args.aws_profile.as_deref(), args.assume_role.as_deref()).await;
    let account = account_of(&theirs).await?;
    if account.as_str() != args.account || account == home_account {
        let what = format!(
            "the credentials belong to account {account}, not to the target account {}",
            args.account
        );
        return Err(CliError::usage(
            what,
            "select credentials of the account with --aws-profile or --assume-role",
        ));
    }
    let home = region(&home::region_of(&config))?;
    let place = Place { global, config: theirs, account, home };
    let items = place.regions_and_roles().await?;
    let exit = place.remove(items, &args.removal).await?;

    let name = home::control_plane_stack(&global.prefix);
    let known = home::parameters(&config, &name).await?;
    if !known.contains_key("TargetAccounts") {
        // There is no control plane any longer, or one of a version without other accounts.
        return Ok(exit);
    }
    let role =
        format!("arn:{}:iam::{}:role/{}-deployer", place.home.partition(), place.account, global.prefix);
    let list = |name: &str, one: &str| (name.to_owned(), without(known.get(name), one));
    let parameters = vec![list("DeployerRoleArns", &role), list("TargetAccounts", place.account.as_str())];
    let brought = bring(&config, &OwnStack { name, template: None, template_url: None, parameters }).await?;
    place.say(&format!("control plane: {brought}"));
    Ok(exit)
}

impl Place<'_> {
    fn say(&self, line: &str) {
        if !self.global.json {
            eprintln!("{line}");
        }
    }

    fn in_region(&self, region: &str) -> SdkConfig {
        home::in_region(&self.config, region)
    }

    /// The control plane's table and ingest bucket, if they exist.
    async fn table_and_ingest(&self) -> Result<Vec<Item>, CliError> {
        let (prefix, region) = (&self.global.prefix, self.home.to_string());
        let mut items = Vec::new();
        let client = aws_sdk_dynamodb::Client::new(&self.config);
        match client.describe_table().table_name(prefix).send().await {
            Ok(_) => items.push(Item::Table { name: prefix.clone(), region: region.clone() }),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_resource_not_found_exception()) => {}
            Err(error) => return Err(CliError::failed("cannot read the table", error_text(&error))),
        }
        let ingest = format!("{prefix}-ingest-{}-{region}", self.account);
        items.extend(self.bucket(&ingest, &region).await?);
        Ok(items)
    }

    /// The regional stacks and artifact buckets of every region, and the stack of the roles, if they exist.
    async fn regions_and_roles(&self) -> Result<Vec<Item>, CliError> {
        let prefix = &self.global.prefix;
        let regions = Region::all().filter(|region| region.partition() == self.home.partition());
        let found = try_join_all(regions.map(|region| async move {
            let (name, region_name) = (format!("{prefix}-regional"), region.to_string());
            let there = match is_there(&self.in_region(&region_name), &name).await {
                Err(error) if home::not_enabled(&error) => return Ok(Vec::new()),
                there => there?,
            };
            let stack = there.then_some(Item::Stack { name, region: region_name.clone() });
            // The repository of container images has the name of the bucket.
            let bucket = artifact_bucket(prefix, &self.account, &region);
            let repository = self.repository(&bucket, &region_name).await?;
            let bucket = self.bucket(&bucket, &region_name).await?;
            Ok::<_, CliError>(stack.into_iter().chain(bucket).chain(repository).collect())
        }))
        .await?;
        let mut items: Vec<Item> = found.into_iter().flatten().collect();
        let name = format!("{prefix}-account");
        let region = self.home.to_string();
        if is_there(&self.in_region(&region), &name).await? {
            items.push(Item::Stack { name, region });
        }
        // Stacks first: they retain the data.
        items.sort_by_key(Item::is_data);
        Ok(items)
    }

    /// A bucket, if it exists and belongs to the account.
    async fn bucket(&self, name: &str, region: &str) -> Result<Option<Item>, CliError> {
        let client = aws_sdk_s3::Client::new(&self.in_region(region));
        match client.head_bucket().bucket(name).expected_bucket_owner(self.account.as_str()).send().await {
            Ok(_) => Ok(Some(Item::Bucket { name: name.to_owned(), region: region.to_owned() })),
            Err(error) if error.as_service_error().is_some() => Ok(None),
            Err(error) => {
                let why = DisplayErrorContext(&error).to_string();
                Err(CliError::failed(format!("cannot look for the bucket {name}"), why))
            }
        }
    }

    /// A repository of container images, if it exists.
    async fn repository(&self, name: &str, region: &str) -> Result<Option<Item>, CliError> {
        let client = aws_sdk_ecr::Client::new(&self.in_region(region));
        match client.describe_repositories().repository_names(name).send().await {
            Ok(_) => Ok(Some(Item::Repository { name: name.to_owned(), region: region.to_owned() })),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_repository_not_found_exception()) => {
                Ok(None)
            }
            Err(error) => {
                Err(CliError::failed(format!("cannot look for the repository {name}"), error_text(&error)))
            }
        }
    }

    /// Shows what will be removed, asks, and removes it.
    async fn remove(&self, items: Vec<Item>, args: &Removal) -> Result<Exit, CliError> {
        let (mut removed, mut kept): (Vec<Item>, Vec<Item>) =
            items.into_iter().partition(|item| !(args.keep_data && item.is_data()));
        // Stacks retain the table and the buckets: these can go only once no function writes to them.
        removed.sort_by_key(Item::is_data);
        removed.iter().for_each(|item| self.say(&format!("remove  {item}")));
        kept.iter().for_each(|item| self.say(&format!("keep    {item}")));
        if removed.is_empty() {
            self.say("nothing to remove");
        } else {
            let role = format!("{}-cloudformation", self.global.prefix);
            self.say("Deployed services stay. Their stacks keep working without Flotilla; to update or delete one, give");
            self.say(&format!(
                "CloudFormation another service role than {role}, which is removed (--role-arn)."
            ));
            if !args.yes {
                let (will, check) = ("All of it will be removed.", "check what would be removed above");
                confirm(&self.global.prefix, will, check)?;
            }
        }
        for item in std::mem::take(&mut removed) {
            let is_removed = match &item {
                Item::Stack { name, region } => delete(&self.in_region(region), name).await.map(|()| true)?,
                Item::Bucket { name, region } => self.delete_bucket(name, region).await.map(|()| true)?,
                Item::Repository { name, region } => self.delete_repository(name, region).await?,
                Item::Table { name, region } => self.delete_table(name, region).await.map(|()| true)?,
            };
            if is_removed {
                self.say(&format!("removed {item}"));
                removed.push(item);
            } else {
                kept.push(item);
            }
        }
        if self.global.json {
            show::json(&Removed { removed, kept });
        }
        Ok(Exit::Success)
    }

    /// Deletes all versions of all objects, then the bucket.
    async fn delete_bucket(&self, bucket: &str, region: &str) -> Result<(), CliError> {
        let client = aws_sdk_s3::Client::new(&self.in_region(region));
        let owner = self.account.as_str();
        let failed = |why: String| CliError::failed(format!("cannot delete the bucket {bucket}"), why);
        loop {
            let listed =
                client.list_object_versions().bucket(bucket).expected_bucket_owner(owner).send().await;
            let listed = listed.map_err(|e| failed(error_text(&e)))?;
            let versions = listed.versions().iter().map(|v| (v.key(), v.version_id()));
            let markers = listed.delete_markers().iter().map(|m| (m.key(), m.version_id()));
            let objects: Vec<ObjectIdentifier> = versions
                .chain(markers)
                .filter_map(|(key, version)| {
                    ObjectIdentifier::builder()
                        .key(key?)
                        .set_version_id(version.map(str::to_owned))
                        .build()
                        .ok()
                })
                .collect();
            if objects.is_empty() {
                break;
            }
            let these = Delete::builder().set_objects(Some(objects)).quiet(true).build();
            let these = these.map_err(|e| failed(e.to_string()))?;
            let request = client.delete_objects().bucket(bucket).expected_bucket_owner(owner).delete(these);
            let done = request.send().await.map_err(|e| failed(error_text(&e)))?;
            if let Some(error) = done.errors().first() {
                let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
                return Err(failed(format!("{}: {}", text(error.key()), text(error.message()))));
            }
        }
        let done = client.delete_bucket().bucket(bucket).expected_bucket_owner(owner).send().await;
        done.map(drop).map_err(|e| failed(error_text(&e)))
    }

    /// Deletes a repository, unless it has images: Lambda needs the images of functions for as long as these exist.
    async fn delete_repository(&self, name: &str, region: &str) -> Result<bool, CliError> {
        let client = aws_sdk_ecr::Client::new(&self.in_region(region));
        match client.delete_repository().repository_name(name).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_repository_not_empty_exception()) => {
                self.say(&format!(
                    "kept    repository {name} in {region}: functions may run its images. When none does:"
                ));
                self.say(&format!(
                    "        aws ecr delete-repository --force --region {region} --repository-name {name}"
                ));
                Ok(false)
            }
            Err(error) => {
                Err(CliError::failed(format!("cannot delete the repository {name}"), error_text(&error)))
            }
        }
    }

    async fn delete_table(&self, name: &str, region: &str) -> Result<(), CliError> {
        let client = aws_sdk_dynamodb::Client::new(&self.in_region(region));
        let done = client.delete_table().table_name(name).send().await;
        done.map(drop)
            .map_err(|e| CliError::failed(format!("cannot delete the table {name}"), error_text(&e)))
    }
}
