//! Where pictures may be fetched from: hosts that were named, at addresses that all of the internet reaches.
//!
//! Names say nothing of what they lead to: whoever owns one can let it lead to this machine. So an address that is not
//! public has to be named itself, by its digits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::error::{Error, Result};

/// What is fetched from without a port being named.
const PORTS: [u16; 2] = [80, 443];

/// A place that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named {
    /// Any host.
    All,
    /// A host of this name.
    Name(String),
    /// A host whose name ends with this, a dot in front.
    Below(String),
    /// This address, also where it is not public.
    Address(IpAddr),
}

/// The places from which pictures may be fetched.
#[derive(Debug, Clone, Default)]
pub(super) struct Reach {
    places: Vec<(Named, Option<u16>)>,
}

impl Reach {
    /// Of texts such as `images.example.org`, `*.example.org`, `*`, `10.0.0.7` or `[fd00::1]:9000`.
    pub(super) fn new(named: &[String]) -> Result<Self> {
        Ok(Self { places: named.iter().map(|text| place(text)).collect::<Result<_>>()? })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether an address of the web may be asked at all. Where its name leads to is looked at later.
    pub(super) fn takes(&self, url: &Url) -> bool {
        let plain = ["http", "https"].contains(&url.scheme()) && url.username().is_empty() && url.password().is_none();
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { return false };
        plain
            && match host {
                Host::Domain(name) => self.takes_name(name, port),
                Host::Ipv4(address) => self.takes_address(address.into(), port),
                Host::Ipv6(address) => self.takes_address(address.into(), port),
            }
    }

    fn takes_name(&self, name: &str, port: u16) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.places.iter().any(|(named, at)| {
            let fits = match named {
                Named::All => true,
                Named::Name(known) => *known == name,
                Named::Below(ending) => name.ends_with(ending.as_str()),
                Named::Address(_) => false,
            };
            fits && is_port(*at, port)
        })
    }

    /// An address of digits: one that was named, or a public one if all are.
    fn takes_address(&self, address: IpAddr, port: u16) -> bool {
        let address = address.to_canonical();
        self.places.iter().any(|(named, at)| {
            let fits = match named {
                Named::All => is_public(address),
                Named::Address(known) => *known == address,
                Named::Name(_) | Named::Below(_) => false,
            };
            fits && is_port(*at, port)
        })
    }

    /// Whether a name may lead to this address, for this port.
    pub(super) fn leads_to(&self, address: IpAddr, port: u16) -> bool {
        let address = address.to_canonical();
        let is_named = |(named, at): &(Named, Option<u16>)| *named == Named::Address(address) && is_port(*at, port);
        is_public(address) || self.places.iter().any(is_named)
    }
}

fn is_port(named: Option<u16>, port: u16) -> bool {
    named.map_or_else(|| PORTS.contains(&port), |named| named == port)
}

fn place(text: &str) -> Result<(Named, Option<u16>)> {
    let wrong = || {
        let problem = format!(
            "`{text}` is not a host; expected a name such as `images.example.org`, `*.example.org`, `*` for all, or an address such as \
             `10.0.0.7`, each with or without a port"
        );
        Error::invalid("image_urls", problem)
    };
    if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok((Named::Address(address.to_canonical()), None));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
        None => (text, None),
    };
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok((Named::Address(address.to_canonical()), port));
    }
    let name = host.to_ascii_lowercase();
    let (is_below, bare) = name.strip_prefix("*.").map_or((false, &*name), |rest| (true, rest));
    let is_name = |name: &str| matches!(Host::parse(name), Ok(Host::Domain(parsed)) if parsed == name);
    let named = match bare {
        "*" if !is_below => Named::All,
        bare if !is_name(bare) || bare.contains('*') => return Err(wrong()),
        bare if is_below => Named::Below(format!(".{bare}")),
        bare => Named::Name(bare.to_owned()),
    };
    Ok((named, port))
}

