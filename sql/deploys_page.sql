-- A page of deploys, newest first by their own moments: finished deploys by `finished_at`, others by `started_at`.
-- Planned for its values each time, so that a filter that is null costs nothing.
--   $1–$7    filters, each null for all: component, version, owner, status, phase, environment, run
--   $8       a stage of the deploy's run
--   $9, $10  moment from, moment before
--   $11, $12 the last deploy of the previous page: its moment, its record's id
--   $13      the number of rows
--   $14–$16  whether to return finished, superseded and running deploys
--
-- Returns the record that represents each deploy: its finish, or else its start; the url of the start if the finish has
-- none; whether the deploy is superseded; and the current time.
select {record of deploy}, start_url, is_superseded, now()
from (
  (
    select {record of r}, start.url as start_url, false as is_superseded, moment
    from (
      select *
      from records r
      where $14::boolean and stage is null and stops_clock(phase)
        and ($1::text is null or component = $1)
        and ($2::text is null or version = $2)
        and ($3::text is null or owner = $3)
        and ($4::text is null or status = $4)
        and ($5::text is null or phase = $5)
        and ($6::text is null or environment = $6)
        and ($1 is null or $6 is null or coalesce(environment, '') = $6)
        and ($7::text is null or left(run, 200) = left($7, 200) and run = $7)
        and ($8::text is null or run is not null and exists (
          select from records s
          where s.component = r.component and s.moment is not null
            and s.deploy in (
              deploy_of(r.component, r.environment, r.run, $8, r.version),
              deploy_of(r.component, null, r.run, $8, r.version))))
        and ($9::timestamptz is null or moment >= $9)
        and ($10::timestamptz is null or moment < $10)
        and ($11::timestamptz is null or (moment, id) < ($11, $12::bigint))
      order by moment desc, id desc
      limit $13
    ) r
      left join lateral (
        select s.url from records s where r.url is null and s.id = r.start_id and s.component = r.component limit 1
      ) start on true
  )
  union all
  (
    select distinct on (u.moment, u.id) {record of r}, null as start_url, next.phase is not null as is_superseded,
      r.moment
    from open_starts u
      cross join lateral (
        select *
        from records r
        where r.id = u.id and r.component = u.component and r.moment = u.moment and stage is null and phase = 'started'
        limit 1
      ) r
      left join lateral (
        select n.phase
        from records n
        where n.component = r.component and n.deploy = r.deploy and n.moment is not null
          and (n.moment, n.id) > (r.moment, r.id)
        order by n.moment, n.id
        limit 1
      ) next on true
    where ($15::boolean and next.phase = 'started' or $16::boolean and next.phase is null)
      and ($1 is null or u.component = $1)
      and ($2 is null or version = $2)
      and ($3 is null or owner = $3)
      and ($4 is null or status = $4)
      and ($5 is null or r.phase = $5)
      and ($6 is null or environment = $6)
      and ($7 is null or run = $7)
      and ($8 is null or run is not null and exists (
        select from records s
        where s.component = r.component and s.moment is not null
          and s.deploy in (
            deploy_of(r.component, environment, run, $8, version), deploy_of(r.component, null, run, $8, version))))
      and ($9 is null or u.moment >= $9)
      and ($10 is null or u.moment < $10)
      and ($11 is null or (u.moment, u.id) < ($11, $12))
    order by u.moment desc, u.id desc
    limit $13
  )
) deploy
order by moment desc, id desc
limit $13
