"""Rows of which everything must stay."""

from urllib.parse import quote

import identifiers as ids
from places import LINE, Row
from words import latin


def slug(half, least=2, most=4):
    return "-".join(half.pick(half.slug) for _ in range(half.random.randrange(least, most + 1)))


def digits(half, least, most):
    count = half.random.randrange(least, most + 1)
    return ids.some(half.random, "123456789", 1) + ids.some(half.random, ids.DIGITS, count - 1)


def page(half, kind, path):
    """An address of the site or of a referrer. The path must stay."""
    shown = quote(path, safe="/-._~!$&'()*+,;=:@%") if half.random.random() < 0.3 else path
    if half.random.random() < 0.7:
        return Row(kind, "url", f"https://{half.pick(half.hosts)}{shown}", [], [shown])
    return Row(kind, "referrer", f"https://{half.pick(half.news_hosts)}{shown}", [], [shown])


def kept(kind, where, text):
    return Row(kind, where, text, [], [text])


def prop(kind, name, value):
    return Row(kind, "props", f"{name}={value}", [], [value])


def query(kind, name, value):
    return Row(kind, "query-allowed", f"{quote(name)}={quote(value, safe='')}", [], [value])


def content_ids(half):
    word, number = half.pick(half.content), digits(half, 4, 7)
    return page(half, "content-id", half.pick([f"/{word}/{number}/", f"/{word}/{number}-{slug(half)}", f"/{word}/{slug(half)}-{number}", f"/{word}/{number}/{slug(half)}", f"/{word}/{number}.html", f"/{word}/{digits(half, 1, 3)}/{number}", f"/{word}/{slug(half, 1, 2)}/{number}"]))


def content_parameters(half):
    name = half.pick(["product_id", "article", "category_id", "news_id", "post_id", "item_id", "page_id", "topic_id", "doctor_id", "service_id", "city_id", "branch", "articleId", "serviceId", "lesson", "tour", "hotel_id", "course", "category", "product"])
    return half.pick([query, prop])("content-id", name, digits(half, 3, 7))


def id_short(half):
    word = half.pick(half.content + ["doctors", "vrachi", "врачи"])
    return page(half, "id-short", half.pick([f"/{word}/{digits(half, 1, 3)}", f"/{word}/{digits(half, 2, 5)}-{slug(half)}", f"/{word}/{slug(half)}-{digits(half, 1, 3)}/", f"/{word}/page/{digits(half, 1, 2)}"]))


def page_numbers(half):
    number = digits(half, 1, 3)
    return half.pick([
        lambda: page(half, "page", f"/{half.pick(half.content)}/page/{number}"), lambda: page(half, "page", f"/{slug(half)}/stranica-{number}"),
        lambda: query("page", half.pick(["page", "p", "PAGEN_1", "offset", "per_page", "limit", "start"]), half.pick([number, digits(half, 2, 4)])),
        lambda: page(half, "page", f"/metro/{half.pick(half.slug)}-{digits(half, 3, 3)}m"), lambda: page(half, "page", f"/trains/{digits(half, 3, 3)}{half.pick('AMNSC')}"),
        lambda: page(half, "page", f"/flights/{half.pick(['SU', 'S7', 'U6', 'TK'])}-{digits(half, 3, 4)}"), lambda: page(half, "page", f"/rfc/rfc{digits(half, 4, 4)}"),
        lambda: page(half, "page", f"/npm/{half.pick(['vue', 'lodash', 'moment', 'swiper'])}@{number}.{digits(half, 1, 2)}.{digits(half, 1, 2)}"),
        lambda: page(half, "page", f"/{half.pick(['class', 'grade', 'klass', 'room', 'kabinet', 'etazh'])}-{digits(half, 1, 2)}"),
        lambda: page(half, "page", f"/{half.pick(half.content)}/{slug(half)}/comments/page-{number}"),
    ])()


