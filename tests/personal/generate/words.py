"""Words of the corpus. Each list is divided between the two halves, so that the held-out half has words that the other has not.

Names, streets and domains are not those of the scrubber's tables; `tests/personal` checks that.
"""

import random

GIVEN_M = """Архип Богдан Вадим Вениамин Герман Глеб Давид Демьян Эдуард Ефим Захар Игнат Иннокентий Клим Лаврентий Макар Марат
Назар Остап Платон Прохор Ростислав Савелий Святослав Тарас Тимофей Фёдор Харитон Эльдар Яков Ян Руслан Ринат Семён Матвей Аркадий
Степан Валентин Лев Олег""".split()
GIVEN_F = """Алевтина Ангелина Варвара Василиса Вероника Виолетта Глафира Дина Ева Жанна Злата Инга Инесса Камила Капитолина Клавдия
Лиана Лилия Майя Маргарита Милана Нелли Ника Пелагея Прасковья Регина Римма Роза Серафима Стефания Таисия Ульяна Фаина Эвелина Эльвира
Эмма Юлиана Ярослава Зинаида Раиса Нонна""".split()
SURNAMES_M = """Абакумов Белозёров Вострецов Гришаев Дерябин Елагин Жиганов Завьялов Ивлев Кадочников Лапшин Мещеряков Нагорный Овсянников
Пахомов Рукавишников Селиванов Третьяков Ушаков Фирсов Хабаров Цветаев Чистяков Шапошников Щеглов Юдинцев Ягодкин Басманов Вяземский
Горчаков Дубровский Ермилов Заболоцкий Каширин Лещенко Маринич Назаренко Онищук Перепелица Рябцев Скоробогатько Тимошук Ухтомский
Филиппенко Хмелевский Червяков Шевчук""".split()
SURNAMES_F = """Абакумова Белозёрова Вострецова Гришаева Дерябина Елагина Жиганова Завьялова Ивлева Кадочникова Лапшина Мещерякова
Нагорная Овсянникова Пахомова Рукавишникова Селиванова Третьякова Ушакова Фирсова Хабарова Цветаева Чистякова Шапошникова Щеглова
Ягодкина Басманова Вяземская Горчакова Дубровская Ермилова Заболоцкая Каширина Лещенко Маринич Назаренко Онищук Рябцева Ухтомская
Филиппенко Хмелевская Червякова Шевчук""".split()
PATRONYMICS_M = """Архипович Богданович Вадимович Германович Глебович Давидович Ефимович Захарович Игнатьевич Климович Макарович
Назарович Платонович Прохорович Савельевич Тарасович Тимофеевич Фёдорович Харитонович Эдуардович Яковлевич Русланович Семёнович
Матвеевич Аркадьевич Степанович Валентинович Львович Олегович Ильич Никитич Фомич Лукич Григорьевич Юрьевич Борисович""".split()
PATRONYMICS_F = """Архиповна Богдановна Вадимовна Германовна Глебовна Давидовна Ефимовна Захаровна Игнатьевна Климовна Макаровна
Назаровна Платоновна Прохоровна Савельевна Тарасовна Тимофеевна Фёдоровна Харитоновна Эдуардовна Яковлевна Руслановна Семёновна
Матвеевна Аркадьевна Степановна Валентиновна Львовна Олеговна Ильинична Никитична Фоминична Лукинична Григорьевна Юрьевна
Борисовна""".split()
LATIN_GIVEN = """bertram callum desmond edwin fergus gareth hamish ingrid joanna kirsten leonora marcel nadine ophelia percival quentin
rosalind sigrid tobias ursula valerie wilhelm yvonne zachary annika benedikt claire dorota emil franka gustav henrik ilse jasper""".split()
LATIN_SURNAMES = """ashworth bellingham cartwright donnelly eastwood fairbanks goodwin hawthorne ibsen jorgensen kingsley lindqvist
mcallister nordstrom oconnell pemberton quigley rutherford stanhope thornbury underhill vandermeer whitcombe yardley zimmermann
dombrowski fischbach gruenwald holmgren kaczmarek""".split()
NICKS = """kotofey belka murzik sova zvezda volna cherry panda falcon pirate shadow rider dreamer hunter sailor gamer vostok sputnik
altair orion nevada breeze comet pixel raccoon otter willow maple frosty cactus""".split()
DOMAINS = """pochta.example yamail.example correo.es posteo.de tutanota.com fastmail.com zoho.eu gmx.net laposte.net libero.it
seznam.cz wp.pl onet.pl ukr.net tut.by mail.kz protonmail.ch hey.com icloud.com aol.com rambler.ua sibmail.com nextmail.ru lenta.ru
vk.company medline.spb.ru school57.msk.ru""".split()
IDN_DOMAINS = """почта.рф здоровье.рус школа.дети ромашка.рф аптека.москва письма.онлайн сайт.бел пошта.укр лаб.рус банк.рф""".split()
STREETS = """Тополиная Кленовая Дубининская Планерная Краснодарская Шаболовка Солянка Мневники Остоженка Басманная Зорге Подвойского
Наличная Бухарестская Ботаническая Профсоюзная Каширская Люсиновская Полянка Таганская""".split()
LATIN_STREETS = """topolinaya klenovaya dubininskaya planernaya shabolovka solyanka ostozhenka zorge nalichnaya elmwood maplewood
birchwood rosewood hillcrest lakeview kingsway queensway foxglove primrose larkspur""".split()

