-- Published figures of a day: what viewers may read of it. docs/privacy.md ("Published figures") says why they are made in this way.
-- src/store/schema/published.rs puts the cells of the second, fourth or fifth statement into the last one. Words in braces without a type are
-- placeholders, which that file fills in.
--
-- The tables `visits`, `events` and `exact`, which is `daily_stored`, have people's rows of the day and of the sites to publish. `shown`,
-- `labelled_visits` and `labels` are statements of this file. `day` is the day, and `timezone` that of the events.
--
-- The label of a value is a hash of it under the noise key of this publication. All that is drawn for a cell is a hash of the cell's label under that
-- key. The label of a cell of two values does not depend on their order. So `country` under a filter by `browser` has the figures of `browser` under
-- a filter by `country`, and a question has the same answer whenever and however it is asked.
--
-- `figures` are, in this order: visits, bounces, views, events, duration_s, engaged_ms.

-- The values that are published by themselves. `place` orders those of a dimension by size.
SELECT
    site,
    dimension,
    value,
    detail,
    label,
    visitors,
    row_number() OVER (PARTITION BY site, dimension ORDER BY visitors DESC, label) AS place
FROM
(
    SELECT site, dimension, value, detail, visitors, sipHash64Keyed({key}, site, dimension, value, detail) AS label
    FROM exact
    WHERE dimension IN ({published})
)
WHERE visitors >= {k} + sipHash64Keyed({key}, label, 0) % {k}
    AND site {in}
    (
        SELECT site
        FROM exact
        WHERE dimension = 'total' AND visitors >= {k} + sipHash64Keyed({key}, sipHash64Keyed({key}, site, 'total', '', ''), 0) % {k}
    );

-- Cells of one value. What is not published by itself goes into `(other)`. A value of visits that viewers may filter by has its own figures
-- as totals, too.
SELECT
    site,
    if(
        label IN (SELECT label FROM shown WHERE dimension IN ({visit_filters}) AND place <= {filter_values}),
        [('', '', '', dimension, value, detail), (dimension, value, detail, 'total', '', '')],
        [('', '', '', dimension, value, detail)]) AS places,
    sipHash64Keyed({key}, site, dimension, value, detail) AS label,
    0 AS first_draw,
    countIf(is_visitor) AS visitors,
    sumForEach(figures) AS totals,
    groupArraySortedForEach({k})(arrayMap(figure -> -figure, figures)) AS largest,
    max(until) AS expires
FROM
(
    SELECT
        site,
        dimension,
        if(is_shown, row.value, '(other)') AS value,
        if(is_shown, row.detail, '') AS detail,
        max(counts) AS is_visitor,
        {figures} AS figures,
        max(row.expires) AS until
    FROM
    (
        SELECT *, sipHash64Keyed({key}, site, dimension, value, detail) IN (SELECT label FROM shown) AS is_shown
        FROM
        (
{rows}
        )
        WHERE (site, dimension) IN (SELECT site, dimension FROM shown)
    ) AS row
    GROUP BY site, dimension, value, detail, visitor
)
GROUP BY site, dimension, value, detail
HAVING visitors >= {k} + sipHash64Keyed({key}, label, 0) % {k};

-- Each visit with the labels of its values that viewers may filter by, in the order of the dimensions. A value that is not published by
-- itself is `(other)`. 0 stands for no campaign, and for a value that is published but too small for a filter.
SELECT
    *,
    arrayMap(
        pair -> if(
            pair.1 = 'campaign' AND pair.2 = '' AND pair.3 = '',
            0,
            transform(
                sipHash64Keyed({key}, site, pair.1, pair.2, pair.3),
                {known_labels},
                sipHash64Keyed({key}, site, pair.1, '(other)', ''))),
        [
        {visit_filter_pairs}
        ]) AS labels
FROM visits;

-- What the labels in `labelled_visits` and of `page` and `event` stand for, with the number of visitors.
SELECT site, dimension, value, detail, label, visitors
FROM shown
WHERE dimension IN ({filters}) AND place <= {filter_values} OR dimension = 'total'
UNION ALL
SELECT site, filter AS dimension, '(other)', '', sipHash64Keyed({key}, site, filter, '(other)', ''), 0
FROM (SELECT DISTINCT site FROM shown)
ARRAY JOIN [{filters}] AS filter;

