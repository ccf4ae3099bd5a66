-- Current versions by the ids of their finishes, in no order. Ids without a record are left out.
--   $1  the ids
--
-- Returns the finish, the url of its start if it has none, and the version that ran before: that of the last succeeded
-- deploy with another version, among the last 1,000.
select {record of r}, start.url as start_url, before.version as previous_version
from records r
  left join lateral (
    select s.url from records s where r.url is null and s.id = r.start_id and s.component = r.component limit 1
  ) start on true
  left join lateral (
    select b.version
    from (
      select b.version, b.moment, b.id
      from records b
      where b.stage is null and b.phase = 'succeeded'
        and b.component = r.component and coalesce(b.environment, '') = coalesce(r.environment, '')
        and (b.moment, b.id) < (r.moment, r.id)
      order by b.moment desc, b.id desc
      limit 1000
    ) b
    where b.version <> r.version
    order by b.moment desc, b.id desc
    limit 1
  ) before on true
where r.id = any ($1)
