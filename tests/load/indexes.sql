-- The time that an index adds to an insert, in microseconds per record: `records_by_value`, and for comparison a B-tree
-- of owners. Copies of the table without and with the index take turns. The shortest of 40 turns counts, because other
-- work on the machine can only add time.
set synchronous_commit = off;

create table sample as
select r.*, row_number() over (order by r.id) as line from records r where r.idempotency_key is null order by r.id desc
limit 5000;
update sample set environment = 'production', stage = case when line % 5 > 0 then 'Build' end;

create table plain (like records including indexes);
select format('drop index %s', i.indexrelid::regclass)
from pg_index i
  join pg_class c on c.oid = i.indexrelid
  join pg_am a on a.oid = c.relam
where i.indrelid = 'plain'::regclass and a.amname = 'brin' \gexec
create table brin (like records including indexes);
create table btree (like plain including indexes);
create index on btree (owner, recorded_at, id);

create table turns (copy text, microseconds double precision);
do $$
declare
  columns constant text := (
    select string_agg(quote_ident(attname), ', ' order by attnum)
    from pg_attribute where attrelid = 'records'::regclass and attnum > 0 and not attisdropped and attname <> 'id');
  copy text;
  began timestamptz;
begin
  for turn in 1..40 loop
    foreach copy in array array['plain', 'brin', 'btree'] loop
      began := clock_timestamp();
      execute format('insert into %I (id, %s) select 1000000 * %s + line, %s from sample', copy, columns, turn, columns);
      insert into turns values (copy, extract(epoch from clock_timestamp() - began) * 1000000 / 5000);
      commit;
    end loop;
  end loop;
end
$$;
select '| ' || name, round((min(microseconds) filter (where copy = kind)
    - min(microseconds) filter (where copy = 'plain'))::numeric, 2) || ' µs |'
from turns
  cross join (values ('records_by_value', 'brin'), ('a B-tree of owners', 'btree')) index (name, kind)
group by name order by name desc;
