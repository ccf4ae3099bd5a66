//! By which token a record was changed.

use serde_json::Value;

use super::{Bearer, create};
use crate::harness::{DEPLOYED, Database, Service, eventually};

#[test]
fn a_history_names_the_token_of_each_change_and_deletion() {
    let database = Database::new();
    let service = Service::with_database(&database);
    service.record(DEPLOYED);
    service.send_json("PATCH", "/api/1", r#"{"owner":"bob"}"#).expect(200);
    let (ann, ben) = (create(&database, "ann", "admin", &[]), create(&database, "ben", "admin", &[]));
    let (ann, ben) = (Bearer::new(&service, &ann), Bearer::new(&service, &ben));
    eventually("the tokens are known", || service.get("/api/1").status == 401);
    ann.send_json("PUT", "/api/1", DEPLOYED).expect(200);
    assert_eq!(ben.request("DELETE", "/api/1", &[], None).status, 204);
    let history = ann.get("/api/1/history").expect(200);
    let by: Vec<&Value> = history.as_array().unwrap().iter().map(|entry| &entry["by"]).collect();
    assert_eq!(by, [&Value::from("ben"), &Value::from("ann"), &Value::Null], "the first without any token");
}
