//! The advisory locks that writes take on components.

use super::{Database, Session, sql};

impl Session {
    /// Begins a transaction that holds the locks of these components, as a write does.
    pub fn lock_components(&self, components: &[&str]) {
        self.execute(&format!("begin; select lock_components(array['{}'])", components.join("', '")));
    }

    /// Whether another session waits for a lock that this one holds.
    pub fn is_blocking(&self) -> bool {
        !self
            .query("select from pg_locks where not granted and pg_backend_pid() = any (pg_blocking_pids(pid))")
            .is_empty()
    }
}

/// How many writes in the database wait for a component's lock.
pub fn count_lock_waits(url: &str) -> usize {
    let waits =
        "select from pg_locks where locktype = 'advisory' and classid = 'records'::regclass::oid and not granted
        and database = (select oid from pg_database where datname = current_database())";
    sql(url, waits).len()
}

/// Components whose locks all differ (a lock is a hash of the name); `web` is the first.
pub fn components_with_distinct_locks(database: &Database, count: usize) -> Vec<String> {
    let session = Session::open(&database.url());
    session.execute("begin");
    let held = || session.query("select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()").len();
    let mut components = Vec::new();
    for component in std::iter::once("web".to_owned()).chain((0..).map(|number| format!("service-{number}"))) {
        session.execute(&format!("select lock_components(array['{component}'])"));
        if held() > components.len() {
            components.push(component);
        }
        if components.len() == count {
            break;
        }
    }
    components
}
