-- The attempts at the stages of runs, in no order: those that finished, and those that no finish follows.
--   $1–$3  the deploys, an element of each array: component, environment (or null), run
--
-- Returns the record that represents each attempt, its state, and its deploy's number from 1. A stage without an
-- environment belongs to all environments. At most 1,000 attempts per deploy, those recorded last.
select {record of attempt}, attempt.state, d.line
from unnest($1::text[], $2::text[], $3::text[]) with ordinality as d (component, environment, run, line)
  cross join lateral (
    select r.*,
      case when stops_clock(r.phase) then 'finished' when next.phase is null then 'running' else 'superseded' end
        as state
    from (
        -- The offset hides the component from the planner, which might otherwise choose the component's index. That has
        -- far more records.
        select *
        from records s
        where left(s.run, 200) = left(d.run, 200) and s.run = d.run
        order by s.recorded_at desc, s.id desc
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
    where r.component = d.component and (r.environment is null or r.environment = d.environment)
      and r.stage is not null and r.moment is not null and coalesce(next.phase, 'started') = 'started'
    order by r.recorded_at desc, r.id desc
    limit 1000
  ) attempt