-- Cells of two values of visits. With `part` above 0, only those whose first value is of that dimension, so that a large day needs bounded
-- memory at once.
SELECT
    one.site AS site,
    arrayFilter(place -> place.2 != '(other)', [
        (one.dimension, one.value, one.detail, two.dimension, two.value, two.detail),
        (two.dimension, two.value, two.detail, one.dimension, one.value, one.detail)]) AS places,
    sipHash64Keyed({key}, least(one_label, two_label), greatest(one_label, two_label)) AS label,
    0 AS first_draw,
    cell.visitors AS visitors,
    totals,
    largest,
    latest AS expires,
    {k} + sipHash64Keyed({key}, label, 0) % {k} AS least_visitors
FROM
(
    SELECT
        pair.1 AS one_label,
        pair.2 AS two_label,
        count() AS visitors,
        sumForEach(figures) AS totals,
        groupArraySortedForEach({k})(arrayMap(figure -> -figure, figures)) AS largest,
        max(until) AS latest
    FROM
    (
        SELECT
            pair,
            {figures} AS figures,
            max(row.expires) AS until
        FROM
        (
            SELECT
                visitor,
                1 AS visits,
                bounce AS bounces,
                views,
                events,
                duration_s,
                engaged_ms,
                expires,
                arrayJoin(arrayFlatten(arrayMap(
                    (label, number) -> arrayMap(
                        other -> (label, other),
                        if({part} IN (0, number) AND label != 0, arrayFilter(other -> other != 0, arraySlice(labels, number + 1)), [])),
                    labels,
                    arrayEnumerate(labels)))) AS pair
            FROM labelled_visits
        ) AS row
        GROUP BY visitor, pair
    )
    GROUP BY pair
) AS cell
INNER JOIN labels AS one ON one.label = one_label
INNER JOIN labels AS two ON two.label = two_label
WHERE cell.visitors >= least_visitors
    AND (one.value = '(other)' OR one.visitors >= cell.visitors + least_visitors)
    AND (two.value = '(other)' OR two.visitors >= cell.visitors + least_visitors);

-- Cells of a value of events (a page, an event) and one of visits or their total. They have two sets of figures: of the visits of visitors who did the
-- event, and of the events of visitors with such a visit. `part` as above; the total is the part after the last dimension.
SELECT
    event.site AS site,
    arrayJoin(arrayFilter(side -> side.1.2 != '(other)' AND side.1.1 != 'total', [
        ((event.dimension, event.value, event.detail, visit.dimension, visit.value, visit.detail), 0, totals_of_visits, largest_of_visits),
        ((visit.dimension, visit.value, visit.detail, event.dimension, event.value, event.detail), 10, totals_of_events, largest_of_events)
    ])) AS side,
    [side.1] AS places,
    if(visit.dimension = 'total', event_label, sipHash64Keyed({key}, least(event_label, visit_label), greatest(event_label, visit_label))) AS label,
    side.2 AS first_draw,
    cell.visitors AS visitors,
    side.3 AS totals,
    side.4 AS largest,
    latest AS expires,
    {k} + sipHash64Keyed({key}, label, 0) % {k} AS least_visitors
