"""Footfall's names of browsers, systems and devices, each with the names in the sources of the suites.

Names outside these tables are not checked: the sources know many more programs than Footfall reports.
"""

FAMILIES = {
    "360 Browser": ["360 Browser", "360 Phone Browser", "360 Secure Browser", "360 Speed Browser"],
    "AVG Secure Browser": ["AVG Secure Browser"],
    "Aloha": ["Aloha Browser", "Aloha Browser Lite"],
    "Android WebView": ["Chrome Webview", "Chrome WebView"],
    "Atom": ["Atom"],
    "Avast Secure Browser": ["Avast Secure Browser"],
    "Baidu": ["Baidu Box App", "Baidu Box App Lite"],
    "Brave": ["Brave"],
    "Chrome": ["Chrome", "Chrome Mobile", "Chrome Mobile iOS", "Chromium", "Mobile Chrome"],
    "Coc Coc": ["Coc Coc"],
    "DuckDuckGo": ["DuckDuckGo", "DuckDuckGo Privacy Browser"],
    "Ecosia": ["Ecosia"],
    "Edge": ["Edge", "Microsoft Edge"],
    "Facebook": ["Facebook", "Facebook Lite"],
    "Firefox": ["Firefox", "Firefox Mobile", "Firefox Mobile iOS", "Mobile Firefox"],
    "Firefox Focus": ["Firefox Focus", "Firefox Klar", "Firefox Rocket"],
    "Google App": ["GSA", "Google Search App"],
    "HeyTap Browser": ["HeyTap", "HeyTapBrowser", "Oppo Browser"],
    "Honor Browser": ["HONOR Browser"],
    "Huawei Browser": ["Huawei Browser", "Huawei Browser Mobile"],
    "Instagram": ["Instagram"],
    "Internet Explorer": ["IE", "IE Mobile", "IEMobile", "Internet Explorer"],
    "LINE": ["Line"],
    "MIUI Browser": ["MIUI Browser", "Mi Browser"],
    "Maxthon": ["Maxthon"],
    "Oculus Browser": ["Oculus Browser"],
    "Opera": [
        "Opera", "Opera Crypto", "Opera GX", "Opera Mini", "Opera Mini iOS", "Opera Mobi", "Opera Mobile", "Opera Touch",
    ],
    "Phoenix Browser": ["Phoenix Browser"],
    "Puffin": [
        "Puffin", "Puffin Cloud Browser", "Puffin Incognito Browser", "Puffin Secure Browser", "Puffin Web Browser",
    ],
    "QQ Browser": ["QQ Browser", "QQ Browser Lite", "QQ Browser Mini", "QQBrowser"],
    "Quark": ["Quark"],
    "Safari": ["Mobile Safari", "Safari"],
    "Samsung Internet": ["Samsung Browser", "Samsung Browser Lite", "Samsung Internet"],
    "Seznam Browser": ["Seznam Browser"],
    "Silk": ["Mobile Silk", "Silk"],
    "Snapchat": ["Snapchat"],
    "Threads": ["Threads"],
    "Tor Browser": ["Tor Browser"],
    "Twitter": ["Twitter"],
    "UC Browser": ["UC Browser", "UC Browser HD", "UC Browser Mini", "UC Browser Turbo", "UCBrowser"],
    "Vivaldi": ["Vivaldi"],
    "WeChat": ["WeChat"],
    "Yandex Browser": ["Yandex", "Yandex Browser", "Yandex Browser Lite"],
    "vivo Browser": ["Vivo Browser", "vivo Browser"],
}

SYSTEMS = {
    "Android": ["Android", "Android TV", "Fire OS", "Lineage OS", "Meta Horizon", "Smartisan OS", "Wear OS"],
    "Chrome OS": ["Chrome OS", "Chromium OS"],
    "HarmonyOS": ["HarmonyOS"],
    "KaiOS": ["KaiOS"],
    "Linux": [
        "Arch Linux", "CentOS", "Debian", "Fedora", "GNU/Linux", "Gentoo", "Kubuntu", "Linux", "Mandriva", "Mint",
        "PureOS", "Red Hat", "SUSE", "Sabayon", "Slackware", "Ubuntu",
    ],
    "Windows": ["Windows", "Windows RT"],
    "Windows Phone": ["Windows CE", "Windows Mobile", "Windows Phone"],
    "iOS": ["iOS", "iPadOS"],
    "macOS": ["Mac", "Mac OS", "macOS"],
}

# Only these have comparable versions. Others give the version of a derived system, or of a Linux distribution.
SYSTEMS_WITH_A_VERSION = {"Android", "Chrome OS", "HarmonyOS", "Mac", "Windows", "iOS", "iPadOS"}

DEVICES = {
    "desktop": ["desktop"],
    "mobile": ["feature phone", "mobile", "phablet", "portable media player", "smartphone"],
    "tablet": ["tablet"],
    "other": [
        "camera", "car browser", "console", "peripheral", "smart display", "smart speaker", "smarttv", "tv", "wearable",
    ],
}


def family(name):
    """Returns Footfall's name of a browser, or an empty text."""
    return _FAMILY.get(name, "")


def system(name):
    """Returns Footfall's name of a system, or an empty text."""
    return _SYSTEM.get(name, "")


def device(name):
    """Returns Footfall's class of a device, or an empty text."""
    return _DEVICE.get(name, "")


def major(version):
    """Returns the first part of a version."""
    return str(version or "").split(".")[0]


def _inverted(table):
    return {theirs: ours for ours, names in table.items() for theirs in names}


_FAMILY = _inverted(FAMILIES)
_SYSTEM = _inverted(SYSTEMS)
_DEVICE = _inverted(DEVICES)
