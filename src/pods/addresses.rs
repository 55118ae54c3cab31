//! The addresses that pods can have.

use std::net::SocketAddr;

use ipnet::IpNet;

/// The addresses of a workload's endpoints: ranges of IP addresses, and one port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Addresses {
    /// Never empty.
    pub ranges: Vec<IpNet>,
    /// On which each endpoint serves MCP.
    pub port: u16,
}

impl Addresses {
    /// Whether an endpoint of the workload can have this address.
    pub fn contain(&self, address: SocketAddr) -> bool {
        address.port() == self.port && self.ranges.iter().any(|range| range.contains(&address.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_inside_by_its_range_and_its_port() {
        let ranges = ["10.244.0.0/16", "fd00:10::/32"].map(|range| range.parse().unwrap());
        let addresses = Addresses { ranges: ranges.into(), port: 8080 };
        for (address, inside) in [
            ("10.244.0.0:8080", true),
            ("10.244.255.255:8080", true),
            ("[fd00:10::1]:8080", true),
            ("10.244.0.1:8081", false),
            ("10.245.0.1:8080", false),
            ("169.254.169.254:8080", false),
            ("[fd00:11::1]:8080", false),
            ("[::ffff:10.244.0.1]:8080", false),
        ] {
            assert_eq!(addresses.contain(address.parse().unwrap()), inside, "{address}");
        }
    }
}
