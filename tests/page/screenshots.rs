//! Screenshots of every view: `cargo test --test page screenshots -- --ignored` writes them into the target folder.

use std::path::PathBuf;

use crate::harness::{Service, percent_encode};
use crate::{
    browser::{Browser, SCREENS},
    component_url, page_url, sample_data,
};

#[test]
#[ignore = "writes images for people to judge"]
fn every_view_on_every_screen_with_few_deploys_and_many() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let browser = Browser::open();
    for count in [0, 5, 5000] {
        let service = Service::start();
        for body in sample_data::bodies(count) {
            service.import(&body).expect(201);
        }
        let page = page_url(&service);
        let mut views = vec![("deploys", page.clone()), ("environments", format!("{page}?view=environments"))];
        let failed = service.get("/api/deploys?phase=failed&limit=1").json();
        let any = service.get("/api/deploys?state=finished&limit=1").json();
        if let Some(deploy) = failed.get(0).or(any.get(0)) {
            views.push(("component", component_url(&service, deploy["component"].as_str().unwrap())));
            views.push(("run", format!("{page}?view=run&run={}", percent_encode(deploy["run"].as_str().unwrap()))));
        }
        for (name, url) in views {
            for screen in SCREENS {
                browser.use_screen(screen);
                browser.go(&url);
                browser.wait_for_text("#live", "Live");
                browser.screenshot(&folder.join(format!("{name}-{count}-{}.png", screen.name)));
            }
        }
    }
    eprintln!("the screenshots are in {}", folder.display());
}