FROM
(
    SELECT
        event_label,
        visit.1 AS visit_label,
        countIf(is_visitor) AS visitors,
        sumForEachIf(visit.2, is_visitor) AS totals_of_visits,
        groupArraySortedForEachIf({k})(arrayMap(figure -> -figure, visit.2), is_visitor) AS largest_of_visits,
        sumForEach(figures) AS totals_of_events,
        groupArraySortedForEach({k})(arrayMap(figure -> -figure, figures)) AS largest_of_events,
        max(until) AS latest
    FROM
    (
        SELECT event_label, is_visitor, figures, until, arrayJoin(of_visits) AS visit
        FROM
        (
            SELECT
                visitor,
                site,
                transform(
                    sipHash64Keyed({key}, site, dimension, value, detail),
                    {known_labels},
                    sipHash64Keyed({key}, site, dimension, '(other)', '')) AS event_label,
                max(counts) AS is_visitor,
                {figures} AS figures,
                max(row.expires) AS until
            FROM
            (
{rows}
            ) AS row
            GROUP BY site, visitor, event_label
            HAVING event_label != 0
        ) AS of_events
        INNER JOIN
        (
            SELECT site, visitor, groupArray((visit_label, figures)) AS of_visits
            FROM
            (
                SELECT site, visitor, visit_label, {figures} AS figures
                FROM
                (
                    SELECT
                        site,
                        visitor,
                        1 AS visits,
                        bounce AS bounces,
                        views,
                        events,
                        duration_s,
                        engaged_ms,
                        arrayPushBack(labels, sipHash64Keyed({key}, site, 'total', '', '')) AS all_labels,
                        arrayJoin(arrayFilter(label -> label != 0, if({part} = 0, all_labels, arraySlice(all_labels, {part}, 1)))) AS visit_label
                    FROM labelled_visits
                ) AS row
                GROUP BY site, visitor, visit_label
            )
            GROUP BY site, visitor
        ) AS with_visits USING (site, visitor)
    )
    GROUP BY event_label, visit_label
) AS cell
INNER JOIN labels AS event ON event.label = event_label
INNER JOIN labels AS visit ON visit.label = visit_label
WHERE cell.visitors >= least_visitors
    AND (visit.dimension = 'total' OR event.value = '(other)' OR event.visitors >= cell.visitors + least_visitors)
    AND (visit.dimension = 'total' OR visit.value = '(other)' OR visit.visitors >= cell.visitors + least_visitors);

-- What is published of cells: their figures with noise.
--
-- The number of visitors gets a noise of 64 fair coins less 32, which has a standard deviation of 4, and is at least `k`. Each other figure keeps its
-- exact mean for a visitor, times the published visitors, so that it tells no more of their number. Before that, the `k - 1` largest
-- contributions of a visitor are cut to the next one, and afterwards it gets a noise of this bound times 16 coins less 8, spread evenly in between.
SELECT
    site,
    place.1 AS filter,
    place.2 AS filter_value,
    place.3 AS filter_detail,
    place.4 AS dimension,
    {day:Date} AS day,
    place.5 AS value,
    place.6 AS detail,
    toUInt64(greatest({k}, toInt64(cell_visitors) + bitCount(sipHash64Keyed({key}, label, 1)) - 32)) AS visitors,
    arrayMap(
        (total, figures_of_largest, applies, number) -> if(NOT applies, 0, toUInt64(greatest(0, round(
            (total - arraySum(figure -> greatest(0, -figure - bounds[number]), figures_of_largest)) * visitors / cell_visitors
            + bounds[number] * (bitCount(bitAnd(draws[number], 65535)) - 8 + bitShiftRight(draws[number], 16) / exp2(48) - 0.5))))),
        totals,
        largest,
        multiIf(
            dimension = 'page', [0, 0, 1, 1, 0, 1],
            dimension IN ({of_events}), [0, 0, 0, 1, 0, 0],
            [1, 1, 1, 1, 1, 1]) AS published_figures,
        arrayEnumerate(totals)) AS figures,
    arrayMap(number -> sipHash64Keyed({key}, label, first_draw + 1 + number), arrayEnumerate(totals)) AS draws,
    arrayMap(
        (total, figures_of_largest) -> greatest(1, -figures_of_largest[{k}], intDiv(total, cell_visitors)),
        totals,
        largest) AS bounds,
    if(published_figures[1], greatest(figures[1], visitors), 0) AS visits,
    least(figures[2], visits) AS bounces,
    if(dimension = 'page', greatest(figures[3], visitors), figures[3]) AS views,
    if(published_figures[1], figures[4], greatest(figures[4], visitors)) AS events,
    figures[5] AS duration_s,
    figures[6] AS engaged_ms,
    expires
FROM
(
    SELECT *, visitors AS cell_visitors, arrayJoin(places) AS place
    FROM
    (
{cells}
    )
);
