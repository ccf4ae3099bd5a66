-- What metrics tell of deploys, however many records there are. A record of a stage is in neither index.

-- The last deploy of each component and environment.
create index finishes_by_place on records (component, coalesce(environment, ''), moment, id)
  where stage is null and phase in ('succeeded', 'failed', 'aborted', 'finished');

-- The newest starts, among which are those of deploys that run.
create index starts_by_moment on records (moment, id) where stage is null and phase = 'started';
