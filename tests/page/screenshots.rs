//! Pictures of every view, to be looked at: `cargo test --test page screenshots -- --ignored` writes them beside what
//! cargo builds.

use std::path::PathBuf;

use crate::harness::{Service, percent_encode};
use crate::{
    browser::{Browser, SCREENS},
    component_view, history, home,
};

#[test]
#[ignore = "for people to look at"]
fn every_view_on_every_screen_with_few_deploys_and_many() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let browser = Browser::open();
    for count in [0, 5, 5000] {
        let service = Service::start();
        for body in history::bodies(count) {
            service.import(&body).expect(201);
        }
        let home = home(&service);
        let mut views = vec![("deploys", home.clone()), ("where", format!("{home}?view=where"))];
        let failed = service.get("/api/deploys?phase=failed&limit=1").json();
        let any = service.get("/api/deploys?state=finished&limit=1").json();
        if let Some(deploy) = failed.get(0).or(any.get(0)) {
            views.push(("component", component_view(&service, deploy["component"].as_str().unwrap())));
            views.push(("run", format!("{home}?view=run&run={}", percent_encode(deploy["run"].as_str().unwrap()))));
        }
        for (name, url) in views {
            for screen in SCREENS {
                browser.is_seen_on(screen);
                browser.go(&url);
                browser.until_in("#live", "Live");
                browser.picture(&folder.join(format!("{name}-{count}-{}.png", screen.name)));
            }
        }
    }
    eprintln!("the pictures are in {}", folder.display());
}
