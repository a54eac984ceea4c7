//! The frame of every page, and the parts that pages share.

use flotilla_contract::CauseView;
use flotilla_domain::Digest;
use maud::{DOCTYPE, Markup, html};

/// A page that only says something.
pub struct Notice<'a> {
    /// What it is about.
    pub title: &'a str,
    /// What happened.
    pub text: &'a str,
    /// What to do.
    pub fix: Option<&'a str>,
    /// The page that follows by itself.
    pub goes_on_to: Option<&'a str>,
}

/// A page for someone who is signed in; with `update_s`, the script loads it again after so many seconds.
pub fn page(principal: &str, title: &str, update_s: Option<u32>, content: &Markup) -> Markup {
    let header = html! {
        nav aria-label="Main" { a href="/console/fleet" { "Fleet" } }
        p.who title=(principal) { span.hidden { "Signed in as " } (name_of(principal)) " " a href="/console/leave" { "Sign out" } }
    };
    let content = html! {
        @if let Some(seconds) = update_s {
            // The script shows it: without it, nothing is updated.
            p #update hidden data-seconds=(seconds) {
                label { input type="checkbox" checked; " Update every " (seconds) " seconds" }
            }
        }
        (content)
    };
    frame(title, None, &header, &content)
}

/// A page that says something, also to someone who is not signed in.
pub fn notice(notice: &Notice<'_>) -> Markup {
    let content = html! {
        h1 { (sentence(notice.title)) }
        p { (sentence(notice.text)) }
        @if let Some(fix) = notice.fix { p.fix { (fix) } }
        // A browser that came from another site has not sent its session; from here it does.
        p { a href=(notice.goes_on_to.unwrap_or("/console/fleet")) { "Go to the fleet" } }
    };
    frame(&sentence(notice.title), notice.goes_on_to, &html! {}, &content)
}

fn frame(title: &str, goes_on_to: Option<&str>, header: &Markup, content: &Markup) -> Markup {
    // Another version of a file has another address.
    let versioned = |name: &str, text: &str| {
        format!("/console/{name}?v={}", &Digest::of(text.as_bytes()).to_string()[..12])
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(page) = goes_on_to { meta http-equiv="refresh" content=(format!("0; url={page}")); }
                title { (title) " · Flotilla" }
                link rel="icon" href=(versioned("icon.svg", super::ICON)) type="image/svg+xml";
                link rel="stylesheet" href=(versioned("style.css", super::STYLE));
                script src=(versioned("app.js", super::SCRIPT)) defer {}
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header { span.brand { "Flotilla" } (header) }
                main #content { (content) }
            }
        }
    }
}

/// A time, which the script shows in the reader's zone.
pub fn time(at: &str) -> Markup {
    let short = at.get(..16).unwrap_or(at).replace('T', " ");
    html! { time datetime=(at) title=(at) { (short) " UTC" } }
}

/// A status in the colour of its meaning. The word says it too.
pub fn status(status: &str) -> Markup {
    html! { span class=(format!("status {}", tone(status))) { (status.replace('_', " ")) } }
}

/// The meaning of a status.
pub fn tone(status: &str) -> &'static str {
    match status {
        "succeeded" | "removed" | "accepted" | "running" => "good",
        "failed" | "rolled_back" | "reverted" | "refused" => "bad",
        "cancelled" | "superseded" | "planned" | "closed" | "pending" => "quiet",
        _ => "busy",
    }
}

/// Why something failed, and what to do.
pub fn cause(cause: &CauseView) -> Markup {
    html! {
        section.cause aria-label="Cause" {
            p { strong { (cause.code) } " " (cause.message) @if let Some(path) = &cause.path { " (" (path) ")" } }
            p.fix { (cause.fix) }
        }
    }
}

/// A link to a rollout.
pub fn rollout_link(id: &str) -> Markup {
    html! { a.id href=(format!("/console/rollouts/{id}")) title=(id) { (short_id(id)) } }
}

/// The prefix and the last digits of an id, which differ most.
pub fn short_id(id: &str) -> String {
    let (kind, digits) = id.split_once('_').unwrap_or(("", id));
    let from = digits.len().saturating_sub(8);
    format!("{kind}…{}", digits.get(from..).unwrap_or(digits))
}

/// The last part of a principal's ARN.
fn name_of(principal: &str) -> &str {
    principal.rsplit('/').next().unwrap_or(principal)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().collect::<String>() + letters.as_str())
        .unwrap_or_default()
}
