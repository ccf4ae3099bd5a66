-- Deploys and stages by the ids of the records that represent them, in no order. Ids without a record are left out.
--   $1  the ids
--
-- Returns the record, and the url of its start if it has none.
select {record of r}, start.url as start_url
from records r
  left join lateral (
    select s.url from records s where r.url is null and s.id = r.start_id and s.component = r.component limit 1
  ) start on true
where r.id = any ($1)
