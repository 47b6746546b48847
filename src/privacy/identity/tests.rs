//! Pseudonyms against vectors of another implementation, and cookies by the rules of a site.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::config::{CookieRule, DropBots, NamePatterns, Retention, Site};
use crate::privacy::*;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn uptime(&self) -> SignedDuration {
        SignedDuration::ZERO
    }
}

/// A `Privacy` with the key `00 01 02 … 1f`, from a key file made by hand, and its directory.
fn privacy() -> (tempfile::TempDir, Privacy) {
    let directory = tempfile::tempdir().unwrap();
    let mut file = b"footfall key 1\n".to_vec();
    file.extend(1_795_000_000u32.to_le_bytes());
    file.extend("2026-11-22T10:00:00Z".parse::<Timestamp>().unwrap().as_second().to_le_bytes());
    file.extend(0..32u8);
    let checksum = Sha256::digest(&file);
    file.extend(&checksum[..8]);
    let path = directory.path().join("key");
    fs::write(&path, file).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let keys = KeyRing::open(directory.path(), true, TimeZone::UTC, Arc::new(Noon)).unwrap();
    (directory, Privacy::new(keys, GeoLookup::default()))
}

fn site(id: &str) -> Site {
    Site {
        id: id.into(),
        hosts: Vec::new(),
        retention: Retention::Unlimited,
        query: NamePatterns::default(),
        cookies: [("ab", CookieRule::Value), ("uid", CookieRule::Hmac), ("consent", CookieRule::Presence)]
            .map(|(name, rule)| (name.to_owned(), rule))
            .into(),
        drop_bots: DropBots::default(),
        paths: Default::default(),
        signatures: Default::default(),
        policy_url: None,
        goals: Vec::new(),
        funnels: Vec::new(),
    }
}

fn admit(privacy: &Privacy, address: &str, site_id: &str, user_agent: &str) -> VisitorIdentity {
    privacy.epoch().unwrap().identify(
        Peer::new(address.parse().unwrap()),
        &site(site_id),
        user_agent.as_bytes(),
    )
}

/// The vectors come from Python's standard library:
///
/// ```python
/// import hmac, hashlib, ipaddress, struct
/// def code(*parts):
///     message = b"".join(struct.pack("<I", len(part)) + part for part in parts)
///     return hmac.new(bytes(range(32)), message, hashlib.sha256).digest()[:8].hex()
/// v4 = ipaddress.ip_address("203.0.113.9").packed
/// v6 = ipaddress.ip_address("2001:db8:1:2:3:4:5:6").packed[:8]
/// page = struct.pack("<Q", 7)
/// code(b"visitor", b"clinic", v4, b"Mozilla/5.0"), code(b"address", b"clinic", v4)
/// code(b"visitor", b"clinic", v6, b"Mozilla/5.0"), code(b"address", b"clinic", v6)
/// code(b"page_load", b"clinic", page)     # and with digest()[8:12], shifted right by a bit
/// code(b"event", b"clinic", page, struct.pack("<I", 3))
/// code(b"cookie", b"clinic", b"uid", b"visitor-1")
/// ```
#[test]
fn pseudonyms_are_those_that_another_implementation_computes() {
    let (_directory, privacy) = privacy();
    let v4 = admit(&privacy, "203.0.113.9", "clinic", "Mozilla/5.0");
    assert_eq!((v4.visitor, v4.address, v4.ip_version), (0x5714_65e7_58c9_a829, 0x7c9a_7e67_5c25_5696, 4));
    assert_eq!(v4.epoch, 1_795_000_000);
    let v6 = admit(&privacy, "2001:db8:1:2:3:4:5:6", "clinic", "Mozilla/5.0");
    assert_eq!((v6.visitor, v6.address, v6.ip_version), (0xb695_eb9e_b373_48b5, 0x4945_dc6f_9d26_bb29, 6));
    let cookies = privacy
        .epoch()
        .unwrap()
        .cookies(&site("clinic"), [("uid", "visitor-1")])
        .pop()
        .map(|(_, value)| value.into_owned());
    assert_eq!(cookies.as_deref(), Some("ae69eb0a4b692f03"));
    let (epoch, site) = (privacy.epoch().unwrap(), site("clinic"));
    let page = epoch.page_load(&site, 7);
    assert_eq!(page.pseudonym, 0x13e1_0943_8222_103c);
    assert_eq!(page.seq(3), 0x36d1_4568 + 3);
    assert_ne!(page.seq(u32::MAX - 1), page.seq(u32::MAX), "also the largest numbers differ");
}

