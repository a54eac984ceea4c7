//! Probes against servers on this host: what is asked, and what comes of answers, silence and refusal.

use flotilla_aws::HttpsProbes;
use flotilla_engine::ports::{ErrorKind, HttpObserved, Probes};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

/// Serves this to the first who asks, then ends; gives what was asked.
fn server(reply: Vec<u8>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/health?deep=1", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 4_096];
        let count = stream.read(&mut bytes).unwrap();
        // The client may close the connection early.
        let _ = stream.write_all(&reply);
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    });
    (url, asked)
}

async fn seen(reply: &str) -> (HttpObserved, String) {
    let (url, asked) = server(reply.as_bytes().to_vec());
    let seen = HttpsProbes::new(true).get(&url).await.unwrap();
    (seen, asked.join().unwrap())
}

fn answered(status: u16, excerpt: &str) -> HttpObserved {
    HttpObserved::Answered { status, excerpt: excerpt.into() }
}

#[tokio::test]
async fn a_url_is_got_once_with_path_and_query_and_every_status_is_an_answer() {
    let (said, asked) = seen("HTTP/1.1 503 Busy\r\ncontent-length: 9\r\n\r\nnot\r\nnow\x07").await;
    assert_eq!(said, answered(503, "not  now "));
    assert!(asked.starts_with("GET /health?deep=1 HTTP/1.1\r\n"), "{asked}");
    for header in ["host: 127.0.0.1:", "user-agent: flotilla\r\n"] {
        assert!(asked.contains(header), "{asked}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let reply = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(seen(reply).await.0, answered(302, ""));
}

#[tokio::test]
async fn a_body_without_an_end_is_read_as_far_as_it_is_kept() {
    // It promises a gigabyte and sends a kilobyte.
    let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n{}", "x".repeat(1_000));
    assert_eq!(seen(&reply).await.0, answered(200, &"x".repeat(300)));
}

#[tokio::test]
async fn who_hangs_up_says_nonsense_or_keeps_silent_is_unreachable_and_may_be_asked_again() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
    for reply in ["", "SSH-2.0-OpenSSH_9.9\r\n", cut] {
        let (said, _) = seen(reply).await;
        assert!(matches!(said, HttpObserved::Unreachable(_)), "{reply:?}: {said:?}");
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let said = HttpsProbes::new(true).patient_for(Duration::from_millis(200)).get(&url).await;
    assert_eq!(said, Ok(HttpObserved::Unreachable("no reply within 0.2 s".into())));
    drop(silent);
    let said = HttpsProbes::new(true).get(&url).await.unwrap();
    assert!(matches!(&said, HttpObserved::Unreachable(why) if why.contains("refused")), "{said:?}");
}

#[tokio::test]
async fn where_aws_is_no_emulator_this_host_and_plain_http_are_not_asked() {
    let probes = HttpsProbes::new(false);
    for url in
        ["http://127.0.0.1:1/", "https://127.0.0.1:1/", "http://x.example/", "https://169.254.169.254/"]
    {
        let error = probes.get(url).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Permanent, "{url}");
        assert!(error.message.ends_with(url), "{error}");
    }
    // By name it is not asked either.
    let said = probes.get("https://localhost:1/").await.unwrap();
    assert!(matches!(&said, HttpObserved::Unreachable(why) if why.contains("not public")), "{said:?}");
}
