//! Records that share a statement: each is answered by itself.

use serde_json::json;

use crate::harness::{SENDERS, at_once, deployed, patient};

/// How many statements wrote what the table holds: all that one writes is recorded at one moment.
const STATEMENTS: &str = "select count(distinct recorded_at) from records";

#[test]
fn a_start_and_its_finish_that_share_a_statement_pair() {
    let (database, service) = patient();
    let answers = at_once(&database, &service, |service, number| {
        let (status, moment, at) = [("started", "started_at", "10:00"), ("failed", "finished_at", "10:01")][number % 2];
        let times =
            json!({"version": (number / 2).to_string(), "status": status, moment: format!("2026-11-24T{at}:00Z")});
        service.post(&deployed(&times))
    });
    let statements: usize = database.sql(STATEMENTS)[0][0].parse().unwrap();
    assert!(statements <= 2, "one goes at once, the others share the next: {statements}");
    for pair in answers.chunks(2) {
        // As it stands: a start that came later than its finish has completed it.
        let finish = service.read(&pair[1].expect(201)["id"]);
        assert_eq!((&finish["start_id"], &finish["duration_seconds"]), (&pair[0].expect(201)["id"], &json!(60.0)));
    }
}

#[test]
fn what_the_database_refuses_of_one_costs_its_neighbours_nothing() {
    let (database, service) = patient();
    database.sql("alter table records add check (owner <> 'nobody')");
    let answers = at_once(&database, &service, |service, number| {
        service.post(&deployed(
            &json!({"component": number.to_string(), "owner": if number == 7 { "nobody" } else { "ann" }}),
        ))
    });
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status, if number == 7 { 500 } else { 201 }, "{number}");
    }
    assert_eq!(service.all().len(), SENDERS - 1);
}
