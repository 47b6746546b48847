-- title: Addresses by epoch
-- order: 300
-- purpose: diagnostics
-- about: Addresses in each epoch of the key: how many there were, how many returned, and what share of events bots
--   sent. An address returned if it was seen again in the same epoch after a pause of more than 30 minutes. Addresses
--   cannot be compared across epochs, because the key is deleted (clause 3.4).
-- columns:
--   epoch      time       start of the epoch, in the zone of reports
--   requests   events     events
--   addresses  addresses  pseudonyms of addresses
--   new        addresses  addresses seen without such a pause
--   returning  addresses  addresses seen again after such a pause
--   visitors   visitors   pseudonyms of visitors (addresses and browsers)
--   bots       %          share of events that bots sent
--   ipv6       %          share of addresses that are IPv6
SELECT
    formatDateTime(toDateTime(key_epoch), '%Y-%m-%d %H:%i', {timezone:String}) AS epoch,
    sum(address_requests) AS requests,
    count() AS addresses,
    countIf(NOT came_back) AS new,
    countIf(came_back) AS returning,
    sum(address_visitors) AS visitors,
    round(100 * sum(address_bots) / requests, 2) AS bots,
    round(100 * countIf(version = 6) / addresses, 2) AS ipv6
FROM
(
    SELECT
        events.epoch AS key_epoch,
        address,
        count() AS address_requests,
        uniq(visitor) AS address_visitors,
        countIf(bot != '') AS address_bots,
        max(ip_version) AS version,
        arraySort(groupUniqArray(toUnixTimestamp(events.time))) AS seconds,
        arrayExists(pause -> pause > 1800, arrayDifference(seconds)) AS came_back
    FROM events
    WHERE site = {site:String}
        AND events.time >= toDateTime({from:Date}, {timezone:String})
        AND events.time < toDateTime({to:Date} + 1, {timezone:String})
    GROUP BY events.epoch, address
)
GROUP BY key_epoch
ORDER BY key_epoch DESC
LIMIT {limit:UInt32}
