//! Which server is meant: `127.0.0.1` is another one on every machine.

use std::{net::Ipv6Addr, process::Command, sync::OnceLock};

use url::{Host, Url};

use super::blobs::hash_of;

/// Stands between an address and the machine on which it is meant. No address of a server has it.
const ON: char = '#';

/// How many digits name a machine.
const DIGITS: usize = 12;

/// Names the server at an address for all workers of a fleet: by its address, and by this machine if other machines have
/// another server there.
pub(super) fn of(address: &str) -> String {
    if is_local(address) { format!("{address}{ON}{}", machine()) } else { address.to_owned() }
}

/// The address of a server.
pub(super) fn address(server: &str) -> &str {
    server.split_once(ON).map_or(server, |(address, _)| address)
}

/// The address of a server, if it is the same server from here.
pub(super) fn address_from_here(server: &str) -> Option<&str> {
    match server.split_once(ON) {
        Some((address, on)) => (on == machine()).then_some(address),
        None => Some(server),
    }
}

/// Whether an address leads to the machine that asks.
fn is_local(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => {
            let is_mapped = |address: Ipv6Addr| address.to_ipv4_mapped().is_some_and(|inner| inner.is_loopback());
            address.is_loopback() || address.is_unspecified() || is_mapped(address)
        }
        None => false,
    }
}

/// Names this machine, the same after it was started again. Containers have names of their own, and often all the id of
/// their image; what has a network of its own has a loopback of its own, too.
fn machine() -> &'static str {
    static MACHINE: OnceLock<String> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let mut name = read("/proc/sys/kernel/hostname");
        if name.is_empty() {
            let said = Command::new("hostname").output().map(|output| output.stdout).unwrap_or_default();
            name = String::from_utf8_lossy(&said).trim().to_owned();
        }
        let network = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).ok();
        let own = match (network("self"), network("1")) {
            (Some(own), Some(first)) if own != first => own.to_string_lossy().into_owned(),
            _ => String::new(),
        };
        let known = format!("{}\n{name}\n{own}", read("/etc/machine-id"));
        hash_of(known.as_bytes()).chars().take(DIGITS).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_name_their_machine_and_others_do_not() {
        for local in ["http://127.0.0.1:9090/", "http://localhost/", "https://[::1]:1/x/", "http://[::ffff:127.0.0.1]/"]
        {
            let named = of(local);
            assert_eq!((address(&named), address_from_here(&named)), (local, Some(local)));
            assert_ne!(named, local);
            let elsewhere = format!("{local}#another");
            assert_eq!((address(&elsewhere), address_from_here(&elsewhere)), (local, None));
            // What older versions wrote.
            assert_eq!((address(local), address_from_here(local)), (local, Some(local)));
        }
        for other in ["http://gpu1:9090/", "http://10.0.0.1:9090/", "http://localhost.example.org/"] {
            assert_eq!((of(other).as_str(), address_from_here(other)), (other, Some(other)));
        }
    }
}
