//! The page, in a browser that people use: Chromium without a window, by its own protocol (WebDriver).

use std::{
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    clients::Place,
    http,
    skip::skipped,
    stage::{MODELS, Stage, png},
};

/// A browser, ended when this is dropped.
struct Browser {
    driver: Child,
    session: String,
    http: reqwest::Client,
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Killing the driver would leave the browser. It answers when the browser has ended.
        let ended = || -> std::io::Result<u64> {
            let url = reqwest::Url::parse(&self.session).map_err(std::io::Error::other)?;
            let mut driver = TcpStream::connect(("127.0.0.1", url.port().unwrap_or_default()))?;
            driver.set_read_timeout(Some(Duration::from_secs(10)))?;
            write!(driver, "DELETE {} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n", url.path())?;
            std::io::copy(&mut driver, &mut std::io::sink())
        };
        if let Err(error) = ended() {
            eprintln!("the browser may still be there: {error}");
        }
        _ = self.driver.kill();
        _ = self.driver.wait();
    }
}

fn found(names: &[&str]) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&folders).collect();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()))
}

impl Browser {
    /// `None`, and a word about it, where there is none. Where `CI` is `true` there is no skipping.
    async fn start() -> Option<Self> {
        let (browser, driver) = (found(&["chromium", "chromium-browser"]), found(&["chromedriver"]));
        let (Some(browser), Some(driver)) = (browser, driver) else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs chromium and chromedriver");
            skipped(format_args!("the page in a browser: chromium and chromedriver are not installed"));
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(driver);
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let profile = tempfile::tempdir().unwrap();
        let driver = command.spawn().unwrap();
        let http = http::builder().timeout(Duration::from_secs(60)).build().unwrap();
        let base = format!("http://127.0.0.1:{port}");
        let mut this = Self { driver, session: base.clone(), http, _profile: profile };
        let deadline = Instant::now() + Duration::from_secs(20);
        while this.http.get(format!("{base}/status")).send().await.is_err() {
            assert!(Instant::now() < deadline, "the driver of the browser does not start");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let profile = format!("--user-data-dir={}", this._profile.path().display());
        let options = json!({
            "binary": browser,
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1200,900", profile],
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let begun = this.call("/session", &wanted).await;
        this.session = format!("{base}/session/{}", begun["sessionId"].as_str().unwrap());
        Some(this)
    }

    async fn call(&self, path: &str, body: &Value) -> Value {
        let response = self.http.post(format!("{}{path}", self.session)).json(body).send().await.unwrap();
        let status = response.status();
        let answer: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{path}: {answer:#}");
        answer["value"].clone()
    }

    async fn script(&self, script: impl AsRef<str>) -> Value {
        self.call("/execute/sync", &json!({ "script": script.as_ref(), "args": [] })).await
    }

    async fn element(&self, css: &str) -> String {
        let found = self.call("/element", &json!({ "using": "css selector", "value": css })).await;
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    async fn fill(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.call(&format!("/element/{element}/value"), &json!({ "text": text })).await;
    }

    async fn click(&self, css: &str) {
        let element = self.element(css).await;
        self.call(&format!("/element/{element}/click"), &json!({})).await;
    }

    /// Waits until a script gives something true.
    async fn until(&self, script: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let value = self.script(script).await;
            if !matches!(value, Value::Null | Value::Bool(false)) {
                return value;
            }
            if Instant::now() > deadline {
                panic!("{script}: never; the page says {}", self.script("return document.body.innerText").await);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Keeps a picture of the page, where the environment names a folder for it.
    async fn keep_picture(&self, name: &str) {
        use base64::Engine as _;
        let Some(folder) = std::env::var_os("INVOKEAI_TEST_PICTURES") else { return };
        let response = self.http.get(format!("{}/screenshot", self.session)).send().await.unwrap();
        let answer: Value = response.json().await.unwrap();
        let png = base64::engine::general_purpose::STANDARD.decode(answer["value"].as_str().unwrap()).unwrap();
        fs::write(PathBuf::from(folder).join(format!("{name}.png")), png).unwrap();
    }
}

#[tokio::test]
async fn a_person_fills_in_the_form_and_sees_the_picture_come() {
    let Some(browser) = Browser::start().await else { return };
    let place = Place::new().await;
    let file = place.path("photo.png");
    browser.call("/url", &json!({ "url": place.service.url() })).await;
    let form = "form[data-address='/workflows/flux/runs']";
    let section = format!("document.querySelector(\"{form}\").closest('section')");
    for (name, model) in MODELS {
        let select = browser.script(format!(
            "const s = {section}.querySelector(\"select[name='{name}']\"); s.value = '{model}'; return s.value"
        ));
        assert_eq!(select.await, model, "{name} can be chosen");
    }
    let steps =
        browser.script(format!("const n = {section}.querySelector(\"[name='num_steps']\"); return [n.min, n.value]"));
    assert_eq!(steps.await, json!(["1", "20"]), "bounds and values are the workflow's");
    browser.fill(&format!("{form} [name='prompt']"), "a lighthouse <b>\"at\"</b> night").await;
    browser.fill(&format!("{form} [name='image']"), &file).await;
    browser.click(&format!("{form} button[type=submit]")).await;
    browser.until(&format!("return Number({section}.dataset.previews) > 0")).await;
    browser.keep_picture("page-preview").await;
    browser
        .until(&format!("return {section}.dataset.state === 'completed' && Number({section}.dataset.shown) === 1"))
        .await;
    let size = browser
        .script(format!("const i = {section}.querySelector('.outputs img'); return [i.naturalWidth > 0, i.src]"));
    let size = size.await;
    assert_eq!(size[0], true, "{size}");
    browser.keep_picture("page-end").await;
    let Some(embedded) = &place.embedded else { return };
    let item = embedded.client().unwrap().queue("default").item(1).await.unwrap();
    assert!(item.session.to_string().contains("a lighthouse <b>\\\"at\\\"</b> night"));
}

#[tokio::test]
async fn a_refusal_stands_beside_its_field_and_a_run_can_be_canceled() {
    let Some(browser) = Browser::start().await else { return };
    let stage = Stage::with(Duration::from_secs(1), |service| service).await;
    browser.call("/url", &json!({ "url": stage.url("/") })).await;
    let form = "form[data-address='/workflows/resize/runs']";
    let section = format!("document.querySelector(\"{form}\").closest('section')");
    // What the browser itself would hold back is for the service to refuse as well.
    browser.script(format!("document.querySelector(\"{form}\").noValidate = true")).await;
    browser.click(&format!("{form} button[type=submit]")).await;
    browser.until(&format!("return {section}.dataset.state === 'refused'")).await;
    let wrong =
        browser.script(format!("return {section}.querySelector('[data-field=picture] .wrong').textContent")).await;
    assert!(wrong.as_str().unwrap().contains("a value is required"), "{wrong}");

    let file = stage.folder.path().join("photo.png");
    fs::write(&file, png(96, 64)).unwrap();
    let form = "form[data-address='/workflows/flux/runs']";
    let section = format!("document.querySelector(\"{form}\").closest('section')");
    for (name, model) in MODELS {
        browser.script(format!("{section}.querySelector(\"select[name='{name}']\").value = '{model}'")).await;
    }
    browser.fill(&format!("{form} [name='prompt']"), "a lighthouse").await;
    browser.fill(&format!("{form} [name='image']"), file.to_str().unwrap()).await;
    browser.click(&format!("{form} button[type=submit]")).await;
    browser.until(&format!("return !{section}.querySelector('.cancel').hidden")).await;
    browser.click(&format!("{form} .cancel")).await;
    browser.until(&format!("return {section}.dataset.state === 'canceled'")).await;
}

#[tokio::test]
async fn the_policy_of_the_page_lets_nothing_else_run() {
    let stage = Stage::new().await;
    let page = stage.get("/").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    for part in ["default-src 'none'", "script-src 'self'", "media-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part) && !policy.contains("unsafe"), "{policy}");
    }
    let html = page.text().await.unwrap();
    assert!(!html.contains("onclick") && !html.contains("<style"), "{html}");
    assert_eq!(html.matches("<script").count(), 1);
    for (path, kind) in [("/page.js", "text/javascript"), ("/page.css", "text/css")] {
        let file = stage.get(path).await;
        assert!(file.headers()["content-type"].to_str().unwrap().starts_with(kind));
        assert_eq!(file.headers()["x-content-type-options"], "nosniff");
    }
}
