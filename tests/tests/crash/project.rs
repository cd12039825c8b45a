//! A small real cargo project that is another one in every round: a build script that reads a file, a library, and a
//! program that prints what the sources say.

use hearth_tests::repository::Repository;
use hearth_tests::world::World;

/// Incremental and optimized at once: what an interrupted build leaves behind is then wrong in the worst way.
const MANIFEST: &str = "[workspace]\nresolver = \"3\"\nmembers = [\"app\", \"leaf\", \"middle\"]\n\n\
                        [profile.dev]\nopt-level = 1\nincremental = true\n";
const BUILD_SCRIPT: &str = r#"
fn main() {
    println!("cargo::rerun-if-changed=data.txt");
    let data = std::fs::read_to_string("data.txt").unwrap();
    let out = std::env::var("OUT_DIR").unwrap();
    std::fs::write(format!("{out}/data.rs"), format!("pub const DATA: u64 = {};", data.trim())).unwrap();
}
"#;
const APP: &str = r#"fn main() { println!("{}", [leaf::DATA, leaf::value(), middle::value(), VALUE].map(|n| n.to_string()).join(" ")); }"#;

/// The places where a value stands, in the order in which the program prints them.
pub(crate) const PLACES: usize = 4;

#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) repository: Repository,
    values: [u64; PLACES],
}

impl Project {
    pub(crate) fn new(world: &World) -> Self {
        let repository = world.repository("project");
        let package = |name: &str, rest: &str| {
            let text = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}");
            repository.write(&format!("{name}/Cargo.toml"), &text);
        };
        repository.write("Cargo.toml", MANIFEST).write(".gitignore", "target\n").write("leaf/build.rs", BUILD_SCRIPT);
        package("leaf", "");
        package("middle", "[dependencies]\nleaf = { path = \"../leaf\" }\n");
        package("app", "[dependencies]\nleaf = { path = \"../leaf\" }\nmiddle = { path = \"../middle\" }\n");
        let project = Self { repository, values: [0; PLACES] };
        for place in 0..PLACES {
            project.write(place);
        }
        // With its lock file, so that no job changes the checkout.
        world.other("cargo", project.repository.path()).args(["generate-lockfile", "--offline"]).run().expect_success();
        project.repository.commit("the beginning");
        project
    }

    /// Changes one line and commits it.
    pub(crate) fn change(&mut self, place: usize, value: u64) {
        self.values[place] = value;
        self.write(place);
        self.repository.commit(&format!("place {place} says {value}"));
    }

    /// What a program that is built from these sources prints.
    pub(crate) fn says(&self) -> String {
        self.values.map(|value| value.to_string()).join(" ") + "\n"
    }

    fn write(&self, place: usize) {
        let value = self.values[place];
        match place {
            0 => self.repository.write("leaf/data.txt", &format!("{value}\n")),
            1 => self.repository.write(
                "leaf/src/lib.rs",
                &format!("include!(concat!(env!(\"OUT_DIR\"), \"/data.rs\"));\npub fn value() -> u64 {{ {value} }}\n"),
            ),
            2 => self.repository.write("middle/src/lib.rs", &format!("pub fn value() -> u64 {{ {value} }}\n")),
            _ => self.repository.write("app/src/main.rs", &format!("const VALUE: u64 = {value};\n{APP}\n")),
        };
    }
}
