//! The operating system and its version, in one spelling.

use woothee::parser::WootheeResult;

use super::version::{known, major, two_parts};
use super::words::{KnownWords, WordTable};

/// The first version of iOS that user agents hide: Safari still sends 18, and the true version after `Version/`.
const UNNAMED_IOS: u32 = 26;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OperatingSystem {
    pub(super) name: Box<str>,
    pub(super) version: Box<str>,
    pub(super) rule: &'static str,
}

impl OperatingSystem {
    fn new(name: &str, version: &str, rule: &'static str) -> Self {
        Self { name: name.into(), version: version.into(), rule }
    }
}

pub(super) fn system(words: &KnownWords<'_>, parsed: &WootheeResult<'_>, lower: &str) -> OperatingSystem {
    if let Some(found) = words.decide(WordTable::Systems) {
        let version = if found.value == "Android" { major(found.version) } else { two_parts(found.version) };
        return OperatingSystem::new(found.value, version, found.rule);
    }
    let version = two_parts(known(&parsed.os_version));
    match known(parsed.os) {
        "Mac OSX" | "Mac OS Classic" => OperatingSystem::new("macOS", two_parts(&mac(lower)), "woothee"),
        "iPhone" | "iPad" | "iPod" | "iOS" => ios(words, version),
        "Windows UNKNOWN Ver" => OperatingSystem::new("Windows", "", "woothee"),
        "Windows Phone OS" => OperatingSystem::new("Windows Phone", version, "woothee"),
        windows if windows.starts_with("Windows") => {
            OperatingSystem::new("Windows", windows.trim_start_matches("Windows").trim(), "woothee")
        }
        "ChromeOS" => OperatingSystem::new("Chrome OS", "", "woothee"),
        "Linux" => OperatingSystem::new("Linux", "", "woothee"),
        "Android" => OperatingSystem::new("Android", major(version), "woothee"),
        "" => by_marks(lower),
        other => OperatingSystem::new(other, version, "woothee"),
    }
}

/// The system of a device that its name tells, such as `HP Chromebook 11`.
pub(super) fn from_model(model: &str) -> Option<&'static str> {
    let lower = model.to_ascii_lowercase();
    KnownWords::new(&lower, 0..lower.len()).decide(WordTable::Systems).map(|found| found.value)
}

/// The version in `Intel Mac OS X 11_2_3`. `woothee` reads only versions before 11.
fn mac(lower: &str) -> String {
    let number = lower.split_once("mac os x ").map_or("", |(_, number)| number);
    let of_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'_');
    number
        .bytes()
        .take_while(of_number)
        .map(|byte| if byte == b'_' { '.' } else { char::from(byte) })
        .collect()
}

fn ios(words: &KnownWords<'_>, version: &str) -> OperatingSystem {
    let real = words.version("version").filter(|_| major(version) == "18").map(two_parts);
    let real = real.filter(|real| major(real).parse().is_ok_and(|major: u32| major >= UNNAMED_IOS));
    match real {
        Some(real) => OperatingSystem::new("iOS", real, "iOS from 26 on by Version/"),
        None => OperatingSystem::new("iOS", version, "woothee"),
    }
}

/// The system of user agents that do not have the form of a browser.
fn by_marks(lower: &str) -> OperatingSystem {
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
    found.map_or_else(OperatingSystem::default, |(_, name)| OperatingSystem::new(name, "", "a system's name"))
}
