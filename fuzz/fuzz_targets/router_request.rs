//! Any request to a router with all its settings: an answer, and no panic; no redirect that leaves
//! the host or goes round; one spelling of each path; and URLs that lead back. The input is a byte
//! of settings, then text: the host, a new line, the target.

#![no_main]

use std::sync::OnceLock;

use gateway_core::paths::{Spelling, relative_reference};
use gateway_core::{Application, Environ, Reply};
use http::{HeaderValue, Method, Uri};
use libfuzzer_sys::fuzz_target;
use router::service::{EncodedSlashes, OtherSpellings, TrailingSlash};
use router::{IntoPattern, RequestUrlArgs, Router};

type View = fn(&mut Environ) -> Reply;

/// What the view was told, and the URL that it makes of it.
fn view(environ: &mut Environ) -> Reply {
    let args = environ.url_args().expect("the router tells every endpoint");
    for (name, value) in args.names().zip(args.iter()) {
        std::hint::black_box((name, value));
    }
    let given = [args.get(0).unwrap_or_default()];
    let url = args.url_for("n", given).unwrap_or_default();
    let told: Vec<&str> = args.iter().map(Option::unwrap_or_default).collect();
    Reply::text(format!("{url}\n{given:?}\n{told:?}"))
}

fn mounted(_: &mut Environ) -> Reply {
    Reply::text("mounted")
}

const RAW: u8 = 4;
const DECODE: u8 = 32;
const SERVE: u8 = 64;

fn router(setting: u8) -> Router<View> {
    let mut builder = Router::<View>::builder();
    builder = match setting & 3 {
        0 => builder,
        1 => builder.trailing_slash(TrailingSlash::RedirectToSlash),
        _ => builder.trailing_slash(TrailingSlash::RedirectToNoSlash),
    };
    if setting & RAW != 0 {
        builder = builder.raw_paths();
    }
    if setting & 8 != 0 {
        builder = builder.merge_slashes();
    }
    if setting & DECODE != 0 {
        builder = builder.encoded_slashes(EncodedSlashes::Decode);
    }
    if setting & SERVE != 0 {
        builder = builder.other_spellings(OtherSpellings::Serve);
    }
    builder
        .host("^(.*)\\.example$", |routes| {
            routes.get("^(h.*)$", view).mount("/hm", mounted)
        })
        .mount("/m", mounted)
        .get("^a/([^/]+)$".named("n"), view)
        .post("^a/(.*)/$", view)
        .get("^(b|é)/((\\w+)/)*$", view)
        .get("^(.*/)c$", view)
        .build()
        .expect("the table is right")
}

struct Answer {
    status: u16,
    location: Option<String>,
    text: String,
}

fn ask(router: &Router<View>, method: &Method, uri: &Uri, host: &HeaderValue) -> Option<Answer> {
    let request = http::Request::builder()
        .method(method)
        .uri(uri)
        .header("host", host)
        .body(())
        .ok()?;
    let (parts, ()) = request.into_parts();
    let mut environ = Environ::new(parts, gateway_core::Body::empty());
    let response = router.respond(&mut environ).expect("no view fails");
    let location = response.headers().get("location");
    Some(Answer {
        status: response.status().as_u16(),
        location: location.map(|value| value.to_str().expect("ASCII").to_owned()),
        text: String::from_utf8(response.into_body().into_bytes().expect("bytes").to_vec())
            .expect("text"),
    })
}

/// Resolves a relative reference as a client does (RFC 3986, section 5.2).
fn resolve(path: &str, reference: &str) -> String {
    let reference = reference.split('?').next().unwrap_or_default();
    let mut segments: Vec<&str> = path.split('/').collect();
    segments.pop();
    for part in reference.split('/') {
        match part {
            "." => {}
            ".." => {
                if segments.len() > 1 {
                    segments.pop();
                }
            }
            part => segments.push(part),
        }
    }
    segments.join("/")
}

/// Another path on the host of a target that may name one.
fn beside(uri: &Uri, path: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Made once: that takes longer than a thousand requests.
static ROUTERS: [OnceLock<Router<View>>; 256] = [const { OnceLock::new() }; 256];

fuzz_target!(|input: &[u8]| {
    let Some((&setting, text)) = input.split_first() else {
        return;
    };
    let Some((host, uri)) = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.split_once('\n'))
    else {
        return;
    };
    let Ok(uri) = uri.parse::<Uri>() else { return };
    let Ok(host) = HeaderValue::from_str(host) else {
        return;
    };
    let method = if setting & 16 == 0 {
        Method::GET
    } else {
        Method::OPTIONS
    };
    let router = ROUTERS[usize::from(setting)].get_or_init(|| router(setting));
    let Some(answer) = ask(router, &method, &uri, &host) else {
        return;
    };
    let path = uri.path();
    let spelling = Spelling::of(path);
    if answer.status == 200 && answer.text != "mounted" {
        assert!(!spelling.has_dot_segment(), "{path}");
        if setting & RAW == 0 {
            assert!(
                setting & DECODE != 0 || !spelling.has_encoded_slash(),
                "{path}"
            );
            assert!(
                setting & SERVE != 0 || !spelling.has_other_escapes(),
                "{path}"
            );
        }
        // The URL of the view leads to the route with the argument that it was made of.
        let mut lines = answer.text.splitn(3, '\n');
        let (url, given) = (
            lines.next().unwrap_or_default(),
            lines.next().unwrap_or_default(),
        );
        if !url.is_empty() {
            assert!(
                url.starts_with("/a/") && Spelling::of(url).canonical() == url,
                "{url}"
            );
            let url = beside(&uri, url).expect("a path");
            let back = ask(router, &Method::GET, &url, &host).expect("a request");
            assert_eq!(back.status, 200, "{url}");
            assert_eq!(back.text.splitn(3, '\n').last(), Some(given), "{url}");
        }
    }
    if let Some(location) = answer.location {
        assert!(
            location.starts_with("./") || location.starts_with("../"),
            "{location}"
        );
        let target = resolve(path, &location);
        assert!(
            target.starts_with('/') && !spelling.has_dot_segment(),
            "{target}"
        );
        assert!(relative_reference(path, &target, None).is_some());
        // What it leads to is there, for this method or for another.
        if let Some(next) = beside(&uri, &target) {
            let next = ask(router, &method, &next, &host).expect("a request");
            assert!(
                [200, 204, 405].contains(&next.status)
                    || (setting & RAW != 0 && next.status == 400),
                "{path} -> {target}: {}",
                next.status
            );
        }
    }
});
