//! The views, and the addresses that name them.

use serde_json::json;

use crate::harness::{Service, percent_encode};
use crate::{ago, at, browser::Browser, component_view, days_of, history, home, lines, of, proxy, run_of};

const ROWS: &str = "section.last tbody tr:not(.day)";

#[test]
fn the_empty_page_has_a_call_to_copy_that_works_as_it_stands() {
    let service = Service::start();
    let browser = Browser::open();
    browser.go(&home(&service));
    let call = browser.texts("#call").remove(0);
    browser.click("#copy");
    browser.until_in("#copy", "Copied");
    let output = std::process::Command::new("sh").args(["-c", &call.replace("curl ", "curl -sSf ")]).output().unwrap();
    assert!(output.status.success(), "{call} {output:?}");
    browser.until_in("section.last", "server-interface 2.1");
    browser.until_in("section.last", "no start record");
    browser.was_quiet(&home(&service));
}

#[test]
fn rows_say_how_each_deploy_went_and_how_long_it_took_against_what_is_usual() {
    let service = Service::start();
    service.import(&lines(&days_of("web"))).expect(201);
    let running = of("web", &json!({"status": "started", "started_at": ago(330)}));
    let stale = of("old", &json!({"status": "started", "started_at": ago(3 * 86_400)}));
    service.import(&lines(&[running, stale])).expect(201);
    let browser = Browser::open();
    browser.go(&home(&service));
    browser.until("document.querySelector('section.last .bar')");
    let rows = browser.texts(ROWS);
    // Of 100, 110 and 120 seconds 110 are usual.
    for (row, words) in rows.iter().zip([
        "failed no start record",
        "finished , result unstated 1m 30s 0.8× usual",
        "aborted 30s 0.3× usual",
        "succeeded 1m 50s as usual",
        "failed 40s 0.4× usual",
        "succeeded 2m 00s as usual",
        "succeeded 1m 40s as usual",
    ]) {
        assert!(words.split(' ').all(|word| row.contains(word)), "{words} in {row}");
    }
    assert_eq!(rows.len(), 7);
    let open = browser.texts("section.open tbody tr");
    assert!(open[0].contains("running") && open[0].contains("usually 1m 50s"), "{open:?}");
    assert!(open[1].contains("stale") && open[1].contains("likely over"), "{open:?}");
    let zone = browser.texts("#zone").remove(0);
    assert!(zone.contains("America/New_York (UTC-0"), "{zone}");
    let exact = browser.see("document.querySelector('section.last time').title");
    assert!(exact.as_str().unwrap().ends_with(" UTC"), "{exact}");
    browser.was_quiet(&home(&service));
}

#[test]
fn filters_are_in_the_address_and_the_address_is_in_the_filters() {
    let service = Service::start();
    for (component, environment) in [("web", "production"), ("web", "staging"), ("api", "production")] {
        let record = of(component, &json!({"environment": environment, "status": "deployed"}));
        service.record(&record.to_string());
    }
    let browser = Browser::open();
    browser.go(&home(&service));
    browser.until("document.querySelectorAll('section.last tbody tr:not(.day)').length === 3");
    browser.write("[name=component]", "web\n");
    browser.until("location.search === '?component=web'");
    browser.until("document.querySelectorAll('section.last tbody tr:not(.day)').length === 2");
    browser.write("[name=environment]", "staging\n");
    browser.until("location.search === '?component=web&environment=staging'");
    browser.until("document.querySelectorAll('section.last tbody tr:not(.day)').length === 1");
    browser.back();
    browser.until("document.querySelectorAll('section.last tbody tr:not(.day)').length === 2");
    assert_eq!(browser.see("document.querySelector('[name=environment]').value"), "");
    assert_eq!(browser.see("document.querySelector('[name=component]').value"), "web");

    // As a colleague gets it.
    browser.go(&format!("{}?phase=failed&owner=ann&run=none", home(&service)));
    browser.until_in("section.last", "No deploy is like this.");
    assert_eq!(browser.see("document.querySelector('[name=phase]').value"), "failed");
    assert_eq!(browser.see("document.querySelector('[name=run]').checkVisibility()"), true, "what filters is seen");
    browser.click("#clear");
    browser.until("document.querySelectorAll('section.last tbody tr:not(.day)').length === 3");
    assert_eq!(browser.see("location.search"), "");
    browser.was_quiet(&home(&service));
}