#[test]
fn no_value_of_an_event_recurs_in_another_epoch_or_on_another_site() {
    let (_directory, privacy) = privacy();
    let values = |site_id: &str| {
        let who = admit(&privacy, "203.0.113.9", site_id, "A");
        let (epoch, site) = (privacy.epoch().unwrap(), site(site_id));
        let page = epoch.page_load(&site, 7);
        let cookie = epoch.cookies(&site, [("uid", "visitor-1")]).pop().unwrap().1.into_owned();
        let cookie = u64::from_str_radix(&cookie, 16).unwrap();
        [who.visitor, who.address, page.pseudonym, u64::from(page.seq(3)), page.filter_id(3), cookie]
    };
    let (clinic, other) = (values("clinic"), values("other"));
    let filter = privacy.epoch().unwrap().page_load(&site("clinic"), 7).filter_id(3);
    privacy.keys().rotate().unwrap();
    let next = values("clinic");
    for pair in [[clinic, other], [clinic, next], [other, next]] {
        assert!(pair[0].iter().all(|value| !pair[1].contains(value)), "{pair:x?}");
    }
    let (epoch, site) = (privacy.epoch().unwrap(), site("clinic"));
    let known: Vec<_> = epoch.page_load(&site, 7).previous_filter_ids(3).collect();
    assert_eq!(known, [filter], "a beacon that is sent again after the turn is recognised");
}

#[test]
fn a_visitor_differs_by_site_address_and_user_agent_and_an_address_by_site_and_address() {
    let (_directory, privacy) = privacy();
    let one = admit(&privacy, "203.0.113.9", "clinic", "A");
    let same = admit(&privacy, "::ffff:203.0.113.9", "clinic", "A");
    assert_eq!((one.visitor, one.address), (same.visitor, same.address));
    for (address, site, user_agent) in
        [("203.0.113.9", "other", "A"), ("203.0.113.9", "clinic", "B"), ("203.0.113.10", "clinic", "A")]
    {
        let other = admit(&privacy, address, site, user_agent);
        assert_ne!(one.visitor, other.visitor);
        assert_eq!(one.address == other.address, (address, site) == ("203.0.113.9", "clinic"));
    }
    let host = |address| admit(&privacy, address, "clinic", "A").visitor;
    assert_eq!(host("2001:db8::1"), host("2001:db8::2:3:4:5"));
}

#[test]
fn cookies_count_by_the_site_s_rules_alone() {
    let (_directory, privacy) = privacy();
    let site = site("clinic");
    let offered = [
        ("session", "secret"),
        ("ab", "B"),
        ("uid", "ivan@mail.ru"),
        ("consent", "yes, by Ivan"),
        ("ab", "C"),
    ];
    let kept = privacy.epoch().unwrap().cookies(&site, offered);
    let uid = kept.iter().find(|(name, _)| *name == "uid").unwrap();
    assert!(uid.1.len() == 16 && uid.1.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let rest: Vec<_> =
        kept.iter().filter(|(name, _)| *name != "uid").map(|(name, value)| (*name, &**value)).collect();
    assert_eq!(rest, [("ab", "B"), ("consent", "1")]);
    let personal = privacy.epoch().unwrap().cookies(&site, [("ab", "ivan@mail.ru")]);
    assert_eq!(&*personal[0].1, ":email");
}
