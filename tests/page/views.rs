//! The views and their addresses.

use serde_json::{Value, json};

use crate::harness::{Service, percent_encode};
use crate::{
    browser::{Browser, SCREENS},
    component_url, ndjson, page_url, proxy, record, rfc3339, sample_data, sample_deploys, sample_run, seconds_ago,
};

const ROWS: &str = "section.recent tbody tr:not(.day)";

#[test]
fn the_empty_page_offers_a_command_that_works_unchanged() {
    let service = Service::start();
    let browser = Browser::open();
    browser.go(&page_url(&service));
    let command = browser.texts("#command").remove(0);
    browser.click("#copy");
    browser.wait_for_text("#copy", "Copied");
    let output =
        std::process::Command::new("sh").args(["-c", &command.replace("curl ", "curl -sSf ")]).output().unwrap();
    assert!(output.status.success(), "{command} {output:?}");
    browser.wait_for_text("section.recent", "server-interface 2.1");
    browser.wait_for_text("section.recent", "no start record");
    browser.assert_quiet(&page_url(&service));
}

#[test]
fn rows_show_results_and_compare_durations_with_the_typical_one() {
    let service = Service::start();
    service.import(&ndjson(&sample_deploys("web"))).expect(201);
    let running = record("web", &json!({"status": "started", "started_at": seconds_ago(330)}));
    let stale = record("old", &json!({"status": "started", "started_at": seconds_ago(3 * 86_400)}));
    service.import(&ndjson(&[running, stale])).expect(201);
    let browser = Browser::open();
    browser.go(&page_url(&service));
    browser.wait_for("document.querySelector('section.recent .bar')");
    let rows = browser.texts(ROWS);
    // The succeeded deploys took 100, 110 and 120 seconds: 110 is typical.
    for (row, words) in rows.iter().zip([
        "failed no start record",
        "finished , result unstated 1m 30s 0.8× typical",
        "aborted 30s 0.3× typical",
        "succeeded 1m 50s typical",
        "failed 40s 0.4× typical",
        "succeeded 2m 00s typical",
        "succeeded 1m 40s typical",
    ]) {
        assert!(words.split(' ').all(|word| row.contains(word)), "{words} in {row}");
    }
    assert_eq!(rows.len(), 7);
    let open = browser.texts("section.open tbody tr");
    assert!(open[0].contains("running") && open[0].contains("typical: 1m 50s"), "{open:?}");
    assert!(open[1].contains("stale") && open[1].contains("likely ended"), "{open:?}");
    let zone = browser.texts("#zone").remove(0);
    assert!(zone.contains("America/New_York (UTC-0"), "{zone}");
    let exact = browser.eval("document.querySelector('section.recent time').title");
    assert!(exact.as_str().unwrap().ends_with(" UTC"), "{exact}");
    browser.assert_quiet(&page_url(&service));
}

#[test]
fn filters_and_address_follow_each_other() {
    let service = Service::start();
    for (component, environment) in [("web", "production"), ("web", "staging"), ("api", "production")] {
        let record = record(component, &json!({"environment": environment, "status": "deployed"}));
        service.record(&record.to_string());
    }
    let browser = Browser::open();
    browser.go(&page_url(&service));
    browser.wait_for("document.querySelectorAll('section.recent tbody tr:not(.day)').length === 3");
    browser.type_text("[name=component]", "web\n");
    browser.wait_for("location.search === '?component=web'");
    browser.wait_for("document.querySelectorAll('section.recent tbody tr:not(.day)').length === 2");
    browser.type_text("[name=environment]", "staging\n");
    browser.wait_for("location.search === '?component=web&environment=staging'");
    browser.wait_for("document.querySelectorAll('section.recent tbody tr:not(.day)').length === 1");
    browser.back();
    browser.wait_for("document.querySelectorAll('section.recent tbody tr:not(.day)').length === 2");
    assert_eq!(browser.eval("document.querySelector('[name=environment]').value"), "");
    assert_eq!(browser.eval("document.querySelector('[name=component]').value"), "web");

    // A shared link.
    browser.go(&format!("{}?phase=failed&owner=ann&run=none", page_url(&service)));
    browser.wait_for_text("section.recent", "No deploys match these filters.");
    assert_eq!(browser.eval("document.querySelector('[name=phase]').value"), "failed");
    assert_eq!(
        browser.eval("document.querySelector('[name=run]').checkVisibility()"),
        true,
        "a filter in use is visible"
    );
    browser.click("#clear");
    browser.wait_for("document.querySelectorAll('section.recent tbody tr:not(.day)').length === 3");
    assert_eq!(browser.eval("location.search"), "");
    browser.assert_quiet(&page_url(&service));
}

