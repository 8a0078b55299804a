//! Files that belong to pages.

mod site;

use std::io::Read;

use gateway_core::testing::TestResponse;
use http::Method;
use site::{EditForm, Site, encoded, hidden};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and the rest of it";

/// What a browser sends for `files`: names and contents.
fn upload_as(site: &Site, form: &EditForm, page: &str, files: &[(&str, &[u8])]) -> TestResponse {
    let mut body = Vec::new();
    let token = &form.token;
    let head = "--b\r\nContent-Disposition: form-data; name=";
    body.extend(format!("{head}\"token\"\r\n\r\n{token}\r\n").into_bytes());
    for (name, content) in files {
        let name = name.replace('"', "%22");
        let file =
            format!("{head}\"file\"; filename=\"{name}\"\r\nContent-Type: text/html\r\n\r\n");
        body.extend(file.into_bytes());
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(b"--b--\r\n");
    let request = site.request(Method::POST, &format!("/{}/files", encoded(page)));
    request
        .header("cookie", form.cookie.as_str())
        .header("content-type", "multipart/form-data; boundary=b")
        .body(body)
        .send()
}

fn upload(site: &Site, page: &str, files: &[(&str, &[u8])]) -> TestResponse {
    upload_as(site, &site.edit_form(page), page, files)
}

/// The number in the button behind `label`.
fn file_id(site: &Site, page: &str, label: &str) -> String {
    let list = site.get(&format!("/{page}/files")).text();
    let before = list
        .split(&format!("aria-label=\"{label}\""))
        .next()
        .unwrap();
    let (_, form) = before.rsplit_once("<form").unwrap();
    hidden(form, "file")
}

#[test]
fn a_file_is_added_shown_replaced_removed_and_brought_back() {
    let site = Site::at("/wiki");
    site.edit("Tea", "![a cup](<Tea/files/cup.png>)", "");
    site.get("/Tea/files")
        .assert_status(200)
        .assert_contains("No file belongs to this page yet");
    upload(&site, "Tea", &[("cup.png", PNG), ("notes.txt", b"one")])
        .assert_status(303)
        .assert_header("location", "./files");
    site.get("/Tea")
        .assert_contains("<img src=\"./Tea/files/cup.png\" alt=\"a cup\"");
    let image = site.get("/Tea/files/cup.png");
    image
        .assert_status(200)
        .assert_header("content-type", "image/png")
        .assert_header("x-content-type-options", "nosniff")
        .assert_header("content-security-policy", "default-src 'none'; sandbox");
    assert_eq!(image.bytes(), PNG);
    assert!(
        !image
            .header("content-disposition")
            .unwrap_or("inline")
            .starts_with("attachment")
    );
    let etag = image.header("etag").unwrap();
    let request = site.request(Method::GET, "/Tea/files/cup.png");
    request
        .header("if-none-match", etag)
        .send()
        .assert_status(304);
    let request = site.request(Method::GET, "/Tea/files/notes.txt");
    let part = request.header("range", "bytes=1-").send();
    part.assert_status(206).assert_text("ne");

    upload(&site, "Tea", &[("NOTES.txt", b"two")]).assert_status(303);
    site.get("/Tea/files/notes.txt").assert_text("two");
    let form = site.edit_form("Tea");
    let id = file_id(&site, "Tea", "Bring back notes.txt");
    site.press(&form, "/Tea/remove", &[("file", &id), ("back", "1")])
        .assert_status(303);
    site.get("/Tea/files/NOTES.TXT").assert_text("one");
    let id = file_id(&site, "Tea", "Remove notes.txt");
    site.press(&form, "/Tea/remove", &[("file", &id)])
        .assert_status(303);
    site.get("/Tea/files/notes.txt").assert_status(404);
    for id in ["99", "0", "-1", "x", ""] {
        site.press(&form, "/Tea/remove", &[("file", id)])
            .assert_status(404);
    }
    // Another page's button reaches no file of this one.
    let id = file_id(&site, "Tea", "Remove cup.png");
    site.press(&form, "/Keyboard/remove", &[("file", &id)])
        .assert_status(404);
    site.get("/Tea/files/cup.png").assert_status(200);

    // The files go with the page, whatever it is called.
    site.press(&form, "/Tea/rename", &[("base", "1"), ("to", "Cups")])
        .assert_status(303);
    for path in ["/Cups/files/cup.png", "/Tea/files/cup.png"] {
        site.get(path).assert_status(200);
    }
    site.press(&form, "/Cups/delete", &[("base", "2")])
        .assert_status(303);
    site.get("/Cups/files/cup.png").assert_status(404);
    site.press(&form, "/Cups/revert", &[("base", "3"), ("revision", "2")])
        .assert_status(303);
    site.get("/Cups/files/cup.png").assert_status(200);
}

#[test]
fn what_could_run_is_saved_and_not_shown() {
    let site = Site::at("/wiki");
    site.edit("Tea", "x", "");
    let script: &[u8] = b"<script>alert(1)</script>";
    for (name, content, kind) in [
        ("a.html", script, None),
        ("a.png", script, None),
        (
            "a.svg",
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            None,
        ),
        ("a.xml", script, None),
        ("a", b"", None),
        ("evil.html", PNG, Some("image/png")),
        ("a.jpg", b"\xFF\xD8\xFF\xE0 x", Some("image/jpeg")),
        ("a.gif", b"GIF89a=1;alert(1)", Some("image/gif")),
        (
            "a.webp",
            b"RIFF\x01\x02\x03\x04WEBPVP8 ",
            Some("image/webp"),
        ),
        ("b.webp", b"RIFF\x01\x02\x03\x04WAVE", None),
    ] {
        upload(&site, "Tea", &[(name, content)]).assert_status(303);
        let file = site.get(&format!("/Tea/files/{name}"));
        file.assert_status(200)
            .assert_header("x-content-type-options", "nosniff")
            .assert_header("content-security-policy", "default-src 'none'; sandbox")
            .assert_header("content-type", kind.unwrap_or("application/octet-stream"));
        let disposition = file.header("content-disposition").unwrap_or_default();
        assert_eq!(
            disposition.starts_with("attachment"),
            kind.is_none(),
            "{name}: {disposition}"
        );
        assert_eq!(file.bytes(), content, "{name}");
    }
}

#[test]
fn a_name_is_one_name_wherever_it_comes_from() {
    let site = Site::at("/wiki");
    site.edit("Tea", "x", "");
    let long = format!("{}.txt", "x".repeat(10_000));
    let kept = format!("{}.txt", "x".repeat(251));
    for (sent, name) in [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\cup.txt", "cup.txt"),
        (".htaccess", "htaccess"),
        ("100% & <b>'?#.txt", "100% & b'#.txt"),
        ("日本.txt", "日本.txt"),
        ("Cafe\u{301}.txt", "Café.txt"),
        (&long, &kept),
    ] {
        upload(&site, "Tea", &[(sent, sent.as_bytes())]).assert_status(303);
        let path = format!("/Tea/files/{}", encoded(name).replace("%2E", "."));
        let file = site.get(&path);
        file.assert_status(200).assert_text(sent);
        assert!(file.header("content-disposition").unwrap().is_ascii());
    }
    assert!(!site.get("/Tea/files").text().contains("<b>'"));
    for nameless in ["..", "/", "\u{202E}"] {
        upload(&site, "Tea", &[(nameless, b"x")]).assert_status(422);
    }
    for path in [
        "/Tea/files/..%2F..%2Fwiki.db",
        "/Tea/files/%2E%2E",
        "/Tea/files/%00",
        "/Tea/files/x%0Ay",
    ] {
        let status = site.get(path).status().as_u16();
        assert!(matches!(status, 400 | 404 | 308), "{path}: {status}");
    }
}

#[test]
fn an_upload_has_an_end() {
    let site = Site::at("/wiki");
    site.edit("Tea", "x", "");
    let large = vec![b'x'; 10 * 1024 * 1024 + 1];
    upload(&site, "Tea", &[("large", &large)])
        .assert_status(413)
        .assert_contains("at most 10 MiB");
    upload(&site, "Tea", &[("fits", &large[1..])]).assert_status(303);
    let many: Vec<(&str, &[u8])> = vec![("many", b"x"); 30];
    upload(&site, "Tea", &many).assert_status(413);
    upload(&site, "Tea", &[]).assert_status(422);
    upload(&site, "Tea", &[("", b"")]).assert_status(422);
    let form = site.edit_form("Tea");
    for (content_type, body, status) in [
        ("multipart/form-data", "x", 400),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disp",
            400,
        ),
        ("multipart/form-data; boundary=b", "", 400),
        ("application/x-www-form-urlencoded", "file=x", 415),
    ] {
        let request = site.request(Method::POST, "/Tea/files");
        request
            .header("cookie", form.cookie.as_str())
            .header("content-type", content_type)
            .body(body)
            .send()
            .assert_status(status)
            .assert_contains("</html>");
    }
    let forged = EditForm {
        token: "0".repeat(32),
        ..form
    };
    upload_as(&site, &forged, "Tea", &[("a", b"x")]).assert_status(403);
    upload(&site, "Nothing", &[("a", b"x")]).assert_status(404);
    // One row for what fits, and one content; nothing of the rest is left on the disk.
    let kept = std::fs::read_dir(site.data().join("deeper/data/files")).unwrap();
    assert_eq!(kept.count(), 1);
}

#[test]
fn the_archive_has_the_files_too() {
    let site = Site::at("/wiki");
    site.edit("Tea", "x", "");
    upload(&site, "Tea", &[("cup.png", PNG), ("gone.txt", b"x")]).assert_status(303);
    let form = site.edit_form("Tea");
    let id = file_id(&site, "Tea", "Remove gone.txt");
    site.press(&form, "/Tea/remove", &[("file", &id)])
        .assert_status(303);
    let archive = site.get("/export");
    let bytes = archive.bytes();
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut files = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        if path.starts_with("files/") {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.push((path, content));
        }
    }
    assert_eq!(files, [("files/Tea/cup.png".to_owned(), PNG.to_vec())]);

    // Without what is in the files, the rest is still there.
    std::fs::remove_dir_all(site.data().join("deeper/data/files")).unwrap();
    assert!(site.get("/export").cut_short().is_none());
    site.get("/Tea/files/cup.png").assert_status(404);
}
