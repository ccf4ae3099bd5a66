-- The number of deploys that started within the last day and have not finished. Only the newest 1,000 open starts are
-- checked, which bounds the cost.
select count(distinct (s.moment, s.id))
from (
  select component, moment, id
  from open_starts
  where moment > now() - interval '1 day'
  order by moment desc, id desc
  limit 1000
) s
  cross join lateral (
    select r.deploy
    from records r
    where r.id = s.id and r.component = s.component and r.moment = s.moment and r.stage is null and r.phase = 'started'
    limit 1
  ) r
where not exists (
  select from records n
  where n.component = s.component and n.deploy = r.deploy and n.moment is not null
    and (n.moment, n.id) > (s.moment, s.id)
)
