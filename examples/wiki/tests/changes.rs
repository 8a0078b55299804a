//! Renaming, deleting, who did it, and how often.

mod site;

use std::net::SocketAddr;

use gateway_core::request::{ClientCertificate, ConnInfo};
use http::Method;
use site::{EditForm, Site, encoded, hidden};

fn newest(site: &Site, name: &str) -> String {
    hidden(
        &site.get(&format!("/{}/edit", encoded(name))).text(),
        "base",
    )
}

fn rename(site: &Site, form: &EditForm, from: &str, to: &str) -> u16 {
    let path = format!("/{}/rename", encoded(from));
    let base = newest(site, from);
    let answer = site.press(form, &path, &[("base", &base), ("to", to)]);
    answer.status().as_u16()
}

#[test]
fn a_page_has_another_name_and_the_old_one_leads_to_it() {
    let site = Site::at("/wiki");
    site.edit("Tea", "leaves", "first");
    site.edit("Links", "[[Tea]] and [[TEA]]", "");
    let form = site.edit_form("Tea");
    site.get("/Tea").assert_contains("Rename or delete</a>");
    site.get("/Tea/rename").assert_contains("value=\"Tea\"");
    let fields = [
        ("base", "1"),
        ("to", "Green tea"),
        ("comment", "there is black"),
    ];
    site.press(&form, "/Tea/rename", &fields)
        .assert_status(303)
        .assert_header("location", "../Green%20tea");
    site.get("/Green%20tea")
        .assert_status(200)
        .assert_contains("leaves");
    for old in ["/Tea", "/tEA"] {
        site.get(old)
            .assert_status(302)
            .assert_header("location", "./Green%20tea");
    }
    site.get("/Tea?revision=1")
        .assert_header("location", "./Green%20tea?revision=1");
    assert_eq!(site.raw("Tea"), "leaves");
    site.get("/Links")
        .assert_contains("<a href=\"./Green%20tea\"");
    site.get("/Green%20tea/history")
        .assert_contains("Renamed from “Tea”: there is black")
        .assert_contains("<q>first</q>");
    site.get("/recent").assert_contains(">Green tea</a>");
    let found = site.get("/search?q=green").text();
    assert!(found.contains(">Green tea</a></h2>"), "{found}");
    site.get("/search?q=tea")
        .assert_contains(">Green tea</a></h2>");
    assert!(!site.get("/pages").text().contains(">Tea</a>"));
    // What is written at the old name is written into the page.
    site.edit("Tea", "more leaves", "");
    assert_eq!(site.raw("Green tea"), "more leaves");
    // There and back, and another page takes the name that is left.
    assert_eq!(rename(&site, &form, "Green tea", "Tea"), 303);
    site.get("/Green%20tea").assert_header("location", "./Tea");
    site.edit("Coffee", "beans", "");
    assert_eq!(rename(&site, &form, "Coffee", "Green tea"), 303);
    assert_eq!(site.raw("Green tea"), "beans");
    assert_eq!(site.raw("Tea"), "more leaves");
    // Another spelling of the same.
    assert_eq!(rename(&site, &form, "Tea", "TEA"), 303);
    site.get("/Tea").assert_header("location", "./TEA");
}

#[test]
fn the_front_page_is_the_front_page_whatever_it_is_called() {
    let site = Site::at("/wiki");
    let form = site.edit_form("Front page");
    assert_eq!(rename(&site, &form, "Front page", "Welcome"), 303);
    site.get("/")
        .assert_status(200)
        .assert_contains("<h1>Welcome</h1>");
    site.get("/Front%20page")
        .assert_status(302)
        .assert_header("location", "./Welcome");
    site.press(&form, "/Welcome/delete", &[("base", "2")])
        .assert_status(303);
    site.get("/")
        .assert_status(404)
        .assert_contains("Bring it back");
}

#[test]
fn a_name_that_cannot_be_is_refused_and_nothing_is_lost() {
    let site = Site::at("/wiki");
    site.edit("Tea", "leaves", "");
    site.edit("Coffee", "beans", "");
    let form = site.edit_form("Tea");
    let long = "x".repeat(10_000);
    for (to, status) in [
        ("", 422),
        ("a/b", 422),
        ("recent", 422),
        ("..", 422),
        ("\u{202E}gnp", 422),
        (&*long, 413),
        (&long[..3000], 422),
        ("Coffee", 409),
        ("COFFEE", 409),
        ("Tea", 303),
    ] {
        assert_eq!(rename(&site, &form, "Tea", to), status, "{to:.20}");
    }
    let stale = [("base", "0"), ("to", "Water")];
    site.press(&form, "/Tea/rename", &stale)
        .assert_status(409)
        .assert_contains("value=\"Water\"");
    let forged = EditForm {
        token: "0".repeat(32),
        ..form.clone()
    };
    site.press(&forged, "/Tea/rename", &[("base", "1"), ("to", "Water")])
        .assert_status(403);
    site.press(&forged, "/Tea/delete", &[("base", "1")])
        .assert_status(403);
    site.press(&form, "/Nothing/rename", &[("base", "0"), ("to", "Water")])
        .assert_status(404);
    assert_eq!(site.raw("Tea"), "leaves");
    assert_eq!(site.raw("Coffee"), "beans");
    site.get("/Water").assert_status(404);
}