#[test]
fn what_cannot_be_asked_for_is_told_in_the_services_own_words() {
    let service = Service::start();
    let browser = Browser::open();
    browser.go(&format!("{}?since=yesterday", home(&service)));
    browser.until_in("#lost", "Bad Request (400)");
    browser.until_in("#lost", "since must be an RFC 3339 time");
    browser.click("#clear");
    browser.until("document.getElementById('lost').hidden");
    browser.asked_only(&home(&service));
}

#[test]
fn a_run_is_a_timeline_with_parallel_branches_side_by_side() {
    let service = Service::start();
    service.import(&lines(&run_of("web"))).expect(201);
    let browser = Browser::open();
    browser.go(&home(&service));
    browser.until_in("section.open", "folder/web#42");
    browser.click("section.open .run a");
    browser.until_in("h1", "Run folder/web#42");
    browser.settles();
    let stages = browser.texts("table.timeline tbody th");
    let whole = "The whole deploy";
    assert_eq!(stages, [whole, "Build", "Test 2 attempts", "Lint", "Deploy", "Deploy / eu-west", "Deploy / us-east"]);
    // Each as from and until, in hundredths of the whole.
    let bars = browser.see(
        "[...document.querySelectorAll('table.timeline tbody tr')].map((row) => [...row.querySelectorAll('rect')]
           .map((bar) => [bar.x.baseVal.valueInSpecifiedUnits, bar.width.baseVal.valueInSpecifiedUnits]
             .map((part) => Math.round(part))))",
    );
    let part = |seconds: f64| (100.0 * seconds / 600.0).round();
    // The branches begin together and overlap; a retried stage has both attempts in one lane.
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
            // The test itself takes its seconds, and what still runs grows by them.
            let is_near = (drawn.0 - part(expected.0)).abs() <= 3.0 && (drawn.1 - part(expected.1)).abs() <= 3.0;
            assert!(is_near, "{index}: {drawn:?} is not {expected:?}");
        }
    }
    let results = browser.texts("table.timeline tbody .result");
    assert_eq!(results[2].split_whitespace().collect::<Vec<_>>(), ["failed", "succeeded"]);
    assert_eq!(browser.texts("table.timeline tbody .time")[3], "no start record");
    let finish = of("web", &json!({"run": "folder/web#42", "stage": "Deploy / us-east", "status": "aborted"}));
    browser.until_in("#live", "Live");
    service.record(&finish.to_string());
    browser.until_in("table.timeline tbody tr:last-child .result", "aborted");
    browser.was_quiet(&home(&service));
}

#[test]
fn attempts_that_overlap_have_lanes_of_their_own() {
    let service = Service::start();
    let stage = |from, until| {
        of(
            "web",
            &json!({"run": "r", "stage": "Roll out", "status": "ok", "started_at": ago(from), "finished_at": ago(until)}),
        )
    };
    let deploy = of("web", &json!({"run": "r", "status": "ok", "started_at": ago(100), "finished_at": ago(10)}));
    service.import(&lines(&[stage(100, 50), stage(80, 20), stage(50, 10), deploy])).expect(201);
    let browser = Browser::open();
    browser.go(&format!("{}?view=run&run=r", home(&service)));
    let tops = browser
        .see("[...document.querySelectorAll('table.timeline tr:last-child rect')].map((bar) => bar.getAttribute('y'))");
    assert_eq!(tops, json!(["3", "21", "3"]));
    browser.was_quiet(&home(&service));
}

