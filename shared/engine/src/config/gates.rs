//! The gates of a profile.

use super::{invalid, no_such};
use flotilla_contract::{CheckConfig, FourEyesConfig, FreezeConfig, ProfileConfig, WindowConfig};
use flotilla_domain::config::profile::ProfileWave;
use flotilla_domain::gate::{
    Check, DateTime, FourEyes, Gates, Probe, ScheduledFreeze, Time, TimeZone, Window, Windows,
};
use flotilla_domain::{Refusal, SignedDuration};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Longest reason of a scheduled freeze, in bytes.
const REASON_BYTES_MAX: usize = 200;

/// Reads the gates of a profile, except its windows.
pub fn gates(doc: &ProfileConfig, waves: &[ProfileWave]) -> Result<Gates, Refusal> {
    let approved = waves.iter().any(|wave| wave.approvals > 0);
    if approved && doc.plan_first == Some(false) {
        let fix = "remove plan_first: an approval is bound to a plan";
        return Err(invalid("plan_first", "approvals need a plan", fix));
    }
    let four_eyes = four_eyes(doc)?;
    if four_eyes != FourEyes::default() && !approved {
        let fix = "set how many approvals a wave needs, such as approvals = 1";
        return Err(invalid("four_eyes", "four_eyes needs approvals", fix));
    }
    if doc.alarms.len() > Gates::ALARMS_MAX {
        let fix = format!("give at most {}; a composite alarm counts once", Gates::ALARMS_MAX);
        return Err(invalid("alarms", format!("{} alarms", doc.alarms.len()), &fix));
    }
    let bad = |name: &&String| name.is_empty() || name.len() > 255 || name.chars().any(char::is_control);
    if let Some(name) = doc.alarms.iter().find(bad) {
        return Err(invalid("alarms", format!("{name:?} is not an alarm name"), "use 1 to 255 characters"));
    }
    if doc.checks.len() > Gates::CHECKS_MAX {
        let fix = format!("give at most {}", Gates::CHECKS_MAX);
        return Err(invalid("checks", format!("{} checks", doc.checks.len()), &fix));
    }
    let checks = doc.checks.iter().enumerate().map(|(n, doc)| check(&format!("checks.{n}"), doc));
    Ok(Gates {
        plan_first: doc.plan_first.unwrap_or(approved),
        four_eyes,
        alarms: doc.alarms.iter().cloned().collect(),
        triggers: doc.rollback_triggers.unwrap_or(true),
        checks: checks.collect::<Result<_, _>>()?,
        ..Gates::default()
    })
}

fn four_eyes(doc: &ProfileConfig) -> Result<FourEyes, Refusal> {
    let mut found = FourEyes::default();
    match &doc.four_eyes {
        None => {}
        Some(FourEyesConfig::Starter(starter)) => found.starter = *starter,
        Some(FourEyesConfig::Whom(whom)) => {
            for who in whom {
                match who.as_str() {
                    "starter" => found.starter = true,
                    "author" => found.author = true,
                    other => return Err(no_such("four_eyes", other, "starter or author")),
                }
            }
        }
    }
    if found.author && doc.provenance.is_none() {
        let fix =
            "say in provenance whose signature releases need: only a signature says who the authors are";
        return Err(invalid("four_eyes", "author needs signed releases", fix));
    }
    Ok(found)
}

fn check(path: &str, doc: &CheckConfig) -> Result<Check, Refusal> {
    let short = |text: &str| !text.is_empty() && text.len() <= 255 && text.is_ascii();
    let probe = match (&doc.output, &doc.function) {
        (Some(output), None) if short(output) => Probe::Http {
            output: output.clone(),
            path: match doc.path.as_deref() {
                None => String::new(),
                Some(path) if path.starts_with('/') && short(path) => path.to_owned(),
                Some(_) => {
                    return Err(invalid(
                        path,
                        "the path does not begin with a slash",
                        "write it like /health",
                    ));
                }
            },
            status: doc.status.filter(|status| (100..600).contains(status)).unwrap_or(200),
        },
        (None, Some(name)) if short(name) && doc.path.is_none() && doc.status.is_none() => {
            Probe::Function { name: name.clone() }
        }
        _ => {
            let fix = "give output (with path and status), or function";
            return Err(invalid(path, "the check is neither a request nor a function", fix));
        }
    };
    let within = doc.within.as_deref().unwrap_or("1m").parse::<SignedDuration>();
    let within_s = within.ok().and_then(|within| u32::try_from(within.as_secs()).ok());
    let within_s = within_s.filter(|within_s| *within_s <= Gates::CHECK_S_MAX).ok_or_else(|| {
        invalid(path, "within is not a duration of up to one hour", "write it like 30s or 5m")
    })?;
    Ok(Check { probe, within_s })
}

