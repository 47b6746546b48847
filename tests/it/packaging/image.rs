//! Builds and runs images as a container engine does, as far as `deploy/Dockerfile` needs it: layers are an overlay on a Debian 12 that stands
//! for the images of the registry.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use super::debian;

const TREE: &str = env!("CARGO_MANIFEST_DIR");

/// What images that only hold files of packages hold: `gcr.io/distroless/cc-debian12` and the images below it.
const DISTROLESS_CC: [&str; 9] = [
    "base-files",
    "ca-certificates",
    "gcc-12-base",
    "libc6",
    "libgcc-s1",
    "libgomp1",
    "libssl3",
    "libstdc++6",
    "tzdata",
];

pub struct Stage {
    /// An image of a registry, or the name of a stage before.
    pub from: String,
    pub name: String,
    /// Instruction and arguments.
    pub instructions: Vec<(String, String)>,
}

/// The stages of a Dockerfile, in order.
pub fn stages(text: &str) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    let text = text.replace("\\\n", " ");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (instruction, rest) = line.split_once(' ').expect("an instruction has arguments");
        if instruction == "FROM" {
            let (from, name) = rest.split_once(" AS ").unwrap_or((rest, ""));
            stages.push(Stage { from: from.to_owned(), name: name.to_owned(), instructions: Vec::new() });
        } else {
            let stage = stages.last_mut().expect("the first instruction is FROM");
            stage.instructions.push((instruction.to_owned(), rest.trim().to_owned()));
        }
    }
    stages
}

/// An image that was built.
#[derive(Clone, Default)]
pub struct Image {
    /// Directories, the newest first.
    layers: Vec<PathBuf>,
    variables: BTreeMap<String, String>,
    directory: String,
    user: String,
    entrypoint: Vec<String>,
    command: Vec<String>,
}

pub struct Builder {
    /// Where layers are kept.
    scratch: PathBuf,
    images: BTreeMap<String, Image>,
    /// What an address that `ADD` names is replaced by.
    pub downloads: PathBuf,
    /// Lines of the shell that mount something below `$ROOT` before each `RUN`.
    pub mounts: String,
    /// Variables of each `RUN`.
    pub variables: Vec<(String, String)>,
}

impl Builder {
    pub fn new(scratch: &Path) -> Self {
        let scratch = scratch.to_owned();
        Self {
            downloads: scratch.join("downloads"),
            scratch,
            images: BTreeMap::new(),
            mounts: String::new(),
            variables: Vec::new(),
        }
    }

    fn new_directory(&self, name: &str) -> PathBuf {
        let directory = (0..).map(|number| self.scratch.join(format!("{name}-{number}")));
        let directory = directory.into_iter().find(|path| !path.exists()).expect("numbers do not end");
        fs::create_dir_all(&directory).unwrap();
        // As of the root of an image, not of a temporary directory.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        directory
    }

    /// What stands for an image of a registry.
    fn pull(&self, image: &str) -> Image {
        let debian = debian::root().expect("the caller looked").to_owned();
        let layers = match image.split(':').next().unwrap_or_default() {
            "docker.io/library/rust" | "docker.io/library/debian" => vec![debian],
            "gcr.io/distroless/cc-debian12" => vec![self.files_of(&debian, &DISTROLESS_CC)],
            other => panic!("nothing here stands for {other}"),
        };
        Image { layers, directory: "/".to_owned(), ..Image::default() }
    }

    /// A directory with the files of packages, and no shell.
    fn files_of(&self, debian: &Path, packages: &[&str]) -> PathBuf {
        let target = self.new_directory("distroless");
        // The links by which /lib is /usr/lib belong to no package.
        let script = "cd \"$TARGET\"
                      for name in bin lib lib64 sbin; do mkdir -p usr/$name; ln -s usr/$name $name; done
                      mkdir -p tmp proc dev sys etc
                      cp \"$DEBIAN/etc/ld.so.cache\" etc/
                      cd \"$DEBIAN\"
                      for package in $PACKAGES; do cat var/lib/dpkg/info/$package.list var/lib/dpkg/info/$package:*.list || true; done \
                          2> /dev/null | sed 's|^/|./|' | sort -u | grep -vxE './(.|bin|lib|lib64|sbin)' > \"$TARGET.list\"
                      tar --create --no-recursion --files-from=\"$TARGET.list\" --ignore-failed-read 2> /dev/null | \
                          tar --extract --keep-directory-symlink --directory \"$TARGET\"";
        shell(Command::new("/bin/sh").args(["-euc", script]).envs([
            ("DEBIAN", debian.as_os_str()),
            ("TARGET", target.as_os_str()),
            ("PACKAGES", packages.join(" ").as_ref()),
        ]));
        target
    }