#[test]
fn an_invalid_filter_shows_the_error_of_the_service() {
    let service = Service::start();
    let browser = Browser::open();
    browser.go(&format!("{}?since=yesterday", page_url(&service)));
    browser.wait_for_text("#problem", "Bad Request (400)");
    browser.wait_for_text("#problem", "since must be an RFC 3339 time");
    browser.click("#clear");
    browser.wait_for("document.getElementById('problem').hidden");
    browser.assert_requests_stay_in(&page_url(&service));
}

#[test]
fn a_run_is_a_timeline_with_parallel_branches_side_by_side() {
    let service = Service::start();
    service.import(&ndjson(&sample_run("web"))).expect(201);
    let browser = Browser::open();
    browser.go(&page_url(&service));
    browser.wait_for_text("section.open", "folder/web#42");
    browser.click("section.open .run a");
    browser.wait_for_text("h1", "Run folder/web#42");
    browser.wait_until_loaded();
    let stages = browser.texts("table.timeline tbody th");
    let whole = "Whole deploy";
    assert_eq!(stages, [whole, "Build", "Test 2 attempts", "Lint", "Deploy", "Deploy / eu-west", "Deploy / us-east"]);
    // The start and width of each bar in percent.
    let bars = browser.eval(
        "[...document.querySelectorAll('table.timeline tbody tr')].map((row) => [...row.querySelectorAll('rect')]
           .map((bar) => [bar.x.baseVal.valueInSpecifiedUnits, bar.width.baseVal.valueInSpecifiedUnits]
             .map((part) => Math.round(part))))",
    );
    let part = |seconds: f64| (100.0 * seconds / 600.0).round();
    // Start and duration in seconds. The branches overlap; both attempts of the retried stage are in one row.
    for (index, expected) in [
        (0, vec![(0.0, 600.0)]),
        (1, vec![(0.0, 100.0)]),
        (2, vec![(100.0, 50.0), (160.0, 40.0)]),
        (4, vec![(200.0, 400.0)]),
        (5, vec![(200.0, 300.0)]),
        (6, vec![(210.0, 390.0)]),
    ] {
        let drawn: Vec<(f64, f64)> = serde_json::from_value(bars[index].clone()).unwrap();
        assert_eq!(drawn.len(), expected.len(), "{index}");
        for (drawn, expected) in drawn.iter().zip(expected) {
            // Running stages grow while the test runs.
            let is_near = (drawn.0 - part(expected.0)).abs() <= 3.0 && (drawn.1 - part(expected.1)).abs() <= 3.0;
            assert!(is_near, "{index}: {drawn:?} is not {expected:?}");
        }
    }
    let results = browser.texts("table.timeline tbody .result");
    assert_eq!(results[2].split_whitespace().collect::<Vec<_>>(), ["failed", "succeeded"]);
    assert_eq!(browser.texts("table.timeline tbody .duration")[3], "no start record");
    let finish = record("web", &json!({"run": "folder/web#42", "stage": "Deploy / us-east", "status": "aborted"}));
    browser.wait_for_text("#live", "Live");
    service.record(&finish.to_string());
    browser.wait_for_text("table.timeline tbody tr:last-child .result", "aborted");
    browser.assert_quiet(&page_url(&service));
}

/// A finished deploy or stage of the component `web` that took a part of its duration to wait.
fn waited(duration: i64, waited: i64, more: &Value) -> Value {
    let mut record = record("web", &json!({"status": "deployed", "waited_seconds": waited}));
    record["started_at"] = seconds_ago(1000).into();
    record["finished_at"] = seconds_ago(1000 - duration).into();
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

/// The start and the width in percent of every bar and of its hatched part, row by row.
fn hatched_bars(browser: &Browser, rows: &str) -> Value {
    browser.eval(&format!(
        "[...document.querySelectorAll('{rows}')].map((row) => [...row.querySelectorAll('rect.fill, rect[fill]')].map((bar) =>
           [bar.getAttribute('fill') ?? 'bar', parseFloat(bar.getAttribute('x') ?? 0), parseFloat(bar.getAttribute('width'))]))"
    ))
}

