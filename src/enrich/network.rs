//! Whether an autonomous system is one of data centres: visitors do not live there, servers and VPN exits do.

/// Whether this autonomous system is a data centre's.
pub fn is_data_centre(asn: u32) -> bool {
    asn == 16_509
}
