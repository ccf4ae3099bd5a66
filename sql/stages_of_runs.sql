-- The keys of the attempts at the stages of deploys' runs, by deploy and start: attempts that finished, and those that no
-- finish follows. Each run is read once, however many of the deploys share it.
--   $1      the ids of the records that represent the deploys
--   $2, $3  the most attempts per run, those recorded last; the number of rows
--
-- Returns the number of the deploy from 1; the moment, the id, the size and the state of the attempt; and whether it is
-- beyond the most attempts of its run: it only shows that there are more. A stage without an environment belongs to all
-- environments.
with
  run as materialized (
    select r.component, r.run, array_agg(d.line) as lines, array_agg(r.environment) as environments
    from unnest($1::bigint[]) with ordinality as d (id, line)
      cross join lateral (
        select s.component, s.run, s.environment from records s where s.id = d.id and s.run is not null limit 1
      ) r
    group by r.component, r.run
  )
select deploy.line, stage.moment, stage.id, stage.bytes, stage.state, stage.is_beyond
from run
  cross join lateral (
    select attempt.*, row_number() over (order by attempt.recorded_at desc, attempt.id desc) > $2::bigint as is_beyond
    from (
      select r.id, r.environment, r.started_at, r.moment, r.recorded_at, {bytes of r} as bytes,
        case when stops_clock(r.phase) then 'finished' when next.phase is null then 'running' else 'superseded' end
          as state
      from (
          -- The offset hides the component from the planner, which might otherwise choose the component's index. That
          -- has far more records.
          select *
          from records s
          where left(s.run, 200) = left(run.run, 200) and s.run = run.run
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
      where r.component = run.component and r.stage is not null and r.moment is not null
        and coalesce(next.phase, 'started') = 'started'
      order by r.recorded_at desc, r.id desc
      limit $2::bigint + 1
    ) attempt
  ) stage
  cross join lateral unnest(run.lines, run.environments) as deploy (line, environment)
where stage.is_beyond or stage.environment is null or stage.environment = deploy.environment
order by deploy.line, coalesce(stage.started_at, stage.moment), stage.moment, stage.id
limit $3::bigint
