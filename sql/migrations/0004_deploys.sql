-- What lists deploys and tells what runs where, however many records there are. A record of a stage costs nothing here.

-- Finished deploys, newest first.
create index deploys_by_moment on records (moment, id)
  where stage is null and phase in ('succeeded', 'failed', 'aborted', 'finished');

-- Those of one component and environment. The phase is at the end so that a long row of failures is passed over
-- without a look at the table.
create index deploys_by_place on records (component, coalesce(environment, ''), moment, id, phase)
  where stage is null and phase in ('succeeded', 'failed', 'aborted', 'finished');

-- The starts of deploys that no stop follows: those which run and those which another start superseded. They are few
-- among very many, and only what follows a start tells them from the rest. One may be here that does not belong, or
-- twice, so who reads looks at what follows; one that belongs is never left out.
create table unfinished_starts (
  component text not null,
  moment timestamptz not null,
  id bigint not null
) with (autovacuum_vacuum_scale_factor = 0.01); -- rows come and go, and few stay

create index unfinished_starts_by_moment on unfinished_starts (moment, id);
create index unfinished_starts_by_component on unfinished_starts (component, moment, id);

insert into unfinished_starts (component, moment, id)
select s.component, s.moment, s.id
from records s
  left join lateral (
    select n.phase
    from records n
    where n.component = s.component and n.deploy = s.deploy and n.moment is not null
      and (n.moment, n.id) > (s.moment, s.id)
    order by n.moment, n.id
    limit 1
  ) next on true
where s.phase = 'started' and s.stage is null and coalesce(next.phase, 'started') = 'started';
