-- title: Networks by requests
-- order: 290
-- purpose: diagnostics
-- about: Networks by requests, bots included. An address counts once in each epoch (clause 3.4).
-- credit: places
-- columns:
--   network    text       organisation of the network; empty when unknown
--   asn        text       number of the autonomous system; empty when unknown
--   requests   events     events from the network
--   share      %          share of all events
--   addresses  addresses  pseudonyms of addresses, each once in an epoch
--   visitors   visitors   pseudonyms of visitors, each once in an epoch
--   bots       %          share of the network's events that bots sent
--   errors     errors     script errors, failed elements and missing pages
--   countries  text       up to three of the network's most frequent countries
WITH
    -- Up to three most frequent of counted texts. Those that are equally frequent are in the order of their letters.
    counts -> arrayStringConcat(
        arrayMap(
            pair -> pair.2,
            arraySlice(arraySort(arrayMap((text, count) -> (-toInt64(count), text), counts.1, counts.2)), 1, 3)),
        ', ') AS most_frequent
SELECT
    network,
    if(events.asn = 0, '', toString(events.asn)) AS asn,
    count() AS requests,
    round(100 * requests / sum(requests) OVER (), 2) AS share,
    uniq(address) AS addresses,
    uniq(visitor) AS visitors,
    round(100 * countIf(bot != '') / requests, 2) AS bots,
    countIf(kind IN ('error', 'resource', 'missing')) AS errors,
    most_frequent(sumMapIf([toString(country)], [1], country != '')) AS countries
FROM events
WHERE site = {site:String}
    AND events.time >= toDateTime({from:Date}, {timezone:String})
    AND events.time < toDateTime({to:Date} + 1, {timezone:String})
GROUP BY network, events.asn
ORDER BY requests DESC, network, asn
LIMIT {limit:UInt32}
