//! The clock of the service's machine jumps. Records are stamped by PostgreSQL's.

use std::{fs, time::Duration};

use crate::{
    Lab,
    api::harness::{Service, TempDirectory},
    scene::Scene,
    table::Row,
};

const LIBRARY: &str = "/usr/lib";

pub fn jumps(lab: &mut Lab) -> Row {
    let Some(library) = library() else {
        println!("SKIPPED: libfaketime is not installed (Debian: faketime)");
        return Row { skipped: 1, ..Row::default() };
    };
    let directory = TempDirectory::new();
    let offset = directory.path().join("offset");
    let set = |days: &str| {
        fs::write(offset.with_extension("new"), days).unwrap();
        fs::rename(offset.with_extension("new"), &offset).unwrap();
    };
    set("-1d");
    let mut scene = Scene::new(lab.postgres, None);
    let environment = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // Time-outs go by the clock that never jumps.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ];
    let service = scene.serve(None, &environment);
    scene.services.push(service);
    scene.begin();
    let mut days = vec![date(&scene.services[0])];
    for jump in ["+0", "+1d", "-1d"] {
        lab.pause(100..900);
        set(jump);
        // The service writes the date anew each second.
        std::thread::sleep(Duration::from_millis(1200));
        days.push(date(&scene.services[0]));
        scene.struck(1);
    }
    // The last is not seen: hyper's date goes forward only.
    if days[0] == days[1] || days[1] == days[2] {
        scene.complain(format!("the clock did not jump: {days:?}"));
    }
    let astray = scene.sql("select count(*) from records where abs(extract(epoch from now() - recorded_at)) > 3600");
    if astray[0][0] != "0" {
        scene.complain(format!("{} records have another time than the database's", astray[0][0]));
    }
    scene.end()
}

/// The day that the service says it is.
fn date(service: &Service) -> String {
    let date = service.get("/livez").header("date").unwrap_or_default().to_owned();
    date.chars().take("Tue, 24 Nov 2026".len()).collect()
}

fn library() -> Option<String> {
    let found = fs::read_dir(LIBRARY).ok()?.filter_map(|entry| {
        let path = entry.ok()?.path().join("faketime/libfaketime.so.1");
        path.exists().then(|| path.to_str().unwrap().to_owned())
    });
    found.into_iter().next()
}
