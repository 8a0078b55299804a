//! The recipe of the front page: tower-http's `CsrfLayer`, over plain HTTP and below mounts.

use gateway_core::testing::Client;
use gateway_core::{Application, Environ, Reply};
use tower::ServiceBuilder;
use tower_http::csrf::CsrfLayer;

fn saved(_: &mut Environ) -> Reply {
    Reply::text("saved")
}

#[test]
fn a_form_of_another_site_is_refused() {
    let service = || {
        let saved = saved.into_inline_service().answer_errors();
        ServiceBuilder::new().layer(CsrfLayer::new()).service(saved)
    };
    let mounted = gateway_core::mount("/shop", service()).unwrap();
    for (client, path) in [
        (Client::of_service(service()), "/save"),
        (Client::of_service(mounted), "/shop/save"),
    ] {
        let post = |fields: &[(&'static str, &'static str)]| {
            let request = client.post(path).header("host", "shop.example");
            let request = fields.iter().fold(request, |request, (name, value)| {
                request.header(*name, *value)
            });
            request.send().status().as_u16()
        };
        // Over plain HTTP browsers send no Sec-Fetch-Site, but an Origin.
        assert_eq!(post(&[("origin", "http://shop.example")]), 200, "{path}");
        assert_eq!(post(&[("origin", "http://evil.example")]), 403, "{path}");
        assert_eq!(post(&[("origin", "null")]), 403, "{path}");
        assert_eq!(post(&[("sec-fetch-site", "same-origin")]), 200, "{path}");
        assert_eq!(post(&[("sec-fetch-site", "cross-site")]), 403, "{path}");
        // No browser.
        assert_eq!(post(&[]), 200, "{path}");
        client
            .get(path)
            .header("sec-fetch-site", "cross-site")
            .send()
            .assert_status(200);
    }
}
