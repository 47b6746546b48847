-- title: Bots
-- order: 310
-- purpose: diagnostics
-- about: Bots by name or by category: which bots crawl the site, and how much. Other reports exclude bots unless they
--   are asked to include them. Visits that were invented to advertise their referrer are listed as the bot referrer
--   spam.
-- by: bot, category
-- example: --by category --from 30d
-- columns:
--   category     text       search, ai, preview, monitoring, seo, library, automation or other
--   bot          text       name of the bot; by category, up to three of its most frequent names
--   requests     events     events from the bot
--   share        %          share of all events of the site, people included
--   views        views      pages viewed
--   addresses    addresses  pseudonyms of addresses, each once in an epoch
--   data_centre  %          share of the bot's events that came from data centres
--   last_seen    time       last event in the period, in the zone of reports
WITH
    -- Up to three most frequent of counted texts. Those that are equally frequent are in the order of their letters.
    counts -> arrayStringConcat(
        arrayMap(
            pair -> pair.2,
            arraySlice(arraySort(arrayMap((text, count) -> (-toInt64(count), text), counts.1, counts.2)), 1, 3)),
        ', ') AS most_frequent
SELECT
    category,
    names AS bot,
    requests,
    share,
    views,
    addresses,
    data_centre,
    last_seen
FROM
(
    SELECT
        toString(bot_category) AS category,
        if({by:String} = 'category', '', toString(events.bot)) AS name,
        most_frequent(sumMapIf([toString(events.bot)], [1], events.bot != '')) AS names,
        count() AS requests,
        round(100 * requests / sum(requests) OVER (), 2) AS share,
        countIf(kind = 'view') AS views,
        uniq(address) AS addresses,
        round(100 * countIf(events.data_centre) / requests, 2) AS data_centre,
        formatDateTime(max(events.time), '%Y-%m-%d %H:%i:%S', {timezone:String}) AS last_seen
    FROM events
    WHERE site = {site:String}
        AND events.time >= toDateTime({from:Date}, {timezone:String})
        AND events.time < toDateTime({to:Date} + 1, {timezone:String})
    GROUP BY category, name
)
WHERE names != ''
ORDER BY requests DESC, category, bot
LIMIT {limit:UInt32}
