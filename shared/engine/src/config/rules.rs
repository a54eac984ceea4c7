//! The CloudFormation Guard rules of a profile.

use crate::ports::Evaluation;
use flotilla_contract::ProfileConfig;
use flotilla_domain::gate::Gates;
use flotilla_domain::{Code, Refusal};

const PATH: &str = "safeguards.guard";

/// The text of the rules, if the profile has any.
///
/// # Errors
/// [`Code::RulesInvalid`] if it is too long or has control characters.
pub fn rules(doc: &ProfileConfig) -> Result<Option<&str>, Refusal> {
    let Some(rules) = doc.safeguards.as_ref().and_then(|safeguards| safeguards.guard.as_deref()) else {
        return Ok(None);
    };
    if rules.len() > Gates::RULES_BYTES_MAX {
        let what = format!("the rules have {} bytes; the limit is {}", rules.len(), Gates::RULES_BYTES_MAX);
        return Err(invalid(what, "remove comments and unused rules, or split the profile"));
    }
    // Stored escaped, each would take six times as many bytes.
    if rules.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(invalid("the rules have control characters".into(), "give them as plain text"));
    }
    Ok(Some(rules))
}

/// Whether rules that were tried on an empty template can be stored. They need not hold there.
///
/// # Errors
/// [`Code::RulesInvalid`], with the line.
pub fn check_rules(tried: Evaluation) -> Result<(), Refusal> {
    match tried {
        Evaluation::Passed | Evaluation::Violated { .. } | Evaluation::Unfit { .. } => Ok(()),
        Evaluation::Invalid { line, why } => {
            let place = line.map_or_else(String::new, |line| format!("line {line}, "));
            let fix = "correct the rules; cfn-guard validate reports the same error locally";
            Err(invalid(format!("{place}{why}"), fix))
        }
        Evaluation::Crashed { why } => {
            let what = format!("Guard does not finish with these rules: {why}");
            let fix = "remove the rule or variable that refers to itself or is nested too deeply";
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
        let invalid = |line| Evaluation::Invalid { line, why: "column 3: no".into() };
        assert_eq!(code(invalid(Some(7))), refused("line 7, column 3: no"));
        assert_eq!(code(invalid(None)), refused("column 3: no"));
        let crashed = code(Evaluation::Crashed { why: "signal: aborted".into() });
        assert_eq!(crashed, refused("Guard does not finish with these rules: signal: aborted"));
        // A rule may require a resource, so a violation on an empty template is no error.
        for fine in [Evaluation::Passed, Evaluation::Violated { first: Vec::new(), count: 1 }] {
            assert_eq!(check_rules(fine), Ok(()));
        }
        assert_eq!(check_rules(Evaluation::Unfit { why: "no such key".into() }), Ok(()));
    }
}
