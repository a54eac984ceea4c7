//! The command finds credentials in each way of the SDK's ordinary chain. A server on this machine stands in for AWS and notes
//! which access key signed the first request.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use tempfile::TempDir;

const ROLE_CREDENTIALS: &str = r#"{"roleCredentials": {"accessKeyId": "AKIDSSO", "secretAccessKey": "s", "sessionToken": "t", "expiration": 4102444800000}}"#;

/// Answers one request: credentials if IAM Identity Center is asked, else a refusal.
fn answer(stream: TcpStream, signed_by: &Sender<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        head.push_str(&line);
    }
    reader.take(length).read_to_end(&mut Vec::new())?;
    let (status, body) = match head.split_once("Credential=") {
        Some((_, rest)) => {
            let _ = signed_by.send(rest.split('/').next().unwrap_or_default().to_owned());
            ("403 Forbidden", "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>")
        }
        None if head.starts_with("GET /federation/credentials") => ("200 OK", ROLE_CREDENTIALS),
        None => ("404 Not Found", ""),
    };
    let length = body.len();
    write!(&stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// The access key that the command signs with, given this `~/.aws/config`.
fn signed_by(home: &Path, config: &str) -> String {
    let folder = home.join(".aws");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config"), config).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, &sender);
        }
    });
    let output = Command::new(env!("CARGO_BIN_EXE_flotilla"))
        .args(["status", "--region", "eu-central-1"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_PROFILE", "work")
        .env("AWS_ENDPOINT_URL", endpoint)
        .output()
        .unwrap();
    receiver.try_recv().unwrap_or_else(|_| panic!("no request: {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn the_output_of_a_credential_process() {
    let home = TempDir::new().unwrap();
    let key = r#"echo '{"Version": 1, "AccessKeyId": "AKIDPROCESS", "SecretAccessKey": "s"}'"#;
    assert_eq!(
        signed_by(home.path(), &format!("[profile work]\ncredential_process = {key}\n")),
        "AKIDPROCESS"
    );
}

#[test]
fn a_session_of_iam_identity_center() {
    let home = TempDir::new().unwrap();
    let cache = home.path().join(".aws/sso/cache");
    std::fs::create_dir_all(&cache).unwrap();
    let token = r#"{"accessToken": "a", "expiresAt": "2100-01-01T00:00:00Z", "startUrl": "https://d-1.awsapps.com/start"}"#;
    // The SHA-1 of the session's name, `corporate`, as `aws sso login` calls the file.
    std::fs::write(cache.join("e276d18d65653fa285155bfd3e11ab029306830c.json"), token).unwrap();
    let config = "[profile work]\nsso_session = corporate\nsso_account_id = 111122223333\nsso_role_name = Admin\n\
        [sso-session corporate]\nsso_region = eu-central-1\nsso_start_url = https://d-1.awsapps.com/start\n";
    assert_eq!(signed_by(home.path(), config), "AKIDSSO");
}
