//! Container images of Lambda functions.

use flotilla_domain::Digest;
use flotilla_domain::config::external_image::ImageRepository;
use flotilla_domain::release::package::{STAGE_MARK, STAGE_PLACEHOLDER};
use serde_json::Value;

/// The digest that the URI of an image ends with, wherever its registry is: a text, `Fn::Sub`, or `Fn::Join`. `None` if it has a tag, or is
/// known only during the deployment.
pub fn image_digest(uri: &Value) -> Option<Digest> {
    Digest::parse_hex(text(uri)?.rsplit_once("@sha256:")?.1).ok()
}

/// Whether the URI of an image names a repository, in any registry: the digest says which image is meant, wherever that is. Account and region
/// of a package become parameters, so nothing else is the same before and after it is packed.
pub fn is_in_repository(uri: &Value, repository: &ImageRepository) -> bool {
    let Some(text) = text(uri) else { return false };
    let Some((_, path)) = text.split_once('/') else { return false };
    let name = path.split(['@', ':']).next().unwrap_or_default().replace(STAGE_MARK, STAGE_PLACEHOLDER);
    name == repository.name
}

/// The text of a URI.
fn text(uri: &Value) -> Option<String> {
    let Value::Object(function) = uri else { return uri.as_str().map(ToOwned::to_owned) };
    match function.iter().next()? {
        (name, Value::String(text)) if name == "Fn::Sub" => Some(text.clone()),
        (name, Value::Array(parts)) if name == "Fn::Sub" => Some(parts.first()?.as_str()?.to_owned()),
        (name, Value::Array(parts)) if name == "Fn::Join" && parts.first()? == "" => {
            Some(parts.get(1)?.as_array()?.iter().map(|part| part.as_str().unwrap_or("${}")).collect())
        }
        _ => None,
    }
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
            json!({"Fn::Join": ["@sha256:", ["111122223333.dkr.ecr.eu-west-1.amazonaws.com/api", digest.to_string()]]}),
        ] {
            assert_eq!(image_digest(&uri), None, "{uri}");
        }
    }

    #[test]
    fn a_repository_is_the_same_in_every_registry() {
        let api = ImageRepository::parse("111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/api").unwrap();
        let end = format!("@sha256:{}", Digest::of(b"image"));
        for uri in [
            json!(format!("111122223333.dkr.ecr.us-east-1.amazonaws.com/team/api{end}")),
            json!(format!("444455556666.dkr.ecr.eu-west-1.amazonaws.com/team/api{end}")),
            json!({"Fn::Sub": format!("${{AWS::AccountId}}.dkr.ecr.${{AWS::Region}}.amazonaws.com/team/api{end}")}),
            json!({"Fn::Join": ["", [{"Ref": "AWS::AccountId"}, ".dkr.ecr.", {"Ref": "AWS::Region"}, ".", {"Ref": "AWS::URLSuffix"}, "/team/api", end]]}),
        ] {
            assert!(is_in_repository(&uri, &api), "{uri}");
        }
        for uri in [
            json!(format!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/api{end}")),
            json!(format!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/api-2{end}")),
            json!({"Fn::Sub": format!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/${{Name}}{end}")}),
            json!({"Ref": "Image"}),
        ] {
            assert!(!is_in_repository(&uri, &api), "{uri}");
        }
        let staged = ImageRepository { name: "serverless-orders-flotillastage".into(), ..api };
        let uri = json!({"Fn::Sub": format!("${{AWS::AccountId}}.dkr.ecr.${{AWS::Region}}.amazonaws.com/serverless-orders-{STAGE_MARK}{end}")});
        assert!(is_in_repository(&uri, &staged));
    }
}
