-- How many deploys started within the last day and have not finished: starts of a whole deploy that no clock record of
-- the same deploy follows. Only the newest 1,000 starts are looked at, which bounds what it costs.
select count(*)
from (
  select id, component, deploy, moment
  from records
  where stage is null and phase = 'started' and moment > now() - interval '1 day'
  order by moment desc, id desc
  limit 1000
) s
where not exists (
  select from records n
  where n.component = s.component and n.deploy = s.deploy and n.moment is not null
    and (n.moment, n.id) > (s.moment, s.id)
)
