//! The order in which writes took effect, read from the table `events`.

use crate::harness::Database;

/// One event with all its records.
#[derive(Clone, Debug)]
pub struct Event {
    pub number: i64,
    pub kind: Kind,
    pub records: Vec<Logged>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Recorded,
    Changed,
    Deleted,
}

/// A record of an event.
#[derive(Clone, Debug)]
pub struct Logged {
    pub id: i64,
    pub recorded_at: String,
    /// The value after the event; `None` if the event deleted the record.
    pub updated_at: Option<String>,
}

/// The number of the last event so far.
pub fn last(database: &Database) -> i64 {
    database.sql("select max(number) from events")[0][0].parse().unwrap()
}

/// The events after this number, in order.
pub fn since(database: &Database, number: i64) -> Vec<Event> {
    // The state after an event is the `before` of the next event of the record, or the record itself.
    let rows = database.sql(&format!(
        "
        select e.number, e.event, e.id, {recorded_at}, {updated_at}
        from (
            select number, event, before, id, position
            from events cross join lateral unnest(ids) with ordinality one (id, position)
            where number > {number}
          ) e
          left join lateral (
            select before
            from events
            where event <> 'recorded' and ids[1] = e.id and number > e.number
            order by number
            limit 1
          ) next on true
          left join records r on r.id = e.id
          cross join lateral (
            select case when e.event <> 'deleted' then coalesce(next.before, to_jsonb(r)) end as after
          ) a
        order by e.number, e.position
        ",
        recorded_at = rfc_3339("coalesce(a.after, e.before) ->> 'recorded_at'"),
        updated_at = rfc_3339("a.after ->> 'updated_at'"),
    ));
    let mut events: Vec<Event> = Vec::new();
    for row in rows {
        let [number, event, id, recorded_at, updated_at] = row.try_into().unwrap();
        let logged = Logged {
            id: id.parse().unwrap(),
            recorded_at,
            updated_at: Some(updated_at).filter(|updated_at| updated_at != "null"),
        };
        let number = number.parse().unwrap();
        if let Some(event) = events.last_mut().filter(|event| event.number == number) {
            event.records.push(logged);
        } else {
            let kind = match event.as_str() {
                "recorded" => Kind::Recorded,
                "changed" => Kind::Changed,
                "deleted" => Kind::Deleted,
                other => panic!("{other}"),
            };
            events.push(Event { number, kind, records: vec![logged] });
        }
    }
    events
}

/// SQL that formats a time like the service does.
fn rfc_3339(time: &str) -> String {
    format!(r#"to_char(({time})::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#)
}
