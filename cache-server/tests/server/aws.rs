//! `aws`, as it is, with the keys of a token: up and down, in one piece and in parts, listed, kept in step, removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::environment::{self, skip};
use crate::http::{self, Answer};
use crate::world::{self, Server, World};

const MIB: usize = 1024 * 1024;
/// What `aws` sends in parts of 8 MiB.
const BIG: usize = 20 * MIB;

/// Somebody at a shell, in a directory of his own.
struct Shell<'a> {
    program: PathBuf,
    world: &'a World,
    server: &'a Server,
    keys: [String; 2],
}

impl Shell<'_> {
    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.env_clear().envs(environment::bare()).env("HOME", self.world.path("")).current_dir(self.world.path(""));
        command.env("AWS_ACCESS_KEY_ID", &self.keys[0]).env("AWS_SECRET_ACCESS_KEY", &self.keys[1]);
        command.env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("NO_PROXY", "127.0.0.1").env("AWS_MAX_ATTEMPTS", "1").env("AWS_PAGER", "");
        command.arg("--endpoint-url").arg(format!("http://{}", self.server.http())).args(args);
        command.output().unwrap()
    }

    /// What `aws s3 …` prints when all is well.
    #[track_caller]
    fn s3(&self, args: &[&str]) -> String {
        let output = self.run(&[&["s3"], args].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "aws s3 {args:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// What it complains of.
    #[track_caller]
    fn complaint(&self, args: &[&str]) -> String {
        let output = self.run(&[&["s3"], args].concat());
        assert!(!output.status.success(), "aws s3 {args:?} went well");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Size and key of every object below.
    fn listed(&self, below: &str) -> Vec<(usize, String)> {
        let text = self.s3(&["ls", "--recursive", below]);
        let of = |line: &str| {
            let mut words = line.split_whitespace().skip(2);
            (words.next().unwrap().parse().unwrap(), words.next().unwrap().to_owned())
        };
        text.lines().map(of).collect()
    }
}

/// Bytes that differ from place to place.
fn body(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(length as u64);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

/// `aws` before a server, with a token that may do everything that machines may, and remove.
fn with_aws(check: impl FnOnce(&World, &Shell)) {
    let Some(program) = environment::on_path("aws") else { return skip("there is no aws on the path") };
    let world = World::new();
    let rights = ["read", "write", "list", "delete"].map(|right| format!("--right={right}"));
    let realm = ["--kind=machine", "--realm=github.com/acme/rocket", "--reads=trusted", "--writes=trusted", "--json"];
    let args: Vec<_> =
        ["token", "new", "aws"].into_iter().chain(realm).chain(rights.iter().map(String::as_str)).collect();
    let made: serde_json::Value = serde_json::from_str(&world.printed(&args)).unwrap();
    let keys = ["access_key_id", "secret_access_key"].map(|name| made["s3"][name].as_str().unwrap().to_owned());
    let server = world.serve();
    check(&world, &Shell { program, world: &world, server: &server, keys });
}

#[test]
fn aws_stores_lists_reads_and_removes_in_one_piece_and_in_parts() {
    with_aws(|world, aws| {
        let (small, big) = (body(1000), body(BIG));
        fs::write(world.path("small"), &small).unwrap();
        fs::write(world.path("big"), &big).unwrap();
        assert_eq!(aws.s3(&["ls"]), "", "nothing is there yet");
        aws.s3(&["cp", "small", "s3://builds/logs/a small one"]);
        aws.s3(&["cp", "big", "s3://builds/images/big"]);
        let head = aws.run(&["s3api", "head-object", "--bucket", "builds", "--key", "images/big"]);
        let head: serde_json::Value = serde_json::from_slice(&head.stdout).unwrap();
        assert_eq!(head["ContentLength"], BIG);
        assert!(head["ETag"].as_str().unwrap().ends_with("-3\""), "not in three parts: {head}");

        assert!(aws.s3(&["ls"]).trim_end().ends_with(" builds"));
        let directories = aws.s3(&["ls", "s3://builds/"]);
        let names: Vec<_> = directories.lines().map(str::trim).collect();
        assert_eq!(names, ["PRE images/", "PRE logs/"]);
        assert!(aws.s3(&["ls", "s3://builds/logs/"]).trim_end().ends_with(" 1000 a small one"));
        assert_eq!(aws.listed("s3://builds/images"), [(BIG, "images/big".to_owned())]);

        for (from, sent) in [("s3://builds/logs/a small one", &small), ("s3://builds/images/big", &big)] {
            aws.s3(&["cp", from, "back"]);
            assert!(fs::read(world.path("back")).unwrap() == *sent, "{from} came back as something else");
        }
        aws.s3(&["mv", "s3://builds/images/big", "s3://builds/moved"]);
        aws.s3(&["cp", "s3://builds/moved", "back"]);
        assert!(fs::read(world.path("back")).unwrap() == big, "what was moved came back as something else");
        assert!(aws.complaint(&["cp", "s3://builds/images/big", "back"]).contains("404"));

        // For addresses, older ones still take version 2 by themselves.
        assert!(aws.run(&["configure", "set", "default.s3.signature_version", "s3v4"]).status.success());
        let answer = follow(&aws.s3(&["presign", "s3://builds/logs/a small one"]));
        assert!(answer.status == 200 && answer.body == small, "{}", answer.head);

        aws.s3(&["rm", "s3://builds/logs/a small one"]);
        assert_eq!(aws.listed("s3://builds"), [(BIG, "moved".to_owned())]);
        aws.s3(&["rm", "--recursive", "s3://builds"]);
        assert_eq!(aws.s3(&["ls"]), "");
    });
}

#[test]
fn aws_keeps_directories_in_step() {
    with_aws(|world, aws| {
        let write = |path: &str, length: usize| {
            let path = world.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, body(length)).unwrap();
        };
        for (path, length) in [("tree/a", 1), ("tree/b/c", 100_000), ("tree/b/ü & +", 2000), ("tree/big", BIG)] {
            write(path, length);
        }
        let up = ["sync", "tree", "s3://builds/tree", "--delete", "--no-progress"];
        assert_eq!(aws.s3(&up).lines().count(), 4);
        assert_eq!(aws.s3(&up), "", "what has not changed was sent again");
        write("tree/b/new", 5);
        fs::remove_file(world.path("tree/a")).unwrap();
        let said = aws.s3(&up);
        assert!(said.lines().count() == 2 && said.contains("upload:") && said.contains("delete:"), "{said}");

        aws.s3(&["sync", "s3://builds/tree", "copy", "--no-progress"]);
        assert!(files(&world.path("tree")) == files(&world.path("copy")), "the copy is another");
        assert_eq!(aws.s3(&["sync", "s3://builds/tree", "copy", "--no-progress"]), "");

        // An object does not change: whoever stores something else there is told, and finds what was there.
        write("tree/b/new", 6);
        assert!(aws.complaint(&up).contains("PreconditionFailed"));
        aws.s3(&["cp", "s3://builds/tree/b/new", "back"]);
        assert_eq!(fs::read(world.path("back")).unwrap(), body(5));
    });
}

#[test]
fn aws_is_told_why_it_may_not() {
    with_aws(|world, aws| {
        fs::write(world.path("small"), body(10)).unwrap();
        aws.s3(&["cp", "small", "s3://builds/small"]);
        let [id, _] = aws.keys.clone();
        let stranger = Shell { program: aws.program.clone(), keys: [id, "wrong".to_owned()], ..*aws };
        assert!(stranger.complaint(&["ls", "s3://builds"]).contains("SignatureDoesNotMatch"));
        assert!(stranger.complaint(&["cp", "small", "s3://builds/other"]).contains("SignatureDoesNotMatch"));
        let nobody = Shell { keys: ["0".repeat(32), "wrong".to_owned()], ..stranger };
        assert!(nobody.complaint(&["rm", "s3://builds/small"]).contains("InvalidAccessKeyId"));
        assert_eq!(aws.listed("s3://builds"), [(10, "small".to_owned())]);
    });
}

/// Asks for an address, as whoever is given it does.
fn follow(address: &str) -> Answer {
    let (host, path) = address.trim().strip_prefix("http://").unwrap().split_once('/').unwrap();
    let head = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    http::exchange(world::connect(host), head.as_bytes())
}

/// The files below a directory: where they stand there, and what is in them.
fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.push((path.strip_prefix(directory).unwrap().to_owned(), bytes));
        }
    }
    found.sort();
    found
}
