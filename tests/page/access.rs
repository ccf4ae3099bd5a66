//! Who reads with a keyboard, a screen reader or a phone finds it all.

use std::{path::PathBuf, process::Command, sync::OnceLock};

use serde_json::{Value, json};

use crate::harness::Service;
use crate::{
    ago,
    browser::{Browser, SCREENS},
    component_view, days_of, home, lines, of, run_of,
};

const VERSION: &str = "4.14.1";

/// The script of axe-core, installed beside what cargo builds.
fn axe() -> &'static str {
    static AXE: OnceLock<String> = OnceLock::new();
    AXE.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("axe-core-{VERSION}"));
        let script = folder.join("node_modules/axe-core/axe.min.js");
        if !script.exists() {
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", "--prefix"]);
            let status = npm.arg(&folder).arg(format!("axe-core@{VERSION}")).status().expect("npm: see tests/run");
            assert!(status.success(), "axe-core is not to be had");
        }
        std::fs::read_to_string(script).unwrap()
    })
}

/// What axe-core finds wrong, and where.
fn violations(browser: &Browser) -> Vec<String> {
    browser.run(axe());
    let found = browser.await_promise("axe.run(document, {resultTypes: ['violations']})");
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

pub fn finds_nothing(browser: &Browser, views: &[(&str, String)]) {
    for (name, url) in views {
        for screen in SCREENS {
            browser.is_seen_on(screen);
            browser.go(url);
            browser.run("document.querySelectorAll('main details').forEach((one) => { one.open = true; })");
            let found = violations(browser);
            assert!(found.is_empty(), "{name} on {}: {found:#?}", screen.name);
            assert_eq!(
                browser.see("document.documentElement.scrollWidth <= innerWidth"),
                true,
                "{name} on {}",
                screen.name
            );
        }
    }
}

#[test]
fn axe_core_finds_nothing_in_any_view_on_any_screen() {
    let service = Service::start();
    let browser = Browser::open();
    let home = home(&service);
    finds_nothing(&browser, &[("empty", home.clone()), ("nowhere", format!("{home}?view=where"))]);
    service.import(&lines(&[days_of("web"), run_of("web")].concat())).expect(201);
    let stale = of("old", &json!({"status": "started", "started_at": ago(3 * 86_400)}));
    let again =
        of("old", &json!({"status": "started", "started_at": ago(4 * 86_400), "url": "https://ci.example.org/1"}));
    service.import(&lines(&[stale, again])).expect(201);
    finds_nothing(
        &browser,
        &[
            ("deploys", home.clone()),
            ("more filters", format!("{home}?stage=Test")),
            ("none", format!("{home}?component=none")),
            ("problem", format!("{home}?since=yesterday")),
            ("where", format!("{home}?view=where")),
            ("component", component_view(&service, "web")),
            ("run", format!("{home}?view=run&run=folder%2Fweb%2342")),
        ],
    );
}

#[test]
fn the_page_is_used_with_the_keyboard_alone() {
    let service = Service::start();
    service.import(&lines(&run_of("web"))).expect(201);
    let browser = Browser::open();
    browser.go(&home(&service));
    browser.write("body", "\u{E004}");
    assert_eq!(browser.see("document.activeElement.innerText"), "Skip to the content");
    let outline = browser.see("getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid", "what has the focus is seen");
    let reached = "section.open .run a";
    for _ in 0..40 {
        if browser.see(&format!("document.activeElement === document.querySelector('{reached}')")) == true {
            break;
        }
        browser.write(":focus", "\u{E004}");
    }
    browser.write(":focus", "\n");
    browser.until_in("h1", "Run folder/web#42");
    assert_eq!(browser.see("document.activeElement.id"), "main", "reading goes on where the new view begins");
    browser.was_quiet(&home(&service));
}

#[test]
fn who_wants_no_motion_has_none() {
    let service = Service::start();
    service.record(&of("first", &json!({"status": "deployed"})).to_string());
    let browser = Browser::open();
    for (preference, animation) in [("no-preference", "fresh"), ("reduce", "none")] {
        browser.prefers_motion(preference);
        browser.go(&home(&service));
        browser.until_in("#live", "Live");
        browser.until_in("section.last", "first");
        service.record(&of(preference, &json!({"status": "deployed"})).to_string());
        browser.until_in("section.last .fresh", preference);
        let name = browser.see("getComputedStyle(document.querySelector('section.last tr.fresh')).animationName");
        assert_eq!(name, animation);
    }
}
