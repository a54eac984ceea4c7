//! The rules of CloudFormation Guard of a profile.

use crate::ports::Judged;
use flotilla_contract::ProfileConfig;
use flotilla_domain::gate::Gates;
use flotilla_domain::{Code, Refusal};

const PATH: &str = "safeguards.guard";

/// The rules' text, if the profile has some.
///
/// # Errors
/// [`Code::RulesInvalid`] if it is too long or no text.
pub fn rules(doc: &ProfileConfig) -> Result<Option<&str>, Refusal> {
    let Some(rules) = doc.safeguards.as_ref().and_then(|safeguards| safeguards.guard.as_deref()) else {
        return Ok(None);
    };
    if rules.len() > Gates::RULES_BYTES_MAX {
        let what =
            format!("the rules have {} bytes, {} at most are kept", rules.len(), Gates::RULES_BYTES_MAX);
        return Err(invalid(
            what,
            "leave out comments and rules about what nobody uses, or split the profile",
        ));
    }
    // Escaped, as they are kept, they would be six times as long.
    if rules.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(invalid("they have control characters".into(), "give them as plain text"));
    }
    Ok(Some(rules))
}

/// What it means for rules how trying them out has ended. On a template with nothing in it they need not hold.
///
/// # Errors
/// [`Code::RulesInvalid`] with the line.
pub fn check_rules(tried: Judged) -> Result<(), Refusal> {
    match tried {
        Judged::Holds | Judged::Broken { .. } | Judged::Unfit { .. } => Ok(()),
        Judged::Invalid { line, why } => {
            let place = line.map_or_else(String::new, |line| format!("line {line}, "));
            let fix = "correct the rules; cfn-guard validate says the same on your machine";
            Err(invalid(format!("{place}{why}"), fix))
        }
        Judged::Crashed { why } => {
            let what = format!("Guard itself comes to no end with these rules: {why}");
            let fix = "look for a rule or variable that refers to itself, or is nested too deeply";
            Err(invalid(what, fix))
        }
    }
}

fn invalid(what: String, fix: &str) -> Refusal {
    Refusal::new(Code::RulesInvalid, what, fix).at(PATH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flotilla_contract::SafeguardsConfig;

    fn with(guard: Option<String>) -> ProfileConfig {
        let safeguards = SafeguardsConfig { guard, ..SafeguardsConfig::default() };
        ProfileConfig { safeguards: Some(safeguards), ..ProfileConfig::default() }
    }

    #[test]
    fn rules_are_bounded() {
        assert_eq!(rules(&ProfileConfig::default()), Ok(None));
        assert_eq!(rules(&with(Some("rule a {}".into()))), Ok(Some("rule a {}")));
        let refusal = rules(&with(Some("x".repeat(Gates::RULES_BYTES_MAX + 1)))).unwrap_err();
        assert_eq!((refusal.code, refusal.path.as_deref()), (Code::RulesInvalid, Some(PATH)));
        assert_eq!(rules(&with(Some("rule a\0".into()))).unwrap_err().code, Code::RulesInvalid);
        assert!(rules(&with(Some("# é\r\n\trule a".into()))).is_ok());
        assert!(rules(&with(Some("x".repeat(Gates::RULES_BYTES_MAX)))).is_ok());
    }

    #[test]
    fn rules_that_cannot_be_read_are_refused_with_their_line_and_those_that_crash_with_a_hint() {
        let code = |tried| check_rules(tried).map_err(|refusal| (refusal.code, refusal.message));
        let refused = |text: &str| Err((Code::RulesInvalid, text.to_owned()));
        let invalid = |line| Judged::Invalid { line, why: "column 3: no".into() };
        assert_eq!(code(invalid(Some(7))), refused("line 7, column 3: no"));
        assert_eq!(code(invalid(None)), refused("column 3: no"));
        let crashed = code(Judged::Crashed { why: "signal: aborted".into() });
        assert_eq!(crashed, refused("Guard itself comes to no end with these rules: signal: aborted"));
        // A rule may ask that something is there: an empty template proves nothing.
        for fine in [Judged::Holds, Judged::Broken { first: Vec::new(), count: 1 }] {
            assert_eq!(check_rules(fine), Ok(()));
        }
        assert_eq!(check_rules(Judged::Unfit { why: "no such key".into() }), Ok(()));
    }
}
