-- The stages of runs, in no order: every attempt that stopped, or that no stop follows.
--   $1–$3  the deploys, an element of every array each: component, environment (may be null), run
-- Answers the record that speaks for each attempt, then whether it is superseded, and which deploy's it is, from 1. A
-- stage that names no environment is of all. Of a deploy at most 1,000, those recorded last.
select id, component, version, owner, status, environment, run, stage, url, commit, committed_at, unplanned,
  started_at, finished_at, phase, start_id, recorded_at, updated_at, is_superseded, line
from unnest($1::text[], $2::text[], $3::text[]) with ordinality
    as d (deploy_component, deploy_environment, deploy_run, line)
  cross join lateral (
    select r.*, next.phase is not null as is_superseded
    from (
        -- The offset keeps the component out of here, else its own index may seem as good: it has far more records.
        select *
        from records r
        where left(run, 200) = left(d.deploy_run, 200) and run = d.deploy_run
        order by recorded_at desc, id desc
        offset 0
      ) r
      left join lateral (
        select n.phase
        from records n
        where r.phase = 'started' and n.component = r.component and n.deploy = r.deploy and n.moment is not null
          and (n.moment, n.id) > (r.moment, r.id)
        order by n.moment, n.id
        limit 1
      ) next on true
    where r.component = d.deploy_component and (r.environment is null or r.environment = d.deploy_environment)
      and r.stage is not null and r.moment is not null and coalesce(next.phase, 'started') = 'started'
    order by r.recorded_at desc, r.id desc
    limit 1000
  ) attempt
