-- What the list finds by one filter alone, newest first, however many records there are. Each costs every write that it
-- holds about a microsecond. Owners, environments, stages and the common phases have none: the newest records are
-- walked, and as such values are few and recur, the walk is short.

-- A component's own list.
create index records_by_component on records (component, recorded_at, id);

-- Where a version went, long after.
create index records_by_version on records (version, recorded_at, id);

-- A pipeline run's records. A name may be longer than an index row can hold.
create index records_by_run on records (left(run, 200), recorded_at, id) where run is not null;

-- What went wrong, and words like rolled_back, which are rare. A status word is of one phase, so this serves both.
create index records_by_rare_phase on records (phase, recorded_at, id)
  where phase in ('failed', 'aborted', 'finished', 'skipped', 'noted');
