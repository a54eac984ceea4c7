//! `flotilla pack`: shows the contents of a package and writes the packed package.

use crate::args::{Global, Pack};
use crate::error::{CliError, Exit};
use crate::packing::{PackError, Packing};
use crate::show;
use console::style;
use flotilla_domain::Refusal;
use flotilla_domain::release::package::{GIVEN_PREFIX, PackagedStack};
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;

/// What a package contains; the JSON output.
#[derive(Serialize)]
struct Report {
    format: Option<&'static str>,
    service: Option<String>,
    /// The only stage that the package fits; `None` if it fits any.
    stage: Option<String>,
    digest: Option<String>,
    stacks: Vec<StackReport>,
    assets: Vec<AssetReport>,
    parameters: Vec<ParameterReport>,
    capabilities: Vec<String>,
    rewrites: Vec<RewriteReport>,
    warnings: Vec<WarningReport>,
    errors: Vec<ErrorReport>,
    /// The file that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<PathBuf>,
}

#[derive(Serialize)]
struct StackReport {
    name: Option<String>,
    after: Vec<String>,
    template: String,
    template_bytes: usize,
    resources: usize,
    functions: Vec<String>,
}

#[derive(Serialize)]
struct AssetReport {
    key: String,
    digest: String,
    bytes: u64,
    source: String,
}

#[derive(Serialize)]
struct ParameterReport {
    name: String,
    stack: Option<String>,
    has_default: bool,
    /// Whether Flotilla sets its value.
    given: bool,
}

#[derive(Serialize)]
struct RewriteReport {
    path: String,
    from: String,
    to: String,
}

#[derive(Serialize)]
struct WarningReport {
    code: String,
    path: String,
    message: String,
}

#[derive(Serialize)]
struct ErrorReport {
    code: String,
    path: Option<String>,
    message: String,
    fix: String,
}

/// Reads the package, writes the packed package unless `--explain` is set, and shows the contents.
pub fn run(global: &Global, args: &Pack) -> Result<Exit, CliError> {
    let (packing, refusal) = match Packing::open(&args.path, args.root.as_deref()) {
        Ok(mut packing) => match packing
            .with_alias(args.alias.clone())
            .keep_external_code(args.external_code)
            .finish()
            .map(drop)
        {
            Ok(()) => (Some(packing), None),
            Err(PackError::Refused(refusal)) => (Some(packing), Some(*refusal)),
            Err(PackError::Failed(error)) => return Err(error),
        },
        Err(PackError::Refused(refusal)) => (None, Some(*refusal)),
        Err(PackError::Failed(error)) => return Err(error),
    };
    let mut report = report(packing.as_ref(), refusal.as_ref());
    if let (Some(packing), None, false) = (&packing, &refusal, args.explain) {
        let output = args.output.clone().unwrap_or_else(|| default_output(&report));
        write(packing, &output)?;
        report.output = Some(output);
    }
    if global.json {
        show::json(&report);
    } else {
        print(&report, args.explain);
    }
    Ok(if refusal.is_some() { Exit::Refused } else { Exit::Success })
}

fn default_output(report: &Report) -> PathBuf {
    let name = report.service.as_deref().unwrap_or("package");
    PathBuf::from(format!("{name}-{}.zip", show::short(report.digest.as_deref().unwrap_or_default())))
}

/// Writes to a temporary file in the same folder and renames it, so that the output file is never incomplete.
fn write(packing: &Packing, output: &PathBuf) -> Result<(), CliError> {
    let failed = |e| CliError::failed(format!("cannot write {}", output.display()), e);
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
    let file = tempfile::NamedTempFile::new_in(folder.unwrap_or_else(|| ".".as_ref())).map_err(failed)?;
    packing.write(file.reopen().map_err(failed)?)?;
    file.persist(output).map(drop).map_err(|e| failed(e.error))
}

fn report(packing: Option<&Packing>, refusal: Option<&Refusal>) -> Report {
    let draft = packing.and_then(|packing| packing.draft.as_ref());
    let finished = packing.and_then(|packing| packing.finished.as_ref());
    let package = finished.map(|finished| &finished.package);
    let stacks = || package.into_iter().flat_map(|package| &package.stacks);
    let mut capabilities: Vec<String> =
        stacks().flat_map(|stack| stack.capabilities.iter().cloned()).collect();
    capabilities.sort();
    capabilities.dedup();
    let assets = packing.into_iter().flat_map(|packing| &packing.proofs).map(|(source, proof)| AssetReport {
        key: source.asset(proof.digest).key(),
        digest: proof.digest.to_string(),
        bytes: proof.bytes,
        source: source.name().to_owned(),
    });
    let rewrites = draft.into_iter().flat_map(|draft| &draft.rewrites).map(|rewrite| RewriteReport {
        path: rewrite.path.clone(),
        from: rewrite.from.clone(),
        to: rewrite.to.clone(),
    });
    let warnings = draft.into_iter().flat_map(|draft| &draft.warnings).map(|warning| WarningReport {
        code: warning.code.to_string(),
        path: warning.path.clone(),
        message: warning.message.clone(),
    });
    let errors = refusal.into_iter().map(|refusal| ErrorReport {
        code: refusal.code.to_string(),
        path: refusal.path.clone(),
        message: refusal.message.clone(),
        fix: refusal.fix.clone(),
    });
    Report {
        format: draft.map(|draft| draft.format.as_str()),
        service: draft.and_then(|draft| draft.service.clone()),
        stage: draft.and_then(|draft| draft.made_for.as_ref().map(ToString::to_string)),
        digest: package.map(|package| package.digest.to_string()),
        stacks: stacks().map(|stack| stack_report(stack, finished)).collect(),
        assets: assets.collect(),
        parameters: stacks().flat_map(parameters).collect(),
        capabilities,
        rewrites: rewrites.collect(),
        warnings: warnings.collect(),
        errors: errors.collect(),
        output: None,
    }
}

