-- title: Data centres
-- order: 330
-- purpose: diagnostics
-- about: Networks of data centres that sent events, bots included. Servers and VPN exits are in data centres, homes
--   hardly ever. Much traffic with few known bots may be a scraper that calls itself a browser. A network is
--   identified by its AS number in the geo file.
-- credit: places
-- columns:
--   network        text      organisation of the network
--   asn            text      number of the autonomous system
--   requests       events    events from the network
--   share          %         share of all events of the site
--   visitors       visitors  pseudonyms of visitors, each once in an epoch
--   visitor_share  %         share of all visitors of the site
--   bots           %         share of the network's events that bots sent
--   bot_names      text      up to three of the network's most frequent bots
--   spoofed        %         share of the network's events whose client hints contradict the user agent
--   countries      text      up to three of the network's most frequent countries
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
    visitors,
    visitor_share,
    bots,
    bot_names,
    spoofed,
    countries
FROM
(
    SELECT
        network,
        toString(events.asn) AS asn,
        countIf(data_centre) AS requests,
        round(100 * requests / sum(count()) OVER (), 2) AS share,
        uniqIf(visitor, data_centre) AS visitors,
        round(100 * visitors / sum(uniq(visitor)) OVER (), 2) AS visitor_share,
        round(100 * countIf(data_centre AND bot != '') / requests, 2) AS bots,
        most_frequent(sumMapIf([toString(bot)], [1], data_centre AND bot != '')) AS bot_names,
        round(100 * countIf(data_centre AND events.spoofed) / requests, 2) AS spoofed,
        most_frequent(sumMapIf([toString(country)], [1], data_centre AND country != '')) AS countries
    FROM events
    WHERE site = {site:String}
        AND events.time >= toDateTime({from:Date}, {timezone:String})
        AND events.time < toDateTime({to:Date} + 1, {timezone:String})
    GROUP BY network, events.asn
)
WHERE requests > 0
ORDER BY requests DESC, network, asn
LIMIT {limit:UInt32}