    /// Carries out the instructions of a stage.
    pub fn build(&mut self, stage: &Stage) -> Image {
        let mut image = self.images.get(&stage.from).cloned().unwrap_or_else(|| self.pull(&stage.from));
        let mut arguments: BTreeMap<String, String> = BTreeMap::new();
        image.layers.insert(0, self.new_directory("layer"));
        for (instruction, rest) in &stage.instructions {
            let mut rest = rest.clone();
            for (name, value) in &arguments {
                rest = rest.replace(&format!("${{{name}}}"), value);
            }
            match instruction.as_str() {
                "ARG" => {
                    let (name, value) = rest.split_once('=').expect("an argument has a default");
                    arguments.insert(name.to_owned(), value.to_owned());
                }
                "ENV" => {
                    let pairs = rest.split(' ').filter_map(|pair| pair.split_once('='));
                    image.variables.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
                }
                "WORKDIR" => {
                    // Some builders make it as root, also after `USER`.
                    fs::create_dir_all(image.top(&rest)).unwrap();
                    image.directory = rest;
                }
                "USER" => image.user = rest,
                "COPY" => self.copy(&image, &rest),
                "ADD" => {
                    let (_, target) = rest.split_once(' ').expect("a source and a target");
                    copy(&self.downloads, &image.top(target));
                }
                "RUN" => self.run(&image, &rest),
                "ENTRYPOINT" => image.entrypoint = serde_json::from_str(&rest).unwrap(),
                "CMD" => image.command = serde_json::from_str(&rest).unwrap(),
                "VOLUME" | "EXPOSE" | "STOPSIGNAL" => {}
                other => panic!("unknown instruction {other}"),
            }
        }
        if !stage.name.is_empty() {
            self.images.insert(stage.name.clone(), image.clone());
        }
        image
    }

    fn copy(&self, image: &Image, rest: &str) {
        let (mut from, mut owner, mut paths) = (None, (0, 0), Vec::new());
        for word in rest.split_whitespace() {
            if let Some(stage) = word.strip_prefix("--from=") {
                from = Some(self.images.get(stage).unwrap_or_else(|| panic!("there is no stage {stage}")));
            } else if let Some(ids) = word.strip_prefix("--chown=") {
                let (user, group) = ids.split_once(':').unwrap();
                owner = (user.parse().unwrap(), group.parse().unwrap());
            } else {
                paths.push(word);
            }
        }
        let [source, target] = paths[..] else { panic!("COPY {rest}: one source and one target") };
        let target = image.top(&Path::new(&image.directory).join(target).to_string_lossy());
        match from {
            Some(stage) => copy(&stage.find(source), &target),
            None => copy_context(&target),
        }
        chown_all(&target, owner);
    }

    fn run(&self, image: &Image, rest: &str) {
        let script = rest.split(' ').skip_while(|word| word.is_empty() || word.starts_with("--mount="));
        let script = script.collect::<Vec<_>>().join(" ");
        let mut command = image.command_in(&self.new_directory("work"), &self.mounts, "");
        command.args(["/bin/sh", "-euc", &format!("cd '{}'\n{script}", image.directory)]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        shell(&mut command);
    }
}

impl Image {
    /// Directories, the newest first.
    pub fn of_layers(layers: Vec<PathBuf>) -> Self {
        Self { layers, directory: "/".to_owned(), ..Self::default() }
    }

    /// Runs a script of the shell in it. `scratch` is a new directory.
    pub fn output(&self, scratch: &Path, script: &str) -> Output {
        self.command_in(scratch, "", "").args(["/bin/sh", "-euc", script]).output().unwrap()
    }

