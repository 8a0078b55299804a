//! What a person can do, at two prefixes, without sockets.

mod site;

use std::collections::HashSet;

use http::Method;
use site::{Site, encoded, hidden};

const PREFIXES: [&str; 3] = ["/wiki", "", "/some/where else"];

#[test]
fn every_link_of_a_new_wiki_leads_somewhere() {
    for prefix in ["/wiki", ""] {
        let site = Site::at(prefix);
        let mut seen = HashSet::new();
        let mut todo = vec!["/".to_owned()];
        while let Some(path) = todo.pop() {
            let ours = path.starts_with(&format!("{prefix}/")) || prefix.is_empty();
            let path = if path == "/" {
                path
            } else {
                assert!(ours, "{path} leads out of {prefix}");
                path[prefix.len()..].to_owned()
            };
            if !seen.insert(path.clone()) {
                continue;
            }
            let page = site.get(&path);
            let expected = match path.as_str() {
                "/no/such/page" | "/A%20page%20for%20you" | "/No%20such%20page" => 404,
                _ => 200,
            };
            page.assert_status(expected);
            if page.header("content-type") != Some("text/html; charset=utf-8") || seen.len() > 300 {
                continue;
            }
            for link in links(&page.text()) {
                todo.push(resolved(&format!("{prefix}{path}"), &link));
            }
        }
        assert!(seen.contains("/Keyboard/history"), "{seen:?}");
        assert!(seen.contains("/A%20page%20for%20you/edit"), "{seen:?}");
    }
}

/// `href`, `src` and `action` of this site.
fn links(page: &str) -> Vec<String> {
    let attributes = ["href=\"", "src=\"", "action=\""];
    let found = attributes
        .iter()
        .flat_map(|start| page.split(start).skip(1));
    let found = found.map(|rest| rest.split('"').next().unwrap_or_default());
    let found = found.filter(|link| !link.contains("://") && !link.starts_with('#'));
    // Buttons that change something are not links.
    let found = found.filter(|link| !link.ends_with("/revert"));
    found.map(|link| link.replace("&amp;", "&")).collect()
}

