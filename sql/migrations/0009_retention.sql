-- Finds the histories that are to be forgotten. What is to be forgotten of records `records_by_recording` finds.
create index deletions_by_time on history (at) where change = 'deleted';