    /// A path within the newest layer, whose directory exists.
    fn top(&self, path: &str) -> PathBuf {
        let path = self.layers[0].join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// The file or directory that is seen under a path.
    pub fn find(&self, path: &str) -> PathBuf {
        let mut found = self.layers.iter().map(|layer| layer.join(path.trim_start_matches('/')));
        found
            .find(|path| path.symlink_metadata().is_ok())
            .unwrap_or_else(|| panic!("the image has no {path}"))
    }

    /// A command that mounts the image and becomes what is appended to it, in the image. `scratch` is a new directory. `before` are lines of
    /// the shell that run when everything is mounted at `$ROOT`; `become` is a program before `chroot`, and its options after it.
    fn command_in(&self, scratch: &Path, before: &str, options: &str) -> Command {
        let lower: Vec<String> = self.layers[1..].iter().map(|layer| layer.display().to_string()).collect();
        let script = format!(
            "mkdir \"$SCRATCH/root\" \"$SCRATCH/overlay\"
             export ROOT=\"$SCRATCH/root\"
             mount -t overlay overlay -o 'lowerdir={},upperdir={},'\"workdir=$SCRATCH/overlay\" \"$ROOT\"
             mount -t proc proc \"$ROOT/proc\"
             mount -t tmpfs -o mode=755 dev \"$ROOT/dev\"
             mkdir \"$ROOT/dev/pts\" \"$ROOT/dev/shm\"
             mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts \"$ROOT/dev/pts\"
             ln -s pts/ptmx \"$ROOT/dev/ptmx\"
             for device in null zero full random urandom; do touch \"$ROOT/dev/$device\"
                 mount --bind \"/dev/$device\" \"$ROOT/dev/$device\"; done
             {before}
             exec setpriv --no-new-privs chroot {options} \"$ROOT\" \"$@\"",
            lower.join(":"),
            self.layers[0].display()
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation=private", "/bin/sh", "-euc", &script, "sh"]);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("SCRATCH", scratch).envs(&self.variables).stdin(Stdio::null());
        command
    }

    /// Starts the image as the head of the Dockerfile says: read-only, without privileges, with `data` as volume and `settings` as
    /// `footfall.toml`. `mounts` are further lines of
    /// the shell that mount something below `$ROOT`.
    pub fn start(&self, scratch: &Path, data: &Path, settings: &Path, mounts: &str, log: fs::File) -> Child {
        // A new volume gets the owner of the directory that it is mounted on.
        let volume = fs::metadata(self.find("/var/lib/footfall")).unwrap();
        chown_all(
            data,
            (std::os::unix::fs::MetadataExt::uid(&volume), std::os::unix::fs::MetadataExt::gid(&volume)),
        );
        let mounts = format!(
            "ulimit -c 0
             ulimit -l 1024
             mkdir -p \"$ROOT/run/footfall\" \"$ROOT/tmp\" \"$ROOT/var/lib/footfall\" \"$ROOT/etc/footfall\"
             touch \"$ROOT/etc/footfall/footfall.toml\"
             mount -t tmpfs -o mode=0700,uid=65532,gid=65532,size=1m,noexec key \"$ROOT/run/footfall\"
             mount -t tmpfs -o size=64m tmp \"$ROOT/tmp\"
             mount --bind '{}' \"$ROOT/var/lib/footfall\"
             mount --bind '{}' \"$ROOT/etc/footfall/footfall.toml\"
             mount -o remount,bind,ro \"$ROOT/etc/footfall/footfall.toml\"
             {mounts}
             mount -o remount,ro \"$ROOT\"",
            data.display(),
            settings.display()
        );
        // What a container writes beside its volumes must not end in the image.
        let mut container = self.clone();
        container.layers.insert(0, scratch.join("upper"));
        fs::create_dir(&container.layers[0]).unwrap();
        let mut command =
            container.command_in(scratch, &mounts, &format!("--groups= --userspec={}", self.user));
        command.args(&self.entrypoint).args(&self.command);
        command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }
}

/// Copies a file, or what a directory holds.
fn copy(source: &Path, target: &Path) {
    let source = if source.is_dir() { source.join(".") } else { source.to_owned() };
    if source.is_dir() {
        fs::create_dir_all(target).unwrap();
    }
    shell(Command::new("cp").args(["-a", "--no-preserve=timestamps"]).arg(source).arg(target));
}

/// Copies the tree without what `.dockerignore` names.
fn copy_context(target: &Path) {
    let ignored = fs::read_to_string(Path::new(TREE).join(".dockerignore")).unwrap();
    let ignored = ignored.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let excluded: Vec<String> = ignored.map(|path| format!("--exclude=./{path}")).collect();
    fs::create_dir_all(target).unwrap();
    let script = "tar --create --directory \"$TREE\" --anchored \"$@\" . | tar --extract --touch --directory \"$TARGET\"";
    let mut command = Command::new("/bin/sh");
    command.args(["-euc", script, "sh"]).args(excluded);
    shell(command.env("TREE", TREE).env("TARGET", target));
}

fn chown_all(path: &Path, (user, group): (u32, u32)) {
    chown(path, Some(user), Some(group)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap().map(|entry| entry.unwrap()) {
            if !entry.file_type().unwrap().is_symlink() {
                chown_all(&entry.path(), (user, group));
            }
        }
    }
}

/// Runs a command that must succeed.
#[track_caller]
fn shell(command: &mut Command) {
    let output = command.output().unwrap();
    let printed = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(
        output.status.success(),
        "{:?} ended with {}:\n{}",
        command.get_args(),
        output.status,
        printed.concat()
    );
}