/// Reads the windows and scheduled freezes of a profile.
pub fn windows(doc: &ProfileConfig) -> Result<Windows, Refusal> {
    let zone = doc.timezone.as_deref().unwrap_or("UTC");
    let zone = TimeZone::get(zone).map_err(|_| {
        let fix = "use a name of the IANA database, such as Europe/Berlin";
        invalid("timezone", format!("{zone:?} is not a time zone"), fix)
    })?;
    for (path, count) in [("windows", doc.windows.len()), ("freezes", doc.freezes.len())] {
        if count > Windows::MAX {
            let fix = format!("give at most {}", Windows::MAX);
            return Err(invalid(path, format!("{count} {path}"), &fix));
        }
    }
    let allowed = doc.windows.iter().enumerate();
    let allowed = allowed.map(|(n, doc)| window(&format!("windows.{n}"), doc));
    let freezes = doc.freezes.iter().enumerate();
    let freezes = freezes.map(|(n, doc)| freeze(&format!("freezes.{n}"), doc));
    Ok(Windows {
        zone,
        allowed: allowed.collect::<Result<_, _>>()?,
        freezes: freezes.collect::<Result<_, _>>()?,
    })
}

fn window(path: &str, doc: &WindowConfig) -> Result<Window, Refusal> {
    let time = |text: &String| {
        text.parse::<Time>()
            .map_err(|_| invalid(path, format!("{text:?} is not a time of day"), "write it like 09:00"))
    };
    let day = |text: &String| {
        let known = DAYS.iter().zip(1_i8..).find(|(day, _)| **day == text.as_str());
        known.map(|(_, number)| number).ok_or_else(|| {
            invalid(path, format!("{text:?} is not a day"), &format!("use {}", DAYS.join(", ")))
        })
    };
    Ok(Window {
        days: doc.days.iter().map(day).collect::<Result<_, _>>()?,
        from: time(&doc.from)?,
        to: time(&doc.to)?,
    })
}

