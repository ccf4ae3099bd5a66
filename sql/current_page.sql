-- What runs where: the last succeeded deploy of every component and environment, by name, those without an environment
-- first. For each place the index is entered once for its name and once for each deploy told of, however many it has.
--   $1, $2  component and environment, each null for all
--   $3, $4  the last place of the page before; its environment is empty where it has none
--   $5      how many
--
-- Answers the deploy's stop, with its start's link where it has none, and the version that ran before: of the last
-- succeeded deploy with another version, looked for among the last 1,000.
with recursive places as (
  select first.component, first.environment, last.id, last.moment, (last.id is not null)::integer as number
  from (
      select component, coalesce(environment, '') as environment
      from records
      where stage is null and stops_clock(phase)
        and ($1::text is null or component = $1)
        and ($3::text is null or (component, coalesce(environment, '')) > ($3, $4::text))
      order by component, coalesce(environment, '')
      limit 1
    ) first
    left join lateral (
      select r.id, r.moment
      from records r
      where stage is null and phase = 'succeeded'
        and r.component = first.component and coalesce(r.environment, '') = first.environment
        and ($2::text is null or first.environment = $2)
      order by r.moment desc, r.id desc
      limit 1
    ) last on true
  union all
  select next.component, next.environment, last.id, last.moment, number + (last.id is not null)::integer
  from places p
    cross join lateral (
      select r.component, coalesce(r.environment, '') as environment
      from records r
      where stage is null and stops_clock(phase)
        and ($1 is null or r.component = $1)
        and (r.component, coalesce(r.environment, '')) > (p.component, p.environment)
      order by r.component, coalesce(r.environment, '')
      limit 1
    ) next
    left join lateral (
      select r.id, r.moment
      from records r
      where stage is null and phase = 'succeeded'
        and r.component = next.component and coalesce(r.environment, '') = next.environment
        and ($2 is null or next.environment = $2)
      order by r.moment desc, r.id desc
      limit 1
    ) last on true
  where number < $5::bigint
)
select r.id, r.component, r.version, r.owner, r.status, r.environment, r.run, r.stage, coalesce(r.url, start.url),
  r.commit, r.committed_at, r.unplanned, r.started_at, r.finished_at, r.phase, r.start_id, r.recorded_at, r.updated_at,
  before.version
from places p
  cross join lateral (
    select * from records r where r.id = p.id and r.component = p.component limit 1
  ) r
  left join lateral (
    select s.url from records s where r.url is null and s.id = r.start_id and s.component = r.component limit 1
  ) start on true
  left join lateral (
    select version
    from (
      select b.version, b.moment, b.id
      from records b
      where stage is null and phase = 'succeeded'
        and b.component = p.component and coalesce(b.environment, '') = p.environment
        and (b.moment, b.id) < (p.moment, p.id)
      order by b.moment desc, b.id desc
      limit 1000
    ) b
    where b.version <> r.version
    order by b.moment desc, b.id desc
    limit 1
  ) before on true
order by p.component, p.environment
