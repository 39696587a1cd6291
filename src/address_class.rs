//! The kind of place that an IP address is: the internet, a private network, this machine, or none to visit.
//!
//! RFC 6890 for the special addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// The kind of place that an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Anywhere on the internet.
    Global,
    /// A company's or a household's own network.
    Private,
    /// This machine.
    Loopback,
    /// Link-local (where clouds keep their metadata), multicast, reserved: never a place to sign in.
    Forbidden,
}

/// Returns the kind of place that a URL's host is, as far as its text tells. `localhost` is this machine (RFC 6761
/// section 6.3).
pub fn class_of(url: &Url) -> Option<Class> {
    match url.host()? {
        Host::Ipv4(address) => Some(classify(address.into())),
        Host::Ipv6(address) => Some(classify(address.into())),
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            (name == "localhost" || name.ends_with(".localhost")).then_some(Class::Loopback)
        }
    }
}

/// Returns the kind of place that an address is.
pub fn classify(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => classify_v6(address),
    }
}

fn classify_v4(address: Ipv4Addr) -> Class {
    let [a, b, c, d] = address.octets();
    // Where Alibaba Cloud and Azure keep their metadata.
    if matches!((a, b, c, d), (100, 100, 100, 200) | (168, 63, 129, 16)) {
        return Class::Forbidden;
    }
    match (a, b, c) {
        (127, ..) => Class::Loopback,
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Class::Private,
        (0 | 224..=255, ..)
        | (169, 254, _)
        | (192, 0, 0 | 2)
        | (192, 88, 99)
        | (198, 18..=19, _)
        | (198, 51, 100)
        | (203, 0, 113) => Class::Forbidden,
        _ => Class::Global,
    }
}

fn classify_v6(address: Ipv6Addr) -> Class {
    if let Some(inner) = address.to_ipv4_mapped() {
        return classify_v4(inner);
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Loopback,
        // What NAT64 translates to is the IPv4 address inside; on IPv6-only networks every name looks like this.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            match classify_v4(Ipv4Addr::new(a, b, c, d)) {
                Class::Global => Class::Global,
                _ => Class::Forbidden,
            }
        }
        // Where AWS and Google Cloud keep their metadata.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, _] | [0xfd20, 0xce, 0, 0, 0, 0, 0, _] => Class::Forbidden,
        [0xfc00..=0xfdff, ..] => Class::Private,
        // 2000::/3 is all there is of the internet; out of it Teredo, documentation and 6to4.
        [0x2001, 0, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] => Class::Forbidden,
        [0x2000..=0x3fff, ..] => Class::Global,
        _ => Class::Forbidden,
    }
}
