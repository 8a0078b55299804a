//! Ranges as real clients ask for them: curl, and a media element of Chromium that seeks.
#![cfg(unix)]

mod common;
#[path = "common/wire.rs"]
mod wire;

use std::convert::Infallible;
use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::Site;
use http::{Request, Response, header};
use middleware_static::{ResponseBody, StaticFiles};
use tower::ServiceExt;

/// What was asked for with a range, and the status of the answer.
type Seen = Arc<Mutex<Vec<(String, u16)>>>;

async fn serve(files: StaticFiles) -> (std::net::SocketAddr, Seen) {
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let service = tower::service_fn(move |request: Request<hyper::body::Incoming>| {
        let (files, log) = (files.clone(), Arc::clone(&log));
        async move {
            let range = request
                .headers()
                .get(header::RANGE)
                .map(|range| range.to_str().unwrap().to_owned());
            let path = request.uri().path().to_owned();
            let response: Response<ResponseBody> = files.oneshot(request).await?;
            if let Some(range) = range {
                log.lock()
                    .unwrap()
                    .push((format!("{path} {range}"), response.status().as_u16()));
            }
            Ok::<_, Infallible>(response)
        }
    });
    (wire::serve(service).await, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs curl"]
async fn curl_fetches_ranges_resumes_and_revalidates() {
    let content: Vec<u8> = (0..1_000_000_u32)
        .map(|index| (index % 253) as u8)
        .collect();
    let site = Site::with(&[("dir/index.html", "index")]);
    site.write("big.bin", &content);
    for (way, files) in site.every_way() {
        let (address, _) = serve(files).await;
        let url = format!("http://{address}/big.bin");
        let curl = |arguments: &[&str]| {
            let output = Command::new("curl")
                .args(["-sS", "--max-time", "10"])
                .args(arguments)
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{way} {arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            output.stdout
        };
        assert_eq!(curl(&["-r", "100-199", &url]), &content[100..200], "{way}");
        assert_eq!(curl(&["-r", "-7", &url]), &content[999_993..], "{way}");
        let several = curl(&["-r", "0-1,500-501", &url]);
        assert!(
            several.starts_with(b"--") && several.ends_with(b"--\r\n"),
            "{way}"
        );
        // A download that was broken off goes on where it stopped.
        let part = site.path("part");
        fs::write(&part, &content[..300_000]).unwrap();
        curl(&["-C", "-", "-o", part.to_str().unwrap(), &url]);
        assert_eq!(fs::read(&part).unwrap(), content, "{way}");
        // And one that is known is not sent again.
        let etags = site.path("etags");
        let etags = etags.to_str().unwrap();
        curl(&["--etag-save", etags, "-o", "/dev/null", &url]);
        let status = curl(&[
            "--etag-compare",
            etags,
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            &url,
        ]);
        assert_eq!(status, b"304", "{way}");
        let index = curl(&["-L", &format!("http://{address}/dir")]);
        assert_eq!(index, b"index", "{way}: a relative redirect is followed");
    }
}

/// Ten seconds of silence: 8,000 bytes a second, so that a place in time is a place in the file.
fn wave(seconds: u32) -> Vec<u8> {
    let length = seconds * 8000;
    let mut wave = Vec::new();
    wave.extend_from_slice(b"RIFF");
    wave.extend_from_slice(&(36 + length).to_le_bytes());
    wave.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wave.extend_from_slice(&8000_u32.to_le_bytes());
    wave.extend_from_slice(&8000_u32.to_le_bytes());
    wave.extend_from_slice(b"\x01\0\x08\0data");
    wave.extend_from_slice(&length.to_le_bytes());
    wave.resize(wave.len() + length as usize, 0x80);
    wave
}

const PAGE: &str = r#"<!doctype html><title>waiting</title><body>waiting<script>
const audio = new Audio("tone.wav");
audio.preload = "auto";
audio.onloadedmetadata = () => { audio.currentTime = 2900; };
audio.onseeked = () => { document.body.textContent = "seeked to " + audio.currentTime + " of " + audio.duration; };
audio.onerror = () => { document.body.textContent = "failed: " + audio.error.message; };
</script>"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs chromium"]
async fn a_media_element_seeks_by_range() {
    let site = Site::with(&[("index.html", PAGE)]);
    // 24 MB, far more than a browser reads ahead.
    site.write("tone.wav", &wave(3000));
    let (address, seen) = serve(StaticFiles::new(site.root())).await;
    let profile = tempfile::tempdir().unwrap();
    let page = tokio::task::spawn_blocking(move || {
        Command::new("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(["--timeout=8000", "--dump-dom"])
            .arg(format!("http://{address}/"))
            .output()
            .unwrap()
    });
    let output = tokio::time::timeout(Duration::from_secs(60), page)
        .await
        .expect("chromium ends")
        .unwrap();
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        page.contains("seeked to 2900 of 3000"),
        "{page}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let seen = seen.lock().unwrap();
    let far = |range: &str| {
        let start = range
            .split("bytes=")
            .nth(1)
            .and_then(|range| range.split('-').next()?.parse::<u64>().ok());
        start.is_some_and(|start| start > 20_000_000)
    };
    assert!(
        seen.iter()
            .any(|(range, status)| far(range) && *status == 206),
        "{seen:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nginx"]
async fn nginx_sends_the_file_that_an_answer_names() {
    use middleware_static::SendFile;
    let site = Site::with(&[("d/a b.txt", "0123456789")]);
    let prefix = "/internal".parse().unwrap();
    let files = StaticFiles::new(site.root()).cache_control("*", "max-age=5".parse().unwrap());
    let (backend, seen) = serve(files.send_file(SendFile::XAccelRedirect { prefix })).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let place = tempfile::tempdir().unwrap();
    let (here, root) = (place.path().display(), site.root().display());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {here}/{kind}; "))
        .collect();
    // `user`, so that the workers may read a directory that only its owner may.
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    let configuration = format!(
        "{user} daemon off; pid {here}/pid; error_log {here}/error.log; events {{ }}\n\
         http {{ access_log off; {temporary}\n\
         server {{ listen 127.0.0.1:{port};\n\
         location / {{ proxy_pass http://{backend}; }}\n\
         location /internal/ {{ internal; alias {root}/; }} }} }}\n"
    );
    fs::write(place.path().join("nginx.conf"), configuration).unwrap();
    let mut nginx = Command::new("nginx")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .args(["-c", &format!("{here}/nginx.conf"), "-p", &here.to_string()])
        .spawn()
        .unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    for _ in 0..100 {
        if std::net::TcpStream::connect(address).is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answer = String::from_utf8_lossy(&wire::exchange(address, b"/d/a%20b.txt")).into_owned();
    let direct =
        String::from_utf8_lossy(&wire::exchange(address, b"/internal/d/a%20b.txt")).into_owned();
    let part = Command::new("curl")
        .args(["-s", "-r", "2-4"])
        .arg(format!("http://{address}/d/a%20b.txt"))
        .output()
        .unwrap();
    let _ = Command::new("kill").arg(nginx.id().to_string()).status();
    let _ = nginx.wait();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("0123456789"),
        "{answer}"
    );
    assert!(
        answer.contains("text/plain; charset=utf-8") && answer.contains("max-age=5"),
        "{answer}"
    );
    assert!(direct.starts_with("HTTP/1.1 404"), "internal: {direct}");
    assert_eq!(part.stdout, b"234", "the range is nginx's to serve");
    assert!(
        seen.lock()
            .unwrap()
            .iter()
            .all(|(_, status)| *status == 200),
        "and not ours"
    );
}
