-- title: Addresses
-- order: 280
-- purpose: diagnostics
-- about: Pseudonyms of addresses by requests. They show which address floods the site or meets errors (clause 3.4). A
--   pseudonym lives for one epoch and cannot be reversed to its address. The same address has another pseudonym in
--   the next epoch.
-- credit: places
-- example: --from today
-- columns:
--   address     id        pseudonym; filter with address=… for one address
--   requests    events    events from the address
--   views       views     pages viewed
--   visitors    visitors  visitors (browsers) behind the address
--   errors      errors    script errors, failed elements and missing pages
--   bots        %         share of the address's events that bots sent
--   network     text      network of the address
--   country     text      ISO 3166-1 code
--   last_seen   time      last event in the period, in the zone of reports
--   first_seen  time      first event in the period, in the zone of reports
--   epoch       time      start of the epoch, in the zone of reports
SELECT
    leftPad(lower(hex(events.address)), 16, '0') AS address,
    count() AS requests,
    countIf(kind = 'view') AS views,
    uniq(visitor) AS visitors,
    countIf(kind IN ('error', 'resource', 'missing')) AS errors,
    round(100 * countIf(bot != '') / requests, 2) AS bots,
    max(events.network) AS network,
    max(events.country) AS country,
    formatDateTime(max(events.time), '%Y-%m-%d %H:%i:%S', {timezone:String}) AS last_seen,
    formatDateTime(min(events.time), '%Y-%m-%d %H:%i:%S', {timezone:String}) AS first_seen,
    formatDateTime(toDateTime(events.epoch), '%Y-%m-%d %H:%i', {timezone:String}) AS epoch
FROM events
WHERE site = {site:String}
    AND events.time >= toDateTime({from:Date}, {timezone:String})
    AND events.time < toDateTime({to:Date} + 1, {timezone:String})
GROUP BY events.address, events.epoch
ORDER BY requests DESC, address, events.epoch
LIMIT {limit:UInt32}
