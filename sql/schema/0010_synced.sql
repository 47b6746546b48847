-- What the store has confirmed is deleted from the spool, so it must survive a power cut: parts are synced when they are written,
-- on a server as in the embedded store, which does it for every table. It costs a few ms an insert, and an insert is a segment.

-- cluster: sharded by cityHash64(site, visitor)
ALTER TABLE events MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1;

-- cluster: everywhere
ALTER TABLE segments MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1;

-- cluster: everywhere
ALTER TABLE books MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1;

-- cluster: everywhere
ALTER TABLE audit MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1;