#[test]
fn the_start_of_a_bar_is_hatched_in_proportion_to_the_waiting() {
    let service = Service::start();
    let deploys = [
        waited(100, 0, &json!({"run": "1"})),
        waited(100, 25, &json!({"run": "2"})),
        waited(100, 0, &json!({"run": "3"})),
        // Longer than the widest bar.
        waited(400, 300, &json!({"run": "4", "status": "failed"})),
        // The service does not compare the field with the duration.
        waited(100, 200, &json!({"run": "5", "status": "aborted"})),
        record("web", &json!({"run": "6", "status": "failed", "waited_seconds": 10})),
    ];
    service.import(&ndjson(&deploys)).expect(201);
    let browser = Browser::open();
    browser.go(&page_url(&service));
    browser.wait_for("document.querySelector('section.recent .bar')");
    let mut rows: Vec<(String, Value)> = browser
        .texts(&format!("{ROWS} .run"))
        .into_iter()
        .zip(hatched_bars(&browser, ROWS).as_array().unwrap().clone())
        .collect();
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    let bars: Vec<Value> = rows.into_iter().map(|(_, bars)| bars).collect();
    let hatch = "url(#hatch)";
    assert_eq!(
        json!(bars),
        json!([
            [["bar", 0, 50]],
            [["bar", 0, 50], [hatch, 0, 12.5]],
            [["bar", 0, 50]],
            [["bar", 0, 100], [hatch, 0, 75]],
            [["bar", 0, 50], [hatch, 0, 50]],
            [],
        ])
    );
    assert_eq!(browser.eval("document.querySelector('pattern').id"), "hatch");
    let durations = browser.texts(&format!("{ROWS} .duration"));
    for (run, words) in [
        ("2", "1m 40s typical waited 25s, work 1m 15s"),
        ("4", "6m 40s 4.0× typical waited 5m 00s, work 1m 40s"),
        ("5", "1m 40s typical waited 3m 20s, work 0ms"),
        ("6", "no start record waited 10s"),
        ("1", "1m 40s typical"),
    ] {
        let index = browser.texts(&format!("{ROWS} .run")).iter().position(|shown| shown == run).unwrap();
        assert_eq!(durations[index].split_whitespace().collect::<Vec<_>>().join(" "), words);
    }
    browser.assert_quiet(&page_url(&service));
}

#[test]
fn a_timeline_shows_what_each_attempt_of_a_stage_waited_and_worked() {
    let service = Service::start();
    let stage = |name: &str, more: &Value| {
        let mut record = waited(200, 0, more);
        record["stage"] = name.into();
        record["run"] = "r".into();
        record
    };
    let second = json!({"waited_seconds": 60, "started_at": seconds_ago(900), "finished_at": seconds_ago(800)});
    let records = [
        waited(400, 100, &json!({"run": "r"})),
        stage("Build", &json!({"waited_seconds": 150})),
        stage("Test", &json!({"status": "failed", "waited_seconds": 20, "finished_at": seconds_ago(960)})),
        stage("Test", &second),
        stage("Lint", &json!({"waited_seconds": null, "started_at": seconds_ago(960)})),
    ];
    service.import(&ndjson(&records)).expect(201);
    let browser = Browser::open();
    browser.go(&format!("{}?view=run&run=r", page_url(&service)));
    let bars = hatched_bars(&browser, "table.timeline tbody tr");
    // Rounded, because the times above are not all taken at the same moment.
    let rounded: Vec<Vec<(String, i64, i64)>> = bars
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let bar = |bar: &Value| {
                #[allow(clippy::cast_possible_truncation, reason = "percentages")]
                let part = |index: usize| bar[index].as_f64().unwrap().round() as i64;
                (bar[0].as_str().unwrap().to_owned(), part(1), part(2))
            };
            row.as_array().unwrap().iter().map(bar).collect()
        })
        .collect();
    let bar = |x, width| ("bar".to_owned(), x, width);
    let hatch = |x, width| ("url(#hatch)".to_owned(), x, width);
    assert_eq!(
        rounded,
        [
            vec![bar(0, 100), hatch(0, 25)],
            vec![bar(0, 50), hatch(0, 38)],
            vec![bar(0, 10), hatch(0, 5), bar(25, 25), hatch(25, 15)],
            vec![bar(10, 40)],
        ]
    );
    let durations = browser.texts("table.timeline tbody .duration");
    let words: Vec<_> = durations.iter().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        words,
        [
            "6m 40s waited 1m 40s, work 5m 00s",
            "3m 20s waited 2m 30s, work 50s",
            "40s waited 20s, work 20s 1m 40s waited 1m 00s, work 40s",
            "2m 40s",
        ]
    );
    for screen in SCREENS {
        browser.use_screen(screen);
        let tops = |column: &str| {
            browser.eval(&format!(
            "[...document.querySelectorAll('table.timeline tr[data-key=sTest] .{column} > div')].map((attempt) => Math.round(attempt.getBoundingClientRect().top))"
        ))
        };
        let gap = |column: &str| tops(column)[1].as_i64().unwrap() - tops(column)[0].as_i64().unwrap();
        assert_eq!([gap("result"), gap("time")], [gap("duration"); 2], "attempts are side by side on {}", screen.name);
    }
    browser.assert_quiet(&page_url(&service));
}

