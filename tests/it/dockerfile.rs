//! `deploy/Dockerfile`, as far as it can be checked without a container engine.

use std::collections::BTreeMap;

const DOCKERFILE: &str = include_str!("../../deploy/Dockerfile");

#[derive(Clone)]
struct Stage {
    image: String,
    instructions: Vec<String>,
}

/// The stages in order. A stage that begins with another one begins with that one's image and has its instructions too.
fn stages() -> Vec<Stage> {
    let (mut stages, mut named): (Vec<Stage>, BTreeMap<String, usize>) = (Vec::new(), BTreeMap::new());
    let text = DOCKERFILE.replace("\\\n", " ");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some(from) = line.strip_prefix("FROM ") else {
            stages.last_mut().expect("the first instruction is FROM").instructions.push(line.to_owned());
            continue;
        };
        let (image, name) = from.split_once(" AS ").unwrap_or((from, ""));
        let base = named.get(image).map(|&index| stages[index].clone());
        named.insert(name.to_owned(), stages.len());
        stages.push(base.unwrap_or_else(|| Stage { image: image.to_owned(), instructions: Vec::new() }));
    }
    stages
}

#[test]
fn the_stage_that_fetches_the_engine_has_npm() {
    let mut fetching = 0;
    for stage in stages() {
        let Some(at) = stage.instructions.iter().position(|one| one.contains("embedded --install")) else {
            continue;
        };
        fetching += 1;
        let is_node = stage.image.starts_with("docker.io/library/node:");
        let has_installed = stage.instructions[..at]
            .iter()
            .any(|one| one.starts_with("RUN ") && one.contains("apt-get install") && one.contains(" npm"));
        assert!(is_node || has_installed, "there is no npm in {}", stage.image);
    }
    assert_eq!(fetching, 1);
}

#[test]
fn every_image_is_pinned_to_the_debian_that_the_program_is_built_on() {
    for stage in stages() {
        let image = stage.image;
        assert!(image.rsplit('/').next().is_some_and(|name| name.contains(':')), "{image} has no tag");
        assert!(image.contains("bookworm") || image.contains("debian12"), "{image}");
    }
    let rust = format!("docker.io/library/rust:{}-slim-bookworm", env!("CARGO_PKG_RUST_VERSION"));
    assert!(stages().iter().any(|stage| stage.image == rust), "{rust} is not the image that builds");
}
