//! The calls under test. Each request can be sent again.

/// One request. `{n}` is the number of the trial, `{id}` the id of the prepared record.
pub struct Call {
    pub name: &'static str,
    pub method: &'static str,
    pub target: &'static str,
    pub accept: &'static str,
    pub body: &'static str,
    pub has_key: bool,
    /// The status of the record to prepare, which belongs to the same deploy.
    pub needs: Option<&'static str>,
    /// Whether the preparation sends the request once.
    pub is_repeated: bool,
    /// The number of records that the call adds.
    pub adds: i64,
}

const BASE: Call = Call {
    name: "",
    method: "GET",
    target: "",
    accept: "*/*",
    body: "",
    has_key: false,
    needs: Some("started"),
    is_repeated: false,
    adds: 0,
};

const START: &str = r#"{"component":"sweep","version":"{n}","owner":"ann","status":"started"}"#;
const FINISH: &str = r#"{"component":"sweep","version":"{n}","owner":"ann","status":"deployed"}"#;
const POST: Call = Call { method: "POST", target: "/api/", needs: None, adds: 1, ..BASE };
const READ: Call = Call { name: "GET by id", target: "/api/{id}", ..BASE };

pub const IMPORT_LINES: usize = 20;

pub const CALLS: [Call; 17] = [
    Call { name: "POST start", body: START, has_key: true, ..POST },
    Call { name: "POST finish that pairs", body: FINISH, has_key: true, needs: Some("started"), ..POST },
    Call { name: "POST replayed", body: START, has_key: true, is_repeated: true, ..POST },
    Call { name: "POST without a key", body: START, ..POST },
    Call {
        name: "NDJSON import",
        body: r#"{"component":"sweep-{line}","version":"{n}","owner":"ann","status":"deployed","idempotency_key":"{n}"}"#,
        adds: 20,
        ..POST
    },
    READ,
    Call { name: "GET list", target: "/api/?component=sweep&limit=5", ..READ },
    Call { name: "GET list as CSV", target: "/api/?limit=5", accept: "text/csv", ..READ },
    Call { name: "PUT", method: "PUT", body: FINISH, ..READ },
    Call { name: "PATCH", method: "PATCH", body: r#"{"environment":"production"}"#, ..READ },
    Call { name: "DELETE", method: "DELETE", adds: -1, ..READ },
    Call { name: "GET deploys", target: "/api/deploys?stages=true&limit=5", ..READ },
    Call { name: "GET current", target: "/api/current", ..READ },
    Call { name: "GET durations", target: "/api/durations", ..READ },
    Call { name: "GET dora", target: "/api/dora", ..READ },
    Call { name: "GET metrics", target: "/metrics", ..READ },
    Call { name: "GET readyz", target: "/readyz", ..READ },
];

impl Call {
    /// Whether sending the request twice has the same effect as sending it once.
    pub fn is_repeatable(&self) -> bool {
        self.adds <= 0 || self.has_key || self.body.contains("idempotency_key")
    }

    pub fn is_import(&self) -> bool {
        self.body.contains("{line}")
    }

    /// The bytes of the request.
    pub fn request(&self, trial: usize, id: i64) -> Vec<u8> {
        let body = if self.is_import() {
            (0..IMPORT_LINES).map(|line| self.body.replace("{line}", &line.to_string()) + "\n").collect()
        } else {
            self.body.to_owned()
        };
        let body = body.replace("{n}", &trial.to_string());
        let content = if self.is_import() { "application/x-ndjson" } else { "application/json" };
        let key = if self.has_key {
            format!("idempotency-key: {}-{trial}\r\n", self.name.replace(' ', "-"))
        } else {
            String::new()
        };
        let content = if body.is_empty() {
            String::new()
        } else {
            format!("content-type: {content}\r\ncontent-length: {}\r\n", body.len())
        };
        format!(
            "{} {} HTTP/1.1\r\nhost: test\r\naccept: {}\r\n{key}{content}\r\n{body}",
            self.method,
            self.target.replace("{id}", &id.to_string()),
            self.accept
        )
        .into_bytes()
    }
}