HOSTS = ["clinic.example", "shop.example", "school.example", "bank.example", "travel.example", "med-center.example", "стоматология.example"]
OTHER_HOSTS = ["partner.example", "mail.example", "lk.clinic.example", "pay.bank.example", "tickets.travel.example", "dnevnik.school.example"]
NEWS_HOSTS = ["yandex.ru", "news.example", "shop.example", "dzen.ru", "www.google.com", "forum.example"]

# Sections of sites in which a value may stand.
BASES = """/services/xray /analyses /booking /contacts /news /prices /lk /cabinet /doctors /search /orders /appointments /articles
/schedule /reviews /vrachi /uslugi /tseny /zapis /kontakty /otzyvy /analizy /novosti /lichnyj-kabinet /checkout /delivery /courses
/enroll /students /loans /deposits /transfer /flights /hotels /insurance /my/visits /account /api/v2 /app /portal/home /catalog /product
/клиника/запись /врачи /услуги /кабинет /анализы /help /about /promo /vaccination /telemed""".split()

# Sections whose numbers are articles', goods' or pages' ids.
CONTENT = """articles news product products catalog issues jobs topic topics video videos questions posts blog recipes films books
lessons courses lectures events photos albums gallery reviews wiki forum threads vacancies services programs promotions actions
magazine press symptoms diseases drugs conditions analyses tests departments branches clinics hotels tours cities collections stati
novosti tovar tovary katalog uslugi otzyvy akcii kursy uroki foto vopros temy vakansii bolezni lekarstva preparaty analizy otdeleniya
filialy goroda статьи новости товары каталог услуги отзывы акции курсы фото вопросы вакансии болезни лекарства анализы""".split()
GOODS = "catalog product products item items goods tovar tovary katalog sku dp offer".split()
# Sections and words whose number is a person's.
PERSONS = """patients patient pacient pacienty clients client klient users user members customers customer students student pupils
guests passengers employees subscribers пациенты пациент клиенты клиент ученик студенты пользователь""".split()
RECORDS = """medcard medical-card emk emr ehr history istoriya referral napravlenie recept prescription results rezultaty case
examination protocol discharge vypiska spravka card karta visits visit appointments appointment zapis talon orders order zakaz booking
bookings bron reservation ticket bilet invoice schet contract dogovor application zayavka claim subscription receipt chek
медкарта направление рецепт результаты талон заказ запись договор заявка квитанция""".split()
PAGES = """sign_in sign-up login logout register edit new settings password forgot-password security notifications orders faq
profile preferences favorites history documents payments help support about contacts rules privacy delivery-addresses bonus
loyalty reviews messages inbox family referrals how-to-prepare first-visit memo reminders checklist guide insurance rights
insurance-info visiting-hours parking appointments bills""".split()
TOKEN_WORDS = """invite invitation reset password-reset confirm confirmation verify verification share unsubscribe activate activation
magic-link magic auth token access one-time autologin join optout approve""".split()
SLUG = """lechenie kariesa u detey kak vybrat vracha podgotovka k operacii implantaciya zubov skolko stoit chistka sovety pered
priemom zdorovoe pitanie profilaktika grippa vosstanovlenie posle travmy winter sale running shoes guide summer camp mortgage rates
explained best beaches near lisbon healthy breakfast ideas blood pressure basics first aid kit how choose laptop travel light with
children learn spanish fast garden furniture review sleeping better tips ceramic braces""".split()
CYR_SLUG = """лечение кариеса подготовка операция имплантация зубов питание профилактика гриппа скидки путешествия ипотека расписание
уроки математика мебель кухня обувь отдых море документы лицензии цены акции""".split()
SPECIALITIES = """cardiologist kardiolog nevrolog neurologist hirurg dermatolog okulist ginekolog urolog pediatr ortoped
otolaringolog revmatolog endokrinolog gastroenterolog терапевт кардиолог невролог хирург дерматолог офтальмолог педиатр""".split()
FREE_QUERY = "q v id code state value ref from text search input key data item".split()
FREE_PROPS = "comment value text label field input query note message detail info payload data".split()

LATIN = dict(zip("абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
                 "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch  y  e yu ya".split(" ")))


def latin(text):
    """A Russian text in Latin letters."""
    return "".join(LATIN.get(letter, letter) for letter in text.lower())


class Half:
    """The words of one half. `which` is 0 or 1."""

    def __init__(self, which, seed):
        self.which = which
        self.random = random.Random(f"{seed}-{which}")
        for name, value in list(globals().items()):
            if name.isupper() and isinstance(value, list):
                words = list(dict.fromkeys(value))
                random.Random(f"{seed}-{name}").shuffle(words)
                setattr(self, name.lower(), words[which::2] if len(words) > 5 else words)

    def pick(self, words):
        return self.random.choice(words)
