//! The list as CSV.

use serde_json::json;

use super::{import, record_all};
use crate::harness::{Database, Response, Service};

const HEADER: &str = "id,component,version,owner,status,environment,run,stage,url,commit,committed_at,unplanned,waited_seconds,\
    started_at,finished_at,phase,duration_seconds,duration_missing,start_id,recorded_at,updated_at";

fn csv(service: &Service, query: &str) -> Response {
    let response = service.request("GET", &format!("/api/?{query}"), &[("accept", "text/csv")], None);
    assert_eq!(response.status, 200, "{response:?}");
    response
}

/// Parses RFC 4180: rows end with CRLF, quotes enclose a whole cell, and quotes inside it are doubled.
fn parse(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut rest = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(character) = rest.next() {
        let row = rows.last_mut().unwrap();
        let cell = row.last_mut().unwrap();
        match character {
            '"' if is_quoted && rest.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if is_quoted => {
                is_quoted = false;
                assert!(matches!(rest.peek(), Some(',' | '\r')), "text after a closing quote: {cell}");
            }
            '"' => {
                assert!(cell.is_empty(), "a quote inside {cell}");
                is_quoted = true;
            }
            ',' if !is_quoted => row.push(String::new()),
            '\r' if !is_quoted => {
                assert_eq!(rest.next(), Some('\n'));
                rows.push(vec![String::new()]);
            }
            other => {
                assert!(is_quoted || other != '\n', "a bare line feed");
                cell.push(other);
            }
        }
    }
    assert_eq!(rows.pop(), Some(vec![String::new()]), "the last row is not terminated");
    rows
}

/// All cells as a spreadsheet sees them that splits at `separator`: quotes enclose a cell only if it begins with one, and
/// what follows the closing quote belongs to the cell.
fn cells(text: &str, separator: char) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut rest = text.chars().peekable();
    let (mut is_start, mut is_quoted) = (true, false);
    while let Some(character) = rest.next() {
        match character {
            '"' if is_start => is_quoted = true,
            '"' if is_quoted && rest.next_if_eq(&'"').is_none() => is_quoted = false,
            other if !is_quoted && (other == separator || matches!(other, '\r' | '\n')) => {
                cells.push(String::new());
                is_start = true;
                continue;
            }
            other => cells.last_mut().unwrap().push(other),
        }
        is_start = false;
    }
    cells
}

#[test]
fn csv_has_a_header_row_and_one_row_per_record_in_field_order() {
    let service = Service::start();
    let [start, stop] = record_all(
        &service,
        [
            json!({
                "status": "started", "environment": "production", "run": "job#1", "started_at": "2026-01-01T00:00:00Z"
            }),
            json!({
                "run": "job#1", "finished_at": "2026-01-01T00:00:01.5Z", "environment": "production", "url": "http://ci",
                "commit": "abc", "committed_at": "2025-12-31T00:00:00Z", "unplanned": true,
                "waited_seconds": 0.25
            }),
        ],
    );
    let response = csv(&service, "");
    assert!(response.header("content-type").is_some_and(|content_type| content_type.starts_with("text/csv")));
    let text = |record: &serde_json::Value, field: &str| record[field].as_str().unwrap().to_owned();
    let expected = [
        HEADER.to_owned(),
        format!(
            "2,web,2.1,ann,deployed,production,job#1,,http://ci,abc,2025-12-31T00:00:00.000000Z,true,0.250,\
             2026-01-01T00:00:00.000000Z,2026-01-01T00:00:01.500000Z,succeeded,1.500,,1,{},{}",
            text(&stop, "recorded_at"),
            text(&stop, "updated_at")
        ),
        format!(
            "1,web,2.1,ann,started,production,job#1,,,,,,,2026-01-01T00:00:00.000000Z,,started,,,,{},{}",
            text(&start, "recorded_at"),
            text(&start, "updated_at")
        ),
    ];
    assert_eq!(response.body, expected.map(|row| row + "\r\n").concat());
}

