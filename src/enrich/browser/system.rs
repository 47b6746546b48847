//! The operating system and its version, in one spelling.

use woothee::parser::WootheeResult;

use super::words::{Table, Words};
use super::{known, major, two_parts};

/// The first version of iOS that user agents no longer name: Safari keeps saying 18, with the truth behind `Version/`.
const UNNAMED_IOS: u32 = 26;

/// A system with the rule that decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct System {
    pub(super) name: Box<str>,
    pub(super) version: Box<str>,
    pub(super) rule: &'static str,
}

impl System {
    fn new(name: &str, version: &str, rule: &'static str) -> Self {
        Self { name: name.into(), version: version.into(), rule }
    }
}

/// Reads it from a user agent.
pub(super) fn system(words: &Words<'_>, parsed: &WootheeResult<'_>, lower: &str) -> System {
    if let Some(found) = words.decide(Table::Systems) {
        let version = if found.value == "Android" { major(found.version) } else { two_parts(found.version) };
        return System::new(found.value, version, found.rule);
    }
    let version = two_parts(known(&parsed.os_version));
    match known(parsed.os) {
        "Mac OSX" | "Mac OS Classic" => System::new("macOS", two_parts(&mac(lower)), "woothee"),
        "iPhone" | "iPad" | "iPod" | "iOS" => ios(words, version),
        "Windows UNKNOWN Ver" => System::new("Windows", "", "woothee"),
        "Windows Phone OS" => System::new("Windows Phone", version, "woothee"),
        windows if windows.starts_with("Windows") => {
            System::new("Windows", windows.trim_start_matches("Windows").trim(), "woothee")
        }
        "ChromeOS" => System::new("Chrome OS", "", "woothee"),
        "Linux" => System::new("Linux", "", "woothee"),
        "Android" => System::new("Android", major(version), "woothee"),
        "" => by_marks(lower),
        other => System::new(other, version, "woothee"),
    }
}

/// `Intel Mac OS X 11_2_3`, of which `woothee` reads only those from before 11.
fn mac(lower: &str) -> String {
    let number = lower.split_once("mac os x ").map_or("", |(_, number)| number);
    let of_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'_');
    number
        .bytes()
        .take_while(of_number)
        .map(|byte| if byte == b'_' { '.' } else { char::from(byte) })
        .collect()
}

fn ios(words: &Words<'_>, version: &str) -> System {
    let real = words.version("version").filter(|_| major(version) == "18").map(two_parts);
    let real = real.filter(|real| major(real).parse().is_ok_and(|major: u32| major >= UNNAMED_IOS));
    match real {
        Some(real) => System::new("iOS", real, "iOS from 26 on by Version/"),
        None => System::new("iOS", version, "woothee"),
    }
}

/// What stands in user agents of other forms than browsers'.
fn by_marks(lower: &str) -> System {
    const MARKS: &[(&str, &str)] = &[
        ("windows", "Windows"),
        ("android", "Android"),
        ("iphone", "iOS"),
        ("ipad", "iOS"),
        ("ipod", "iOS"),
        ("macintosh", "macOS"),
        ("mac os", "macOS"),
        ("darwin/", "macOS"),
        ("linux", "Linux"),
        ("x11", "Linux"),
    ];
    let found = MARKS.iter().find(|(mark, _)| lower.contains(mark));
    found.map_or_else(System::default, |(_, name)| System::new(name, "", "a system's name"))
}
