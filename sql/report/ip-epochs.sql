-- title: Addresses by epoch
-- purpose: diagnostics
-- about: How many addresses each epoch of the key saw, how many of them came back in it, and how much bots sent (clause
--   3.4). An address came back when it was silent for more than 30 minutes and then seen again in the same epoch; across
--   epochs nothing can be told, because the key is gone.
-- columns:
--   epoch      time       when the key came into force, in the zone of reports
--   requests   events     events
--   addresses  addresses  pseudonyms of addresses
--   new        addresses  of these, seen once or without a pause
--   returning  addresses  of these, seen again after a pause
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
        any(ip_version) AS version,
        arraySort(groupUniqArray(toStartOfMinute(toDateTime(events.time)))) AS minutes,
        arrayExists(pause -> pause > 1800, arrayDifference(arrayMap(minute -> toInt64(toUnixTimestamp(minute)), minutes))) AS came_back
    FROM events
    WHERE site = {site:String}
        AND events.time >= toDateTime64({from:Date}, 3, {timezone:String})
        AND events.time < toDateTime64({to:Date} + 1, 3, {timezone:String})
    GROUP BY events.epoch, address
)
GROUP BY key_epoch
ORDER BY key_epoch DESC
LIMIT {limit:UInt32}
