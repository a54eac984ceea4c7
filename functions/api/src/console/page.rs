//! The frame of every page, and the parts that pages share.

use flotilla_contract::CauseView;
use maud::{DOCTYPE, Markup, html};

/// A page that only says something.
pub struct Notice<'a> {
    /// What it is about.
    pub title: &'a str,
    /// What happened.
    pub text: &'a str,
    /// What to do.
    pub fix: &'a str,
}

/// A page for someone who is signed in; with `refresh_s`, it loads itself again after so many seconds.
pub fn page(principal: &str, title: &str, refresh_s: Option<u32>, content: &Markup) -> Markup {
    let header = html! {
        nav aria-label="Main" { a href="/console/fleet" { "Fleet" } }
        p.who title=(principal) { span.hidden { "Signed in as " } (name_of(principal)) " " a href="/console/leave" { "Sign out" } }
    };
    frame(title, refresh_s, &header, content)
}

/// A page that says something, also to someone who is not signed in.
pub fn notice(notice: &Notice<'_>) -> Markup {
    let content = html! {
        h1 { (sentence(notice.title)) }
        p { (notice.text) }
        p.fix { (notice.fix) }
    };
    frame(notice.title, None, &html! {}, &content)
}

fn frame(title: &str, refresh_s: Option<u32>, header: &Markup, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(seconds) = refresh_s { meta http-equiv="refresh" content=(seconds); }
                title { (sentence(title)) " · Flotilla" }
                link rel="icon" href="/console/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/console/style.css";
                script src="/console/app.js" defer {}
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
        "succeeded" | "removed" | "accepted" | "planned" | "running" => "good",
        "failed" | "rolled_back" | "refused" => "bad",
        "cancelled" | "superseded" | "reverted" | "closed" | "pending" => "quiet",
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
