//! A client of headless Chromium over `WebDriver`.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::Connection;

const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A window size and a colour scheme.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    pub name: &'static str,
    size: (u32, u32),
    scheme: &'static str,
}

pub const SCREENS: [Screen; 4] = [
    Screen { name: "desktop-light", size: (1280, 800), scheme: "light" },
    Screen { name: "desktop-dark", size: (1280, 800), scheme: "dark" },
    Screen { name: "phone-light", size: (360, 740), scheme: "light" },
    Screen { name: "phone-dark", size: (360, 740), scheme: "dark" },
];

/// A browser in the time zone of New York. Dropping it ends the browser.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
}

impl Browser {
    pub fn open() -> Self {
        Self::with_arguments(&[])
    }

    /// A browser for which every name under `example` is an address of this machine.
    pub fn with_hostile_names() -> Self {
        Self::with_arguments(&["--host-resolver-rules=MAP *.example 127.0.0.1"])
    }

    fn with_arguments(more: &[&str]) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is not installed: see tests/run");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map(Result::unwrap);
        let port = lines.find_map(|line| {
            line.split("successfully on port ").nth(1).map(|port| port.trim_end_matches('.').to_owned())
        });
        // Drains the pipe, which would block the driver when full.
        std::thread::spawn(move || lines.for_each(drop));
        let address = format!("127.0.0.1:{}", port.expect("a port")).parse().unwrap();
        let mut browser = Self { driver, address, session: String::new() };
        let arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"];
        let arguments = [&arguments[..], more].concat();
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let session = browser.request("POST", "/session", Some(&capabilities))["sessionId"].take();
        browser.session = format!("/session/{}", session.as_str().expect("a session"));
        browser.devtools("Emulation.setTimezoneOverride", &json!({"timezoneId": "America/New_York"}));
        browser.use_screen(SCREENS[0]);
        browser
    }

    /// The driver accepts only requests with its own host.
    #[track_caller]
    fn request(&self, method: &str, target: &str, body: Option<&Value>) -> Value {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut connection = Connection::open(self.address);
        let head =
            format!("{method} {target} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n", self.address, body.len());
        connection.send(head + &body);
        let response = connection.response();
        assert_eq!(response.status, 200, "{target} {body} {response:?}");
        response.json()["value"].take()
    }

    #[track_caller]
    fn command(&self, name: &str, body: &Value) -> Value {
        self.request("POST", &format!("{}/{name}", self.session), Some(body))
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.command("goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    pub fn use_screen(&self, screen: Screen) {
        let (width, height) = screen.size;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = json!([{"name": "prefers-color-scheme", "value": screen.scheme}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": scheme}));
    }

    /// `reduce`, or `no-preference`.
    pub fn set_motion_preference(&self, preference: &str) {
        let motion = json!([{"name": "prefers-reduced-motion", "value": preference}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": motion}));
    }

    /// Opens a page and waits until it has loaded its data.
    #[track_caller]
    pub fn go(&self, url: &str) {
        self.open_url(url);
        self.wait_until_loaded();
    }

    pub fn open_url(&self, url: &str) {
        self.command("url", &json!({"url": url}));
    }

    #[track_caller]
    pub fn wait_until_loaded(&self) {
        self.wait_for("document.getElementById('main').ariaBusy === 'false'");
    }

    pub fn back(&self) {
        self.command("back", &json!({}));
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub fn eval(&self, expression: &str) -> Value {
        self.command("execute/sync", &json!({"script": format!("return {expression}"), "args": []}))
    }

    /// The result of a promise in the page, or its error as a string.
    #[track_caller]
    pub fn eval_promise(&self, expression: &str) -> Value {
        let script = format!("const done = arguments[0]; ({expression}).then(done, (error) => done(String(error)))");
        self.command("execute/async", &json!({"script": script, "args": []}))
    }

    pub fn run(&self, script: &str) {
        self.command("execute/sync", &json!({"script": script, "args": []}));
    }

    /// Waits until an expression is true in the page.
    #[track_caller]
    pub fn wait_for(&self, expression: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.eval(&format!("Boolean({expression})")) != true {
            let shown = self.eval("document.body.innerText");
            assert!(Instant::now() < deadline, "timeout: {expression} in {shown}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until an element of the selector contains the text.
    #[track_caller]
    pub fn wait_for_text(&self, selector: &str, text: &str) {
        let (selector, text) = (json!(selector), json!(text));
        self.wait_for(&format!(
            "[...document.querySelectorAll({selector})].some((one) => one.innerText.includes({text}))"
        ));
    }

    /// The texts of the elements of a selector.
    #[track_caller]
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let selector = json!(selector);
        let texts =
            self.eval(&format!("[...document.querySelectorAll({selector})].map((one) => one.innerText.trim())"));
        serde_json::from_value(texts).unwrap()
    }

    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let found = self.command("element", &json!({"using": "css selector", "value": selector}));
        format!("element/{}", found[ELEMENT].as_str().expect("an element"))
    }

    #[track_caller]
    pub fn click(&self, selector: &str) {
        self.command(&format!("{}/click", self.element(selector)), &json!({}));
    }

    /// Types into an element; a line feed is the return key.
    #[track_caller]
    pub fn type_text(&self, selector: &str, text: &str) {
        self.command(&format!("{}/value", self.element(selector)), &json!({"text": text}));
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.command("se/log", &json!({"type": kind}));
        entries.as_array().expect("a log").clone()
    }

    /// The console is empty, and the page sent requests only to this origin.
    #[track_caller]
    pub fn assert_quiet(&self, origin: &str) {
        assert_eq!(self.log("browser"), [] as [Value; 0]);
        self.assert_requests_stay_in(origin);
    }

    #[track_caller]
    pub fn assert_requests_stay_in(&self, origin: &str) {
        let events = self.log("performance");
        let messages =
            events.iter().map(|event| serde_json::from_str::<Value>(event["message"].as_str().unwrap()).unwrap());
        let requests = messages.filter(|message| message["message"]["method"] == "Network.requestWillBeSent");
        let urls: Vec<_> = requests
            .map(|message| message["message"]["params"]["request"]["url"].as_str().unwrap().to_owned())
            .collect();
        assert!(urls.len() > 5, "the log contains requests: {urls:?}");
        let foreign: Vec<_> = urls.iter().filter(|url| !url.starts_with(origin) && !url.starts_with("data:")).collect();
        assert!(foreign.is_empty(), "{foreign:?}");
    }

    /// Saves an image of the whole page.
    pub fn screenshot(&self, file: &Path) {
        let size = self.eval("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]");
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1});
        let image = self.devtools("Page.captureScreenshot", &json!({"captureBeyondViewport": true, "clip": clip}));
        std::fs::write(file, decode_base64(image["data"].as_str().expect("an image"))).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.request("DELETE", &self.session, None);
        }
        // SIGTERM lets the driver end its browser.
        crate::harness::signal(self.driver.id(), "TERM");
        let _ = self.driver.wait();
    }
}

fn decode_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte));
    let (mut bits, mut count, mut bytes) = (0_usize, 0, Vec::new());
    for digit in digits {
        bits = bits << 6 & 0xff_ffff | digit;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    bytes
}
