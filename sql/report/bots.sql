-- title: Bots
-- purpose: diagnostics
-- about: Bots by name: who crawls the site, and how much. Other reports leave them out unless asked not to.
-- columns:
--   bot        text       name of the bot
--   requests   events     events from it
--   share      %          share of all events of the site, people's too
--   views      views      pages viewed
--   addresses  addresses  pseudonyms of addresses, each once in an epoch
--   last_seen  time       last event in the period, in the zone of reports
SELECT
    bot,
    requests,
    share,
    views,
    addresses,
    last_seen
FROM
(
    SELECT
        bot,
        count() AS requests,
        round(100 * requests / sum(requests) OVER (), 2) AS share,
        countIf(kind = 'view') AS views,
        uniq(address) AS addresses,
        formatDateTime(max(events.time), '%Y-%m-%d %H:%i:%S', {timezone:String}) AS last_seen
    FROM events
    WHERE site = {site:String}
        AND events.time >= toDateTime64({from:Date}, 3, {timezone:String})
        AND events.time < toDateTime64({to:Date} + 1, 3, {timezone:String})
    GROUP BY bot
)
WHERE bot != ''
ORDER BY requests DESC, bot
LIMIT {limit:UInt32}
