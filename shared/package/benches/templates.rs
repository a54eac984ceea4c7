//! How long a template of 500 resources takes, from its text to its digest.

#![allow(clippy::unwrap_used, reason = "a benchmark ends where something is not as it should be")]
#![allow(missing_docs, reason = "criterion makes functions of its own")]

mod support;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use flotilla_domain::{AccountId, Digest, Region};
use flotilla_package::formats::{Draft, DraftStep, Files, Proof, Source, recognise};
use flotilla_package::json::canonical;
use flotilla_package::template::{self, MadeFor, neutralise};
use flotilla_package::{Limits, json, yaml};
use serde_json::json;
use std::collections::BTreeMap;
use std::hint::black_box;
use support::Sample;

const LIMITS: Limits = Limits::DEFAULT;

fn parse(criterion: &mut Criterion) {
    let template = support::template(|_| json!("./code.zip"));
    let texts = [("JSON", template.to_string()), ("YAML", support::yaml(&template))];
    assert_eq!(yaml::parse_strict(texts[1].1.as_bytes()).unwrap(), template);
    assert_eq!(json::parse_strict(texts[0].1.as_bytes()).unwrap(), template);
    let mut group = criterion.benchmark_group("parse 500 resources");
    for (kind, text) in &texts {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(*kind, |bench| {
            bench.iter(|| template::read(black_box(text.as_bytes()), "template", &LIMITS).unwrap());
        });
    }
    group.finish();
}

fn rewrite(criterion: &mut Criterion) {
    let template = support::template(|_| json!("./code.zip"));
    let made_for = MadeFor {
        region: Some(Region::parse("eu-west-1").unwrap()),
        account: Some(AccountId::parse("111122223333").unwrap()),
    };
    criterion.bench_function("rewrite 500 resources", |bench| {
        bench.iter_batched_ref(
            || template.clone(),
            |template| neutralise(template, &made_for).unwrap(),
            BatchSize::LargeInput,
        );
    });
}

/// The draft, or the name of the file that it needs.
fn drafted_of(sample: &Sample, files: &Files) -> Result<Draft, String> {
    match recognise(&sample.listing, "").unwrap().draft(&sample.listing, files, &LIMITS).unwrap() {
        DraftStep::Done(draft) => Ok(*draft),
        DraftStep::Need(name) => Err(name),
        DraftStep::NeedManifest(image) => Err(image.to_string()),
    }
}

fn drafted(sample: &Sample) -> Draft {
    drafted_of(sample, &sample.files).unwrap()
}

fn digest(criterion: &mut Criterion) {
    let draft = drafted(&support::serverless());
    let template = draft.stacks[0].template.clone();
    let proof = |source: &Source| Proof {
        digest: Digest::of(source.name().as_bytes()),
        bytes: 1_000_000,
        unzipped: None,
    };
    let proofs: BTreeMap<Source, Proof> =
        draft.sources().map(|source| (source.clone(), proof(source))).collect();
    let mut group = criterion.benchmark_group("digest 500 resources");
    group.bench_function("canonical", |bench| bench.iter(|| Digest::of(&canonical(black_box(&template)))));
    group.bench_function("finish", |bench| {
        let finish = |draft: Draft| draft.finish(&proofs, &LIMITS).unwrap();
        bench.iter_batched(|| draft.clone(), finish, BatchSize::LargeInput);
    });
    group.finish();
}

fn draft(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("draft 500 resources");
    for (format, sample) in [("Serverless", support::serverless()), ("CDK", support::cdk(1))] {
        assert_eq!(drafted(&sample).sources().count(), 100);
        group.bench_function(format, |bench| bench.iter(|| drafted(black_box(&sample))));
    }
    let sample = support::cdk(10);
    group.sample_size(10);
    group.bench_function("CDK, 10 stacks, file by file", |bench| {
        bench.iter(|| {
            let mut files = Files::new();
            while let Err(name) = drafted_of(&sample, &files) {
                files.insert(name.clone(), sample.files[&name].clone());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, parse, rewrite, digest, draft);
criterion_main!(benches);
