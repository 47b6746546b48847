//! Parameters that advertising systems add to addresses.

/// Parameters with which advertising systems recognise a click. Their presence identifies the channel. Their values identify the visitor
/// and are never kept.
pub const CLICK_IDS: &[&str] = &[
    "gclid",
    "gbraid",
    "wbraid",
    "dclid",
    "gad_source",
    "yclid",
    "ysclid",
    "ymclid",
    "msclkid",
    "fbclid",
    "ttclid",
    "twclid",
    "li_fat_id",
    "rb_clickid",
    "vk_clickid",
    "epik",
    "rdt_cid",
    "ScCid",
    "igshid",
    "igsh",
    "mc_eid",
    "ob_click_id",
    "tblci",
    "qclid",
];
