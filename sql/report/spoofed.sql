-- title: Spoofed clients
-- order: 320
-- purpose: diagnostics
-- about: Networks of clients whose client hints contradict their user agent, bots included. The true browser and
--   system of such clients are unknown, so other reports show them as empty.
-- credit: places
-- columns:
--   network      text       organisation of the network; empty when unknown
--   asn          text       number of the autonomous system; empty when unknown
--   requests     events     events from such clients
--   share        %          share of all events of the site
--   of_network   %          share of all events from the network
--   visitors     visitors   pseudonyms of visitors, each once in an epoch
--   addresses    addresses  pseudonyms of addresses, each once in an epoch
--   bots         %          share of these events that bots sent
--   data_centre  %          share of these events that came from data centres
--   countries    text       up to three of their most frequent countries
--   last_seen    time       last such event in the period, in the zone of reports
WITH
    -- Up to three most frequent of counted texts. Those that are equally frequent are in the order of their letters.
    counts -> arrayStringConcat(
        arrayMap(
            pair -> pair.2,
            arraySlice(arraySort(arrayMap((text, count) -> (-toInt64(count), text), counts.1, counts.2)), 1, 3)),
        ', ') AS most_frequent
SELECT
    network,
    asn,
    requests,
    share,
    of_network,
    visitors,
    addresses,
    bots,
    data_centre,
    countries,
    last_seen
FROM
(
    SELECT
        network,
        if(events.asn = 0, '', toString(events.asn)) AS asn,
        countIf(spoofed) AS requests,
        round(100 * requests / sum(count()) OVER (), 2) AS share,
        round(100 * requests / count(), 2) AS of_network,
        uniqIf(visitor, spoofed) AS visitors,
        uniqIf(address, spoofed) AS addresses,
        round(100 * countIf(spoofed AND bot != '') / requests, 2) AS bots,
        round(100 * countIf(spoofed AND events.data_centre) / requests, 2) AS data_centre,
        most_frequent(sumMapIf([toString(country)], [1], spoofed AND country != '')) AS countries,
        formatDateTime(maxIf(events.time, spoofed), '%Y-%m-%d %H:%i:%S', {timezone:String}) AS last_seen
    FROM events
    WHERE site = {site:String}
        AND events.time >= toDateTime({from:Date}, {timezone:String})
        AND events.time < toDateTime({to:Date} + 1, {timezone:String})
    GROUP BY network, events.asn
)
WHERE requests > 0
ORDER BY requests DESC, network, asn
LIMIT {limit:UInt32}
