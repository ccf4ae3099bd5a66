//! What senders write is shown, and never run.

use serde_json::json;

use crate::harness::{Service, percent_encode};
use crate::{ago, browser::Browser, home, lines};

#[test]
fn names_are_text_whatever_they_hold() {
    let long = "long".repeat(50);
    let names = [
        "<script>window.isRun = 1</script>",
        "\"><img src=x onerror=\"window.isRun = 1\">",
        "javascript:window.isRun=1",
        "\u{202e}desrever",
        "' onfocus='window.isRun=1' autofocus='",
        "</title><svg/onload=window.isRun=1>",
        "{{7*7}} ${7*7}",
        "__proto__",
        long.as_str(),
    ];
    let service = Service::start();
    for name in names {
        let record = |more: serde_json::Value| {
            let mut record = json!({"component": name, "version": name, "owner": name, "environment": name, "run": name,
                "url": format!("https://example.org/?{}", percent_encode(name))});
            record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            record
        };
        let records = [
            record(json!({"status": "ok", "started_at": ago(100), "finished_at": ago(50)})),
            record(json!({"status": "ok", "stage": name, "started_at": ago(90), "finished_at": ago(60)})),
            record(json!({"status": "started", "started_at": ago(40)})),
        ];
        service.import(&lines(&records)).expect(201);
    }
    let browser = Browser::open();
    for (index, name) in names.iter().enumerate() {
        let name = percent_encode(name);
        let home = home(&service);
        for (view, heading) in [
            (format!("{home}?component={name}"), "section.last .what bdi:first-child"),
            (format!("{home}?view=where&component={name}"), "table.where th bdi"),
            (format!("{home}?view=component&component={name}&environment={name}"), "h1 bdi"),
            (
                format!("{home}?view=run&run={name}&component={name}&environment={name}"),
                "table.timeline tr:last-child .stage bdi",
            ),
        ] {
            browser.go(&view);
            let shown = browser.see(&format!("document.querySelector({}).textContent", json!(heading)));
            assert_eq!(shown, names[index], "{view}");
            assert_eq!(browser.see("window.isRun ?? null"), json!(null), "{view}");
            // An icon, and no picture of a sender's.
            assert_eq!(browser.see("document.querySelectorAll('main script, main img, main svg svg svg').length"), 0);
            assert_eq!(browser.see("document.documentElement.scrollWidth <= innerWidth"), true, "{view} fits");
        }
    }
    browser.go(&home(&service));
    let links = browser.see("[...document.querySelectorAll('a[href^=http]')].map((link) => link.rel)");
    assert_eq!(links.as_array().unwrap().len(), 2 * names.len());
    assert!(links.as_array().unwrap().iter().all(|rel| rel == "noopener noreferrer"), "{links}");
    browser.was_quiet(&home(&service));
}
