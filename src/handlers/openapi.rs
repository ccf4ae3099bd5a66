//! `GET /openapi.json`: the `OpenAPI` document of all calls.

use std::sync::LazyLock;

use hyper::{StatusCode, body::Bytes, header};
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::reply::{self, Reply};
use crate::request::{Request, if_none_match};

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

/// Inserts the version, the paths and the schemas into `document.json`.
fn document() -> String {
    include_str!("../openapi/document.json")
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("\"{paths}\"", include_str!("../openapi/paths.json").trim_end())
        .replace("\"{schemas}\"", include_str!("../openapi/schemas.json").trim_end())
}

pub fn read(request: &mut Request<'_>) -> Result<Reply, Error> {
    request.query.finish()?;
    request.accepts_json()?;
    let Document { text, etag } = &*DOCUMENT;
    if if_none_match(request.headers(), etag) {
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

    use super::document;
    use crate::{
        auth::needed_scope,
        domain::deploy::State,
        domain::durations::By,
        domain::record::{Phase, Record},
        route::{self, Route},
    };

    fn parsed() -> Value {
        serde_json::from_str(&document()).unwrap()
    }

    fn strings(value: &Value) -> Vec<&str> {
        value.as_array().unwrap().iter().map(|string| string.as_str().unwrap()).collect()
    }

    #[test]
    fn the_document_lists_exactly_the_calls_of_the_router() {
        let document = parsed();
        let mut documented = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                documented.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        assert_eq!(documented, Route::NAMES.into_iter().map(str::to_owned).collect());
    }

    #[test]
    fn every_call_states_the_scope_it_needs() {
        let document = parsed();
        for name in Route::NAMES {
            let (method, path) = name.split_once(' ').unwrap();
            let call = &document["paths"][path][method.to_lowercase()];
            let documented = call.get("security").unwrap_or(&document["security"]);
            let route = route::find(&method.parse().unwrap(), &path.replace("{id}", "1")).unwrap();
            let needed = needed_scope(route).map(|scope| json!([{}, { "token": [scope.name()] }]));
            assert_eq!(*documented, needed.unwrap_or(json!([])), "{name}");
        }
    }

    #[test]
    fn the_document_states_the_package_version() {
        assert_eq!(parsed()["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn the_fields_and_enum_values_match_the_code() {
        let document = parsed();
        let schemas = &document["components"]["schemas"];
        let fields = |schema: &str| {
            let properties = schemas[schema]["properties"].as_object().unwrap();
            properties.keys().cloned().collect::<BTreeSet<_>>()
        };
        let columns = || Record::columns().map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(fields("Record"), columns());
        assert_eq!(fields("RecordReplacement"), columns());
        let keyed = || columns().into_iter().chain(["idempotency_key".to_owned()]).collect::<BTreeSet<_>>();
        assert_eq!(fields("RecordLine"), keyed());
        let service = ["id", "phase", "duration_seconds", "duration_missing", "start_id", "recorded_at", "updated_at"];
        let sent: BTreeSet<_> = columns().into_iter().filter(|name| !service.contains(&name.as_str())).collect();
        assert_eq!(fields("NewRecord"), sent);
        assert_eq!(fields("RecordPatch"), sent);
        assert_eq!(strings(&schemas["Phase"]["enum"]), Phase::ALL.map(Phase::name));
        assert!(strings(&schemas["State"]["enum"]).into_iter().all(|name| State::named(name).is_some()));
        assert!(strings(&schemas["By"]["enum"]).into_iter().all(|name| By::named(name).is_some()));
    }

    #[test]
    fn every_reference_can_be_resolved() {
        let (text, document) = (document(), parsed());
        for reference in text.split("\"$ref\": \"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }
}
