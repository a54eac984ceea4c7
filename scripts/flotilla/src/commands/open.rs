//! `flotilla open`: the console in a browser.

use crate::api::Api;
use crate::args::Global;
use crate::error::{CliError, Exit};
use crate::show;
use flotilla_contract::ConsoleLinkView;
use std::process::{Command, Stdio};

/// Programs that open a link in the user's browser, of Linux, macOS and Windows.
const OPENERS: [(&str, &[&str]); 3] =
    [("xdg-open", &[]), ("open", &[]), ("rundll32", &["url.dll,FileProtocolHandler"])];

pub async fn run(global: &Global, print: bool) -> Result<Exit, CliError> {
    let api = Api::connect(global).await?;
    let link: ConsoleLinkView = api.post("/v1/console/links", &serde_json::json!({})).await?;
    let url = format!("{}{}", api.base(), link.path);
    if global.json {
        show::json(&serde_json::json!({"url": url, "expires_at": link.expires_at}));
    } else if print || !opened(&url) {
        println!("{url}");
        eprintln!("the link works once, until {}", show::time(&link.expires_at));
    } else {
        println!("opened the console in your browser");
    }
    Ok(Exit::Success)
}

/// Opens a browser. Answers whether one was found.
fn opened(url: &str) -> bool {
    let open = |(program, arguments): &(&str, &[&str])| {
        let mut command = Command::new(program);
        command.args(*arguments).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    OPENERS.iter().any(open)
}