#[test]
fn csv_cells_are_quoted_as_rfc_4180_requires() {
    let service = Service::start();
    let texts = ["a,b", "a \"b\" c", "\"", "plain ü 🚀", " spaces ", "a;b'c"];
    record_all(&service, texts.map(|owner| json!({ "owner": owner, "stage": format!("{owner}, ") })));
    let rows = parse(&csv(&service, "").body);
    for (row, owner) in rows.iter().skip(1).zip(texts.into_iter().rev()) {
        assert_eq!((row.len(), row[3].as_str(), &row[7]), (21, owner, &format!("{owner}, ")));
    }
    assert_eq!(rows.len(), 7);
}

#[test]
fn a_csv_text_that_starts_like_a_formula_gets_a_leading_apostrophe() {
    let service = Service::start();
    for (text, escaped) in [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("=HYPERLINK(\"http://x\",\"y\")", "'=HYPERLINK(\"http://x\",\"y\")"),
        ("＝1+1", "'＝1+1"),
        (" =1", "' =1"),
        ("\"=1\"", "'\"=1\""),
        ("a;=1", "a;'=1"),
        ("a; \"+1", "a;' \"+1"),
        ("a,-1|@x", "a,'-1|'@x"),
        ("1=1", "1=1"),
        ("a-b", "a-b"),
        ("'=1", "'=1"),
        ("Deploy - eu; west=1, north", "Deploy - eu; west=1, north"),
    ] {
        record_all(&service, [json!({ "component": text, "run": text, "commit": text })]);
        let row = &parse(&csv(&service, "limit=1").body)[1];
        assert_eq!([&row[1], &row[6], &row[9]], [escaped; 3], "{text}");
    }
}

#[test]
fn no_separator_that_a_spreadsheet_may_use_lets_a_csv_text_become_a_formula() {
    let database = Database::new();
    let service = Service::with_database(&database);
    let (begins, ends) =
        (["", "a", "\"", "a\"", "\"\""], ["=cmd()", "+1", "-1", "@x", "＝1", "\"=1\"", " =1", "\"\"=1", "\" \"@x"]);
    // No client can send control characters, but somebody could write them into the table.
    let separators = [",", ";", "\t", "|", "\r", "\n", "\r\n", ";;", "\",\"", "\";\"", "\"\r\n\"", "\"\"|"];
    let mut count = 0;
    for begin in begins {
        for end in ends {
            let texts = separators.map(|separator| format!("{begin}{separator}{end}").replace('\'', "''"));
            let rows = texts.map(|text| format!("(E'{text}', E'{text}', E'{text}{text}', 'x', 'noted', E'{text}')"));
            database.sql(&format!(
                "insert into records (component, version, owner, status, phase, stage) values {}",
                rows.join(", ")
            ));
            count += separators.len();
        }
    }
    let text = csv(&service, "").body;
    assert_eq!(parse(&text).len(), count + 1);
    let is_formula = |cell: &&String| cell.trim_start_matches(['"', ' ', '\t']).starts_with(['=', '+', '-', '@', '＝']);
    for separator in [',', ';', '\t', '|'] {
        let cells = cells(&text, separator);
        assert!(cells.len() > count);
        assert_eq!(cells.iter().find(is_formula), None, "separated by {separator:?}");
    }
}

#[test]
fn csv_returns_all_matching_rows_up_to_any_positive_limit() {
    let service = Service::start();
    import(&service, 2_345);
    record_all(&service, [json!({ "owner": "bob" }), json!({ "owner": "bob" })]);
    for (query, count) in [("", 2_347), ("owner=bob", 2), ("owner=nobody", 0), ("limit=1", 1), ("limit=2001", 2_001)] {
        let rows = parse(&csv(&service, query).body);
        assert_eq!((rows.len() - 1, rows[0].join(",").as_str()), (count, HEADER), "{query}");
    }
}
