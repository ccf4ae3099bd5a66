-- The window of a report, by the database's clock: it made the moments that no sender gave.
--   $1, $2  from, before: null for $3 days ago, at this time of the day, and for now
--   $3      days
--   $4      the time zone that the days are of
-- Answers also how many days it has: whole ones of the calendar, however many hours the clocks give them, and the rest by
-- the hour. What the clocks show does not tell it alone: in an hour that comes twice time seems to stand, or to go back.
select since, until, coalesce(whole.days, 0) + extract(epoch from until - coalesce(whole.till, since))::double precision / 86400
from (
  select coalesce($1::timestamptz, ((until at time zone $4) - make_interval(days => $3)) at time zone $4) as since, until
  from (select coalesce($2::timestamptz, now()) as until) ends
) bounds
  left join lateral (
    select days, ((since at time zone $4) + make_interval(days => days)) at time zone $4 as till
    from (select (until at time zone $4)::date - (since at time zone $4)::date as most) calendar,
      generate_series(greatest(most - 1, 1), most) days
    where ((since at time zone $4) + make_interval(days => days)) at time zone $4 <= until
    order by days desc
    limit 1
  ) whole on true