#[test]
fn overlapping_attempts_are_drawn_on_separate_levels() {
    let service = Service::start();
    let stage = |from, until| {
        record(
            "web",
            &json!({"run": "r", "stage": "Roll out", "status": "ok", "started_at": seconds_ago(from), "finished_at": seconds_ago(until)}),
        )
    };
    let deploy = record(
        "web",
        &json!({"run": "r", "status": "ok", "started_at": seconds_ago(100), "finished_at": seconds_ago(10)}),
    );
    service.import(&ndjson(&[stage(100, 50), stage(80, 20), stage(50, 10), deploy])).expect(201);
    let browser = Browser::open();
    browser.go(&format!("{}?view=run&run=r", page_url(&service)));
    let tops = browser.eval(
        "[...document.querySelectorAll('table.timeline tr:last-child rect')].map((bar) => bar.getAttribute('y'))",
    );
    assert_eq!(tops, json!(["3", "21", "3"]));
    browser.assert_quiet(&page_url(&service));
}

#[test]
fn a_component_shows_durations_deploys_per_day_and_dora_metrics() {
    let service = Service::start();
    service.import(&ndjson(&sample_deploys("web"))).expect(201);
    service.record(&record("web", &json!({"environment": "staging", "status": "deployed"})).to_string());
    let browser = Browser::open();
    browser.go(&component_url(&service, "web"));
    browser.wait_for_text("h1", "web");
    let chart = browser.eval("document.querySelector('[data-chart=durations]').getAttribute('aria-label')");
    assert!(chart.as_str().unwrap().starts_with("Durations of 7 deploys, 2 failed"), "{chart}");
    let crosses =
        browser.eval("document.querySelector('[data-chart] .mark.is-failed').getAttribute('d').split('M').length - 1");
    assert_eq!(crosses, 2);
    browser.run(
        "const chart = document.querySelector('[data-chart]');
         const box = chart.getBoundingClientRect();
         const [, x, y] = /M([\\d.]+) ([\\d.]+)/.exec(chart.querySelector('.mark.is-failed').getAttribute('d'));
         chart.dispatchEvent(new PointerEvent('pointermove',
           {bubbles: true, clientX: box.left + Number(x), clientY: box.top + Number(y)}))",
    );
    browser.wait_for_text("#chart-info", "2.1 failed, no start record, ");
    browser.click("section.durations summary");
    let by_day = browser.texts("section.durations tbody tr");
    assert_eq!(by_day.len(), 30);
    let deploys: i64 = by_day.iter().map(|row| row.split('\t').nth(1).unwrap().trim().parse::<i64>().unwrap()).sum();
    assert_eq!(deploys, 7);
    let tiles = browser.texts(".tiles > li");
    assert_eq!(tiles.len(), 5);
    // Three deploys succeeded and two failed. One failure was followed by a success, the other is the last deploy.
    for (tile, words) in tiles.iter().zip([
        "Deployment frequency|3 succeeded deploys /|proxy: deploys whose result is unstated are left out: 1",
        "Change lead time|1m 50s|3 with committed_at / 3 succeeded deploys|proxy",
        "Change fail rate|40|2 failures / 5 deploys: 2 failed, 0 rolled back, 0 undone|proxy: a failure is",
        "Failed deployment recovery time|11m 10s|1 recovered / 2 failures|1 not recovered",
        "Deployment rework rate|1 unplanned / 5 deploys|proxy: a deploy that does not say unplanned",
    ]) {
        assert!(words.split('|').all(|word| tile.contains(word)), "{words} in {tile}");
        assert!(tile.contains("America/New_York"), "{tile}");
    }
    browser.click("nav[aria-label=Environment] a:last-child");
    browser.wait_for("location.search === '?view=component&days=30&component=web&environment=staging'");
    browser.wait_for_text(".tiles > li", "requires a failure in the window");
    browser.assert_quiet(&page_url(&service));
}

