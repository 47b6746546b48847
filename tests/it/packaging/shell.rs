//! `footfall completions` and `footfall man`: the shells take the first, groff takes the second, and both know every command and option.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::debian;
use super::image::Image;
use crate::docs::{footfall, listed};

/// Every command, as the words behind `footfall`.
fn commands() -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut at = 0;
    while at < found.len() {
        let path: Vec<String> = found[at].clone();
        let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let aliases = ["help", "list"];
        let inner = listed(&footfall(&words)).into_iter();
        // `spool list` is another name of `spool status`, and `token list` is a command.
        let is_command = |name: &String| {
            name != aliases[0] && !(name == aliases[1] && path.first().is_some_and(|it| it == "spool"))
        };
        for name in inner.filter(is_command) {
            found.push(path.iter().cloned().chain([name]).collect());
        }
        at += 1;
    }
    assert!(found.len() > 20, "{found:?}");
    found
}

/// The options that a help text names.
fn options(help: &str) -> BTreeSet<String> {
    // The description lies behind two blanks, or further to the right.
    let lines =
        help.lines().filter(|line| line.trim_start().starts_with('-') && !line.starts_with("        "));
    let named = lines.filter_map(|line| line.trim_start().split("  ").next());
    let words = named.flat_map(|named| named.split([' ', ',', '=', '[']));
    words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned).collect()
}

fn completions(shell: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_footfall")).args(["completions", shell]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_has_a_manual_page_with_every_option() {
    let directory = tempfile::tempdir().unwrap();
    let printed = footfall(&["man", "--dir", directory.path().to_str().unwrap()]);
    assert_eq!(printed, "");
    let mut pages = BTreeSet::new();
    for path in commands() {
        let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let name =
            ["footfall"].into_iter().chain(path.iter().map(String::as_str)).collect::<Vec<_>>().join("-");
        let file = format!("{name}.1");
        let page = fs::read_to_string(directory.path().join(&file))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        for option in options(&footfall(&words)) {
            // A hyphen that may not be broken.
            assert!(page.contains(&option.replace('-', "\\-")), "{file} lacks {option}:\n{page}");
        }
        pages.insert(file);
    }
    let written = fs::read_dir(directory.path()).unwrap();
    let written: BTreeSet<String> =
        written.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(written, pages);
    // Without a directory, the page of the program is printed.
    let page = footfall(&["man"]);
    assert_eq!(page, fs::read_to_string(directory.path().join("footfall.1")).unwrap());
    let codes =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations/running.md")).unwrap();
    let section = codes.split("## Exit codes\n").nth(1).unwrap().split("\n## ").next().unwrap().to_owned();
    let numbers =
        section.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse::<u8>().ok());
    let numbers: Vec<u8> = numbers.collect();
    assert!(numbers.len() >= 6, "{section}");
    for number in numbers {
        assert!(page.contains(&format!(".TP\n\\fB{number}\\fR\n")), "exit code {number} is not in\n{page}");
    }
}

