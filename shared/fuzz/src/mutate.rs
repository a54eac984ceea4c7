//! Changes of inputs that keep JSON well-formed: random bytes alone seldom get behind the parser.

use crate::files;
use serde_json::{Map, Value, json};

/// Texts that mean something somewhere.
const WORDS: [&str; 40] = [
    "AWS::Lambda::Function",
    "AWS::Lambda::Version",
    "AWS::Serverless::Function",
    "AWS::Serverless::GraphQLApi",
    "AWS::Serverless::Application",
    "AWS::CloudFormation::Stack",
    "AWS::CloudFormation::StackSet",
    "AWS::AppSync::Resolver",
    "AWS::IAM::Role",
    "AWS::Include",
    "AWS::Serverless-2016-10-31",
    "ServerlessDeploymentBucket",
    "FlotillaAssetsBucket",
    "FlotillaStage",
    "flotillastage",
    "flotillaparam-Name",
    "us-east-1",
    "111122223333",
    "${AWS::Region}",
    "template.yaml",
    "nested.json",
    "code/",
    "../",
    "Resources",
    "Parameters",
    "Outputs",
    "Metadata",
    "Transform",
    "Globals",
    "Properties",
    "Type",
    "Ref",
    "Fn::Sub",
    "Fn::GetAtt",
    "Fn::Transform",
    "Fn::ImportValue",
    "TemplateURL",
    "CodeUri",
    "Code",
    "Location",
];

/// Changes a piece of JSON in the input, and answers the input's new length; `None` every second time, and when
/// there is no JSON or no room: then the fuzzer changes bytes.
pub fn change(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> Option<usize> {
    let mut random = Random(u64::from(seed) << 1 | 1);
    if random.below(2) == 0 {
        return None;
    }
    let mut files = files::read(&data[..size]);
    let at = random.below(files.len());
    let mut value: Value = serde_json::from_slice(&files.get(at)?.content).ok()?;
    let other = files.get(random.below(files.len()))?;
    let donor = serde_json::from_slice(&other.content).unwrap_or_else(|_| value.clone());
    for _ in 0..=random.below(3) {
        let mut gift = donor.clone();
        let gift = pick(&mut gift, &mut random).take();
        alter(pick(&mut value, &mut random), gift, &mut random);
    }
    files[at].content = serde_json::to_vec(&value).ok()?;
    let out = files::write(&files);
    if out.len() > max_size.min(data.len()) {
        return None;
    }
    data[..out.len()].copy_from_slice(&out);
    Some(out.len())
}

/// A value in a value, each as likely as any other.
fn pick<'v>(value: &'v mut Value, random: &mut Random) -> &'v mut Value {
    let chosen = random.below(count(value));
    nth(value, chosen)
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(object) => 1 + object.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

fn nth(value: &mut Value, mut left: usize) -> &mut Value {
    if left == 0 {
        return value;
    }
    left -= 1;
    let inner: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(object) => object.values_mut().collect(),
        _ => unreachable!("it was counted"),
    };
    for one in inner {
        let many = count(one);
        if left < many {
            return nth(one, left);
        }
        left -= many;
    }
    unreachable!("it was counted")
}

fn alter(value: &mut Value, gift: Value, random: &mut Random) {
    let word = WORDS[random.below(WORDS.len())];
    let kind = random.below(8);
    match (kind, &mut *value) {
        (0, _) => *value = gift,
        (1, _) => {
            *value = match random.below(6) {
                0 => Value::Null,
                1 => json!([]),
                2 => json!({}),
                3 => json!(u64::MAX),
                4 => json!(true),
                _ => json!(word),
            }
        }
        (2, _) => *value = json!({word: value.take()}),
        (3, _) => *value = json!([value.take(), gift]),
        (4, Value::Object(object)) if !object.is_empty() => {
            let key = key(object, random);
            object.remove(&key);
        }
        (5, Value::Object(object)) if !object.is_empty() => {
            let key = key(object, random);
            if let Some(inner) = object.remove(&key) {
                object.insert(if random.below(2) == 0 { word.into() } else { key + word }, inner);
            }
        }
        (_, Value::Object(object)) => {
            let name =
                if object.is_empty() || random.below(2) == 0 { word.to_owned() } else { format!("{word}2") };
            object.insert(name.replace(':', if random.below(2) == 0 { "" } else { ":" }), gift);
        }
        (4, Value::Array(items)) if !items.is_empty() => drop(items.remove(random.below(items.len()))),
        (_, Value::Array(items)) => items.insert(random.below(items.len() + 1), gift),
        (_, Value::String(text)) => {
            let at = random.below(text.len() + 1);
            if text.is_char_boundary(at) {
                text.insert_str(at, word);
            }
        }
        _ => *value = json!(word),
    }
}

fn key(object: &Map<String, Value>, random: &mut Random) -> String {
    object.keys().nth(random.below(object.len())).cloned().unwrap_or_default()
}

/// Xorshift: the fuzzer's seed decides.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 16) % (bound.max(1) as u64)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_stays_json() {
        let input = br#"{"Resources":{"A":{"Type":"X","Properties":[1,"a"]}}}"#;
        let mut changed = 0;
        for seed in 0..1_000 {
            let mut data = vec![0; 1_000];
            data[..input.len()].copy_from_slice(input);
            if let Some(size) = change(&mut data, input.len(), 1_000, seed) {
                serde_json::from_slice::<Value>(&data[..size]).expect("JSON");
                changed += 1;
            }
        }
        assert!(changed > 300, "{changed}");
    }
}