/// RFC 3986 section 5.2 for the relative references that the wiki writes.
fn resolved(base: &str, reference: &str) -> String {
    assert!(reference.starts_with('.'), "{reference} is not relative");
    let base = base.split('?').next().unwrap_or_default();
    let mut segments: Vec<&str> = base.split('/').collect();
    segments.pop();
    for segment in reference.split('/') {
        match segment {
            "." => {}
            ".." => {
                assert!(segments.len() > 1, "{reference} leads out of {base}");
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    segments.join("/")
}

#[test]
fn a_page_is_written_read_changed_and_found() {
    for prefix in PREFIXES {
        let site = Site::at(prefix);
        site.get("/Tea")
            .assert_status(404)
            .assert_contains("Nobody has written this page yet");

        let saved = site.edit("Tea", "Tea is *hot*.\r\nSee [[Coffee]].\r\n", "first");
        saved.assert_header("location", "../Tea");
        site.get("/Tea")
            .assert_status(200)
            .assert_contains("Tea is <em>hot</em>.");
        assert_eq!(site.raw("Tea"), "Tea is *hot*.\nSee [[Coffee]].\n");

        site.edit("Tea", "Tea is cold.", "it had to wait");
        assert_eq!(site.raw("Tea"), "Tea is cold.");
        site.get("/Tea?revision=1").assert_contains("<em>hot</em>");
        site.get("/Tea/raw?revision=1").assert_contains("*hot*");
        let history = site.get("/Tea/history");
        history
            .assert_contains("<q>first</q>")
            .assert_contains("<q>it had to wait</q>");
        site.get("/recent").assert_contains("<q>it had to wait</q>");
        site.get("/pages").assert_contains(">Tea</a>");
        let found = site.get("/search?q=cold");
        found
            .assert_contains(">Tea</a>")
            .assert_contains("<mark>cold</mark>");
        site.get("/search?q=hot")
            .assert_contains("No page has this word");
        let diff = site.get("/Tea/diff?from=1&to=2");
        diff.assert_contains("<mark>*hot*.</mark>")
            .assert_contains("<mark>cold.</mark>");
    }
}

#[test]
fn all_pages_stand_in_the_order_of_a_dictionary() {
    let site = Site::at("/wiki");
    for name in ["cherry", "Banana", "apple", "banana split"] {
        site.edit(name, "x", "");
    }
    let listed = |path: &str| {
        let page = site.get(path).text();
        let all = ["apple", "Banana", "banana split", "cherry"];
        let mut found: Vec<_> = all
            .into_iter()
            .filter_map(|name| Some((page.find(&format!(">{name}</a>"))?, name)))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    };
    let all = ["apple", "Banana", "banana split", "cherry"];
    assert_eq!(listed("/pages"), all);
    assert_eq!(listed("/pages?after=Banana"), ["banana split", "cherry"]);
}

#[test]
fn names_that_look_the_same_lead_to_one_page() {
    let site = Site::at("/wiki");
    site.edit("Café au lait", "first", "");
    for spelling in ["café au lait", "CAFE\u{301} AU LAIT"] {
        let path = format!("/{}", encoded(spelling));
        let there = site.get(&format!("{path}?revision=1"));
        there
            .assert_status(302)
            .assert_header("location", "./Caf%C3%A9%20au%20lait?revision=1");
        assert_eq!(site.raw(spelling), "first");
        site.get(&format!("{path}/history"))
            .assert_contains("History of <em>Café au lait</em>");
        site.get(&format!("{path}/edit"))
            .assert_contains("Edit <em>Café au lait</em>");
        site.edit("Links", &format!("[[{spelling}]]"), spelling);
        site.get("/Links")
            .assert_contains("<a href=\"./Caf%C3%A9%20au%20lait\"");
    }
    site.get("/Cafe%CC%81%20au%20lait").assert_status(200);
    let saved = site.edit("CAFÉ AU LAIT", "second", "");
    saved.assert_header("location", "../CAF%C3%89%20AU%20LAIT");
    assert_eq!(site.raw("Café au lait"), "second");
    let pages = site.get("/pages").text();
    assert_eq!(pages.to_lowercase().matches("au lait</a>").count(), 1);
    site.get("/front%20page")
        .assert_header("location", "./Front%20page");
    site.get("/FRONT%20PAGE/raw")
        .assert_contains("This is a wiki.");
}

#[test]
fn a_search_finds_inside_texts_without_spaces() {
    let site = Site::at("/wiki");
    let text = "私は東京都庁の近くに住んでいます。ガイドブックを読む。";
    site.edit("日本", text, "");
    site.edit("中文", "我喜欢在北京大学学习Rust语言。", "");
    for (asked, page, shown) in [
        ("東京", "日本", "私は<mark>東京</mark>都庁の"),
        ("京都庁", "日本", "私は東<mark>京都庁</mark>の近く"),
        ("庁", "日本", "東京都<mark>庁</mark>の"),
        ("読む", "日本", "ブックを<mark>読む</mark>。"),
        ("カ\u{3099}イド", "日本", "<mark>ガイド</mark>ブック"),
        (
            "住んで 東京",
            "日本",
            "<mark>東京</mark>都庁の近くに<mark>住んで</mark>い",
        ),
        ("北京", "中文", "我喜欢在<mark>北京</mark>大学"),
        ("rust语言", "中文", "<mark>Rust语言</mark>。"),
        ("京大", "中文", "北<mark>京大</mark>学"),
        ("本", "日本", "私は東京"),
    ] {
        let found = site.get(&format!("/search?q={}", encoded(asked)));
        found
            .assert_contains(&format!(">{page}</a></h2>"))
            .assert_contains(shown);
    }
    for asked in ["東都", "京学", "北京学", "都京"] {
        site.get(&format!("/search?q={}", encoded(asked)))
            .assert_contains("No page has this word.");
    }
    // What is gone from a text is found no more.
    site.edit("日本", "別の文", "");
    site.get(&format!("/search?q={}", encoded("東京")))
        .assert_contains("No page has this word.");
}

#[test]
fn a_name_is_whatever_a_person_writes() {
    let site = Site::at("/wiki");
    for name in [
        "Über uns",
        "日本語",
        "100% & <b>",
        "a?b#c",
        "C++",
        "re: x",
        "100%25",
        "é",
        "'\"`",
    ] {
        site.edit(name, "text of it", "");
        site.get(&format!("/{}", encoded(name)))
            .assert_status(200)
            .assert_contains("text of it");
        assert_eq!(site.raw(name), "text of it");
        site.edit("Links", &format!("[[{name}]]"), "");
        let links = site.get("/Links");
        assert!(
            !links.text().contains("class=\"missing\""),
            "{name}: {links}"
        );
    }
}

#[test]
fn what_can_be_no_name_is_answered_with_a_page_that_says_why() {
    let site = Site::at("/wiki");
    for (path, status, why) in [
        ("/a%00b", 400, "invisible"),
        ("/%E2%80%AEgnp", 400, "invisible"),
        ("/a%5Cb", 400, "slash"),
        ("/.hidden", 400, "dot"),
        ("/a%7Cb", 400, "none of"),
        ("/%20a", 400, "spaces"),
        ("/edit", 404, "own names"),
        ("/history", 404, "own names"),
        ("/export/edit", 404, "own names"),
        ("/How%20this%20page%20was%20served/edit", 404, "own names"),
        ("/a%2Fb", 404, "nothing at this address"),
        ("/a/b/c", 404, "nothing at this address"),
        ("/%FF", 400, "UTF-8"),
    ] {
        let page = site.get(path);
        page.assert_status(status)
            .assert_contains(why)
            .assert_contains("</html>");
        page.assert_header("content-type", "text/html; charset=utf-8");
    }
    let long = site.get(&format!("/{}", "x".repeat(60_000)));
    long.assert_status(400).assert_contains("200 bytes");
    assert!(long.text().len() < 4000, "nobody reads such a name");
}

#[test]
fn errors_of_visitors_are_pages_with_the_right_status() {
    let site = Site::at("/wiki");
    let page = site.request(Method::POST, "/recent").send();
    page.assert_status(405).assert_contains("</html>");
    let allow = page.header("allow").unwrap_or_default();
    assert!(allow.contains("GET") && allow.contains("HEAD"), "{allow}");
    for (path, status) in [
        ("/recent?before=soon", 400),
        ("/recent?before=-1", 400),
        ("/Keyboard?revision=99", 404),
        ("/Keyboard?revision=x", 400),
        ("/Keyboard/diff?from=7&to=9", 404),
        ("/Keyboard/diff?to=0", 404),
        // One less is no number any more.
        ("/Keyboard/diff?to=-9223372036854775808", 400),
        ("/Nothing/raw", 404),
        ("/Nothing/history", 404),
        ("/Nothing/diff", 404),
    ] {
        site.get(path)
            .assert_status(status)
            .assert_contains("</html>");
    }
    let form = site.edit_form("Big");
    for size in [1024 * 1024 + 1, 10 * 1024 * 1024] {
        site.send("Big", &form, &[("text", &"x".repeat(size))])
            .assert_status(413)
            .assert_contains("at most one megabyte")
            .assert_contains("</html>");
    }
    let json = site
        .request(Method::POST, "/Big/edit")
        .header("content-type", "application/json");
    json.body("{}")
        .send()
        .assert_status(415)
        .assert_contains("</html>");
    site.send("Big", &form, &[("comment", "no text")])
        .assert_status(400);
    site.get("/Big").assert_status(404);
}

#[test]
fn a_preview_shows_and_does_not_save() {
    let site = Site::at("/wiki");
    let form = site.edit_form("Draft");
    let fields = [
        ("text", "# Of *it*\n[[Keyboard]]"),
        ("comment", "c<>"),
        ("action", "preview"),
    ];
    let page = site.send("Draft", &form, &fields);
    page.assert_status(200)
        .assert_contains("<h1>Of <em>it</em></h1>");
    page.assert_contains("href=\"../Keyboard\"")
        .assert_contains("# Of *it*\n");
    page.assert_contains("value=\"c&lt;&gt;\"");
    site.get("/Draft").assert_status(404);
}

#[test]
fn of_two_edits_neither_is_lost() {
    let site = Site::at("/wiki");
    site.edit("Tea", "one\ntwo\nthree\n", "");
    let (first, second) = (site.edit_form("Tea"), site.edit_form("Tea"));
    site.send("Tea", &first, &[("text", "one\nTWO\nthree\n")])
        .assert_status(303);

    let mine = "one\ntwo\nTHREE & <more>\n";
    let conflict = site.send("Tea", &second, &[("text", mine), ("comment", "my reasons")]);
    conflict.assert_status(409);
    assert_eq!(
        site.raw("Tea"),
        "one\nTWO\nthree\n",
        "nothing was written over"
    );
    // Both texts are there whole, mine in the form again.
    conflict.assert_contains(
        "readonly rows=\"8\" aria-label=\"Their text\">\none\nTWO\nthree\n</textarea>",
    );
    conflict.assert_contains(">\none\ntwo\nTHREE &amp; &lt;more&gt;\n</textarea>");
    conflict.assert_contains("value=\"my reasons\"");

    // Saving again, having seen it, is an edit of the newest.
    let again = site::EditForm {
        base: hidden(&conflict.text(), "base"),
        ..second
    };
    let merged = "one\nTWO\nTHREE & <more>\n";
    site.send("Tea", &again, &[("text", merged)])
        .assert_status(303);
    assert_eq!(site.raw("Tea"), merged);
}

#[test]
fn a_page_that_somebody_else_created_meanwhile_is_a_conflict_too() {
    let site = Site::at("/wiki");
    let form = site.edit_form("New");
    site.edit("New", "theirs", "");
    site.send("New", &form, &[("text", "mine")])
        .assert_status(409)
        .assert_contains("theirs");
    // The same text twice loses nothing: a double click on Save.
    site.send("New", &form, &[("text", "theirs")])
        .assert_status(303);
    site.get("/New/history").assert_contains("Revision 1");
    assert!(!site.get("/New/history").text().contains("Revision 2"));
}

#[test]
fn an_old_text_comes_back_by_revert() {
    let site = Site::at("/wiki");
    site.edit("Tea", "good", "");
    site.edit("Tea", "bad", "");
    let form = site.edit_form("Tea");
    let revert = |base: &str| {
        let fields = [
            ("token", form.token.as_str()),
            ("base", base),
            ("revision", "1"),
        ];
        let request = site.request(Method::POST, "/Tea/revert");
        request
            .header("cookie", form.cookie.as_str())
            .form(&fields)
            .send()
    };
    revert("1")
        .assert_status(409)
        .assert_contains("nothing was changed");
    assert_eq!(site.raw("Tea"), "bad");
    revert("2")
        .assert_status(303)
        .assert_header("location", "../Tea");
    assert_eq!(site.raw("Tea"), "good");
    site.get("/Tea/history")
        .assert_contains("Revert to revision 1");
}

#[test]
fn a_form_from_elsewhere_changes_nothing() {
    let site = Site::at("/wiki");
    let form = site.edit_form("Tea");
    let fields = [
        ("token", form.token.as_str()),
        ("base", "0"),
        ("text", "forged"),
    ];
    let send = |headers: &[(&str, &str)], fields: &[(&str, &str)]| {
        let request = site.request(Method::POST, "/Tea/edit").form(fields);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        request.send()
    };
    let cookie = ("cookie", form.cookie.as_str());
    let other_token = "0123456789abcdef0123456789abcdef";
    for headers in [
        &[cookie, ("sec-fetch-site", "cross-site")][..],
        &[cookie, ("sec-fetch-site", "same-site")],
        &[cookie, ("origin", "https://evil.example")],
        &[cookie, ("origin", "null")],
        &[cookie, ("origin", "http://127.0.0.1:8081")],
        &[],
        &[("cookie", "wiki_token=0123456789abcdef0123456789abcdef")],
        &[("cookie", "wiki_token=")],
    ] {
        let refused = send(headers, &fields);
        refused.assert_status(403).assert_contains("</html>");
        site.get("/Tea").assert_status(404);
    }
    for token in ["", other_token] {
        let refused = send(
            &[cookie],
            &[("token", token), ("base", "0"), ("text", "typed <i>")],
        );
        // What was typed is still there.
        refused
            .assert_status(403)
            .assert_contains("typed &lt;i&gt;</textarea>");
        site.get("/Tea").assert_status(404);
    }
    for headers in [
        &[cookie, ("sec-fetch-site", "same-origin")][..],
        &[cookie, ("origin", "http://127.0.0.1:8080")],
        &[("cookie", "other=1"), ("cookie", form.cookie.as_str())],
    ] {
        send(headers, &fields).assert_status(303);
    }
    assert_eq!(site.raw("Tea"), "forged");
}

#[test]
fn a_token_is_given_once_and_kept() {
    let site = Site::at("/wiki");
    let form = site.edit_form("Tea");
    let request = site.request(Method::GET, "/Tea/edit");
    let again = request.header("cookie", form.cookie.as_str()).send();
    again
        .assert_no_header("set-cookie")
        .assert_contains(&form.token);
    let other = site.edit_form("Tea");
    assert_ne!(other.token, form.token);
    let cookie = site.get("/Tea/edit");
    let cookie = cookie.header("set-cookie").unwrap_or_default();
    let attributes: HashSet<_> = cookie.split("; ").skip(1).collect();
    let expected = ["Path=/", "Max-Age=31536000", "HttpOnly", "SameSite=Lax"];
    assert_eq!(attributes, expected.into(), "{cookie}");
    site.get("/Keyboard").assert_no_header("set-cookie");
}

#[test]
fn whatever_is_typed_is_shown_and_never_run() {
    let site = Site::at("/wiki");
    let evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&";
    let name = "<img src=x onerror=alert(3)>'\"&amp;";
    site.edit(name, evil, evil);
    site.edit(name, &format!("{evil}\n{evil}\n[[{name}]] findme"), evil);
    let form = site.edit_form(name);
    let page = format!("/{}", encoded(name));
    let responses = [
        site.get(&page),
        site.get(&format!("{page}/edit")),
        site.get(&format!("{page}/history")),
        site.get(&format!("{page}/diff")),
        site.get(&format!("{page}?revision=1")),
        site.get("/recent"),
        site.get("/pages"),
        site.get("/search?q=findme"),
        site.get(&format!("/search?q={}", encoded(evil))),
        site.get(&format!("/{}", encoded(&name.replace('x', "y")))),
        site.get(&format!("/recent?before={}", encoded(evil))),
        site.get(&format!("/pages?after={}", encoded(evil))),
        site.get(&format!("/{}/nowhere/at/all", encoded(evil))),
        site.send(
            name,
            &form,
            &[("text", evil), ("comment", evil), ("action", "preview")],
        ),
        site.send(
            name,
            &site::EditForm {
                base: "1".into(),
                ..form.clone()
            },
            &[("text", evil), ("comment", evil)],
        ),
        site.request(Method::GET, "/How%20this%20page%20was%20served")
            .header("x-evil", evil)
            .send(),
    ];
    for response in &responses {
        let text = response.text();
        assert!(!text.contains("<script"), "{response}");
        assert!(
            !text.contains("<img src=x") && !text.contains("<img src=y"),
            "{response}"
        );
        let policy = response
            .header("content-security-policy")
            .unwrap_or_default();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self';"),
            "{response}"
        );
        response.assert_header("x-content-type-options", "nosniff");
    }
    let raw = site.get(&format!("{page}/raw"));
    raw.assert_header("content-type", "text/plain; charset=utf-8");
    raw.assert_header("x-content-type-options", "nosniff");
    raw.assert_header("content-security-policy", "default-src 'none'; sandbox");
}

#[test]
fn a_search_is_words_and_nothing_else() {
    let site = Site::at("/wiki");
    site.edit("Größe", "Das Café an der Ecke AND more", "");
    for q in [
        "caf%C3%A9",
        "CAFE",
        "gr%C3%B6",
        "ecke+an",
        "%22caf%C3%A9%22",
        "AND",
        "caf*",
        "-- ecke",
    ] {
        site.get(&format!("/search?q={}", q.replace(' ', "+")))
            .assert_contains("Größe</a></h2>");
    }
    for q in [
        "",
        "+",
        "%22",
        "*",
        "NEAR(",
        "a%00b",
        "%22%22%22",
        "(",
        "name:",
        "^",
        "%FF",
        "a+OR",
    ] {
        site.get(&format!("/search?q={q}")).assert_status(200);
    }
    site.get(&format!("/search?q={}", "x+".repeat(5000)))
        .assert_status(200);
}

#[test]
fn a_place_that_was_found_is_shown_as_it_reads() {
    let site = Site::at("/wiki");
    site.edit(
        "Tea",
        "## Kinds\n\nOf **green** tea[^1], see [[Leaves|the *leaves*]].\n\n[^1]: From 日本.",
        "",
    );
    site.get("/search?q=green+leaves")
        .assert_contains("Kinds Of <mark>green</mark> tea, see the <mark>leaves</mark>. ");
}

/// FTS5's own `snippet` takes a page of equal words seconds each time.
#[test]
fn a_page_of_equal_words_is_found_like_any_other() {
    let site = Site::at("/wiki");
    site.edit("Same", &"word ".repeat(60_000), "");
    site.edit(
        "Last",
        &format!("{}tea and milk", "word ".repeat(60_000)),
        "",
    );
    for _ in 0..4 {
        let found = site.get("/search?q=word");
        found.assert_contains("<mark>word</mark> <mark>word</mark>");
        assert!(found.text().len() < 10_000, "{}", found.text().len());
    }
    let found = site.get("/search?q=WORD+Milk");
    found.assert_contains("<mark>word</mark> tea and <mark>milk</mark>");
    let absent = site.get("/search?q=word+sugar");
    absent.assert_contains("No page has these words.");
}

#[test]
fn the_mount_is_told_from_the_page() {
    let site = Site::at("/wiki");
    site.get("")
        .assert_status(308)
        .assert_header("location", "wiki/");
    site.get_outside("/")
        .assert_status(302)
        .assert_header("location", "wiki/");
    site.get_outside("/elsewhere")
        .assert_status(404)
        .assert_contains("The wiki is at /wiki/");
    site.get_outside("/wikipedia").assert_status(404);
    site.get_outside("/w%69ki/").assert_status(200);
    site.get("/Keyboard/").assert_status(308);
    let served = site.get("/How%20this%20page%20was%20served");
    served.assert_contains("<code id=\"script-name\">/wiki</code>");
    served.assert_contains("<code id=\"path-info\">/How this page was served</code>");
    served
        .assert_contains("ExceptionsLayer")
        .assert_contains("MountLayer");

    let request = site.request(Method::GET, "/How%20this%20page%20was%20served");
    let shown = request
        .header("authorization", "Basic swordfish")
        .header("x-api-key", "swordfish")
        .header("user-agent", "<b>curl")
        .send();
    assert!(!shown.text().contains("swordfish"), "{}", shown.text());
    shown.assert_contains("&lt;b&gt;curl");

    let root = Site::at("");
    root.get("/")
        .assert_status(200)
        .assert_contains("Front page");
    root.get("/How%20this%20page%20was%20served")
        .assert_contains("<code id=\"script-name\"></code>");

    let deep = Site::at("/some/where else");
    deep.get_outside("/")
        .assert_header("location", "some/where%20else/");
    deep.get_outside("/some/where%20else")
        .assert_header("location", "where%20else/");
    deep.get_outside("/some/where%20else/Keyboard")
        .assert_status(200);
}

#[test]
fn the_style_sheet_is_kept_for_good() {
    for prefix in ["/wiki", ""] {
        let site = Site::at(prefix);
        let page = site.get("/Keyboard/edit").text();
        let (_, rest) = page.split_once("rel=\"stylesheet\" href=\"").unwrap();
        let url = rest.split('"').next().unwrap();
        let path = resolved("/Keyboard/edit", url);
        let css = site.get(&path);
        css.assert_status(200)
            .assert_header("content-type", "text/css; charset=utf-8");
        let cache = css.header("cache-control").unwrap_or_default();
        assert!(cache.contains("immutable"), "{path}: {cache}");
        for nothing in ["/static/nothing.css", "/static/"] {
            site.get(nothing).assert_status(404);
        }
    }
}

#[test]
fn a_failure_is_shown_to_the_developer_and_kept_from_the_visitor() {
    let site = Site::in_development();
    let shown = site.request(Method::GET, "/break").expecting(500).send();
    shown.assert_contains("Traceback (most recent call last)");
    shown
        .assert_contains("attempt to divide by zero")
        .assert_contains("broken.rs");
    let shown = site
        .request(Method::GET, "/break?how=error")
        .expecting(500)
        .send();
    shown.assert_contains("No such file or directory");

    let late = site.request(Method::GET, "/break?how=late").send();
    assert!(
        late.cut_short().is_some(),
        "the client sees that the rest is missing"
    );
    // Nothing of it hurts the next visitor.
    site.get("/").assert_contains("Break something</a>");

    let site = Site::at("/wiki");
    let db = rusqlite::Connection::open(site.data().join("deeper/data/wiki.db")).unwrap();
    db.execute_batch("ALTER TABLE names RENAME TO elsewhere")
        .unwrap();
    for path in ["/Keyboard", "/Keyboard/edit"] {
        let hidden = site.request(Method::GET, path).expecting(500).send();
        hidden
            .assert_contains("Error ID: <code>")
            .assert_contains("</html>");
        // There is a way home.
        let home = if path.contains("edit") { "../" } else { "./" };
        hidden.assert_contains(&format!(
            "<a class=\"button\" href=\"{home}\">Front page</a>"
        ));
        for secret in ["Traceback", "no such table", "page.rs", "elsewhere"] {
            assert!(!hidden.text().contains(secret), "{hidden}");
        }
    }
    db.execute_batch("ALTER TABLE elsewhere RENAME TO names")
        .unwrap();
    site.get("/Keyboard").assert_status(200);
}

#[test]
fn only_developers_have_something_to_break() {
    let site = Site::at("/wiki");
    for path in [
        "/break",
        "/break?how=panic",
        "/break?how=late",
        "/break?how=",
    ] {
        site.get(path)
            .assert_status(404)
            .assert_contains("for developers only");
    }
    assert!(!site.get("/").text().contains("Break something"));
}

#[test]
fn a_page_that_a_browser_has_is_not_sent_again() {
    let site = Site::at("/wiki");
    site.edit("Tea", "one [[Milk]]", "");
    for path in [
        "/",
        "/Tea",
        "/Tea/raw",
        "/Tea/history",
        "/recent",
        "/pages",
        "/search?q=one",
    ] {
        let etag = |path: &str| site.get(path).header("etag").unwrap().to_owned();
        let first = etag(path);
        let again = |method: Method| {
            let request = site.request(method, path);
            request.header("if-none-match", first.as_str()).send()
        };
        for method in [Method::GET, Method::HEAD] {
            let unchanged = again(method);
            unchanged.assert_status(304).assert_header("etag", &first);
            unchanged.assert_header("cache-control", "no-cache");
            assert!(unchanged.bytes().is_empty());
        }
    }
    // Of what a page shows, its text is only a part.
    let before = site.get("/Tea").header("etag").unwrap().to_owned();
    site.edit("Milk", "x", "");
    let request = site.request(Method::GET, "/Tea");
    let changed = request.header("if-none-match", before.as_str()).send();
    changed.assert_status(200);
    site.get("/Nothing")
        .assert_status(404)
        .assert_no_header("etag");
    let request = site.request(Method::GET, "/Nothing");
    request
        .header("if-none-match", "*")
        .send()
        .assert_status(404);
}

#[test]
fn head_is_get_without_the_body() {
    let site = Site::at("/wiki");
    for path in [
        "/",
        "/Keyboard",
        "/Keyboard/raw",
        "/recent",
        "/export",
        "/nothing here",
    ] {
        let path = path.replace(' ', "%20");
        let (get, head) = (site.get(&path), site.request(Method::HEAD, &path).send());
        assert_eq!(head.status(), get.status(), "{path}");
        assert_eq!(
            head.header("content-type"),
            get.header("content-type"),
            "{path}"
        );
        assert!(head.bytes().is_empty(), "{path}");
    }
}
