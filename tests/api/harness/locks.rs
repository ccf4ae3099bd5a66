//! The locks that writes take on components.

use super::{Database, Session, sql};

impl Session {
    /// Begins a transaction that holds the locks of these components, as a write does.
    pub fn lock(&self, components: &[&str]) {
        self.run(&format!("begin; select lock_components(array['{}'])", components.join("', '")));
    }

    /// Whether anybody waits for a lock that this session holds.
    pub fn is_waited_for(&self) -> bool {
        !self
            .rows("select from pg_locks where not granted and pg_backend_pid() = any (pg_blocking_pids(pid))")
            .is_empty()
    }
}

/// How many writes wait for the lock of a component.
pub fn lock_waits(url: &str) -> usize {
    let waits =
        "select from pg_locks where locktype = 'advisory' and classid = 'records'::regclass::oid and not granted
        and database = (select oid from pg_database where datname = current_database())";
    sql(url, waits).len()
}

/// Components of which no two have the same lock; `web` is the first.
pub fn components_with_locks_of_their_own(database: &Database, count: usize) -> Vec<String> {
    let session = Session::open(&database.url());
    session.run("begin");
    let held = || session.rows("select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()").len();
    let mut components = Vec::new();
    for component in std::iter::once("web".to_owned()).chain((0..).map(|number| format!("service-{number}"))) {
        session.run(&format!("select lock_components(array['{component}'])"));
        if held() > components.len() {
            components.push(component);
        }
        if components.len() == count {
            break;
        }
    }
    components
}