fn freeze(path: &str, doc: &FreezeConfig) -> Result<ScheduledFreeze, Refusal> {
    let moment = |text: &String| {
        text.parse::<DateTime>().map_err(|_| {
            invalid(path, format!("{text:?} is not a date and time"), "write it like 2026-12-20T00:00")
        })
    };
    let (from, to) = (moment(&doc.from)?, moment(&doc.to)?);
    if from >= to {
        return Err(invalid(path, "the freeze ends before it begins", "correct from or to"));
    }
    if doc.because.trim().is_empty() || doc.because.len() > REASON_BYTES_MAX {
        return Err(invalid(
            path,
            "the reason is missing or longer than 200 bytes",
            "give a reason in because",
        ));
    }
    Ok(ScheduledFreeze { from, to, because: doc.because.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::profile;
    use flotilla_contract::{WaveConfig, WaveTable};
    use flotilla_domain::{Code, ProfileName};

    fn read(doc: ProfileConfig) -> Result<flotilla_domain::config::profile::Profile, Refusal> {
        let doc = ProfileConfig { account: "111122223333".into(), ..doc };
        profile(ProfileName::parse("p").unwrap(), &doc)
    }

    fn regions() -> ProfileConfig {
        ProfileConfig { regions: vec!["eu-west-1".into()], ..ProfileConfig::default() }
    }

    #[test]
    fn approvals_ask_for_a_plan_and_those_of_the_profile_are_the_first_waves() {
        let wave = |region: &str, approvals| {
            WaveConfig::Wave(WaveTable {
                regions: vec![region.into()],
                max_concurrent: None,
                tolerate_failures: None,
                bake: None,
                approvals,
            })
        };
        let doc = ProfileConfig {
            waves: vec![wave("eu-west-1", None), wave("us-east-1", Some(1)), wave("eu-west-2", None)],
            approvals: Some(2),
            ..ProfileConfig::default()
        };
        let profile = read(doc.clone()).unwrap();
        assert_eq!(profile.waves.iter().map(|wave| wave.approvals).collect::<Vec<_>>(), [2, 1, 0]);
        assert!(profile.gates.plan_first);
        assert!(!read(regions()).unwrap().gates.plan_first);
        assert!(read(ProfileConfig { plan_first: Some(true), ..regions() }).unwrap().gates.plan_first);
        for wrong in [
            ProfileConfig { plan_first: Some(false), ..doc.clone() },
            ProfileConfig { approvals: Some(11), ..regions() },
        ] {
            assert_eq!(read(wrong).unwrap_err().code, Code::ConfigInvalid);
        }
    }

    #[test]
    fn alarms_and_checks_are_read_strictly() {
        let function = CheckConfig { function: Some("{service}-verify".into()), ..CheckConfig::default() };
        let http = CheckConfig { output: Some("Url".into()), ..CheckConfig::default() };
        let doc = ProfileConfig {
            alarms: vec!["{service}-errors".into()],
            checks: vec![
                function.clone(),
                CheckConfig {
                    path: Some("/up".into()),
                    status: Some(204),
                    within: Some("5m".into()),
                    ..http.clone()
                },
            ],
            ..regions()
        };
        let gates = read(doc).unwrap().gates;
        assert_eq!((gates.triggers, gates.alarms.len()), (true, 1));
        assert_eq!(gates.checks[0].within_s, 60);
        let asked = Probe::Http { output: "Url".into(), path: "/up".into(), status: 204 };
        assert_eq!(gates.checks[1], Check { probe: asked, within_s: 300 });
        for wrong in [
            CheckConfig::default(),
            CheckConfig { output: Some("Url".into()), ..function.clone() },
            CheckConfig { path: Some("/".into()), ..function.clone() },
            CheckConfig { path: Some("up".into()), ..http.clone() },
            CheckConfig { within: Some("2h".into()), ..http.clone() },
            CheckConfig { within: Some("soon".into()), ..http },
        ] {
            let refusal = read(ProfileConfig { checks: vec![wrong], ..regions() }).unwrap_err();
            assert_eq!(refusal.path.as_deref(), Some("checks.0"));
        }
        let many = ProfileConfig { alarms: vec!["a".into(); 21], ..regions() };
        assert_eq!(read(many).unwrap_err().path.as_deref(), Some("alarms"));
        let none = ProfileConfig { alarms: vec![String::new()], ..regions() };
        assert_eq!(read(none).unwrap_err().path.as_deref(), Some("alarms"));
        let many = ProfileConfig { checks: vec![function; 11], ..regions() };
        assert_eq!(read(many).unwrap_err().path.as_deref(), Some("checks"));
    }

    #[test]
    fn windows_and_freezes_are_read_strictly() {
        let window = |days: &[&str], from: &str, to: &str| WindowConfig {
            days: days.iter().map(|day| (*day).to_owned()).collect(),
            from: from.into(),
            to: to.into(),
        };
        let freeze = |from: &str, to: &str, because: &str| FreezeConfig {
            from: from.into(),
            to: to.into(),
            because: because.into(),
        };
        let doc = ProfileConfig {
            timezone: Some("Europe/Berlin".into()),
            windows: vec![window(&["mon", "sun"], "09:00", "16:30")],
            freezes: vec![freeze("2026-12-20", "2027-01-04T08:00", "holidays")],
            ..regions()
        };
        let read_well = read(doc).unwrap().windows;
        assert_eq!(read_well.zone.iana_name(), Some("Europe/Berlin"));
        assert_eq!(read_well.allowed[0].days, [1, 7].into());
        assert_eq!(read_well.freezes[0].from.to_string(), "2026-12-20T00:00:00");
        for (wrong, path) in [
            (ProfileConfig { timezone: Some("Mars/Base".into()), ..regions() }, "timezone"),
            (
                ProfileConfig { windows: vec![window(&["monday"], "09:00", "10:00")], ..regions() },
                "windows.0",
            ),
            (ProfileConfig { windows: vec![window(&[], "9 o'clock", "10:00")], ..regions() }, "windows.0"),
            (ProfileConfig { windows: vec![window(&[], "09:00", "10:00"); 51], ..regions() }, "windows"),
            (
                ProfileConfig { freezes: vec![freeze("2027-01-02", "2027-01-01", "x")], ..regions() },
                "freezes.0",
            ),
            (ProfileConfig { freezes: vec![freeze("soon", "later", "x")], ..regions() }, "freezes.0"),
            (
                ProfileConfig { freezes: vec![freeze("2027-01-01", "2027-01-02", " ")], ..regions() },
                "freezes.0",
            ),
        ] {
            let refusal = read(wrong).unwrap_err();
            assert_eq!((refusal.code, refusal.path.as_deref()), (Code::ConfigInvalid, Some(path)));
        }
    }
}