#[test]
fn of_renames_at_once_one_wins_and_every_page_is_still_there() {
    let site = Site::at("/wiki");
    let names = ["A", "B", "C", "D", "E", "F"];
    for name in names {
        site.edit(name, &format!("text of {name}"), "");
    }
    let form = site.edit_form("A");
    let won = std::thread::scope(|scope| {
        let threads = names.map(|name| {
            let (site, form) = (&site, &form);
            scope.spawn(move || rename(site, form, name, "The one"))
        });
        threads.map(|thread| thread.join().unwrap())
    });
    let count = |status| won.iter().filter(|&&won| won == status).count();
    assert_eq!((count(303), count(409)), (1, 5), "{won:?}");
    for (name, won) in names.into_iter().zip(won) {
        assert_eq!(site.raw(name), format!("text of {name}"));
        let there = if won == 303 { 302 } else { 200 };
        site.get(&format!("/{name}")).assert_status(there);
    }
    // One page to several names at once: the first of them, and the rest have seen an older page.
    let base = newest(&site, "The one");
    let statuses = std::thread::scope(|scope| {
        let threads = ["U", "V", "W"].map(|to| {
            let (site, form, base) = (&site, &form, &*base);
            let fields = [("base", base), ("to", to)];
            scope.spawn(move || {
                site.press(form, "/The%20one/rename", &fields)
                    .status()
                    .as_u16()
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(statuses.iter().filter(|&&status| status == 303).count(), 1);
    assert!(site.raw("The one").starts_with("text of "));
}

#[test]
fn a_page_is_deleted_and_brought_back() {
    let site = Site::at("/wiki");
    site.edit("Tea", "old leaves", "");
    site.edit("Tea", "leaves", "");
    site.edit("Links", "[[Tea]]", "");
    let form = site.edit_form("Tea");
    site.press(&form, "/Tea/delete", &[("base", "1")])
        .assert_status(409);
    site.press(&form, "/Tea/delete", &[("base", "2"), ("comment", "cold")])
        .assert_status(303)
        .assert_header("location", "../Tea");
    let gone = site.get("/Tea");
    gone.assert_status(404)
        .assert_contains("This page was deleted")
        .assert_contains("<q>Deleted: cold</q>");
    site.get("/Tea/raw").assert_status(404);
    site.get("/Tea/rename").assert_status(404);
    site.get("/Tea/files").assert_status(404);
    // What was is still to be read.
    site.get("/Tea/raw?revision=2").assert_text("leaves");
    site.get("/Links").assert_contains("class=\"missing\"");
    site.get("/search?q=leaves")
        .assert_contains("No page has this word");
    assert!(!site.get("/pages").text().contains(">Tea</a>"));
    site.get("/Tea/history").assert_contains("Deleted: cold");
    site.get("/Tea/diff").assert_contains("leaves");
    site.get("/recent").assert_contains("Deleted: cold");
    // Again deletes nothing more.
    site.press(&form, "/Tea/delete", &[("base", "3")])
        .assert_status(404);
    // The button of that page.
    let cookie = gone.header("set-cookie").unwrap();
    let button = EditForm {
        cookie: cookie.split(';').next().unwrap().to_owned(),
        token: hidden(&gone.text(), "token"),
        base: hidden(&gone.text(), "base"),
    };
    let revision = hidden(&gone.text(), "revision");
    let fields = [("base", &*button.base), ("revision", &*revision)];
    site.press(&button, "/Tea/revert", &fields)
        .assert_status(303);
    assert_eq!(site.raw("Tea"), "leaves");
    site.get("/search?q=leaves")
        .assert_contains(">Tea</a></h2>");
    assert!(!site.get("/Links").text().contains("class=\"missing\""));
    // Deleted once more, and written anew: one history.
    site.press(&form, "/Tea/delete", &[("base", "4")])
        .assert_status(303);
    site.edit("Tea", "new leaves", "");
    site.get("/Tea").assert_status(200);
    site.get("/Tea/history")
        .assert_contains("Revision 6")
        .assert_contains("Revision 1");
}

#[test]
fn who_edits_while_the_page_is_deleted_is_shown_it() {
    let site = Site::at("/wiki");
    site.edit("Tea", "leaves", "");
    let form = site.edit_form("Tea");
    site.press(&form, "/Tea/delete", &[("base", "1")])
        .assert_status(303);
    site.send("Tea", &form, &[("text", "more leaves")])
        .assert_status(409)
        .assert_contains("more leaves</textarea>");
    site.get("/Tea").assert_status(404);
}

#[test]
fn an_author_is_called_what_the_cookie_says() {
    let site = Site::at("/wiki");
    let form = site.edit_form("Tea");
    let name = "Zoë <b>; Path=/x";
    let fields = [("text", "one"), ("author", name)];
    let saved = site.send("Tea", &form, &fields);
    let cookie = saved.assert_status(303).header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("wiki_author=Zo%C3%AB%20<b>%3B%20Path=/x; "),
        "{cookie}"
    );
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=31536000"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let known = EditForm {
        cookie: format!("{}; {}", form.cookie, cookie.split(';').next().unwrap()),
        base: "1".to_owned(),
        ..form
    };
    let shown = "by <bdi>Zoë &lt;b&gt;; Path=/x</bdi>";
    site.get("/Tea").assert_contains(shown);
    site.request(Method::GET, "/Tea/edit")
        .header("cookie", known.cookie.as_str())
        .send()
        .assert_contains("name=\"author\" value=\"Zoë &lt;b&gt;; Path=/x\"");
    // The buttons go by the cookie as well.
    site.press(&known, "/Tea/delete", &[("base", "1")])
        .assert_status(303);
    site.get("/Tea").assert_contains(shown);
    // Nothing changes: nothing is set. Another name, and none, are.
    let again = [("text", "two"), ("author", name)];
    let known = EditForm {
        base: "2".to_owned(),
        ..known
    };
    site.send("Tea", &known, &again)
        .assert_status(303)
        .assert_no_header("set-cookie");
    let known = EditForm {
        base: "3".to_owned(),
        ..known
    };
    let gone = site.send("Tea", &known, &[("text", "three"), ("author", "")]);
    let gone = gone.header("set-cookie").unwrap().to_owned();
    assert!(
        gone.starts_with("wiki_author=; ") && gone.contains("Max-Age=0"),
        "{gone}"
    );
    // However long it is.
    let known = EditForm {
        base: "4".to_owned(),
        ..known
    };
    let long = "é".repeat(10_000);
    site.send("Tea", &known, &[("text", "four"), ("author", &long)])
        .assert_status(303);
    site.get("/Tea")
        .assert_contains(&format!("by <bdi>{}</bdi>", "é".repeat(50)));
}

#[test]
fn whom_the_gateway_names_is_called_so_whatever_was_typed() {
    let site = Site::at("/wiki");
    let form = site.edit_form("Tea");
    let peer: SocketAddr = "192.0.2.1:1".parse().unwrap();
    let alice = ClientCertificate::new(&b"der"[..], "pem", true).with_user("alice");
    let conn = ConnInfo::new(peer, peer).with_client_certificate(alice);
    let request = site.request(Method::GET, "/Tea/edit").conn(conn.clone());
    let page = request.send();
    page.assert_contains("You save as <bdi>alice</bdi>");
    assert!(!page.text().contains("name=\"author\""));
    let request = site.request(Method::POST, "/Tea/edit").conn(conn);
    let fields = [
        ("token", form.token.as_str()),
        ("base", "0"),
        ("text", "x"),
        ("author", "mallory"),
    ];
    let cookie = format!("{}; wiki_author=mallory", form.cookie);
    request
        .header("cookie", cookie)
        .form(&fields)
        .send()
        .assert_status(303)
        .assert_no_header("set-cookie");
    site.get("/Tea").assert_contains("by <bdi>alice</bdi>");
    // nginx passes an empty name on where it has asked for none.
    let nobody = ClientCertificate::new(&b"der"[..], "pem", true).with_user("");
    let conn = ConnInfo::new(peer, peer).with_client_certificate(nobody);
    let request = site.request(Method::GET, "/Tea/edit").conn(conn);
    request.send().assert_contains("name=\"author\"");
}

#[test]
fn a_flood_of_forms_is_braked_and_reading_is_not() {
    let site = Site::braked();
    let form = site.edit_form("Tea");
    let preview = [("text", "x"), ("action", "preview")];
    for _ in 0..100 {
        site.send("Tea", &form, &preview).assert_status(200);
    }
    // A slow machine has some room come back meanwhile.
    let refused = (0..100)
        .map(|_| site.send("Tea", &form, &[("text", "flood")]))
        .find(|answer| answer.status() == 429)
        .unwrap();
    refused
        .assert_contains("too much at once")
        .assert_contains("Front page</a>");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    site.get("/Keyboard").assert_status(200);
}
