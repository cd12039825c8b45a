//! The page of a cache server by itself, after builds by a real sccache.

use hearth_tests::cache_server::Prepared;
use hearth_tests::sccache_client::{Client, Dialect};
use hearth_tests::skip::{has_programs, skipped};
use hearth_tests::workspace::{Weight, libraries};
use hearth_tests::world::World;

use crate::browser::Browser;
use crate::{AS_SENT, nothing_wrong, picture, shows};

const REALM: &str = "github.com/acme/rocket";

#[test]
fn a_cache_server_shows_what_it_saves_and_what_it_lacks() {
    if !has_programs(&Browser::PROGRAMS) {
        return skipped("there is no chromium with a chromedriver");
    }
    let world = World::new();
    let server = Prepared::new(&world, "server");
    let rights = ["--kind", "machine", "--realm", REALM, "--reads", "trusted", "--writes", "trusted"];
    let token = server.token(&world, "build", &rights);
    let server = server.start(&world);
    let browser = Browser::start();
    browser.size(1280, 900);
    browser.prefer("light");
    browser.open(&format!("http://{}/", server.admin()));
    shows(&browser.text(), &["Hits", "no read yet", "Nobody has asked for anything yet."]);
    assert_eq!(browser.run(AS_SENT), "");

    let repository = libraries(&world, "libraries", 4, Weight::Light);
    let client = Client::bundled(&world);
    let started = client.start(&world, Dialect::WebDav, &format!("http://{}/", server.address()), &token);
    for hits in [0, 4] {
        assert_eq!(started.build_anew(&repository).hits, hits);
    }
    browser.open(&format!("http://{}/", server.admin()));
    let text = browser.text();
    // Four misses, four hits; what was missed is told by the name of its crate.
    shows(&text, &["50 % of 8 reads", REALM, "Compile time saved", "Crates that were missed", "Memory", "Nobody"]);
    let drawn = "return document.querySelectorAll('svg.plot.wide rect.ran, svg.plot.wide rect.charged').length";
    assert_eq!(browser.run(drawn), 2, "hits and misses of five minutes");

    nothing_wrong(&browser, "wide and light");
    assert_eq!(browser.run(AS_SENT), "");
    let light = picture(&browser, "cache-wide-light");
    light.expect_something();
    browser.prefer("dark");
    nothing_wrong(&browser, "wide and dark");
    let dark = picture(&browser, "cache-wide-dark");
    assert!(light.brightness > 200 && dark.brightness < 60, "{light:?} {dark:?}");
    browser.size(390, 844);
    nothing_wrong(&browser, "narrow and dark");
    browser.prefer("light");
    nothing_wrong(&browser, "narrow and light");
    assert_eq!(picture(&browser, "cache-narrow-light").width, 390);
    assert_eq!(browser.console(), Vec::<String>::new());
}
