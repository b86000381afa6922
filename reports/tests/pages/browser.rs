//! A headless Chromium, spoken to over a pipe.
//!
//! The DevTools protocol over two inherited files needs no port, no WebSocket and
//! no crate: a message is JSON and a NUL. The browser ends when the pipe closes.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Where the browser is; none, and a word about it, where there is none.
///
/// `WINCONFORM_CHROMIUM` names one. `WINCONFORM_NEEDS_PAGES` makes it a failure that
/// there is none.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
pub(crate) fn found() -> Option<PathBuf> {
    const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
    let on_path = || {
        let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
        NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.is_file())
    };
    let found = env::var_os("WINCONFORM_CHROMIUM").map(PathBuf::from).or_else(on_path);
    let needed = env::var_os("WINCONFORM_NEEDS_PAGES").is_some();
    assert!(found.is_some() || !needed, "there is no Chromium, and WINCONFORM_NEEDS_PAGES is set");
    if found.is_none() {
        println!("skipped: there is no Chromium");
    }
    found
}

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    session: Option<String>,
    sent: u64,
    /// What the page did unasked since it was opened.
    heard: Vec<Value>,
    _profile: TempDir,
}

/// The screen a page is looked at on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) dark: bool,
}

pub(crate) const SCREENS: [Screen; 4] = [
    Screen { name: "desk", width: 1280, height: 900, dark: false },
    Screen { name: "desk-dark", width: 1280, height: 900, dark: true },
    Screen { name: "phone", width: 390, height: 844, dark: false },
    Screen { name: "phone-dark", width: 390, height: 844, dark: true },
];

impl Browser {
    pub(crate) fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // It is told by its third file and tells by its fourth; a shell can give it those.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#])
            .arg(program)
            .args(["--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu"])
            // Its sandbox needs a user that is not root; it sees nothing but our own pages.
            .args([
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-extensions",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .env("HOME", profile.path())
            .env("TMPDIR", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut browser =
            Self { child, commands, answers, session: None, sent: 0, heard: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            browser.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Sends a command and waits for its answer; what comes in between is kept.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let mut message = message.to_string().into_bytes();
        message.push(0);
        self.commands.as_mut().unwrap().write_all(&message).unwrap();
        loop {
            let heard = self.hear();
            if heard["id"] == self.sent {
                assert!(heard.get("error").is_none(), "{method}: {}", heard["error"]);
                return heard["result"].clone();
            }
            self.heard.push(heard);
        }
    }

    fn hear(&mut self) -> Value {
        let mut message = Vec::new();
        self.answers.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "the browser ended: it cannot be started here, or it crashed");
        serde_json::from_slice(&message).unwrap()
    }

    /// Opens a file and waits until all of it is there.
    pub(crate) fn open(&mut self, path: &Path, screen: Screen) {
        let theme = if screen.dark { "dark" } else { "light" };
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": screen.width, "height": screen.height, "deviceScaleFactor": 1, "mobile": screen.width < 600 }),
        );
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] }),
        );
        self.heard.clear();
        self.call("Page.navigate", json!({ "url": url(path) }));
        while !self.heard.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let heard = self.hear();
            self.heard.push(heard);
        }
        self.evaluate(SETTLED);
    }

    /// The value of an expression in the page; promises are awaited.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", params);
        assert!(answer.get("exceptionDetails").is_none(), "{expression:.200}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Presses and releases a key.
    pub(crate) fn press(&mut self, key: &str, code: u32, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event);
        }
        self.evaluate(SETTLED);
    }

    /// Types a text into what has the focus.
    pub(crate) fn insert(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
        self.evaluate(SETTLED);
    }

    /// What the page complained of, and what it asked for beyond itself.
    pub(crate) fn complaints(&mut self, path: &Path) -> Vec<String> {
        self.evaluate(SETTLED);
        let own = url(path);
        let complaint = |event: &Value| {
            let params = &event["params"];
            match event["method"].as_str()? {
                "Runtime.consoleAPICalled" => Some(format!("said: {}", params["args"])),
                "Runtime.exceptionThrown" => Some(format!("threw: {}", params["exceptionDetails"])),
                "Log.entryAdded" => Some(format!("logged: {}", params["entry"]["text"])),
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str()?;
                    (url.split('#').next() != Some(own.as_str())).then(|| format!("asked for {url}"))
                }
                _ => None,
            }
        };
        self.heard.iter().filter_map(complaint).collect()
    }

    /// The whole page as a picture, for people to look at.
    pub(crate) fn picture(&mut self, to: &Path) {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let size = self.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollHeight]");
        // Beyond this it would be a picture that nobody can open.
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1].as_u64().unwrap_or(0).min(12_000), "scale": 1 });
        let shot = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "clip": clip }));
        std::fs::write(to, STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends when nobody can tell it anything any more.
        self.commands.take();
        let _ = self.child.wait();
    }
}

/// Two frames: what a script changed is laid out, and what it said has arrived.
const SETTLED: &str = "new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(() => go(1))))";

fn url(path: &Path) -> String {
    format!("file://{}", path.display())
}
