-- The events of one day as the columns of `events`, and the number of the visit, all derived from the seed by hashes. It follows the
-- demonstration (src/demo) in its shares and distributions; names of sites, pages, regions and cities are numbers.
-- Parameters: day, zone, seed, sites, visitors (of the day).
--
-- A row of the innermost query is a visitor; the next ones are its page loads, and the events of these.
WITH
    -- A uniform number in [0, 1) for a key and a purpose.
    (key, purpose) -> bitShiftRight(intHash64(key + purpose * 1000003), 11) / 9007199254740992 AS uniform,
    -- Zipf's law: the number 1 comes most often, the number `most` least often.
    (u, most) -> toUInt32(pow(most + 1, u)) AS zipf,
    page_key -> least(1200, greatest(1.2, log_normal(page_key, 9, 28, 1))) AS dwell_of,
    (list, u) -> list[1 + toUInt32(u * length(list))] AS pick,
    (key, purpose, median, sigma) -> median
        * exp(sigma * sqrt(-2 * log(1 - uniform(key, purpose))) * cos(6.283185 * uniform(key, purpose + 500))) AS log_normal,
    -- Each index as often as its weight says.
    weights -> arrayFlatten(
        arrayMap((weight, index) -> arrayWithConstant(weight, index), weights, arrayEnumerate(weights))) AS by_weight,
    -- Pages of a visit: after each, some of 100 visitors view another.
    (u, percent) -> least(25, 1 + toUInt32(log(1 - u) / log(percent / 100))) AS pages_of,
    (site, key) -> zipf(uniform(key, 1), 200 + intDiv(3000, site)) AS page_number,
    (site, number) -> if(number = 1, '/', concat(
        ['/articles/', '/products/', '/services/', '/doctors/', '/help/', '/news/'][1 + number % 6],
        ['how-to-prepare', 'healthy-back', 'seasonal-offer', 'price-list', 'what-to-know', 'first-aid', 'winter'][
            1 + (number + site) % 7],
        '-', toString(number))) AS path_of,
    ['142', '142', '142', '141', '141', '140', '138', '131', '109'] AS chromes,
    ['1920 and more', '992-1439', '1440-1919'] AS desktops,
    [
        ('Chrome', chromes, 'Blink', 'Android', ['15', '14', '14', '13', '12', '11', '10'], 'mobile', ['under 600']),
        ('Chrome', chromes, 'Blink', 'Windows', ['10', '10', '11'], 'desktop', desktops),
        ('Safari', ['18', '26', '17', '16'], 'WebKit', 'iOS', ['18', '26', '17', '16'], 'mobile', ['under 600']),
        ('Yandex Browser', ['25', '25', '25', '24'], 'Blink', 'Android', ['15', '14', '13', '12'], 'mobile', ['under 600']),
        ('Yandex Browser', ['25', '25', '25', '24'], 'Blink', 'Windows', ['10', '10', '11'], 'desktop', desktops),
        ('Edge', ['142', '141', '140'], 'Blink', 'Windows', ['11', '10'], 'desktop', ['1920 and more', '1440-1919']),
        ('Firefox', ['144', '143', '140', '115'], 'Gecko', 'Windows', ['10', '10', '11'], 'desktop', desktops),
        ('Samsung Internet', ['28', '27', '25'], 'Blink', 'Android', ['15', '14', '13'], 'mobile', ['under 600']),
        ('Safari', ['18', '26', '17'], 'WebKit', 'macOS', ['15', '14', '26'], 'desktop', ['1440-1919', '1920 and more']),
        ('Opera', ['123', '122'], 'Blink', 'Windows', ['10', '11'], 'desktop', ['1920 and more', '992-1439']),
        ('Chrome', ['142', '141', '140'], 'Blink', 'macOS', ['15', '14'], 'desktop', ['1440-1919']),
        ('Safari', ['18', '17'], 'WebKit', 'iOS', ['18', '17'], 'tablet', ['600-991']),
        ('Firefox', ['144', '140'], 'Gecko', 'Linux', [''], 'desktop', ['1920 and more'])
    ] AS browsers,
    by_weight([200, 165, 150, 120, 110, 45, 40, 40, 35, 22, 40, 30, 22]) AS browser_weights,
    -- Referrer's host and path, source, channel, campaign (source, medium, name) and click id.
    [
        ('', '', 'Direct', 'Direct', '', '', '', ''),
        ('yandex.ru', '/', 'Yandex', 'Organic Search', '', '', '', ''),
        ('google.com', '/', 'Google', 'Organic Search', '', '', '', ''),
        ('bing.com', '/', 'Bing', 'Organic Search', '', '', '', ''),
        ('go.mail.ru', '/search', 'Mail.ru', 'Organic Search', '', '', '', ''),
        ('away.vk.com', '/away.php', 'VK', 'Organic Social', '', '', '', ''),
        ('t.me', '/', 'Telegram', 'Organic Social', '', '', '', ''),
        ('chatgpt.com', '/', 'ChatGPT', 'AI Assistant', '', '', '', ''),
        ('yandex.ru', '/', 'Yandex', 'Paid Search', 'yandex', 'cpc', 'spring-checkup', 'yclid'),
        ('yandex.ru', '/', 'Yandex', 'Paid Search', 'yandex', 'cpc', 'mri-discount', 'yclid'),
        ('google.com', '/', 'Google', 'Paid Search', 'google', 'cpc', 'brand', 'gclid'),
        ('away.vk.com', '/', 'VK', 'Paid Social', 'vk', 'paid_social', 'family-doctor', ''),
        ('', '', 'newsletter', 'Email', 'newsletter', 'email', 'monthly', '')
    ] AS referrals,
    by_weight([270, 230, 140, 15, 12, 30, 22, 10, 90, 45, 30, 25, 20]) AS referral_weights,
    ['RU', 'DE', 'US', 'KZ', 'BY', 'FR', 'GB', 'NL', 'PL', 'IT', 'ES', 'UA', 'TR', 'FI', 'SE', 'CZ', 'AT', 'CH', 'IL', 'GE',
        'AM', 'UZ', 'CN', 'IN', 'JP', 'BR', 'CA', 'AU', 'RS', 'BG', 'RO', 'LT', 'LV', 'EE', 'NO', 'DK', 'PT', 'GR', 'HU', 'KG'] AS countries,
    ['cardiology', 'dermatology', 'neurology', 'dentistry', 'mri', 'massage', 'surgery', 'urology'] AS services,
    ['photos/doctor-17.webp', 'slider.js', 'inter.woff2'] AS files,
    ['spring-checkup', 'mri-discount', 'family-doctor', 'vitamins'] AS ads,
    [('YandexBot', 'search'), ('Googlebot', 'search'), ('bingbot', 'search'), ('GPTBot', 'ai'), ('ClaudeBot', 'ai'),
        ('TelegramBot', 'preview'), ('UptimeRobot', 'monitoring'), ('AhrefsBot', 'seo'), ('python-requests', 'library'),
        ('HeadlessChrome', 'automation')] AS bots,
    by_weight([50, 40, 15, 12, 8, 8, 10, 10, 6, 5]) AS bot_weights,
    by_weight(if(toDayOfWeek({day:Date}) > 5,
        [12, 8, 5, 4, 3, 4, 7, 14, 26, 40, 50, 54, 54, 52, 50, 48, 48, 50, 54, 58, 58, 50, 38, 24],
        [8, 5, 3, 2, 2, 4, 10, 24, 46, 62, 68, 66, 62, 60, 58, 56, 55, 54, 56, 60, 62, 54, 38, 20])) AS hours,
    toUnixTimestamp(toDateTime({day:Date}, {zone:String})) AS midnight
