//! Container images of Lambda functions.

use flotilla_domain::Digest;
use serde_json::Value;

/// The digest that the URI of an image ends with, wherever its registry is: a text, `Fn::Sub`, or `Fn::Join`. `None` if it has a tag, or is
/// known only during the deployment.
pub fn image_digest(uri: &Value) -> Option<Digest> {
    let text = match uri {
        Value::String(text) => text,
        Value::Object(function) => match function.iter().next()? {
            (name, Value::String(text)) if name == "Fn::Sub" => text,
            (name, Value::Array(parts)) if name == "Fn::Sub" => parts.first()?.as_str()?,
            (name, Value::Array(parts)) if name == "Fn::Join" => {
                parts.get(1)?.as_array()?.last()?.as_str()?
            }
            _ => return None,
        },
        _ => return None,
    };
    Digest::parse_hex(text.rsplit_once("@sha256:")?.1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_digest_is_read_wherever_the_registry_is() {
        let digest = Digest::of(b"image");
        let end = format!("/api@sha256:{digest}");
        for uri in [
            json!(format!("111122223333.dkr.ecr.eu-west-1.amazonaws.com{end}")),
            json!({"Fn::Sub": format!("${{AWS::AccountId}}.dkr.ecr.${{AWS::Region}}.amazonaws.com{end}")}),
            json!({"Fn::Sub": [format!("${{Registry}}{end}"), {"Registry": {"Ref": "Registry"}}]}),
            json!({"Fn::Join": ["", [{"Ref": "AWS::AccountId"}, ".dkr.ecr.", {"Ref": "AWS::Region"}, ".amazonaws.com", end]]}),
        ] {
            assert_eq!(image_digest(&uri), Some(digest), "{uri}");
        }
        for uri in [
            json!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/api:1"),
            json!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/api@sha256:12"),
            json!({"Ref": "Image"}),
            json!({"Fn::Sub": "${Repository}@sha256:${Digest}"}),
        ] {
            assert_eq!(image_digest(&uri), None, "{uri}");
        }
    }
}