#[test]
fn a_component_without_durations_or_environments_explains_what_is_missing() {
    let service = Service::start();
    service.record(r#"{"component":"web","version":"1","owner":"ann","status":"deployed"}"#);
    let browser = Browser::open();
    browser.go(&component_url(&service, "web"));
    browser.wait_for_text("section.durations", "No durations are known. Record the start of each deploy too.");
    browser.wait_for_text("section.dora", "DORA metrics require an environment.");
    browser.assert_quiet(&page_url(&service));
}

#[test]
fn deploys_are_grouped_by_day_in_the_time_zone_of_the_browser() {
    let service = Service::start();
    // Two o'clock UTC is the evening before in New York.
    let night = (chrono::Utc::now() - chrono::TimeDelta::days(2)).date_naive().and_hms_opt(2, 0, 0).unwrap().and_utc();
    service.record(&record("web", &json!({"status": "deployed", "finished_at": rfc3339(night)})).to_string());
    let browser = Browser::open();
    browser.go(&page_url(&service));
    let evening = (night - chrono::TimeDelta::days(1)).format("%a %-d %b %Y").to_string();
    assert_eq!(browser.texts("section.recent .day"), [evening]);
    let exact = browser.eval("document.querySelector('section.recent time').dateTime");
    assert_eq!(exact, rfc3339(night));
    browser.assert_quiet(&page_url(&service));
}

#[test]
fn environments_show_the_current_and_the_previous_version() {
    let service = Service::start();
    for (version, environment) in [("1.0", "staging"), ("1.1", "staging"), ("1.0", "production")] {
        service.record(
            &record("web", &json!({"version": version, "environment": environment, "status": "deployed"})).to_string(),
        );
    }
    let browser = Browser::open();
    browser.go(&page_url(&service));
    browser.click("#nav-environments");
    browser.wait_for("document.querySelectorAll('table.current tbody tr').length === 2");
    let rows = browser.texts("table.current tbody tr");
    assert!(rows[0].contains("production") && rows[0].contains("1.0"), "{rows:?}");
    assert!(["staging", "1.1", "1.0"].iter().all(|word| rows[1].contains(word)), "{rows:?}");
    browser.back();
    browser.wait_for("document.querySelector('section.recent')");
    browser.assert_quiet(&page_url(&service));
}

#[test]
fn the_page_works_behind_a_proxy_with_a_path_prefix() {
    let service = Service::start();
    for body in sample_data::bodies(60) {
        service.import(&body).expect(201);
    }
    let origin = format!("http://{}{}/", proxy::start(service.address), proxy::PREFIX);
    let browser = Browser::open();
    browser.go(&origin);
    browser.wait_for_text("#live", "Live");
    browser.click("section.recent .pager a");
    browser.wait_for_text("h2", "Earlier deploys");
    browser.click("section.recent tbody .component a");
    browser.wait_for("document.querySelector('.tiles')");
    let run = service.get("/api/deploys?limit=1").json()[0]["run"].as_str().unwrap().to_owned();
    browser.go(&format!("{origin}?view=run&run={}", percent_encode(&run)));
    browser.wait_for("document.querySelector('table.timeline')");
    browser.assert_quiet(&origin);
}