/// Whether an address is one of the internet, and of nobody's own network (the registries of special addresses of IANA).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_own = matches!((a, b), (0 | 10 | 127, _) | (100, 64..=127) | (169, 254) | (172, 16..=31) | (192, 168));
    let is_kept = matches!(
        (a, b, c),
        (224.., ..) | (192, 0, 0 | 2) | (192, 88, 99) | (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113)
    );
    !is_own && !is_kept
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Global unicast only. Of it, not what wraps addresses of version 4 (Teredo, 6to4), nor what is for examples.
    (0x2000..=0x3fff).contains(&a)
        && a != 0x2002
        && !(a == 0x2001 && b < 0x0200)
        && !(a == 0x2001 && b == 0x0db8)
        && a != 0x3fff
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(named: &[&str]) -> Reach {
        Reach::new(&named.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).expect("places")
    }

    fn takes(named: &[&str], url: &str) -> bool {
        reach(named).takes(&Url::parse(url).expect("a URL"))
    }

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for address in ["8.8.8.8", "1.1.1.1", "192.0.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"] {
            assert!(is_public(address.parse().expect("an address")), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "127.9.9.9",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.9.9",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "100::1",
        ] {
            assert!(!is_public(address.parse().expect("an address")), "{address}");
        }
    }

    #[test]
    fn hosts_have_to_be_named_and_odd_ways_to_write_them_do_not_help() {
        assert!(takes(&["images.example.org"], "https://IMAGES.example.org./a.png"));
        assert!(takes(&["*.example.org"], "http://a.b.example.org/"));
        assert!(takes(&["*"], "https://anything.example/"));
        assert!(takes(&["*"], "http://8.8.8.8/"));
        assert!(takes(&["10.0.0.7"], "http://10.0.0.7/"));
        assert!(takes(&["10.0.0.7:9000"], "http://10.0.0.7:9000/"));
        assert!(takes(&["[fd00::1]:9000"], "http://[fd00::1]:9000/"));
        assert!(takes(&["127.0.0.1"], "http://2130706433/"), "the same address, as it is named");
        for (named, url) in [
            (&["images.example.org"][..], "https://images.example.org.evil.example/"),
            (&["images.example.org"], "https://evil.example/images.example.org"),
            (&["images.example.org"], "https://images.example.org@evil.example/"),
            (&["images.example.org"], "https://user:word@images.example.org/"),
            (&["images.example.org"], "ftp://images.example.org/"),
            (&["images.example.org"], "file:///etc/passwd"),
            (&["images.example.org"], "https://images.example.org:8443/"),
            (&["*.example.org"], "http://example.org/"),
            (&["*.example.org"], "http://evilexample.org/"),
            (&["*"], "http://127.0.0.1/"),
            (&["*"], "http://2130706433/"),
            (&["*"], "http://0x7f.1/"),
            (&["*"], "http://0177.0.0.1/"),
            (&["*"], "http://[::ffff:127.0.0.1]/"),
            (&["*"], "http://169.254.169.254/latest/meta-data"),
            (&["*"], "http://anything.example:22/"),
            (&["10.0.0.7"], "http://10.0.0.8/"),
        ] {
            assert!(!takes(named, url), "{named:?} {url}");
        }
    }

    #[test]
    fn a_name_leads_to_what_is_public_or_named_by_its_digits() {
        let reach = reach(&["nas.example", "10.0.0.7", "10.0.0.9:9000"]);
        for (address, port, expected) in [
            ("8.8.8.8", 9000, true),
            ("10.0.0.7", 443, true),
            ("10.0.0.7", 9000, false),
            ("10.0.0.9", 9000, true),
            ("10.0.0.9", 80, false),
            ("10.0.0.8", 80, false),
            ("::1", 80, false),
        ] {
            assert_eq!(reach.leads_to(address.parse().expect("an address"), port), expected, "{address} {port}");
        }
        for wrong in ["", "a b", "http://x", "*x.example", "x:y", "*.*", "x/y"] {
            assert!(Reach::new(&[wrong.to_owned()]).is_err(), "{wrong:?}");
        }
    }
}
