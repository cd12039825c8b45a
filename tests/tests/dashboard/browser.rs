//! A real Chromium without a window, through its WebDriver. It has a home of its own and ends with this value.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use base64::Engine;
use hearth_tests::skip;
use serde_json::{Value, json};
use tempfile::TempDir;

use hearth_tests::http;

#[derive(Debug)]
pub(crate) struct Browser {
    driver: Child,
    /// Held open: a driver that cannot print ends.
    _said: BufReader<ChildStdout>,
    address: SocketAddr,
    session: String,
    home: TempDir,
}

impl Browser {
    /// The programs that are needed.
    pub(crate) const PROGRAMS: [&'static str; 2] = ["chromium", "chromedriver"];

    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory can be made");
        let mut driver = Command::new("chromedriver");
        driver.arg("--port=0").env("HOME", home.path()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = driver.spawn().expect("chromedriver can be started");
        let mut said = BufReader::new(driver.stdout.take().expect("its output is piped"));
        let port = port(&mut said);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut browser = Self { driver, _said: said, address, session: String::new(), home };
        let answer = browser.ask("POST", "/session", &browser.wishes());
        answer["sessionId"].as_str().expect("a session has an id").clone_into(&mut browser.session);
        browser
    }

    fn wishes(&self) -> Value {
        let profile = format!("--user-data-dir={}", self.home.path().join("profile").display());
        let mut arguments = vec![
            "--headless",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            &profile,
        ];
        if skip::is_root() {
            arguments.push("--no-sandbox");
        }
        json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } })
    }

    pub(crate) fn open(&self, address: &str) {
        self.tell("url", &json!({ "url": address }));
    }

    /// Runs a script in the page; gives what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.tell("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What a person sees.
    pub(crate) fn text(&self) -> String {
        self.run("return document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Everything that the page made the console say since the last question.
    pub(crate) fn console(&self) -> Vec<String> {
        let said = self.tell("se/log", &json!({ "type": "browser" }));
        let said = said.as_array().expect("a log is a list");
        said.iter().map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub(crate) fn size(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// `light` or `dark`, as the person's system would say.
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.command("Emulation.setEmulatedMedia", &features);
    }

    /// The whole page as PNG, also what stands below the window.
    pub(crate) fn picture(&self) -> Vec<u8> {
        let taken = self.command("Page.captureScreenshot", &json!({ "format": "png", "captureBeyondViewport": true }));
        let text = taken["data"].as_str().expect("a picture has data");
        base64::engine::general_purpose::STANDARD.decode(text).expect("a picture is base64")
    }

    fn command(&self, command: &str, parameters: &Value) -> Value {
        self.tell("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    fn tell(&self, what: &str, body: &Value) -> Value {
        self.ask("POST", &format!("/session/{}/{what}", self.session), body)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = http::ask(self.address, method, path, &body.to_string());
        let mut value: Value = serde_json::from_str(&answer.body).expect("a WebDriver speaks JSON");
        assert_eq!(answer.status, 200, "{path}: {value}");
        value["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser, also when the test has failed; without it only the driver would end.
        let _closed = http::try_ask(self.address, "DELETE", &format!("/session/{}", self.session), "{}");
        let _gone = self.driver.kill();
        let _status = self.driver.wait();
    }
}

/// The port that the driver took, as it says.
fn port(said: &mut impl BufRead) -> u16 {
    let lines = said.lines().map_while(Result::ok);
    let port = lines
        .filter_map(|line| line.trim_end_matches('.').rsplit_once("on port ")?.1.parse().ok())
        .find(|port| *port != 0);
    port.expect("chromedriver names its port")
}
