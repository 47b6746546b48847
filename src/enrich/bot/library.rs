//! Libraries and tools that name the language they are written in: `Example/1.2 (ruby)`, `Dart/2.16 (dart:io)`.

/// Languages, runtimes and their clients as user agents spell them, in lower case.
const LANGUAGES: &[&str] = &[
    ".net",
    "asyncio",
    "bun",
    "c#",
    "clojure",
    "cpython",
    "csharp",
    "dart",
    "deno",
    "dotnet",
    "elixir",
    "erlang",
    "f#",
    "go",
    "golang",
    "gzip",
    "haskell",
    "java",
    "javascript",
    "jdk",
    "jre",
    "julia",
    "jvm",
    "kotlin",
    "lua",
    "luajit",
    "mono",
    "net",
    "netcore",
    "nim",
    "node",
    "node.js",
    "nodejs",
    "ocaml",
    "openjdk",
    "perl",
    "php",
    "powershell",
    "pypy",
    "python",
    "r",
    "ruby",
    "rust",
    "rustc",
    "scala",
    "swift",
    "tokio",
    "typescript",
];
/// Programs of people that may name a language: browsers, and Java on feature phones.
const PEOPLE: &[&str] = &["mozilla/", "opera/", "midp", "cldc", "ucweb", "ucbrowser", "cfnetwork/"];

/// Whether a user agent in lower case is a library's. A language counts at the head of a comment, as in `(go1.21; linux)`, or with a
/// version behind the name of the program, as in `Example/2.0 Python/3.12`.
pub(super) fn is_library(lower: &str) -> bool {
    if PEOPLE.iter().any(|text| lower.contains(text)) {
        return false;
    }
    let comments = lower.split('(').skip(1).filter_map(|comment| comment.split([')', ';', ',', ' ']).next());
    // `Go/` is the end of many names of apps.
    let products = lower.split([' ', ';', '(', ')']).skip(1);
    let products = products.filter(|product| product.contains('/') && !product.starts_with("go/"));
    comments.chain(products).any(names_language)
}

/// Whether a word is a language, alone or with a version or module: `go1.21`, `ruby/3.3`, `python-3`, `dart:io`.
fn names_language(word: &str) -> bool {
    let name = word.split(['/', ':', '-', '_', '@']).next().unwrap_or_default();
    let name = name.strip_prefix('+').unwrap_or(name);
    let without_version = name.trim_end_matches(|char: char| char.is_ascii_digit() || char == '.');
    LANGUAGES.contains(&name) || LANGUAGES.contains(&without_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_names_its_language_is_a_library() {
        for user_agent in [
            "Example/1.2 (ruby)",
            "Dart/2.16 (dart:io)",
            "Dart/3.1 (dart:io)",
            "example-client/0.4.1 (python 3.11; linux)",
            "example_sdk/2 (Go1.21.3; linux; amd64)",
            "example/1.0 (Java/17.0.2)",
            "Example.Api/5.1 (.NET 8.0; Windows)",
            "example/1.0.0 (node-v18.0.0)",
            "example/4.2 (php)",
            "example/1.0 (rust)",
            "example 1.0 (perl)",
            "Boto9/1.26 Python/3.10 Linux/5.15",
            "example-tool/2.1 node/20.1.0 linux",
            "Example-HTTP-Client/1.17.0 (gzip)",
        ] {
            assert!(is_library(&user_agent.to_ascii_lowercase()), "{user_agent}");
        }
    }

    #[test]
    fn what_people_use_is_no_library() {
        for user_agent in [
            "Mozilla/5.0 (Java; Linux) Gecko/20100101 Firefox/140.0",
            "Example/1.2 (iPhone; iOS 17.1)",
            "Example Go/1.2 (Android 14; Pixel 8)",
            "Example/1.2 CFNetwork/1399 Darwin/22.1.0",
            "UCWEB/2.0 (Java; U; MIDP-2.0; en-US; example) U2/1.0.0 UCBrowser/9.4",
            "ExamplePhone/1.0 Java/1.0 Profile/MIDP-2.0",
            "Opera/9.80 (J2ME/MIDP; Opera Mini/7.1) Presto/2.8",
            "Example/4 (Nodes; Ruby edition)",
            "",
        ] {
            assert!(!is_library(&user_agent.to_ascii_lowercase()), "{user_agent}");
        }
    }
}
