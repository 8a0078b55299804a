//! Any request to a router with all its settings: an answer, and no panic; and
//! no redirect that leaves the host.

#![no_main]

use gateway_core::{Application, Environ, Reply};
use http::Uri;
use libfuzzer_sys::fuzz_target;
use router::{RequestUrlArgs, Router, TrailingSlash};

type View = fn(&mut Environ) -> Reply;

fn view(environ: &mut Environ) -> Reply {
    let args = environ.url_args().expect("the router tells every endpoint");
    for (name, value) in args.names().zip(args.iter()) {
        std::hint::black_box((name, value));
    }
    let _ = std::hint::black_box(args.url_for("n", [args.get(0).unwrap_or_default()]));
    Reply::text("")
}

fn router(setting: u8) -> Router<View> {
    let mut builder = Router::<View>::builder();
    builder = match setting & 3 {
        0 => builder,
        1 => builder.trailing_slash(TrailingSlash::RedirectToSlash),
        _ => builder.trailing_slash(TrailingSlash::RedirectToNoSlash),
    };
    if setting & 4 != 0 {
        builder = builder.raw_paths();
    }
    if setting & 8 != 0 {
        builder = builder.merge_slashes();
    }
    builder
        .host("^(.*)\\.example$", |routes| routes.get("^(h.*)$", view))
        .mount("/m", view)
        .name("n")
        .get("^a/([^/]+)$", view)
        .post("^a/(.*)/$", view)
        .get("^(b|é)/((\\w+)/)*$", view)
        .get("^(.*/)c$", view)
        .build()
        .expect("the table is right")
}

fuzz_target!(|input: (u8, &str, &str)| {
    let (setting, host, uri) = input;
    let Ok(uri) = uri.parse::<Uri>() else { return };
    let Ok(host) = http::HeaderValue::from_str(host) else {
        return;
    };
    let method = if setting & 16 == 0 { "GET" } else { "OPTIONS" };
    let Ok(request) = http::Request::builder()
        .method(method)
        .uri(uri)
        .header("host", host)
        .body(())
    else {
        return;
    };
    let (parts, ()) = request.into_parts();
    let mut environ = Environ::new(parts, gateway_core::Body::empty());
    let response = router(setting)
        .respond(&mut environ)
        .expect("no view fails");
    if let Some(location) = response.headers().get("location") {
        let location = location.to_str().expect("references are ASCII");
        assert!(
            location.starts_with("./") || location.starts_with("../"),
            "{location}"
        );
    }
});
