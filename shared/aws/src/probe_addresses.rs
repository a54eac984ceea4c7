//! Which addresses a probe may reach. A URL comes from a stack's output, so the author of the template controls
//! it, and the function that sends the request has more permissions than the author: only public addresses are reached. A name is
//! resolved once, and the connection goes to an address that was checked.

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use http::Uri;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is refused.
const FORBIDDEN: &str = "the address is not public: it is private, reserved, or the function's own";

/// What is not public of IPv4, each with the length of its prefix: the IANA IPv4 Special-Purpose Address Registry (RFC 6890), multicast
/// and the reserved block.
const NOT_PUBLIC_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Shared by carriers, and used by AWS inside of VPCs.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // The metadata of EC2, ECS and Lambda.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// What is public of IPv6: global unicast (RFC 4291). All else is private, reserved, multicast, or contains an IPv4 address.
const PUBLIC_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What is not public of global unicast: the IANA IPv6 Special-Purpose Address Registry. Teredo and 6to4 contain IPv4 addresses.
const NOT_PUBLIC_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0x0db8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

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
            IpAddr::V4(address) => {
                let within = |(prefix, length): &(Ipv4Addr, u32)| {
                    (address.to_bits() ^ prefix.to_bits()) >> (32 - length) == 0
                };
                !NOT_PUBLIC_V4.iter().any(within)
            }
            IpAddr::V6(address) => {
                let within = |(prefix, length): &(Ipv6Addr, u32)| {
                    (address.to_bits() ^ prefix.to_bits()) >> (128 - length) == 0
                };
                within(&PUBLIC_V6) && !NOT_PUBLIC_V6.iter().any(within)
            }
        }
    }
}

/// Names of this host (RFC 6761), and names below them, which an emulator uses for its endpoints.
fn is_localhost(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// The resolver of the system.
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

impl ResolveDns for SystemResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = tokio::net::lookup_host((name, 0)).await.map_err(ResolveDnsError::new)?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A resolver whose addresses are checked: the same rule applies to names. The connector connects to what this answers, so a name cannot
/// lead elsewhere after the check.
#[derive(Debug, Clone)]
pub struct CheckedResolver<R>(pub Reach, pub R);

impl<R: ResolveDns> ResolveDns for CheckedResolver<R> {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let Self(reach, resolver) = self;
            if *reach == Reach::ThisHostToo && is_localhost(name) {
                return Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]);
            }
            let found = resolver.resolve_dns(name).await?;
            match found.iter().all(|address| reach.reaches(*address)) {
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
        for url in ["https://x.example/health?deep=1", "https://52.95.110.1/", "https://[2600:1f18::1]:8443/"]
        {
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
            // Private, shared, reserved.
            "https://10.0.0.7/",
            "https://100.64.0.1/",
            "https://100.127.255.254/",
            "https://172.31.255.254/",
            "https://192.168.1.1/",
            "https://198.19.0.1/",
            "https://240.0.0.1/",
            "https://255.255.255.255/",
            "https://[fc00::1]/",
            "https://[fdff::1]/",
            "https://[ff02::1]/",
            "https://[100::1]/",
            "https://[2001:db8::1]/",
            // IPv4 addresses in IPv6: compatible, NAT64, 6to4, Teredo.
            "https://[::a9fe:a9fe]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://[64:ff9b:1::a9fe:a9fe]/",
            "https://[2002:a9fe:a9fe::1]/",
            "https://[2001:0:a9fe:a9fe::1]/",
        ] {
            assert!(Reach::Others.admit(url).is_err(), "{url}");
        }
    }

    #[test]
    fn what_is_beside_a_private_network_is_public() {
        for url in [
            "https://9.255.255.255/",
            "https://11.0.0.0/",
            "https://100.63.255.255/",
            "https://100.128.0.0/",
            "https://172.15.255.255/",
            "https://172.32.0.0/",
            "https://192.167.255.255/",
            "https://223.255.255.255/",
            "https://[2003::1]/",
            "https://[2001:200::1]/",
        ] {
            assert!(Reach::Others.admit(url).is_ok(), "{url}");
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
            let resolver = CheckedResolver(Reach::Others, SystemResolver);
            assert!(resolver.resolve_dns(name).await.is_err(), "{name}");
        }
        let resolver = CheckedResolver(Reach::ThisHostToo, SystemResolver);
        let here = resolver.resolve_dns("api.localhost").await;
        assert_eq!(here.expect("an address"), [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    }
}
