//! lighttpd in front, with the configuration of `examples/deploy/lighttpd`.

use conformance::deploy::{Folder, binary, free_port, get, get_with, lighttpd, request};

#[test]
#[ignore = "needs lighttpd"]
fn lighttpd_starts_the_application_as_fastcgi() {
    let folder = Folder::new();
    let port = free_port();
    folder.write("public/file.txt", "a file\n");
    folder.copy(&binary("deploy", "myapplication"), "myapplication.fcgi");
    let conf = folder.config(
        "lighttpd/fastcgi.conf",
        &[
            (
                "server.port          = 80",
                &format!("server.bind = \"127.0.0.1\"\nserver.port = {port}"),
            ),
            ("/srv/app", folder.text()),
            ("/run/app", folder.text()),
        ],
    );
    let _lighttpd = lighttpd(&folder, port, &conf);
    assert!(get(port, "/").text().contains("<a href=\"hello/John\">"));
    assert!(
        get(port, "/hello/John")
            .text()
            .contains("<p>Hello John!</p>")
    );
    assert_eq!(get(port, "/nowhere").status, 404);
    for (path, script, info) in [
        ("/environ/a%20b?q=1", "/environ", "/a b"),
        ("/environ", "/environ", ""),
        ("/wiki/environ/x", "/wiki/environ", "/x"),
    ] {
        let text = get_with(
            port,
            path,
            &[("Proxy", "evil"), ("Cookie", "a=1"), ("Cookie", "b=2")],
        )
        .text();
        for line in [
            format!("SCRIPT_NAME={script}"),
            format!("PATH_INFO={info}"),
            format!("REQUEST_URI={path}"),
            "REMOTE_ADDR=127.0.0.1".to_owned(),
            "HTTP_COOKIE=a=1; b=2".to_owned(),
        ] {
            assert!(
                text.lines().any(|got| got == line),
                "{path}: {line} is not in\n{text}"
            );
        }
        assert!(!text.contains("HTTP_PROXY"), "{text}");
    }
    let reply = request(port, "POST", b"/hello/upload", &[], &vec![b'x'; 2_000_000]).unwrap();
    assert_eq!(
        (reply.status, reply.text().contains("Hello upload!")),
        (200, true)
    );
}
