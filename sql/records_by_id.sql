-- Records by their ids, in no order. Ids without a record are left out.
--   $1  the ids
select {record of r}
from records r
where id = any ($1)