SELECT
    page_load,
    first_seq + event_number AS seq,
    toDateTime(midnight + toUInt32(page_start + event.2), 'UTC') AS time,
    -- The view is sent at once, all else when the page is left.
    if(event.1 IN ('view', 'missing'), page_start + first_delay, page_start + dwell + last_delay) AS sent,
    toDateTime(midnight + toUInt32(sent), 'UTC') AS received,
    toDate(received, 'UTC') + 400 AS expires,
    site, host, path, query,
    toLowCardinality(toString(toMonday({day:Date}))) AS release,
    event.1 AS kind,
    toLowCardinality(event.3) AS name,
    CAST((
        multiIf(kind = 'event', ['service', 'channel'], kind = 'resource', ['tag'], []),
        multiIf(
            kind = 'event', [pick(services, uniform(page_key, 60)), pick(['form', 'phone'], uniform(page_key, 61))],
            kind = 'resource', ['img'],
            [])
    ), 'Map(LowCardinality(String), String)') AS props,
    visitor, address,
    midnight AS epoch,
    toLowCardinality('2026-11-22') AS policy,
    referrer_host, referrer_path, source, channel, utm_source, utm_medium, utm_campaign,
    toLowCardinality('') AS utm_content,
    toLowCardinality('') AS utm_term,
    click_id,
    browser, browser_version, engine, os, os_version, device, bot, bot_category, spoofed, data_centre,
    language, timezone, screen, country, region, city, asn, network, ip_version,
    true AS cookies_enabled,
    CAST(([], []), 'Map(LowCardinality(String), String)') AS cookies,
    toLowCardinality(if(kind = 'ad', pick(ads, uniform(page_key, 62)), '')) AS ad,
    toLowCardinality(if(kind = 'ad', pick(['top', 'sidebar', 'footer', 'sidebar'], uniform(page_key, 62)), '')) AS slot,
    if(kind = 'leave', toUInt32(dwell * 1000 * (0.35 + 0.6 * uniform(page_key, 63))), 0) AS engaged_ms,
    if(kind = 'leave', toUInt8(100 * sqrt(uniform(page_key, 64))), 0) AS scroll_depth,
    if(kind = 'error', error.1, '') AS error_message,
    if(kind = 'error', error.2, '') AS error_source,
    if(kind = 'error', error.3, 0) AS error_line,
    if(kind = 'error', 9, 0) AS error_column,
    if(kind = 'error', concat(error.1, '\n    at onLoad (', error.2, ':', toString(error.3), ':9)'), '') AS error_stack,
    if(kind = 'error', intHash64(error.3), 0) AS error_group,
    if(kind = 'vitals' AND engine != 'WebKit', lcp, NULL) AS lcp_ms,
    if(kind = 'vitals' AND engine != 'WebKit' AND uniform(page_key, 65) < 0.62, inp, NULL) AS inp_ms,
    if(kind = 'vitals' AND engine != 'WebKit', toFloat32(shift), NULL) AS cls,
    if(kind = 'vitals', fcp, NULL) AS fcp_ms,
    if(kind = 'vitals', ttfb, NULL) AS ttfb_ms,
    if(kind = 'vitals', dns, NULL) AS dns_ms,
    if(kind = 'vitals', connect, NULL) AS connect_ms,
    if(kind = 'vitals', tls, NULL) AS tls_ms,
    if(kind = 'vitals', load, NULL) AS load_ms,
    7496264094172149514 AS collector,
    -- A segment is sealed two seconds after its first row.
    toUInt64(bitShiftRight(toUnixTimestamp(received), 1)) AS segment,
    visit_number