fn stack_report(
    stack: &PackagedStack,
    finished: Option<&flotilla_package::formats::Finished>,
) -> StackReport {
    let bytes = finished.and_then(|finished| finished.templates.get(&stack.template));
    let template: Value = bytes.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
    StackReport {
        name: stack.part.as_ref().map(ToString::to_string),
        after: stack.after.iter().map(ToString::to_string).collect(),
        template: stack.template.to_string(),
        template_bytes: bytes.map_or(0, Vec::len),
        resources: template["Resources"].as_object().map_or(0, serde_json::Map::len),
        functions: stack.functions.iter().map(|function| function.logical_id.clone()).collect(),
    }
}

fn parameters(stack: &PackagedStack) -> impl Iterator<Item = ParameterReport> {
    stack.parameters.iter().map(|(name, has_default)| ParameterReport {
        name: name.clone(),
        stack: stack.part.as_ref().map(ToString::to_string),
        has_default: *has_default,
        given: name.starts_with(GIVEN_PREFIX),
    })
}

/// Most lines of a section without `--explain`.
const LINES_MAX: usize = 8;

fn print(report: &Report, all: bool) {
    let most = if all { usize::MAX } else { LINES_MAX };
    if let Some(format) = report.format {
        println!("format        {format}");
    }
    if let Some(service) = &report.service {
        println!("service       {service}");
    }
    match (&report.stage, report.format) {
        (Some(stage), _) => println!("stage         {stage} only: resource names contain it"),
        (None, Some(_)) => println!("stage         any"),
        (None, None) => {}
    }
    if let Some(digest) = &report.digest {
        println!("digest        sha256:{digest}");
    }
    if !report.capabilities.is_empty() {
        println!("capabilities  {}", report.capabilities.join(" "));
    }
    section(
        "stacks",
        report.stacks.iter().map(|stack| {
            let name = stack.name.clone().unwrap_or_else(|| "the stack".into());
            let after = if stack.after.is_empty() {
                String::new()
            } else {
                format!("after {}", stack.after.join(", "))
            };
            let functions = plural(stack.functions.len(), "function");
            vec![
                name,
                plural(stack.resources, "resource"),
                functions,
                bytes(stack.template_bytes as u64),
                after,
            ]
        }),
        most,
    );
    section(
        "assets",
        report.assets.iter().map(|asset| {
            vec![asset.source.clone(), bytes(asset.bytes), format!("sha256:{}", show::short(&asset.digest))]
        }),
        most,
    );
    section(
        "parameters",
        report.parameters.iter().map(|parameter| {
            let from = match (parameter.given, parameter.has_default) {
                (true, _) => "set by Flotilla",
                (false, true) => "has a default; the profile can override it",
                (false, false) => "required: set it in the profile",
            };
            vec![parameter.name.clone(), parameter.stack.clone().unwrap_or_default(), from.to_owned()]
        }),
        most,
    );
    section(
        "rewrites",
        report
            .rewrites
            .iter()
            .map(|rewrite| vec![rewrite.path.clone(), rewrite.from.clone(), "→".into(), rewrite.to.clone()]),
        most,
    );
    if !report.warnings.is_empty() {
        println!("{}", style("warnings").yellow().bold());
    }
    for warning in &report.warnings {
        println!("  {} {}", style(&warning.code).yellow(), warning.path);
        println!("    {}", warning.message);
    }
    for error in &report.errors {
        println!("{} {}", style(format!("refused {}", error.code)).red().bold(), error.message);
        if let Some(path) = &error.path {
            println!("  at {path}");
        }
        println!("  {} {}", style("fix:").bold(), error.fix);
    }
    if let Some(output) = &report.output {
        println!("wrote         {}", output.display());
    }
}

fn section(title: &str, rows: impl Iterator<Item = Vec<String>>, most: usize) {
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return;
    }
    println!("{}", style(title).bold());
    let indented = |row: &Vec<String>| {
        let mut row = row.clone();
        if let Some(first) = row.first_mut() {
            *first = format!("  {first}");
        }
        row
    };
    show::table(&rows.iter().take(most).map(indented).collect::<Vec<_>>());
    if rows.len() > most {
        println!("  and {} more; show all with --explain", rows.len() - most);
    }
}

fn plural(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}
