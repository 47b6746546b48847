-- Which of several copies of an event stays where they are alike to the last byte, as a store makes them that forgets an insert's
-- token in a power cut: one more is written with a higher number here, and those with lower numbers are deleted. 0 for everything
-- that was shipped.

-- cluster: sharded by cityHash64(site, visitor)
ALTER TABLE events
    ADD COLUMN IF NOT EXISTS kept UInt8;
