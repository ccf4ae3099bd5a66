-- The figures behind the five DORA metrics of components, by name. Planned for its values each time.
--   $1       the components
--   $2       the environment
--   $3, $4   the window: finished from, finished before
--   $5       the time zone in which days are counted
--   $6       the number of unrecovered failures to return per component
select page.component, figures.*
from unnest($1::text[]) page (component)
  cross join lateral (
    -- The deploy that each rolled_back record names: the last deploy of its version before the record.
    select array(
      select named.id
      from records rollback
        cross join lateral (
          select r.id
          from records r
          where r.component = page.component and r.environment = $2
            and r.stage is null and r.phase in ('succeeded', 'failed') and r.version = rollback.version
            and r.moment >= $3
            and r.moment <= coalesce(rollback.finished_at, rollback.started_at, rollback.recorded_at)
          order by r.moment desc, r.id desc
          limit 1
        ) named
      where rollback.component = page.component and coalesce(rollback.environment, '') = $2
        and rollback.moment is null and rollback.stage is null
        and lower(translate(rollback.status, '-_ ', '')) = 'rolledback'
    ) as ids
    offset 0 -- computed once
  ) rolled_back
  cross join lateral (
    select count(*) filter (where is_success) as succeeded,
      count(*) filter (where phase = 'failed') as failed,
      count(*) filter (where phase = 'finished') as unstated,
      count(distinct (moment at time zone $5)::date) filter (where is_success) as days_with_deploys,
      count(lead_seconds) as with_commit,
      percentile_cont(0.5) within group (order by lead_seconds) as lead_median,
      count(unplanned) filter (where phase <> 'finished') as with_unplanned,
      count(*) filter (where unplanned and phase <> 'finished') as unplanned,
      count(*) filter (where is_failure) as failures,
      count(*) filter (where is_failure and phase <> 'failed' and is_rolled_back) as rolled_back,
      count(*) filter (where is_failure and phase <> 'failed' and not is_rolled_back) as undone,
      count(recovery_seconds) as recovered,
      percentile_cont(0.5) within group (order by recovery_seconds) as recovery_median,
      (array_agg(id order by moment desc, id desc) filter (where is_unrecovered))[:$6] as unrecovered_ids,
      (array_agg(version order by moment desc, id desc) filter (where is_unrecovered))[:$6] as unrecovered_versions,
      (array_agg(moment order by moment desc, id desc) filter (where is_unrecovered))[:$6] as unrecovered_since,
      (array_agg(extract(epoch from now() - moment)::double precision order by moment desc, id desc)
        filter (where is_unrecovered))[:$6] as unrecovered_ages
    from (
      select finish.id, finish.version, finish.phase, finish.moment, is_success, is_rolled_back, is_failure,
        coalesce(finish.unplanned, start.unplanned) as unplanned,
        case when is_success and coalesce(finish.committed_at, start.committed_at) <= finish.moment
          then extract(epoch from finish.moment - coalesce(finish.committed_at, start.committed_at))::double precision
        end as lead_seconds,
        case when is_failure then extract(epoch from next_success - finish.moment)::double precision end
          as recovery_seconds,
        is_failure and next_success is null as is_unrecovered
      from (
        select *, phase = 'succeeded' as is_success, id = any (rolled_back.ids) as is_rolled_back,
          phase = 'failed' or id = any (rolled_back.ids)
            -- In A, B, A, B the first B is undone. The second A undid it, so the second B does not undo that A.
            or alternates and (position - max(position) filter (where not alternates) over (
              partition by is_last_of_version order by position)) % 2 = 1 as is_failure
        from (
          select *, coalesce(is_last_of_version
              and lag(version) over version_by_version = lead(version) over version_by_version, false) as alternates,
            row_number() over version_by_version as position
          from (
            select *,
              phase = 'succeeded' and version is distinct from lead(version) over succeeded_or_not
                as is_last_of_version,
              min(moment) filter (where phase = 'succeeded') over (
                order by moment desc, id desc rows between unbounded preceding and 1 preceding) as next_success
            from (
              select r.id, r.version, r.phase, r.moment, r.committed_at, r.unplanned, r.start_id, true as is_counted
              from records r
              where r.component = page.component and r.environment = $2
                and r.stage is null and r.phase in ('succeeded', 'failed', 'finished')
                and r.moment >= $3 and r.moment < $4
              union all
              -- Before the window: the last deploys of the versions, back to where the last two stop alternating, at
              -- most twenty.
              select previous.id, previous.version, 'succeeded', previous.moment, null, null, null, false
              from (
                with recursive previous as (
                  (select r.id, r.version, r.moment, null::text as after, null::text as after_that, 1 as number
                  from records r
                  where r.component = page.component and r.environment = $2
                    and r.stage is null and r.phase = 'succeeded'
                    and r.moment < $3
                  order by r.moment desc, r.id desc
                  limit 1)
                  union all
                  select before.id, before.version, before.moment, previous.version, previous.after, previous.number + 1
                  from previous
                    cross join lateral (
                      select earlier.id, earlier.version, earlier.moment
                      from (
                        select r.id, r.version, r.moment
                        from records r
                        where r.component = page.component and r.environment = $2
                          and r.stage is null and r.phase = 'succeeded'
                          and (r.moment, r.id) < (previous.moment, previous.id)
                        order by r.moment desc, r.id desc
                        limit 1000 -- in case one version is deployed again and again
                      ) earlier
                      where earlier.version <> previous.version
                      order by earlier.moment desc, earlier.id desc
                      limit 1
                    ) before
                  where previous.number < 20
                    and (previous.after_that is null or previous.version = previous.after_that)
                )
                select id, version, moment from previous
              ) previous
              union all
              -- After the window: the first success.
              (select r.id, r.version, r.phase, r.moment, null, null, null, false
              from records r
              where r.component = page.component and r.environment = $2
                and r.stage is null and r.phase = 'succeeded'
                and r.moment >= $4
              order by r.moment, r.id
              limit 1)
            ) deploys
            window succeeded_or_not as (partition by phase = 'succeeded' order by moment, id)
          ) in_order
          window version_by_version as (partition by is_last_of_version order by moment, id)
        ) versions
      ) finish
        -- A finish without these fields takes them from its start.
        left join lateral (
          select s.committed_at, s.unplanned
          from records s
          where s.id = finish.start_id and s.component = page.component and s.phase = 'started' and s.stage is null
            and (s.committed_at is not null or s.unplanned is not null)
            and (finish.committed_at is null or finish.unplanned is null)
        ) start on true
      where finish.is_counted
    ) counted
  ) figures
order by page.component
