-- The window of a report, by the database's clock: it also stamps the moments that senders leave out.
--   $1, $2  from, before; if null, $3 days earlier at the same time of day, and now
--   $3      days
--   $4      the time zone of the days
--
-- Returns the bounds and the length in days: whole calendar days, however many hours they have, and the rest in units of
-- 24 hours. The days are matched as absolute times, because local times repeat when the clocks go back.
select since, until,
  coalesce(whole.days, 0) + extract(epoch from until - coalesce(whole.ends_at, since))::double precision / 86400 as days
from (
  select coalesce($1::timestamptz, ((until at time zone $4) - make_interval(days => $3)) at time zone $4) as since,
    until
  from (select coalesce($2::timestamptz, now()) as until) ends
) bounds
  left join lateral (
    select days, ((since at time zone $4) + make_interval(days => days)) at time zone $4 as ends_at
    from (select (until at time zone $4)::date - (since at time zone $4)::date as most) calendar,
      generate_series(greatest(most - 1, 1), most) days
    where ((since at time zone $4) + make_interval(days => days)) at time zone $4 <= until
    order by days desc
    limit 1
  ) whole on true
