//! The clock of the service jumps. Records must still carry the time of PostgreSQL.

use std::{fs, time::Duration};

use crate::{
    Context,
    api::harness::{Service, TempDirectory},
    scenario::Scenario,
    table::Row,
};

const LIBRARY: &str = "/usr/lib";

pub fn jumps(context: &mut Context) -> Row {
    let Some(library) = library() else {
        println!("SKIPPED: libfaketime is not installed (Debian: faketime)");
        return Row { skipped: 1, ..Row::default() };
    };
    let directory = TempDirectory::new();
    let offset = directory.path().join("offset");
    let set_offset = |days: &str| {
        fs::write(offset.with_extension("new"), days).unwrap();
        fs::rename(offset.with_extension("new"), &offset).unwrap();
    };
    set_offset("-1d");
    let mut scenario = Scenario::new(context.postgres, None);
    let environment = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // Timeouts use the monotonic clock, which never jumps.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ];
    let service = scenario.serve(None, &environment);
    scenario.services.push(service);
    scenario.start_load();
    let mut days = vec![date(&scenario.services[0])];
    for jump in ["+0", "+1d", "-1d"] {
        context.pause(100..900);
        set_offset(jump);
        // hyper updates the date header once per second.
        std::thread::sleep(Duration::from_millis(1200));
        days.push(date(&scenario.services[0]));
        scenario.count_faults(1);
    }
    // The jump back is not visible: hyper never sets its date header back.
    if days[0] == days[1] || days[1] == days[2] {
        scenario.fail(format!("the clock did not jump: {days:?}"));
    }
    let outside =
        scenario.sql("select count(*) from records where abs(extract(epoch from now() - recorded_at)) > 3600");
    if outside[0][0] != "0" {
        scenario.fail(format!("{} records do not have the time of the database", outside[0][0]));
    }
    scenario.finish()
}

/// The day in the date header of the service.
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
