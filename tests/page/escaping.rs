//! Texts of senders are shown as text and never executed.

use serde_json::json;

use crate::harness::{Service, percent_encode};
use crate::{browser::Browser, ndjson, page_url, seconds_ago};

#[test]
fn markup_and_scripts_in_names_are_shown_as_text() {
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
            record(json!({"status": "ok", "started_at": seconds_ago(100), "finished_at": seconds_ago(50)})),
            record(
                json!({"status": "ok", "stage": name, "started_at": seconds_ago(90), "finished_at": seconds_ago(60)}),
            ),
            record(json!({"status": "started", "started_at": seconds_ago(40)})),
        ];
        service.import(&ndjson(&records)).expect(201);
    }
    let browser = Browser::open();
    for (index, name) in names.iter().enumerate() {
        let name = percent_encode(name);
        let page = page_url(&service);
        for (view, heading) in [
            (format!("{page}?component={name}"), "section.recent .component bdi:first-child"),
            (format!("{page}?view=environments&component={name}"), "table.current th bdi"),
            (format!("{page}?view=component&component={name}&environment={name}"), "h1 bdi"),
            (
                format!("{page}?view=run&run={name}&component={name}&environment={name}"),
                "table.timeline tr:last-child .stage bdi",
            ),
        ] {
            browser.go(&view);
            let shown = browser.eval(&format!("document.querySelector({}).textContent", json!(heading)));
            assert_eq!(shown, names[index], "{view}");
            assert_eq!(browser.eval("window.isRun ?? null"), json!(null), "{view}");
            // No elements from a sender.
            assert_eq!(browser.eval("document.querySelectorAll('main script, main img, main svg svg svg').length"), 0);
            assert_eq!(
                browser.eval("document.documentElement.scrollWidth <= innerWidth"),
                true,
                "{view} fits the window"
            );
        }
    }
    browser.go(&page_url(&service));
    let links = browser.eval("[...document.querySelectorAll('a[href^=http]')].map((link) => link.rel)");
    assert_eq!(links.as_array().unwrap().len(), 2 * names.len());
    assert!(links.as_array().unwrap().iter().all(|rel| rel == "noopener noreferrer"), "{links}");
    browser.assert_quiet(&page_url(&service));
}
