//! One page, link or campaign has one form, however its address is written. Reports and filters show it as people read it.

use std::time::Duration;

use crate::common::{Collector, page_load_id};

const PATIENCE: Duration = Duration::from_secs(60);
const SITE: &str = "[spool]\nseal_after = \"200ms\"\n[[site]]\nid = \"clinic\"\n\
    hosts = [\"clinic.example\", \"клиника.рф\"]\nquery = [\"utm_*\", \"q\"]\n";

/// Sends the events of one page load of another visitor each time.
fn send(collector: &Collector, host: &str, events: &[String]) {
    let page_load = page_load_id(fastrand::u64(1 << 60..));
    let body = format!(r#"{{"v":1,"s":"clinic","l":"{page_load}","e":[{}]}}"#, events.join(","));
    let headers = format!(
        "Origin: https://{host}\r\nContent-Type: text/plain\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n\
         X-Forwarded-For: 2001:db8:{}::1\r\n",
        format_args!("{:04x}", fastrand::u16(0x1000..))
    );
    let answer = crate::common::http::post(collector.listen, "/b", &headers, body.as_bytes()).unwrap();
    assert_eq!((answer.status, answer.header("x-footfall-dropped")), (204, None), "{}", answer.text());
}

fn view(url: &str, referrer: &str) -> String {
    format!(r#"{{"k":"view","u":"{url}","r":"{referrer}"}}"#)
}

/// The rows of a report.
fn report(collector: &Collector, name: &str, filter: &str) -> Vec<serde_json::Value> {
    let period = ["--site", "clinic", "--from", "2d", "--format", "json", "--k", "1"];
    let arguments = [&["report", name][..], &period, &["--filter", filter]].concat();
    let output = collector.command(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["rows"].as_array().unwrap().clone()
}

#[test]
fn paths_campaigns_and_hosts_have_one_form_in_the_store_in_reports_and_in_filters() {
    let mut collector = Collector::new(SITE);
    collector.start();
    let encoded = "%D0%B2%D1%80%D0%B0%D1%87%D0%B8/%D0%BA%D0%B0%D1%80%D0%B4%D0%B8%D0%BE%D0%BB%D0%BE%D0%B3";
    for path in [encoded, &encoded.to_lowercase(), "врачи/кардиолог"] {
        send(&collector, "clinic.example", &[view(&format!("https://clinic.example/{path}"), "")]);
    }
    let windows_1251 = ["%E2%E5%F1%ED%E0", "%ee%f1%e5%ed%fc"];
    for campaign in windows_1251 {
        let url = format!("https://clinic.example/a%2fb?utm_source=vk&utm_campaign={campaign}");
        send(&collector, "clinic.example", &[view(&url, "")]);
    }
    let idn = "https://xn--80apagcdp.xn--p1ai/";
    let outbound = format!(r#"{{"k":"outbound","n":"{idn}{encoded}?x=1"}}"#);
    send(
        &collector,
        "xn--80apagcdp.xn--p1ai",
        &[view(idn, "https://www.xn--e1afmkfd.xn--p1ai/%D0%B0"), outbound],
    );
    send(&collector, "clinic.example", &[view("https://clinic.example/", "https://xn--80ak6aa92e.com/")]);
    send(
        &collector,
        "clinic.example",
        &[view("https://clinic.example/", "android-app://org.telegram.messenger/")],
    );
    send(
        &collector,
        "clinic.example",
        &[view("https://clinic.example/", "android-app://com.example.89161234567/")],
    );
    let numbers = r#"{"k":"event","n":"calc","u":"https://clinic.example/","p":{"x":0.3333333333333333,"phone":79161234567,"lat":"55.751244","id":"1234567"}}"#;
    send(&collector, "clinic.example", &[numbers.to_owned()]);
    collector.wait_for_events(11, PATIENCE);

    let rows = |sql: &str| collector.store.rows(sql);
    assert_eq!(
        rows("SELECT host, path, count() FROM events WHERE kind = 'view' GROUP BY ALL ORDER BY ALL"),
        [
            "clinic.example\t/\t3",
            "clinic.example\t/a%2Fb\t2",
            "clinic.example\t/врачи/кардиолог\t3",
            "клиника.рф\t/\t1",
        ]
    );
    assert_eq!(
        rows("SELECT utm_campaign, query FROM events WHERE utm_campaign != '' ORDER BY ALL"),
        [
            "%E2%E5%F1%ED%E0\tutm_source=vk&utm_campaign=%E2%E5%F1%ED%E0",
            "%EE%F1%E5%ED%FC\tutm_source=vk&utm_campaign=%EE%F1%E5%ED%FC",
        ]
    );
    assert_eq!(rows("SELECT name FROM events WHERE kind = 'outbound'"), ["клиника.рф/врачи/кардиолог"]);
    assert_eq!(
        rows(
            "SELECT referrer_host, referrer_path, source, channel FROM events WHERE kind = 'view' AND referrer_host != '' ORDER BY ALL"
        ),
        [
            "android-app\t\tandroid-app\tReferral",
            "org.telegram.messenger\t\tTelegram\tOrganic Social",
            "xn--80ak6aa92e.com\t/\txn--80ak6aa92e.com\tReferral",
            "пример.рф\t/а\tпример.рф\tReferral",
        ]
    );
    assert_eq!(
        rows("SELECT props['x'], props['phone'], props['lat'], props['id'] FROM events WHERE name = 'calc'"),
        ["0.333\t:phone\t55.75\t:number"]
    );
    for filter in
        ["path~врачи", "path=/врачи/кардиолог", &format!("path=/{encoded}"), "path~%d0%b2%d1%80%d0%b0%d1%87"]
    {
        let pages = report(&collector, "pages", filter);
        assert_eq!(pages.len(), 1, "{filter}: {pages:?}");
        assert_eq!(
            (&pages[0]["path"], &pages[0]["views"]),
            (&"/врачи/кардиолог".into(), &3.into()),
            "{filter}"
        );
    }
    for campaign in ["%E2%E5%F1%ED%E0", "%EE%F1%E5%ED%FC"] {
        let campaigns = report(&collector, "campaigns", &format!("utm_campaign={}", campaign.to_lowercase()));
        assert_eq!((campaigns.len(), &campaigns[0]["campaign"]), (1, &campaign.into()), "{campaigns:?}");
    }
    for filter in
        ["name=xn--80apagcdp.xn--p1ai/".to_owned() + encoded, "host=xn--80apagcdp.xn--p1ai".to_owned()]
    {
        let links = report(&collector, "outbound", &filter);
        assert_eq!(links[0]["link"], "клиника.рф/врачи/кардиолог", "{filter}: {links:?}");
    }
}