/// A Debian with zsh, fish and groff; `scratch` is visible as its `/mnt`. `None`, with a message, where it cannot be had.
fn with_shells(scratch: &Path) -> Option<Image> {
    let shells = clickhouse_embedded::install::cache_directory("footfall")?.join("shells");
    if !shells.is_dir() {
        println!("skipped: there are no shells; `make deps-shells` fetches them");
        return None;
    }
    let debian = debian::root()?.to_owned();
    let top: PathBuf = scratch.join("top");
    fs::create_dir(&top).unwrap();
    Some(Image::of_layers(vec![top, shells, debian]))
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn groff_finds_nothing_wrong_with_the_manual_pages() {
    let scratch = tempfile::tempdir().unwrap();
    let Some(image) = with_shells(scratch.path()) else { return };
    let pages = scratch.path().join("top/pages");
    fs::create_dir(&pages).unwrap();
    footfall(&["man", "--dir", pages.to_str().unwrap()]);
    fs::create_dir(scratch.path().join("work")).unwrap();
    let script = "for page in /pages/*.1; do groff -K utf8 -man -T utf8 -ww $page > $page.text; done; cat /pages/footfall.1.text";
    let output = image.output(&scratch.path().join("work"), script);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let page = text(&output);
    assert!(page.contains("footfall-serve(1)") && page.contains("The configuration is wrong"), "{page}");
}

#[test]
fn bash_completes_commands_options_and_values() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("footfall.bash");
    fs::write(&file, completions("bash")).unwrap();
    // What bash does at Tab: the function gets the command, the word and the word before, and the line in variables.
    let script = r#"source "$1"; shift
        function_name=$(complete -p footfall | sed 's/.*-F \([^ ]*\) .*/\1/')
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
        $function_name footfall "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let complete = |words: &[&str]| {
        let output = Command::new("bash")
            .args(["-c", script, "bash"])
            .arg(&file)
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
        text(&output).lines().map(|line| line.trim_end().to_owned()).collect::<BTreeSet<String>>()
    };
    for path in commands() {
        let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let help = footfall(&words);
        let typed: Vec<&str> = ["footfall"].into_iter().chain(path.iter().map(String::as_str)).collect();
        let offered = complete(&[&typed[..], &[""]].concat());
        for name in listed(&help).iter().filter(|name| *name != "help") {
            assert!(offered.contains(name), "{typed:?}: {name} is not in {offered:?}");
        }
        let offered = complete(&[&typed[..], &["--"]].concat());
        for option in options(&help) {
            assert!(offered.contains(&option), "{typed:?}: {option} is not in {offered:?}");
        }
    }
    let roles = complete(&["footfall", "token", "add", "--role", ""]);
    assert!(roles.contains("analyst") && roles.contains("sre"), "{roles:?}");
    assert_eq!(complete(&["footfall", "serve", "--log", "j"]), ["json".to_owned()].into());
}

#[test]
fn fish_and_zsh_complete_commands_and_values() {
    let scratch = tempfile::tempdir().unwrap();
    let Some(image) = with_shells(scratch.path()) else { return };
    let top = scratch.path().join("top");
    fs::write(top.join("footfall.fish"), completions("fish")).unwrap();
    fs::create_dir(top.join("functions")).unwrap();
    fs::write(top.join("functions/_footfall"), completions("zsh")).unwrap();
    // At Tab the line is completed and written to a file.
    let zsh = r#"fpath=(/functions $fpath); autoload -Uz compinit; compinit -u -D
        tab() { zle complete-word; print -r -- "$BUFFER" > /completed; exit }
        zle -N tab; bindkey '^I' tab"#;
    fs::write(top.join("zshrc"), zsh).unwrap();
    let terminal = r#"zmodload zsh/zpty
        zpty shell 'HOME=/ TERM=dumb zsh -f -i'
        zpty -w shell 'source /zshrc'
        zpty -w -n shell "$1"$'\t'
        for i in {1..100}; do [[ -s /completed ]] && break; sleep 0.1; done
        cat /completed"#;
    fs::write(top.join("terminal"), terminal).unwrap();
    for (number, (typed, expected)) in [
        ("footfall verif", "verify"),
        ("footfall token rev", "revoke"),
        ("footfall serve --log j", "json"),
        ("footfall spool req", "requeue"),
    ]
    .into_iter()
    .enumerate()
    {
        let work = scratch.path().join(format!("work-{number}"));
        fs::create_dir(&work).unwrap();
        let script = format!(
            "HOME=/tmp fish --no-config -c 'source /footfall.fish; complete -C \"{typed}\"' | cut -f 1
             echo ---
             rm -f /completed
             zsh -f /terminal '{typed}'"
        );
        let output = text(&image.output(&work, &script));
        let (fish, zsh) = output.split_once("---\n").unwrap();
        assert_eq!(fish.trim_end(), expected, "fish: {typed}");
        let (line, _) = typed.rsplit_once(' ').unwrap();
        assert_eq!(zsh.trim_end(), format!("{line} {expected}"), "zsh: {typed}");
    }
}
