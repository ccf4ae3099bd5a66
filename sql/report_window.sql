-- The window of a report, by the database's clock: it made the moments that no sender gave.
--   $1, $2  from, before: null for $3 days ago, at this time of the day, and for now
--   $3      days
--   $4      the time zone that the days are of
select since, until, (extract(epoch from (until at time zone $4) - (since at time zone $4)) / 86400)::double precision
from (
  select coalesce($1::timestamptz, ((until at time zone $4) - make_interval(days => $3)) at time zone $4) as since, until
  from (select coalesce($2::timestamptz, now()) as until) ends
) bounds
