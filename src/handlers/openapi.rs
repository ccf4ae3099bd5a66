//! `GET /openapi.json`: what every call takes and answers, for programs.

use std::sync::LazyLock;

use hyper::{HeaderMap, StatusCode, body::Bytes, header};
use sha2::{Digest as _, Sha256};

use crate::{
    error::Error,
    reply::{self, Reply},
    request::{self, Query},
};

/// The calls, a file a resource: JSON objects whose keys are paths.
const PATHS: [&str; 5] = [
    include_str!("../openapi/records.paths.json"),
    include_str!("../openapi/deploys.paths.json"),
    include_str!("../openapi/reports.paths.json"),
    include_str!("../openapi/events.paths.json"),
    include_str!("../openapi/service.paths.json"),
];
/// What they take and answer: JSON objects whose keys are names of schemas.
const SCHEMAS: [&str; 4] = [
    include_str!("../openapi/records.schemas.json"),
    include_str!("../openapi/deploys.schemas.json"),
    include_str!("../openapi/reports.schemas.json"),
    include_str!("../openapi/events.schemas.json"),
];

struct Document {
    text: Bytes,
    etag: String,
}

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let text = document();
    let digest = Sha256::digest(&text);
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Document { text: text.into(), etag: format!("\"{hex}\"") }
});

/// The files made one, as they are written: in their order, for those who read them.
fn document() -> String {
    let about = include_str!("../openapi/about.json").replace("{version}", env!("CARGO_PKG_VERSION"));
    let (about, paths, schemas) = (members(&about), joined(&PATHS), joined(&SCHEMAS));
    let components = members(include_str!("../openapi/components.json"));
    format!(
        "{{{about},\n\"paths\": {{{paths}\n}},\n\"components\": {{\n\"schemas\": {{{schemas}\n}},{components}\n}}\n}}\n"
    )
}

/// What is between the braces of a JSON object.
fn members(object: &str) -> &str {
    object.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default().trim_end()
}

fn joined(objects: &[&str]) -> String {
    objects.iter().map(|object| members(object)).collect::<Vec<_>>().join(",")
}

/// Answers from memory.
pub fn read(query: Option<&str>, headers: &HeaderMap) -> Result<Reply, Error> {
    Query::parse(query).finish()?;
    if request::preferred(headers, &["application/json"]).is_none() {
        return Err(Error::NotAcceptable("application/json".to_owned()));
    }
    let Document { text, etag } = &*DOCUMENT;
    if request::if_none_match(headers, etag) {
        return Ok(reply::not_modified(etag));
    }
    let mut reply = reply::whole(StatusCode::OK, "application/json", text.clone());
    reply::set(reply.headers_mut(), header::ETAG, etag);
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::{PATHS, SCHEMAS, document};
    use crate::{
        auth::needed_scope,
        domain::deploy::State,
        domain::durations::By,
        domain::record::{COLUMNS, Phase},
        route::{self, Route},
    };

    fn parsed() -> Value {
        serde_json::from_str(&document()).unwrap()
    }

    fn words(value: &Value) -> Vec<&str> {
        value.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
    }

    #[test]
    fn every_call_is_in_the_document_and_no_other() {
        let document = parsed();
        let mut told = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                told.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        assert_eq!(told, Route::NAMES.into_iter().map(str::to_owned).collect());
    }

    #[test]
    fn every_call_says_which_scope_it_needs() {
        let document = parsed();
        for name in Route::NAMES {
            let (method, path) = name.split_once(' ').unwrap();
            let call = &document["paths"][path][method.to_lowercase()];
            let told = call.get("security").unwrap_or(&document["security"]);
            let route = route::find(&method.parse().unwrap(), &path.replace("{id}", "1")).unwrap();
            let needed = needed_scope(route).map(|scope| json!([{}, { "token": [scope.name()] }]));
            assert_eq!(*told, needed.unwrap_or(json!([])), "{name}");
        }
    }

    #[test]
    fn the_document_has_the_version_of_the_package() {
        assert_eq!(parsed()["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn the_fields_and_the_words_are_those_of_the_code() {
        let document = parsed();
        let schemas = &document["components"]["schemas"];
        let fields = |schema: &str| {
            let properties = schemas[schema]["properties"].as_object().unwrap();
            properties.keys().cloned().collect::<BTreeSet<_>>()
        };
        let columns = || COLUMNS.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(fields("Record"), columns());
        assert_eq!(fields("RecordReplacement"), columns());
        let keyed = || columns().into_iter().chain(["idempotency_key".to_owned()]).collect::<BTreeSet<_>>();
        assert_eq!(fields("RecordLine"), keyed());
        let service = ["id", "phase", "duration_seconds", "duration_missing", "start_id", "recorded_at", "updated_at"];
        let sent: BTreeSet<_> = columns().into_iter().filter(|name| !service.contains(&name.as_str())).collect();
        assert_eq!(fields("NewRecord"), sent);
        assert_eq!(fields("RecordPatch"), sent);
        assert_eq!(words(&schemas["Phase"]["enum"]), Phase::ALL.map(|(_, name)| name));
        assert!(words(&schemas["State"]["enum"]).into_iter().all(|name| State::named(name).is_some()));
        assert!(words(&schemas["By"]["enum"]).into_iter().all(|name| By::named(name).is_some()));
    }

    #[test]
    fn no_file_names_what_another_does_and_every_reference_leads_somewhere() {
        let text = document();
        let document = parsed();
        let count = |object: &Value| object.as_object().unwrap().len();
        let of_files =
            |files: &[&str]| files.iter().map(|file| count(&serde_json::from_str(file).unwrap())).sum::<usize>();
        assert_eq!(count(&document["paths"]), of_files(&PATHS));
        assert_eq!(count(&document["components"]["schemas"]), of_files(&SCHEMAS));
        for reference in text.split("\"$ref\": \"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }
}
