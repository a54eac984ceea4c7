//! Which addresses a probe may reach. A URL comes from a stack's output, so the author of the template controls
//! it, and the function that sends the request has more permissions than the author.
//!
//! Addresses of private networks are allowed: in a VPC, a control plane may verify services of that VPC.

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use http::Uri;
use std::net::{IpAddr, Ipv4Addr};

/// Why an address is refused.
const FORBIDDEN: &str = "the address is the function's own, or a metadata address of its network";

/// What a probe may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Other hosts, over HTTPS.
    Others,
    /// This host too, also without TLS, if AWS is an emulator on it.
    ThisHostToo,
}

impl Reach {
    /// Parses a URL and checks that it is allowed; else returns what is wrong with it.
    pub fn admit(self, url: &str) -> Result<Uri, &'static str> {
        let uri: Uri = url.parse().map_err(|_| "not a URL")?;
        let host = uri.host().ok_or("the URL has no host")?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("the URL contains a user name or password");
        }
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let is_here = is_localhost(host) || address.is_some_and(|address| address.is_loopback());
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if self == Self::ThisHostToo && is_here => {}
            _ => return Err("the URL must begin with https://"),
        }
        match address {
            Some(address) if !self.reaches(address) => Err(FORBIDDEN),
            _ => Ok(uri),
        }
    }

    /// Whether an address is allowed.
    fn reaches(self, address: IpAddr) -> bool {
        match address.to_canonical() {
            address if address.is_loopback() => self == Self::ThisHostToo,
            address if address.is_unspecified() || address.is_multicast() => false,
            // 169.254.0.0/16 contains the metadata of EC2, ECS and Lambda.
            IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_broadcast() && v4.octets()[0] != 0,
            // fd00:ec2::/32 contains them too.
            IpAddr::V6(v6) => !v6.is_unicast_link_local() && v6.segments()[..2] != [0xfd00, 0x0ec2],
        }
    }
}

/// Names of this host (RFC 6761), and names below them, which an emulator uses for its endpoints.
fn is_localhost(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// The same rule applies to names: each resolved address is checked.
impl ResolveDns for Reach {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            if *self == Self::ThisHostToo && is_localhost(name) {
                return Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
            }
            let found = tokio::net::lookup_host((name, 0)).await.map_err(ResolveDnsError::new)?;
            let found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            match found.iter().all(|address| self.reaches(*address)) {
                true => Ok(found),
                false => Err(ResolveDnsError::new(FORBIDDEN)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_to_other_hosts_is_asked() {
        for url in ["https://x.example/health?deep=1", "https://10.0.0.7/", "https://[2001:db8::1]:8443/"] {
            assert!(Reach::Others.admit(url).is_ok(), "{url}");
        }
        for url in [
            "http://x.example/",
            "ftp://x.example/",
            "x.example",
            "/health",
            "",
            "https://ann:secret@x.example/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://0.0.0.0/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[::ffff:169.254.169.254]/",
            "https://[fd00:ec2::254]/",
            "https://[fe80::1]/",
        ] {
            assert!(Reach::Others.admit(url).is_err(), "{url}");
        }
    }

    #[test]
    fn an_emulators_own_host_is_asked_without_tls_and_still_no_other() {
        for url in ["http://127.0.0.1:4566/", "http://localhost/", "http://api.execute-api.localhost:4566/"] {
            assert!(Reach::ThisHostToo.admit(url).is_ok(), "{url}");
            assert!(Reach::Others.admit(url).is_err(), "{url}");
        }
        for url in ["http://x.example/", "http://169.254.169.254/", "http://localhost.example/"] {
            assert!(Reach::ThisHostToo.admit(url).is_err(), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_the_host_itself_is_not_resolved() {
        // The system's resolver reads the numbers as 127.0.0.1 and 169.254.169.254.
        for name in ["localhost", "2130706433", "0xa9fea9fe"] {
            assert!(Reach::Others.resolve_dns(name).await.is_err(), "{name}");
        }
        let here = Reach::ThisHostToo.resolve_dns("api.localhost").await;
        assert_eq!(here.expect("an address"), [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    }
}