#[test]
fn a_component_has_its_durations_its_deploys_a_day_and_the_five_metrics_with_their_counts() {
    let service = Service::start();
    service.import(&lines(&days_of("web"))).expect(201);
    service.record(&of("web", &json!({"environment": "staging", "status": "deployed"})).to_string());
    let browser = Browser::open();
    browser.go(&component_view(&service, "web"));
    browser.until_in("h1", "web");
    let chart = browser.see("document.querySelector('[data-chart=durations]').getAttribute('aria-label')");
    assert!(chart.as_str().unwrap().starts_with("Durations of 7 deploys, 2 of them failed"), "{chart}");
    let crosses =
        browser.see("document.querySelector('[data-chart] .mark.is-failed').getAttribute('d').split('M').length - 1");
    assert_eq!(crosses, 2);
    browser.run(
        "const chart = document.querySelector('[data-chart]');
         const box = chart.getBoundingClientRect();
         const [, x, y] = /M([\\d.]+) ([\\d.]+)/.exec(chart.querySelector('.mark.is-failed').getAttribute('d'));
         chart.dispatchEvent(new PointerEvent('pointermove',
           {bubbles: true, clientX: box.left + Number(x), clientY: box.top + Number(y)}))",
    );
    browser.until_in("#pointer", "2.1 failed, no start record, ");
    browser.click("section.durations summary");
    let by_day = browser.texts("section.durations tbody tr");
    assert_eq!(by_day.len(), 30);
    let deploys: i64 = by_day.iter().map(|row| row.split('\t').nth(1).unwrap().trim().parse::<i64>().unwrap()).sum();
    assert_eq!(deploys, 7);
    let tiles = browser.texts(".tiles > li");
    assert_eq!(tiles.len(), 5);
    // Of three succeeded and two failed; one success came after a failure, by then the last one was not over.
    for (tile, words) in tiles.iter().zip([
        "Deployment frequency|3 succeeded deploys /|proxy: deploys whose result is unstated are left out: 1",
        "Change lead time|1m 50s|3 that say committed_at / 3 succeeded deploys|proxy",
        "Change fail rate|40|2 failures / 5 deploys: 2 failed, 0 rolled back, 0 undone|proxy: a failure is",
        "Failed deployment recovery time|11m 10s|1 recovered / 2 failures|1 not recovered",
        "Deployment rework rate|1 unplanned / 5 deploys|proxy: a deploy that does not say unplanned",
    ]) {
        assert!(words.split('|').all(|word| tile.contains(word)), "{words} in {tile}");
        assert!(tile.contains("America/New_York"), "{tile}");
    }
    browser.click("nav[aria-label=Environment] a:last-child");
    browser.until("location.search === '?view=component&days=30&component=web&environment=staging'");
    browser.until_in(".tiles > li", "it needs a failure in the window");
    browser.was_quiet(&home(&service));
}

#[test]
fn a_component_without_durations_or_environments_says_what_is_missing() {
    let service = Service::start();
    service.record(r#"{"component":"web","version":"1","owner":"ann","status":"deployed"}"#);
    let browser = Browser::open();
    browser.go(&component_view(&service, "web"));
    browser.until_in("section.durations", "None is known: record when a deploy starts, too.");
    browser.until_in("section.dora", "They are of one environment, and these deploys name none.");
    browser.was_quiet(&home(&service));
}

#[test]
fn a_deploy_lies_on_the_day_of_the_reader() {
    let service = Service::start();
    // Two in the morning in London is the evening before in New York.
    let night = (chrono::Utc::now() - chrono::TimeDelta::days(2)).date_naive().and_hms_opt(2, 0, 0).unwrap().and_utc();
    service.record(&of("web", &json!({"status": "deployed", "finished_at": at(night)})).to_string());
    let browser = Browser::open();
    browser.go(&home(&service));
    let evening = (night - chrono::TimeDelta::days(1)).format("%a %-d %b %Y").to_string();
    assert_eq!(browser.texts("section.last .day"), [evening]);
    let exact = browser.see("document.querySelector('section.last time').dateTime");
    assert_eq!(exact, at(night));
    browser.was_quiet(&home(&service));
}

#[test]
fn what_is_where_says_what_was_there_before() {
    let service = Service::start();
    for (version, environment) in [("1.0", "staging"), ("1.1", "staging"), ("1.0", "production")] {
        service.record(
            &of("web", &json!({"version": version, "environment": environment, "status": "deployed"})).to_string(),
        );
    }
    let browser = Browser::open();
    browser.go(&home(&service));
    browser.click("#nav-where");
    browser.until("document.querySelectorAll('table.where tbody tr').length === 2");
    let places = browser.texts("table.where tbody tr");
    assert!(places[0].contains("production") && places[0].contains("1.0"), "{places:?}");
    assert!(["staging", "1.1", "1.0"].iter().all(|word| places[1].contains(word)), "{places:?}");
    browser.back();
    browser.until("document.querySelector('section.last')");
    browser.was_quiet(&home(&service));
}

#[test]
fn the_page_works_below_a_path_behind_a_proxy() {
    let service = Service::start();
    for body in history::bodies(60) {
        service.import(&body).expect(201);
    }
    let origin = format!("http://{}{}/", proxy::before(service.address), proxy::PREFIX);
    let browser = Browser::open();
    browser.go(&origin);
    browser.until_in("#live", "Live");
    browser.click("section.last .pages a");
    browser.until_in("h2", "Earlier deploys");
    browser.click("section.last tbody .what a");
    browser.until("document.querySelector('.tiles')");
    let run = service.get("/api/deploys?limit=1").json()[0]["run"].as_str().unwrap().to_owned();
    browser.go(&format!("{origin}?view=run&run={}", percent_encode(&run)));
    browser.until("document.querySelector('table.timeline')");
    browser.was_quiet(&origin);
}