def dates(half):
    rng = half.random
    year, month, day = rng.randrange(2005, 2035), rng.randrange(1, 13), rng.randrange(1, 29)
    name = half.pick(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"])
    russian = half.pick("января февраля марта апреля мая июня июля августа".split())
    iso = f"{year}-{month:02}-{day:02}"
    return half.pick([
        lambda: page(half, "date", f"/{year}/{month:02}/{day:02}/{slug(half)}"), lambda: page(half, "date", f"/{half.pick(half.content)}/{iso}/{slug(half)}.html"),
        lambda: page(half, "date", f"/archive/{year}/{name}/{day}"), lambda: page(half, "date-compact", f"/{year}{month:02}{day:02}/{slug(half)}"),
        lambda: page(half, "date-compact", f"/news/{year}{month:02}{day:02}.html"), lambda: prop("date", half.pick(["date", "checkin", "departure", "day", "дата"]), half.pick([iso, f"{day:02}.{month:02}.{year}"])),
        lambda: query("date", half.pick(["date", "from", "to", "checkout", "month"]), half.pick([iso, f"{year}-{month:02}", f"{year}{month:02}{day:02}"])),
        lambda: kept("date", "title", f"Расписание на {day} {russian} {year}"), lambda: kept("date", "event-name", f"select {iso} {rng.randrange(8, 20):02}:30"),
        lambda: kept("date", "error", f"Invalid date {iso}T{rng.randrange(24):02}:{rng.randrange(60):02}:00.000Z"), lambda: kept("date", "cookie", iso),
        lambda: page(half, "date", f"/{half.pick(['vystavka', 'forum', 'olympiad', 'den-otkrytyh-dverej'])}-{year}"),
    ])()


def prices(half):
    number = half.random.randrange(200, 9_999_999)
    spaced = f"{number:,}".replace(",", " ")
    return half.pick([
        lambda: query("price", half.pick(["price_from", "price_to", "min_price", "max_price", "price", "sum", "budget"]), str(number)),
        lambda: prop("price", half.pick(["price", "total", "amount", "sum", "revenue", "cost", "цена", "стоимость", "сумма", "value_rub", "cart_total", "order_total"]), half.pick([str(number), f"{number}.50", f"{spaced} ₽", f"{spaced} руб."])),
        lambda: kept("price", "title", f"МРТ от {spaced} руб."), lambda: kept("price", "event-name", f"price={spaced} ₽"), lambda: kept("price", "title", f"Квартиры от {spaced} до {number + 90_000:,} ₽".replace(",", " ")),
        lambda: page(half, "price", f"/{half.pick(['tury', 'kvartiry', 'laptops', 'credit'])}/do-{number}-rub"), lambda: kept("price", "event-name", f"deposit {number} RUB"), lambda: kept("price", "title", f"Кредит {number} рублей за 5 минут"),
        lambda: prop("price", half.pick(["currency_amount", "salary", "monthly_payment", "discount"]), f"{number / 100:.2f}"),
    ])()


def goods(half):
    rng = half.random
    upper = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    code = half.pick([
        f"{ids.some(rng, upper, 2)}{digits(half, 1, 1)}{ids.some(rng, upper, 1)}{digits(half, 1, 2)}{ids.some(rng, upper, 2)}", f"{ids.some(rng, upper, 3)}-{digits(half, 4, 5)}-{ids.some(rng, upper, 1)}",
        f"{digits(half, 2, 2)}{ids.some(rng, upper, 2)}{digits(half, 5, 5)}{ids.some(rng, upper, 2)}", f"{ids.some(rng, upper, 2)}{digits(half, 6, 7)}", f"{digits(half, 3, 3)}.{digits(half, 3, 3)}.{digits(half, 2, 2)}",
    ])
    return half.pick([
        lambda: page(half, "sku", f"/{half.pick(half.goods)}/{code}"), lambda: page(half, "sku", f"/shop/{half.pick(half.slug)}-{code.lower()}") if len(code) < 9 and "." not in code else prop("sku", "sku", code),
        lambda: prop("sku", half.pick(["sku", "article", "артикул", "vendor_code", "model", "part_number", "product_code"]), code), lambda: query("sku", half.pick(["sku", "model", "article", "articul"]), code),
        lambda: page(half, "size", f"/img/{digits(half, 3, 4)}x{digits(half, 3, 4)}/{slug(half)}.webp"), lambda: page(half, "size", f"/shop/{half.pick(half.slug)}-{digits(half, 2, 3)}x{digits(half, 2, 3)}x{digits(half, 2, 3)}-sm"),
        lambda: kept("size", "ad", f"banner {half.pick(['300x250', '728x90', '160x600', '1920x1080', '970x250'])}"), lambda: page(half, "sku", f"/phones/{half.pick(['galaxy-s24-256gb', 'pixel-9-pro-xl-512gb-black', 'redmi-note-13-8-256', 'iphone-16e-128gb'])}"),
        lambda: prop("size", "volume", f"{digits(half, 3, 6)} ml"), lambda: prop("size", half.pick(["weight", "file_size", "bytes", "duration_ms"]), digits(half, 3, 8)),
    ])()


def medical(half):
    rng = half.random
    icd = half.pick([f"{rng.choice('ABCDEFGHIJKLMN')}{rng.randrange(99):02}.{rng.randrange(10)}", f"{rng.choice('ABCDEFGHIJKLMN')}{rng.randrange(99):02}"])
    service = f"{rng.choice('AB')}{rng.randrange(1, 27):02}.{rng.randrange(1, 31):02}.{rng.randrange(1, 99):03}"
    act = half.pick(["323-ФЗ", "152-ФЗ", "326-ФЗ", "61-фз", "44-FZ"])
    order = f"{digits(half, 3, 3)}н"
    atc = f"{rng.choice('ABCDGHJLMNPRSV')}{rng.randrange(1, 20):02}{rng.choice('ABCD')}{rng.choice('ABCD')}{rng.randrange(1, 20):02}"
    return half.pick([
        lambda: page(half, "icd", f"/mkb-10/{icd}"), lambda: prop("icd", half.pick(["diagnosis", "icd10", "mkb", "диагноз", "code"]), icd), lambda: query("icd", "mkb", icd), lambda: kept("icd", "title", f"Код {icd} по МКБ-10"),
        lambda: prop("service-code", half.pick(["service", "service_code", "услуга"]), service), lambda: page(half, "service-code", f"/services/{service}"), lambda: kept("service-code", "event-name", f"select {service}"),
        lambda: kept("law", "title", f"Федеральный закон № {act} «Об основах охраны здоровья»"), lambda: page(half, "law", f"/documents/{latin(act.lower())}"), lambda: kept("law", "title", f"Приказ Минздрава № {order} от {rng.randrange(1, 28):02}.10.{rng.randrange(2009, 2026)}"),
        lambda: kept("law", "title", half.pick(["ГОСТ Р 52379-2005", "ГОСТ Р ИСО 15189-2015", "СанПиН 2.1.3678-20", "ISO 13485:2016", "СП 158.13330.2014", "ТУ 9398-001-52318770"])), lambda: page(half, "law", f"/gost/{half.pick(['gost-r-52379-2005', 'gost-31508-2012', 'iso-9001-2015', 'sanpin-2-1-3678-20'])}"),
        lambda: page(half, "drug", f"/atc/{atc}"), lambda: page(half, "drug", f"/{half.pick(['ibuprofen', 'amoksiklav', 'vitamin', 'omega'])}-{half.pick(['400mg', '875-125-mg', 'd3-2000-me', '3-1000mg-n60'])}"), lambda: prop("drug", "dose", half.pick(["500 мг", "0.25 mg", "2x250 мг", "1000 МЕ"])),
        lambda: kept("licence", "title", f"Лицензия № ЛО-77-01-{digits(half, 6, 6)}"), lambda: kept("licence", "title", f"Лицензия Л041-01137-77/{digits(half, 8, 8)}"), lambda: prop("measure", half.pick(["pressure", "pulse", "temperature", "glucose", "weight", "height"]), half.pick(["120/80", "72", "36.6", "5.4", "81.5", "178"])),
        lambda: page(half, "speciality", f"/vrachi/{half.pick(half.specialities)}"), lambda: prop("speciality", half.pick(["doctor", "speciality", "врач", "specialist"]), half.pick(half.specialities)), lambda: page(half, "speciality", f"/{half.pick(half.specialities)}/{half.pick(['moskva', 'spb', 'online', 'na-dom'])}"),
    ])()


def public_people(half):
    feminine = half.random.random() < 0.5
    surname, given = (half.pick(half.surnames_f), half.pick(half.given_f)) if feminine else (half.pick(half.surnames_m), half.pick(half.given_m))
    name = f"{latin(surname)}-{latin(given)}".replace("'", "")
    return half.pick([
        lambda: page(half, "public-name", f"/{half.pick(['doctors', 'vrachi', 'specialists', 'teachers', 'authors', 'team'])}/{name}"), lambda: page(half, "public-name", f"/{half.pick(['doctor', 'vrach', 'trainer', 'author'])}/{name}-{digits(half, 1, 4)}"),
        lambda: page(half, "public-name", f"/vrachi/{half.pick(half.specialities)}/{name}"), lambda: page(half, "public-name", f"/врачи/{surname.lower()}-{given.lower()}"),
    ])()


def stacks(half):
    rng = half.random
    name = half.pick(["runtime", "main", "vendors", "app", "booking", "cart", "polyfills", "chunk-vendors"])
    hashed = ids.mixed(rng, ids.HEX, half.pick([8, 16, 20])) if rng.random() < 0.7 else ids.mixed(rng, ids.URL64.replace("-", "").replace("_", ""), 8)
    host = half.pick([host for host in half.hosts if host.isascii()])
    column = digits(half, 1, 7)
    return half.pick([
        lambda: Row("asset-hash", "stack", f"TypeError: e is null{LINE}at $r (https://{host}/static/js/{name}.{hashed}.js:2:{column})", [], [f"{name}.{hashed}.js:2:{column}", "$r"]),
        lambda: Row("asset-hash", "error", f"Loading CSS chunk {digits(half, 1, 3)} failed. (/static/css/{digits(half, 1, 2)}.{hashed}.chunk.css)", [], [hashed, "failed"]),
        lambda: Row("asset-hash", "error", f"Failed to fetch dynamically imported module: https://{host}/assets/{name}-{hashed}.js", [], [f"{name}-{hashed}.js"]),
        lambda: Row("stack-column", "stack", f"{half.pick(['n', 'Array.map', 'r.render', 'Object.t'])}@https://{host}/{name}.js:{digits(half, 1, 5)}:{column}", [], [f"{name}.js:", f":{column}"]),
        lambda: Row("stack-column", "stack", f"Error: x{LINE}at t (https://{host}/{name}.js:1:{column}){LINE}at async Promise.all (index 0)", [], [f"{name}.js:1:{column}", "Promise.all (index 0)"]),
        lambda: Row("stack-column", "stack", f"ReferenceError: a{LINE}at HTMLDocument.<anonymous> (https://{host}/:{digits(half, 2, 4)}:{digits(half, 1, 3)}){LINE}at webpack://shop/./src/{name}.vue?{ids.mixed(rng, ids.HEX, 4)}:{digits(half, 2, 3)}:9", [], ["HTMLDocument.<anonymous>", f"{name}.vue"]),
    ])()


ERRORS = """TypeError: Cannot read properties of null (reading 'addEventListener')
ResizeObserver loop completed with undelivered notifications.
Unexpected token '<', "<!DOCTYPE "... is not valid JSON
Script error.
NetworkError when attempting to fetch resource.
Minified React error #418; visit https://react.dev/errors/418 for the full message
QuotaExceededError: Failed to execute 'setItem' on 'Storage': Setting the value of 'cache' exceeded the quota.
Timeout of 30000ms exceeded
timeout of 120000 ms exceeded
HTTP 503 after 5 retries
Maximum call stack size exceeded
{"status":500,"code":"INTERNAL","retry":true}
net::ERR_CONNECTION_REFUSED (-102)
DOMException: The play() request was interrupted by a call to pause(). https://goo.gl/LdLk22
Hydration failed because the initial UI does not match
SyntaxError: Unexpected end of JSON input at position 104857
Request entity too large: 10485760 bytes, limit 5242880
Out of memory: allocation of 134217728 bytes failed
Rate limited, retry in 60 s
0x80004005 (NS_ERROR_FAILURE)
Deprecated: use v3 since 2025-01
Assertion failed: expected 3, got 4
Invalid LatLng object: (NaN, NaN)
Превышено время ожидания ответа сервера
Не удалось загрузить расписание на 14 дней
ChunkLoadError: Loading chunk 412 failed.
Error code 19 after 12345 ms at step 7
user is not defined
Patient form: required field is empty
Client closed the connection
Cannot destructure property 'token' of 'undefined'
password is required
Invalid phone number
Не заполнено поле телефон
Введите имя и фамилию
Email is not valid
Session expired, please sign in again
Unknown login method
Passport field must not be empty
order is not iterable
visit.date is not a function
card.querySelector is not a function
The name must have 2 to 50 letters
Expected 11 digits, got 9""".splitlines()

EVENTS = """form_submit
scroll_90
open_chat
add_to_cart
Запись на приём
call_click
phone_click
video_25_percent
faq_open_12
login_success
order_completed
select_clinic_3
show_more
step2_confirm
filter_price_1000_5000
download_price_list_2026
patient_form_open
Выбор врача
Клик по телефону
calculator: 24 months
tab_12
exp_checkout_v2_b
user_menu_open
name_field_focus
card_view
Отправить заявку
birth_date_focus
share_vk
address_suggest_shown
GetStartedButtonClickedEvent
useAppointmentsInfiniteQuery
onIntersectionObserverEntry""".splitlines()

TITLES = """Запись к врачу — Клиника
COVID-19: вопросы и ответы
Скидка 20% до 30.11.2026
Top 10 best beaches of 2026
Анализы крови: 250+ показателей
Ипотека от 5,9 % годовых
Кабинет 305, 3 этаж
Работаем 24/7, пн-пт 08-20
Курс английского A2–B1, 36 часов
Отзывы (128)
iPhone 16 Pro 256 ГБ — купить
3 ночи в Стамбуле, завтраки
ЕГЭ-2027 по математике: задание 13
Палата на 2 места
Вклад на 365 дней
Личный кабинет пациента
История болезни: как получить выписку
Паспорт пациента: что это
Полис ОМС: как оформить
Как узнать ИНН
Карта сайта
Номер телефона регистратуры
Пароль от Госуслуг
Visa or Mastercard?
Order online
My visits
User guide, version 2.1
Name your price
Birth at our clinic
Phone cases and covers
Дом, в котором живёт кот
Улица Кленовая, 12: как проехать
Больница № 67
Школа № 1535
Детский сад №12 «Ромашка»
Корпус 2, подъезд 1
Street food in Hanoi
Самолёт Ту-154
Война и мир. Том 2
Президентская библиотека имени Ельцина
Ванна 170x70""".splitlines()

PROPS = """time=10:15
percent=20%
step=3
tab=reviews
experiment=checkout_b
variant=2
lang=ru-RU
theme=dark
rating=4.8
count=128
duration=00:03:25
ratio=0.333
progress=0.75
scroll=1234.5678
score=10/10
age=34
gender=f
phone=true
email=yes
user_type=returning
login=success
method=sms
card=visa
card_type=mir
order=asc
order_by=price
sort=name
name=МРТ головного мозга
service_name=Приём терапевта
product_name=Кроссовки беговые
event_name=purchase
plan_name=Family 500
file_name=price-2026.pdf
doctor=cardiologist
city=Москва
address=Москва
region=77
status=200
code=NOT_FOUND
promo_code=SPRING26
coupon=WELCOME10
size=XL
password=weak
session=new
token=expired
user=guest
client=web
patient=adult
visit=first
visit_number=2
visits=14
members=250
clients_count=12000
passport=required
session_duration=184
user_agent_family=Chrome
host_name=clinic.example
viewport=1920x937
fps=59.94
x=123.456
timestamp=1763800000
ts=1763800000123
build=20261126.3
release=web@2.14.0
version=3.12.1-rc2
level=12
lesson=Unit 5
grade=7Б
room=305
floor=3
flight=SU-1407
seat=14C
bank=Сбер
rate=5.9
months=24
birth_year_range=1980-1989
dosage=500 мг
blood_group=A(II) Rh+
phone_type=mobile
address_type=home
color=#4aea85
utm_like=spring_sale_2026
position=3
index=1048576
metro=Тверская
house_type=panel
nights=7
iban_valid=false
ip_version=6
place=window
category=Анализы
subject=Физика
class=10А
login_method=google
name_length=12
delivery_address_filled=true""".splitlines()

COOKIES = "A B 1 0 true false ru en dark light v2.1 Europe/Moscow control variant-b granted denied desktop moskva spb 3 12 msk-2 opt-in 1440x900 RUB".split()


def listed(half):
    return half.pick([
        lambda: kept("error-text", "error", half.pick(ERRORS[half.which::2])), lambda: kept("event-name", "event-name", half.pick(EVENTS[half.which::2])),
        lambda: kept("title", "title", half.pick(TITLES[half.which::2])), lambda: prop("props", *half.pick(PROPS[half.which::2]).split("=", 1)), lambda: kept("cookie", "cookie", half.pick(COOKIES[half.which::2])),
        lambda: prop("props", *half.pick(PROPS[half.which::2]).split("=", 1)),
    ])()


def slugs(half):
    rng = half.random
    cyrillic = "-".join(half.pick(half.cyr_slug) for _ in range(rng.randrange(1, 4)))
    return half.pick([
        lambda: page(half, "slug", f"/{slug(half, 1, 2)}/{slug(half)}.html"), lambda: page(half, "slug", f"/{slug(half, 6, 14)}"), lambda: page(half, "slug", f"/blog/{slug(half)}/"),
        lambda: page(half, "cyrillic", f"/{half.pick(half.cyr_slug)}/{cyrillic}"), lambda: page(half, "cyrillic", f"/{cyrillic}-{rng.randrange(1, 99)}"), lambda: page(half, "slug", f"{half.pick(half.bases)}/{slug(half)}"),
        lambda: page(half, "long-word", f"/wiki/{half.pick(['otorhinolaryngology', 'ELECTROENCEPHALOGRAM', 'CHOLECYSTECTOMY', 'esophagogastroduodenoscopy', 'dvenadtsatiperstnaya', 'vysokokvalifitsirovannyj', 'immunnoglobulinoterapiya', 'Lebensversicherungsgesellschaft'])}"),
        lambda: page(half, "slug", f"/{half.pick(half.slug)}_{half.pick(half.slug)}_{half.pick(half.slug)}"), lambda: page(half, "slug", f"/{half.pick(half.content)}/{slug(half, 1, 1)}/{slug(half)}"),
    ])()


def person_pages(half):
    rng = half.random
    word = half.pick(["users", "account", "profile", "patients", "clients", "user", "cabinet", "lk", "members", "customers", "orders", "visits", "students", "guests", "results", "cards"])
    return page(half, "person-word-page", half.pick([f"/{word}/{half.pick(half.pages)}", f"/{word}/{half.pick(half.pages)}/", f"/{word}/{half.pick(half.pages)}.html", f"/{word}/{half.pick(half.pages)}/{half.pick(half.pages)}"]))


def token_pages(half):
    word = half.pick(half.token_words)
    return page(half, "token-word-page", f"/{word}/{half.pick(['password', 'success', 'newsletter', 'account', 'facebook', 'subscription', 'expired', 'identity', 'instructions', 'telegram', 'complete', 'colleagues', 'documents', 'registration', 'whatsapp', 'transfer', 'delivery', 'vkontakte'])}")


def packages(half):
    return page(half, "package", half.pick(["/@types/react", "/npm/@vue/compiler-sfc", "/@babel/core", "/npm/@popperjs/core@2.11.8/dist/umd/popper.min.js", "/@angular/router", "/unpkg/@floating-ui/dom@1.6.3", "/@fullcalendar/core"]))


def versions(half):
    a, b, c = digits(half, 1, 2), digits(half, 1, 2), digits(half, 1, 2)
    return half.pick([
        lambda: page(half, "version", f"/docs/v{a}.{b}.{c}/{half.pick(half.slug)}"), lambda: page(half, "version", f"/download/{half.pick(half.slug)}-{a}.{b}.{c}.tar.gz"), lambda: prop("version", "app_version", f"{a}.{b}.{c}"),
        lambda: kept("version-four", "error", f"Unsupported browser: {half.pick(['Chrome', 'YaBrowser', 'Edg', 'OPR', 'Vivaldi', 'SamsungBrowser'])}/{half.random.randrange(80, 160)}.{half.random.randrange(2)}.{half.random.randrange(0, 9)}.{half.random.randrange(0, 99)}"),
        lambda: kept("version-four", "error", f"Unsupported system: version 10.0.{digits(half, 5, 5)}.{digits(half, 3, 4)}"), lambda: prop("version-four", "agent", f"{half.pick(['Chrome', 'Edg', 'YaBrowser'])}/{half.random.randrange(80, 160)}.0.0.0"), lambda: kept("version-four", "event-name", f"update {half.pick(['Firefox', 'Safari'])}/{a}.{b}"),
    ])()


def commits(half):
    sha = ids.mixed(half.random, ids.HEX, half.random.randrange(7, 13))
    return half.pick([
        lambda: page(half, "commit-short", f"/{half.pick(half.slug)}/commit/{sha}"), lambda: prop("commit-short", half.pick(["commit", "revision", "build", "sha", "release"]), sha), lambda: kept("commit-short", "event-name", f"deploy {sha}"),
        lambda: page(half, "hex-colour", f"/colors/{ids.some(half.random, ids.HEX, 6)}"), lambda: prop("hex-colour", half.pick(["colour", "color", "background", "цвет"]), "#" + ids.some(half.random, ids.HEX, 6)), lambda: query("hex-colour", "color", "#" + ids.some(half.random, ids.HEX.upper(), 6)),
    ])()


def books(half):
    thirteen, hyphened = ids.isbn(half.random)
    return page(half, "isbn", half.pick([f"/book/{hyphened}", f"/isbn/{thirteen}", f"/isbn/{digits(half, 10, 10)}", f"/books/{thirteen}", f"/knigi/{hyphened}"]))


def maps(half):
    rng = half.random
    lat, lon = f"{rng.uniform(41, 69):.2f}", f"{rng.uniform(27, 140):.2f}"
    return half.pick([
        lambda: page(half, "coarse-map", f"/map/{lat},{lon}/z{rng.randrange(3, 16)}"), lambda: prop("coarse-map", "center", f"{lat}, {lon}"), lambda: query("coarse-map", "ll", f"{lon},{lat}"),
    ])()


def campaigns(half):
    rng = half.random
    number = digits(half, 8, 10)
    text = half.pick([f"{half.pick(half.slug)}_{half.pick(half.slug)}_{rng.randrange(2015, 2027)}", f"{half.pick(half.slug)}-{rng.randrange(1, 99)}", f"{half.pick(half.cyr_slug)} {half.pick(half.cyr_slug)}", f"cid|{number}".replace("|", "."), f"{half.pick(['poisk', 'rsya', 'master'])}-{number}", number, "120" + ids.some(rng, ids.DIGITS, 15), "23" + ids.some(rng, ids.DIGITS, 15)])
    return half.pick([
        lambda: query("utm" if not text.isdigit() else "campaign-id", half.pick(["utm_campaign", "utm_content", "utm_term", "utm_source", "utm_id"]), text), lambda: query("campaign-id", "utm_campaign", number),
        lambda: kept("campaign-id", "ad", f"{half.pick(['direct', 'vk', 'campaign', 'gid', 'ad'])}-{digits(half, 8, 10)}"), lambda: kept("ad", "ad", half.pick(["mrt -20%", "top", "promo 2026-11", "leto_slot_2", "main-banner-3", "Скидка 15% на чистку", "retarget A/B", "1+1=3", "checkup 40+"])),
        lambda: prop("campaign-id", half.pick(["campaign_id", "banner_id", "ad_id", "creative_id"]), digits(half, 8, 11)),
    ])()


def soft(half):
    rng = half.random
    sha = ids.some(rng, ids.HEX, 40)
    return half.pick([
        lambda: page(half, "soft-commit", f"/{half.pick(half.slug)}/commit/{sha}"), lambda: page(half, "soft-ean", f"/barcode/{ids.ean13(rng)}"), lambda: page(half, "soft-item-id", f"/{half.pick(['catalog', 'product', 'item'])}/{digits(half, 9, 9)}/detail.aspx"),
        lambda: page(half, "soft-ogrn", f"/company/{ids.ogrn(rng)}"), lambda: page(half, "soft-video-id", f"/watch/{ids.mixed(rng, ids.URL64, 11)}"),
    ])()


def identifiers(half):
    parts = [half.pick("get set use render handle fetch update load create find".split())] + [half.pick("Slot Doctor Schedule Price Cart Lesson Flight Hotel Query State List Item Form Modal Button Observer Element Request Response Version Service Route Config".split()) for _ in range(half.random.randrange(1, 5))]
    name = "".join(parts) + half.pick(["", "", "V2", "ById", "Async", "64"])
    return half.pick([lambda: kept("identifier", "event-name", name), lambda: Row("identifier", "error", f"{name} is not a function", [], [name]), lambda: Row("identifier", "stack", f"TypeError: a{LINE}at {name} (https://clinic.example/app.js:10:15)", [], [name])])()


def places_of_sites(half):
    street, latin_street = half.pick(half.streets), half.pick(half.latin_streets)
    house = half.random.randrange(1, 120)
    return half.pick([
        lambda: page(half, "branch-address", f"/contacts/ul-{latin_street}-{house}"), lambda: kept("branch-address", "title", f"Клиника на ул. {street}, д. {house}"), lambda: kept("branch-address", "event-name", f"Маршрут: улица {street}, {house}"),
        lambda: prop("branch-address", half.pick(["branch", "clinic", "filial", "store"]), f"ул. {street}, {house}"), lambda: page(half, "postcode", f"/postcode/{digits(half, 6, 6)}"), lambda: query("postcode", half.pick(["zip", "postcode", "index"]), digits(half, 6, 6)),
    ])()


MAKERS = [(content_ids, 150), (content_parameters, 50), (id_short, 80), (page_numbers, 90), (dates, 140), (prices, 110), (goods, 120), (medical, 190), (public_people, 60), (stacks, 110), (listed, 330), (slugs, 150), (person_pages, 90),
          (token_pages, 40), (packages, 12), (versions, 70), (commits, 60), (books, 30), (maps, 30), (campaigns, 100), (identifiers, 50), (places_of_sites, 50), (soft, 50)]


def rows(half):
    for make, count in MAKERS:
        for _ in range(count):
            yield make(half)
