//! The addresses that clients of GitHub's services are handed out: they have to lead back to us.

use std::fs;

use crate::transport::{Authority, bearer, curl, https, says};
use crate::world::{Server, UNTROUBLED, World};

#[test]
fn addresses_that_are_handed_out_lead_back_by_the_way_that_the_client_came() {
    let world = World::new();
    let Some(authority) = Authority::new(&world) else { return };
    authority.issue("server");
    authority.configure("");
    let handed_out = |server: &Server, url: &str| {
        let call = ["twirp", "github.actions.results.api.v1.CacheService", "CreateCacheEntry"].join("/");
        let (token, message) = (bearer(server), "{\"key\":\"k\",\"version\":\"v\"}");
        let form = ["--header", &token, "--header", "Content-Type: application/json", "--data", message];
        let args = [&["--cacert", "ca.pem", "--http1.1"], &form[..]].concat();
        let said = String::from_utf8(curl(&world, &args, &format!("{url}/{call}")).stdout).unwrap();
        let answer: serde_json::Value = serde_json::from_str(said.split('|').next().unwrap()).unwrap();
        answer["signed_upload_url"].as_str().unwrap().to_owned()
    };
    let server = world.serve();
    let url = handed_out(&server, &https(&server, ""));
    assert!(url.starts_with(&https(&server, "/.gha/")), "{url}");
    fs::write(world.path("object"), b"an entry").unwrap();
    let put = ["--cacert", "ca.pem", "--http1.1", "--header", "x-ms-blob-type: BlockBlob", "--upload-file", "object"];
    says(&curl(&world, &put, &url), "|1.1|201");
    let url = handed_out(&server, &format!("http://{}", server.http()));
    assert!(url.starts_with(&format!("http://{}/.gha/", server.http())), "{url}");
    drop(server);

    world.configure(&format!(
        "[http]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://cache.example.org/\"\n{UNTROUBLED}"
    ));
    let server = world.serve();
    let url = handed_out(&server, &format!("http://{}", server.http()));
    assert!(url.starts_with("https://cache.example.org/.gha/"), "{url}");
}
