//! Network faults between the service and PostgreSQL.

use std::time::{Duration, Instant};

use crate::{
    Context,
    api::harness::{Session, blocked_backend},
    locks::{PendingWrite, component_with_own_lock},
    protocol::Side,
    proxy::{Action, Network, Proxy},
    scenario::{RECOVERY_LIMIT, WRITE_LIMIT},
    table::Row,
};

/// The recovery limit if the service receives no notice that its connections are dead.
const SILENT_RECOVERY_LIMIT: Duration = Duration::from_secs(10);

pub fn stalled(context: &mut Context) -> Row {
    let duration = context.seconds(10, 3);
    during(context, Network::Stalled, duration, SILENT_RECOVERY_LIMIT)
}

pub fn dropping(context: &mut Context) -> Row {
    let duration = context.seconds(20, 4);
    during(context, Network::Dropping, duration, SILENT_RECOVERY_LIMIT)
}

pub fn closed(context: &mut Context) -> Row {
    let duration = context.seconds(5, 1);
    during(context, Network::Closed, duration, RECOVERY_LIMIT)
}

pub fn delayed(context: &mut Context) -> Row {
    let duration = context.seconds(10, 3);
    during(context, Network::Delayed(Duration::from_secs(2)), duration, SILENT_RECOVERY_LIMIT)
}

fn during(context: &mut Context, network: Network, duration: Duration, limit: Duration) -> Row {
    let proxy = Proxy::start(context.postgres.socket());
    let mut scenario = context.scenario_through(&proxy);
    scenario.start_load();
    context.pause(100..900);
    let start = Instant::now();
    proxy.set_network(network);
    std::thread::sleep(duration);
    proxy.set_network(Network::Up);
    let end = Instant::now();
    scenario.count_faults(1);
    scenario.check_recovery(end, limit);
    scenario.check_responses_within(start, WRITE_LIMIT);
    scenario.finish()
}

/// Resets or closes connections repeatedly, each time at a random message of a random side.
pub fn reset(context: &mut Context) -> Row {
    let proxy = Proxy::start(context.postgres.socket());
    let mut scenario = context.scenario_through(&proxy);
    scenario.start_load();
    for _ in 0..context.repetitions() * 10 {
        let n = usize::try_from(context.random.within(1..200)).unwrap();
        let side = *context.random.one_of(&[Side::Service, Side::PostgreSql]);
        proxy.arm(side, n, if context.random.within(0..2) == 0 { Action::Reset } else { Action::Cut });
        context.pause(20..200);
        if !proxy.disarm() {
            scenario.count_faults(1);
        }
    }
    scenario.check_recovery(Instant::now(), RECOVERY_LIMIT);
    scenario.finish()
}

/// PostgreSQL executes a start whose connection was cut while it waited for its lock. Its finish waits for the same
/// lock and still pairs with it.
pub fn executed_later(context: &mut Context) -> Row {
    let proxy = Proxy::start(context.postgres.socket());
    let mut scenario = context.scenario_through(&proxy);
    scenario.start_load();
    for _ in 0..context.repetitions() {
        context.pause(100..900);
        let (service, component) = (scenario.services[0].address, component_with_own_lock(&scenario));
        let session = Session::open(&scenario.url());
        session.execute(&format!("begin; select lock_components(array['{component}'])"));
        let start = PendingWrite::post(service, &component, "started", None);
        blocked_backend(&scenario.url(), &session);
        proxy.cut();
        scenario.check_response(start, &[503]);
        let finish = PendingWrite::post(service, &component, "deployed", None);
        session.execute("rollback");
        if let Some(finish) = scenario.check_response(finish, &[201])
            && finish["start_id"].is_null()
        {
            scenario.fail(format!("the finish is not paired with its start: {finish}"));
        }
        scenario.count_faults(1);
    }
    scenario.check_recovery(Instant::now(), RECOVERY_LIMIT);
    scenario.finish()
}
