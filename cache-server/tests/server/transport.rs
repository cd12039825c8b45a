//! How clients come in: TLS, HTTP/2, the Unix socket; and how little those get who only hold on.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::environment::skip;
use crate::http;
use crate::world::{PATIENCE, Server, UNTROUBLED, World, connect, exists, key, until};

const CHECK: &str = "/.sccache_check";

/// An authority and certificates that it signed, made by openssl.
pub(crate) struct Authority<'a>(&'a World);

impl<'a> Authority<'a> {
    /// Skips aloud where there is no openssl or curl.
    pub(crate) fn new(world: &'a World) -> Option<Self> {
        for program in ["openssl", "curl"] {
            let there = Command::new(program).arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            if there.is_err() {
                skip(&format!("{program} is not installed"));
                return None;
            }
        }
        let authority = Self(world);
        authority.openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=test authority",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ]);
        Some(authority)
    }

    fn openssl(&self, args: &[&str]) {
        let made = Command::new("openssl").args(args).current_dir(self.0.path("")).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// Makes `<name>.pem` and `<name>.key`, in the place of older ones in one step each.
    pub(crate) fn issue(&self, name: &str) {
        let file = |kind: &str| format!("{name}.{kind}");
        self.openssl(&[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            &format!("/CN={name}"),
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            "next.key",
            "-out",
            "next.csr",
        ]);
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            "next.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-copy_extensions",
            "copy",
            "-out",
            "next.pem",
        ]);
        fs::set_permissions(self.0.path("next.key"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(self.0.path("next.key"), self.0.path(&file("key"))).unwrap();
        fs::rename(self.0.path("next.pem"), self.0.path(&file("pem"))).unwrap();
    }

    pub(crate) fn configure(&self, more: &str) {
        self.configure_as(more, UNTROUBLED);
    }

    /// The same with other limits than most tests have.
    pub(crate) fn configure_as(&self, more: &str, limits: &str) {
        let dir = self.0.path("");
        let dir = dir.display();
        self.0.configure(&format!(
            "[tls]\nlisten = \"127.0.0.1:0\"\ncertificate_file = \"{dir}/server.pem\"\nkey_file = \"{dir}/server.key\"\n\
             {more}{limits}"
        ));
    }
}

/// curl with its answer's protocol and status after the body.
pub(crate) fn curl(world: &World, args: &[&str], url: &str) -> Output {
    let mut curl = Command::new("curl");
    curl.current_dir(world.path("")).args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60"]);
    curl.args(["--write-out", "|%{http_version}|%{http_code}"]).args(args).arg(url);
    curl.output().unwrap()
}

#[track_caller]
pub(crate) fn says(output: &Output, expected: &str) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn bearer(server: &Server) -> String {
    format!("Authorization: Bearer {}", server.trusted().expose())
}

pub(crate) fn https(server: &Server, path: &str) -> String {
    format!("https://{}{path}", server.said["tls"].as_str().unwrap())
}

#[test]
fn one_object_comes_back_over_every_way_in() {
    let world = World::new();
    let Some(authority) = Authority::new(&world) else { return };
    authority.issue("server");
    let socket = world.path("cache.sock");
    authority.configure(&format!("[socket]\npath = \"{}\"\nmode = \"0600\"\n", socket.display()));
    let server = world.serve();
    let (token, url) = (bearer(&server), format!("http://{}{}", server.http(), key(1)));
    fs::write(world.path("object"), b"made by rustc").unwrap();
    let put = ["--header", &token, "--upload-file", "object", "--http2-prior-knowledge"];
    says(&curl(&world, &put, &url), "|2|201");
    let with_token = ["--header", &token];
    says(&curl(&world, &with_token, &url), "made by rustc|1.1|200");
    let over_tls = ["--header", &token, "--cacert", "ca.pem"];
    says(&curl(&world, &over_tls, &https(&server, &key(1))), "made by rustc|2|200");
    let older = ["--header", &token, "--cacert", "ca.pem", "--http1.1"];
    says(&curl(&world, &older, &https(&server, &key(1))), "made by rustc|1.1|200");
    let local = ["--header", &token, "--unix-socket", "cache.sock"];
    says(&curl(&world, &local, &format!("http://localhost{}", key(1))), "made by rustc|1.1|200");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    // Nobody else's word for this server is believed, and nothing in the clear on the port for TLS.
    assert!(!curl(&world, &with_token, &https(&server, &key(1))).status.success());
    let mut clear = connect(server.said["tls"].as_str().unwrap());
    let _maybe_closed = clear.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut said = Vec::new();
    let _maybe_reset = clear.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn a_large_object_and_many_at_once_travel_whole_over_http2() {
    let world = World::new();
    let Some(authority) = Authority::new(&world) else { return };
    authority.issue("server");
    authority.configure("");
    let server = world.serve();
    let token = bearer(&server);
    let object: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).take(8 << 20).collect();
    fs::write(world.path("object"), &object).unwrap();
    let url = https(&server, &key(1));
    let put = ["--header", &token, "--cacert", "ca.pem", "--upload-file", "object"];
    says(&curl(&world, &put, &url), "|2|201");
    let mut many = vec!["--header", &token, "--cacert", "ca.pem", "--parallel", "--parallel-max", "50"];
    let names: Vec<_> = (0..50).map(|n| format!("got-{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        many.extend(["--output", name]);
        if n > 0 {
            many.push(&url);
        }
    }
    let output = curl(&world, &many, &url);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in names {
        assert!(fs::read(world.path(&name)).unwrap() == object, "{name} differs");
    }
}

#[test]
fn new_certificates_are_used_without_a_restart_and_bad_ones_change_nothing() {
    let world = World::new();
    let Some(authority) = Authority::new(&world) else { return };
    authority.issue("server");
    authority.configure("reload = \"1h\"\n");
    let server = world.serve();
    let serial = || {
        let address = server.said["tls"].as_str().unwrap();
        let show = format!("openssl s_client -connect {address} </dev/null 2>/dev/null | openssl x509 -noout -serial");
        String::from_utf8(Command::new("sh").args(["-c", &show]).output().unwrap().stdout).unwrap()
    };
    let first = serial();
    assert!(first.starts_with("serial="), "{first}");
    fs::write(world.path("server.pem"), "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n").unwrap();
    server.signal("HUP");
    until("the bad certificate was complained about", || world.log().contains("the old ones stay in force"));
    assert_eq!(serial(), first);
    authority.issue("server");
    server.signal("HUP");
    until("the new certificate is shown", || serial() != first);
    assert!(!world.log().contains("PRIVATE KEY"));
}

#[test]
fn changed_files_are_found_without_a_signal() {
    let world = World::new();
    let Some(authority) = Authority::new(&world) else { return };
    authority.issue("server");
    authority.configure("reload = \"1s\"\n");
    let _server = world.serve();
    authority.issue("server");
    until("the new files were read", || world.log().contains("new connections get the certificates"));
}

#[test]
fn a_certificate_of_the_client_is_a_gate_before_the_token() {
    let world = World::new();
    let Some(authority) = Authority::new(&world) else { return };
    authority.issue("server");
    authority.issue("client");
    let ask = |args: &[&str]| {
        let server = world.serve();
        let token = bearer(&server);
        let all = [&["--header", &token, "--cacert", "ca.pem"], args].concat();
        curl(&world, &all, &https(&server, CHECK))
    };
    let client = ["--cert", "client.pem", "--key", "client.key"];
    authority.configure("client_ca_file = \"CA\"\n".replace("CA", &world.path("ca.pem").to_string_lossy()).as_str());
    says(&ask(&client), "Hello, World!|2|200");
    assert!(!ask(&[]).status.success(), "nobody is let in without one");
    let optional =
        format!("client_ca_file = \"{}\"\nclient_certificates = \"optional\"\n", world.path("ca.pem").display());
    authority.configure(&optional);
    says(&ask(&client), "Hello, World!|2|200");
    says(&ask(&[]), "Hello, World!|2|200");
    // One that somebody else signed is worse than none.
    let stranger = World::new();
    Authority::new(&stranger).unwrap().issue("client");
    for name in ["client.pem", "client.key"] {
        fs::copy(stranger.path(name), world.path(name)).unwrap();
    }
    assert!(!ask(&client).status.success());
}

#[test]
fn certificates_that_cannot_be_used_are_said_at_the_start() {
    let world = World::new();
    let Some(authority) = Authority::new(&world) else { return };
    authority.issue("server");
    authority.issue("other");
    authority.configure("");
    let refused = |said: &[&str]| {
        let output = world.run(&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(said.iter().all(|part| error.contains(part)), "{error}");
    };
    fs::copy(world.path("other.key"), world.path("server.key")).unwrap();
    refused(&["cannot serve TLS", "cannot be used together"]);
    fs::set_permissions(world.path("server.key"), fs::Permissions::from_mode(0o644)).unwrap();
    refused(&["cannot read the private key", "chmod 600"]);
    fs::write(world.path("server.pem"), "").unwrap();
    refused(&["server.pem holds no certificate"]);
    fs::remove_file(world.path("server.pem")).unwrap();
    refused(&["cannot read", "server.pem"]);
}

#[test]
fn a_stale_socket_is_replaced_and_gone_after_the_stop() {
    let world = World::new();
    let socket = world.path("cache.sock");
    world.configure(&format!("[http]\nlisten = \"off\"\n[socket]\npath = \"{}\"\n", socket.display()));
    let mut server = world.serve_with(&[]);
    server.signal("KILL");
    server.ended();
    assert!(exists(&socket), "a killed server leaves its socket");
    let mut server = world.serve_with(&[]);
    let token = server.trusted();
    let check = http::ask(UnixStream::connect(&socket).unwrap(), "GET", CHECK, Some(token.expose()), b"");
    assert_eq!(check.status, 200);
    assert!(server.stop().success());
    assert!(!exists(&socket));
    fs::write(&socket, "precious").unwrap();
    let refused = world.run(&["serve", "--admin", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(fs::read(&socket).unwrap(), b"precious");
}

/// How long the other side lets this connection live after `bytes`, when one byte of `trickle` follows now and then.
fn lives(mut stream: TcpStream, bytes: &[u8], trickle: Option<u8>) -> Duration {
    let began = Instant::now();
    stream.write_all(bytes).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut answer = [0; 1024];
    loop {
        match stream.read(&mut answer) {
            Ok(0) => return began.elapsed(),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                if let Some(byte) = trickle {
                    let _closed = stream.write_all(&[byte]);
                }
            }
            Err(_) => return began.elapsed(),
        }
        assert!(began.elapsed() < PATIENCE, "it lives for ever");
    }
}

#[test]
fn those_who_only_hold_on_are_let_go() {
    let world = World::new();
    world.configure("[limits]\nhead = \"1s\"\nidle = \"3s\"\nclient_stall = \"1s\"\nupload = \"2s\"\n");
    let server = world.serve();
    let soon = Duration::from_secs(10);
    let token = server.trusted();
    let put = format!(
        "PUT {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 1000\r\n\r\n",
        key(1),
        token.expose()
    );
    for (what, bytes, trickle) in [
        ("says nothing", &b""[..], None),
        ("says half a head", b"GET / HT", None),
        ("trickles a head", b"GET / HTTP/1.1\r\nx-", Some(b'x')),
        ("promises a body", put.as_bytes(), None),
        ("trickles a body", put.as_bytes(), Some(b'x')),
        ("says half of what begins HTTP/2", b"PRI * HTTP/2.0\r\n", None),
        ("speaks HTTP/2 and then nothing", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", None),
    ] {
        let lived = lives(server.connect(), bytes, trickle);
        assert!(lived < soon, "one who {what} was borne for {lived:?}");
    }
    // Between two requests there is more time than within a head.
    let mut patient = server.connect();
    let ask = b"GET /.sccache_check HTTP/1.1\r\nhost: x\r\n\r\n";
    patient.write_all(ask).unwrap();
    let lived = lives(patient, ask, None);
    assert!(lived >= Duration::from_secs(2) && lived < soon, "{lived:?}");
    until("nobody is left", || server.metric("cache_connections") == 0);
}

#[test]
fn a_crowd_is_turned_away_and_the_next_is_served() {
    let world = World::new();
    world.configure("[limits]\nconnections = 40\nconnections_per_peer = 30\n");
    let server = world.serve();
    let from_here: Vec<_> = (0..300).map(|_| server.connect()).collect();
    let port = server.http().rsplit(':').next().unwrap();
    until("the crowd was seen", || server.metric("cache_refused_connections_total") == 270);
    assert_eq!(server.metric("cache_connections"), 30);
    // Who comes from elsewhere has room.
    let elsewhere = Command::new("curl")
        .args(["--silent", "--noproxy", "*", "--interface", "127.0.0.2"])
        .args(["--header", &bearer(&server)])
        .arg(format!("http://127.0.0.1:{port}{CHECK}"))
        .output();
    match elsewhere {
        Ok(answer) => assert_eq!(answer.stdout, b"Hello, World!"),
        Err(_) => skip("curl is not installed"),
    }
    drop(from_here);
    until("they are gone", || server.metric("cache_connections") == 0);
    assert_eq!(server.ask("GET", CHECK, &server.trusted(), b"").status, 200);
}

#[test]
fn a_service_without_descriptors_to_spare_says_how_many_it_can_serve() {
    let world = World::new();
    let command = world.command(&["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let program = Path::new(command.get_program()).to_owned();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 300; exec \"$@\"", "sh"]).arg(program).args(command.get_args());
    let server = world.start(limited);
    let crowd: Vec<_> = (0..400).map(|_| server.connect()).collect();
    // The store and the admin pages still have theirs.
    until("it is ready", || server.admin("/readyz").status == 200);
    drop(crowd);
    assert!(world.log().contains("at most 44 of 1024 connections"), "{}", world.log());
}