FROM
(
    SELECT *, numbered_event.1 AS event, numbered_event.2 AS event_number
    FROM
    (
        SELECT
            *,
            page.1 AS page_key,
            page.2 AS page_start,
            page.3 AS dwell,
            page.4 AS visit_number,
            page.5 AS previous_key,
            previous_key = 0 AS is_first,
            intHash64(page_key + 7) AS page_load,
            toUInt32(uniform(page_key, 2) * 2147483648) AS first_seq,
            1.04 + 0.86 * uniform(page_key, 3) AS first_delay,
            0.03 + 0.57 * uniform(page_key, 4) AS last_delay,
            toLowCardinality(path_of(site_number, page_number(site_number, page_key))) AS path,
            -- Most of those who return type the address.
            referrals[if(is_first AND NOT (visit_number = 2 AND uniform(key, 20) < 0.6), referral_number, 1)] AS referral,
            -- A site has some hundred small referrers besides the large ones.
            is_first AND visit_number = 1 AND uniform(key, 21) < 0.06 AS is_small_referrer,
            concat('blog-', toString(zipf(uniform(key, 22), 400)), '.example') AS small_referrer,
            toLowCardinality(multiIf(is_small_referrer, small_referrer, is_first, referral.1, host)) AS referrer_host,
            path_of(site_number, page_number(site_number, previous_key)) AS previous_path,
            toLowCardinality(multiIf(is_small_referrer, '/', is_first, referral.2, previous_path)) AS referrer_path,
            toLowCardinality(if(is_small_referrer, small_referrer, referral.3)) AS source,
            toLowCardinality(if(is_small_referrer, 'Referral', referral.4)) AS channel,
            toLowCardinality(if(is_small_referrer, '', referral.5)) AS utm_source,
            toLowCardinality(if(is_small_referrer, '', referral.6)) AS utm_medium,
            toLowCardinality(if(is_small_referrer, '', referral.7)) AS utm_campaign,
            toLowCardinality(if(is_small_referrer, '', referral.8)) AS click_id,
            concat('utm_source=', utm_source, '&utm_medium=', utm_medium, '&utm_campaign=', utm_campaign) AS campaign_query,
            toLowCardinality(if(utm_source = '', '', campaign_query)) AS query,
            if(device = 'mobile', 1.45, 1) AS slow,
            toUInt32(log_normal(page_key, 30, 12 * slow, 0.9)) AS dns,
            toUInt32(log_normal(page_key, 31, 28 * slow, 0.7)) AS connect,
            toUInt32(log_normal(page_key, 32, 36 * slow, 0.6)) AS tls,
            dns + connect + tls + toUInt32(log_normal(page_key, 33, 160, 0.6)) AS ttfb,
            ttfb + toUInt32(log_normal(page_key, 34, 550 * slow, 0.5)) AS fcp,
            fcp + toUInt32(log_normal(page_key, 35, 620 * slow, 0.7)) AS lcp,
            lcp + toUInt32(log_normal(page_key, 36, 500 * slow, 0.8)) AS load,
            toUInt32(log_normal(page_key, 66, 110, 0.8)) AS inp,
            if(uniform(page_key, 37) < 0.45, 0, round(least(2, log_normal(page_key, 38, 0.04, 1.1)), 3)) AS shift,
            pick([
                ('TypeError: Cannot read properties of undefined (reading \'slots\')', 'static.example/booking.js', 218),
                ('ReferenceError: ymaps is not defined', 'static.example/contacts.js', 12),
                ('ResizeObserver loop completed with undelivered notifications.', 'static.example/app.js', 1),
                ('Script error.', '', 0)], uniform(page_key, 40)) AS error,
            uniform(page_key, 41) < 0.008 AS is_missing,
            uniform(page_key, 42) < 0.4 AS has_ad,
            has_ad AND dwell > 2.5 AND uniform(page_key, 43) < 0.7 AS is_viewable,
            -- Kind, seconds after the page's start, and name.
            arrayFilter(
                event -> event.2 >= 0 AND page_start + event.2 < 86400,
                [
                    (if(is_missing, 'missing', 'view'), 0., ''),
                    ('error', if(is_person AND uniform(page_key, 44) < 0.009, 0.6, -1), ''),
                    ('resource', if(is_person AND uniform(page_key, 45) < 0.006, 0.8, -1),
                        concat('static.example/', pick(files, uniform(page_key, 46)))),
                    ('ad', if(is_person AND has_ad, 0.5, -1), 'impression'),
                    ('ad', if(is_person AND is_viewable, 1.8, -1), 'viewable'),
                    ('ad', if(is_person AND is_viewable AND uniform(page_key, 47) < 0.02, dwell - 0.2, -1), 'click'),
                    ('event', if(is_person AND uniform(page_key, 48) < 0.03, dwell * 0.75, -1),
                        pick(['booking', 'booking', 'booking', 'call', 'signup', 'search', 'video', 'form-error'], uniform(page_key, 49))),
                    ('outbound', if(is_person AND uniform(page_key, 50) < 0.015, dwell * 0.76, -1),
                        concat('partner-', toString(zipf(uniform(page_key, 51), 200)), '.example/offers')),
                    ('download', if(is_person AND uniform(page_key, 52) < 0.008, dwell * 0.77, -1),
                        concat(host, '/files/', toString(zipf(uniform(page_key, 53), 40)), '.pdf')),
                    ('vitals', if(is_person AND NOT is_missing, dwell, -1), ''),
                    ('leave', if(is_person AND NOT is_missing, dwell, -1), '')
                ]) AS page_events
        FROM
        (
            SELECT
                *,
                arrayJoin(arrayFilter(page -> page.2 < 86399, arrayMap(
                    (page_key, dwell, reached, index) -> (
                        page_key, start + reached - dwell, dwell, if(index > first_pages, 2, 1),
                        if(index IN (1, first_pages + 1), 0, page_keys[index - 1])),
                    page_keys, dwells, arrayCumSum((dwell, pause) -> dwell + pause, dwells, pauses), arrayEnumerate(page_keys)))) AS page
            FROM
            (
                SELECT
                    intHash64(number + intHash64({seed:UInt64} + toUInt64({day:Date}) * 1000000007)) AS key,
                    zipf(uniform(key, 1), {sites:UInt32}) AS site_number,
                    toLowCardinality(concat('site-', leftPad(toString(site_number), 2, '0'))) AS site,
                    toLowCardinality(concat('site-', leftPad(toString(site_number), 2, '0'), '.example')) AS host,
                    intHash64(key + 1) AS visitor,
                    -- One in eight shares an address.
                    if(uniform(key, 2) < 0.125, intHash64(midnight + key % 5000), intHash64(key + 2)) AS address,
                    uniform(key, 3) AS sort,
                    sort < 0.025 AS is_bot,
                    NOT is_bot AS is_person,
                    sort BETWEEN 0.025 AND 0.029 AS spoofed,
                    bots[pick(bot_weights, uniform(key, 4))] AS some_bot,
                    toLowCardinality(if(is_bot, some_bot.1, '')) AS bot,
                    if(is_bot, some_bot.2, '') AS bot_category,
                    is_bot OR sort BETWEEN 0.025 AND 0.06 AS data_centre,
                    browsers[pick(browser_weights, uniform(key, 5))] AS some_browser,
                    is_bot OR spoofed AS no_browser,
                    toLowCardinality(if(no_browser, '', some_browser.1)) AS browser,
                    toLowCardinality(if(no_browser, '', pick(some_browser.2, uniform(key, 6)))) AS browser_version,
                    toLowCardinality(if(no_browser, '', some_browser.3)) AS engine,
                    toLowCardinality(if(no_browser, '', some_browser.4)) AS os,
                    toLowCardinality(if(no_browser, '', pick(some_browser.5, uniform(key, 7)))) AS os_version,
                    multiIf(is_bot, 'bot', spoofed, 'other', some_browser.6) AS device,
                    pick(some_browser.7, uniform(key, 8)) AS screen,
                    zipf(uniform(key, 9), length(countries)) AS country_number,
                    countries[country_number] AS home,
                    zipf(uniform(key, 10), 60) AS city_number,
                    toLowCardinality(home) AS country,
                    toLowCardinality(concat(home, ' region ', toString(city_number % 17))) AS region,
                    toLowCardinality(concat(home, ' city ', toString(city_number))) AS city,
                    country_number * 1000 + zipf(uniform(key, 11), 12) AS asn,
                    toLowCardinality(concat('Network ', toString(asn), if(data_centre, ' Hosting', ' Telecom'))) AS network,
                    toLowCardinality(if(uniform(key, 12) < 0.85, concat(lower(home), '-', home), 'en-US')) AS language,
                    toLowCardinality(concat('Zone/', home, if(uniform(key, 13) < 0.1, '_East', ''))) AS timezone,
                    if(uniform(key, 14) < 0.22, 6, 4) AS ip_version,
                    pick(referral_weights, uniform(key, 15)) AS referral_number,
                    3600 * (pick(hours, uniform(key, 16)) - 1) + 3600 * uniform(key, 17) AS start,
                    pages_of(uniform(key, 18), if(is_bot, 90, 64)) AS first_pages,
                    first_pages + if(uniform(key, 19) < 0.18, pages_of(uniform(key, 23), 64), 0) AS pages,
                    arrayMap(index -> intHash64(key + index * 7919), range(1, pages + 1)) AS page_keys,
                    arrayMap(page_key -> if(is_bot, 0.3 + 3.7 * uniform(page_key, 8), dwell_of(page_key)), page_keys) AS dwells,
                    2400 + 26400 * uniform(key, 24) AS pause,
                    arrayMap(index -> if(index = first_pages + 1, pause, 0.4), range(1, pages + 1)) AS pauses
                FROM numbers_mt({visitors:UInt64})
            )
        )
    )
    ARRAY JOIN arrayZip(page_events, arrayEnumerate(page_events)) AS numbered_event
)
