//! The page works with a keyboard, a screen reader and a phone.

use std::{path::PathBuf, process::Command, sync::OnceLock};

use serde_json::{Value, json};

use crate::harness::Service;
use crate::{
    browser::{Browser, SCREENS},
    component_url, ndjson, page_url, record, sample_deploys, sample_run, seconds_ago,
};

const VERSION: &str = "4.14.1";

/// The source of axe-core, installed by npm into the target folder.
fn axe() -> &'static str {
    static AXE: OnceLock<String> = OnceLock::new();
    AXE.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("axe-core-{VERSION}"));
        let script = folder.join("node_modules/axe-core/axe.min.js");
        if !script.exists() {
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", "--prefix"]);
            let status = npm.arg(&folder).arg(format!("axe-core@{VERSION}")).status().expect("npm: see tests/run");
            assert!(status.success(), "npm cannot install axe-core");
        }
        std::fs::read_to_string(script).unwrap()
    })
}

/// The violations that axe-core finds, with their elements.
fn violations(browser: &Browser) -> Vec<String> {
    browser.run(axe());
    let found = browser.eval_promise("axe.run(document, {resultTypes: ['violations']})");
    let found = found["violations"].as_array().unwrap_or_else(|| panic!("{found}"));
    let nodes = |violation: &Value| {
        violation["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| format!("{}: {}", node["html"], node["failureSummary"]))
            .collect::<Vec<_>>()
    };
    found.iter().map(|violation| format!("{} {:#?}", violation["id"], nodes(violation))).collect()
}

pub fn assert_accessible(browser: &Browser, views: &[(&str, String)]) {
    for (name, url) in views {
        for screen in SCREENS {
            browser.use_screen(screen);
            browser.go(url);
            browser.run("document.querySelectorAll('main details').forEach((details) => { details.open = true; })");
            let found = violations(browser);
            assert!(found.is_empty(), "{name} on {}: {found:#?}", screen.name);
            assert_eq!(
                browser.eval("document.documentElement.scrollWidth <= innerWidth"),
                true,
                "{name} on {}",
                screen.name
            );
        }
    }
}

#[test]
fn axe_core_finds_no_violation_in_any_view_on_any_screen() {
    let service = Service::start();
    let browser = Browser::open();
    let page = page_url(&service);
    assert_accessible(
        &browser,
        &[("empty", page.clone()), ("empty environments", format!("{page}?view=environments"))],
    );
    service.import(&ndjson(&[sample_deploys("web"), sample_run("web")].concat())).expect(201);
    let stale = record("old", &json!({"status": "started", "started_at": seconds_ago(3 * 86_400)}));
    let superseded = record(
        "old",
        &json!({"status": "started", "started_at": seconds_ago(4 * 86_400), "url": "https://ci.example.org/1"}),
    );
    let waited = json!({
        "run": "folder/web#41", "status": "deployed", "waited_seconds": 60,
        "started_at": seconds_ago(3600), "finished_at": seconds_ago(3480),
    });
    let deploy = record("web", &waited);
    let mut build = deploy.clone();
    build["stage"] = "Build".into();
    service.import(&ndjson(&[stale, superseded, deploy, build])).expect(201);
    assert_accessible(
        &browser,
        &[
            ("deploys", page.clone()),
            ("more filters", format!("{page}?stage=Test")),
            ("none", format!("{page}?component=none")),
            ("problem", format!("{page}?since=yesterday")),
            ("environments", format!("{page}?view=environments")),
            ("component", component_url(&service, "web")),
            ("run", format!("{page}?view=run&run=folder%2Fweb%2342")),
            ("run that waited", format!("{page}?view=run&run=folder%2Fweb%2341")),
        ],
    );
}

#[test]
fn the_page_can_be_used_with_the_keyboard_alone() {
    let service = Service::start();
    service.import(&ndjson(&sample_run("web"))).expect(201);
    let browser = Browser::open();
    browser.go(&page_url(&service));
    browser.type_text("body", "\u{E004}");
    assert_eq!(browser.eval("document.activeElement.innerText"), "Skip to content");
    let outline = browser.eval("getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid", "the focus is visible");
    let link = "section.open .run a";
    for _ in 0..40 {
        if browser.eval(&format!("document.activeElement === document.querySelector('{link}')")) == true {
            break;
        }
        browser.type_text(":focus", "\u{E004}");
    }
    browser.type_text(":focus", "\n");
    browser.wait_for_text("h1", "Run folder/web#42");
    assert_eq!(browser.eval("document.activeElement.id"), "main", "the focus is at the start of the new view");
    browser.assert_quiet(&page_url(&service));
}

#[test]
fn rows_are_not_animated_if_the_user_prefers_reduced_motion() {
    let service = Service::start();
    service.record(&record("first", &json!({"status": "deployed"})).to_string());
    let browser = Browser::open();
    for (preference, animation) in [("no-preference", "fresh"), ("reduce", "none")] {
        browser.set_motion_preference(preference);
        browser.go(&page_url(&service));
        browser.wait_for_text("#live", "Live");
        browser.wait_for_text("section.recent", "first");
        service.record(&record(preference, &json!({"status": "deployed"})).to_string());
        browser.wait_for_text("section.recent .fresh", preference);
        let name = browser.eval("getComputedStyle(document.querySelector('section.recent tr.fresh')).animationName");
        assert_eq!(name, animation);
    }
}
