//! Whether an autonomous system belongs to data centres: the address is then of a server or VPN exit, not of a home.
//!
//! The table is `lists/data-centres.tsv`, which `tools/lists/hosting.tsv` selects. Relays of people's traffic, such as iCloud
//! Private Relay, are not in it. The result is a mark on an event and never a reason to drop one.

use super::lists;

/// The numbers of the list, ascending, for binary search.
pub(super) struct DataCentres(Box<[u32]>);

impl DataCentres {
    /// # Errors
    /// The number of a line that does not begin with the number of an autonomous system.
    pub(super) fn new(entries: &[(usize, &'static str)]) -> Result<Self, (usize, String)> {
        let number = |(line, entry): &(usize, &'static str)| {
            let number = entry.split('\t').next().and_then(|number| number.parse().ok());
            number.ok_or_else(|| {
                (*line, "expected the number of an autonomous system, a tab and a name".to_owned())
            })
        };
        let mut numbers = entries.iter().map(number).collect::<Result<Box<[u32]>, _>>()?;
        numbers.sort_unstable();
        Ok(Self(numbers))
    }
}

/// Whether this autonomous system belongs to a data centre; false for 0, which means unknown.
pub fn is_data_centre(asn: u32) -> bool {
    lists::in_force().data_centres.0.binary_search(&asn).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_and_hosting_companies_are_data_centres() {
        for (asn, name) in [
            (16_509, "Amazon"),
            (14_618, "Amazon"),
            (396_982, "Google Cloud"),
            (8_075, "Microsoft Azure"),
            (16_276, "OVHcloud"),
            (24_940, "Hetzner"),
            (14_061, "DigitalOcean"),
            (63_949, "Akamai Connected Cloud"),
            (20_473, "Vultr"),
            (12_876, "Scaleway"),
            (51_167, "Contabo"),
            (31_898, "Oracle Cloud"),
            (45_102, "Alibaba Cloud"),
            (132_203, "Tencent Cloud"),
            (200_350, "Yandex Cloud"),
            (49_505, "Selectel"),
            (9_123, "Timeweb"),
            (197_695, "REG.RU"),
            (198_610, "Beget"),
            (60_781, "Leaseweb"),
            (9_009, "M247"),
            (212_238, "DataCamp"),
            (60_068, "CDN77"),
            (8_560, "IONOS"),
            (47_583, "Hostinger"),
            (36_352, "HostPapa"),
        ] {
            assert!(is_data_centre(asn), "{name}, {asn}");
        }
    }

    #[test]
    fn those_who_sell_access_and_relays_of_people_are_none() {
        for (asn, name) in [
            (0, "unknown"),
            (12_389, "Rostelecom"),
            (8_359, "MTS"),
            (25_513, "MGTS"),
            (3_216, "Beeline"),
            (31_133, "MegaFon"),
            (15_378, "T2"),
            (3_320, "Deutsche Telekom"),
            (8_881, "1&1 Versatel"),
            (7_922, "Comcast"),
            (21_928, "T-Mobile USA"),
            (2_856, "BT"),
            (3_215, "Orange"),
            (4_134, "China Telecom"),
            (16_591, "Google Fiber"),
            (14_593, "Starlink"),
            (13_335, "Cloudflare: WARP, Private Relay"),
            (54_113, "Fastly: Private Relay"),
            (36_183, "Akamai: Private Relay"),
            (714, "Apple"),
            (137, "GARR, universities"),
            (680, "DFN, universities"),
        ] {
            assert!(!is_data_centre(asn), "{name}, {asn}");
        }
    }
}
