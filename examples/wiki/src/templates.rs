//! Templates and static files, all in the binary.

use gateway_core::Error;
use gateway_web::Templates;
use middleware_static::AssetManifest;
use middleware_static::source::Embedded;
use minijinja::{Environment, Value};
use router::Router;

use crate::date;
use crate::urls::View;

/// The style sheet and the icon. A debug build reads them from the source tree each time.
#[derive(Debug, rust_embed::RustEmbed)]
#[folder = "static"]
pub struct Assets;

pub(crate) fn assets() -> Embedded<Assets> {
    Embedded::new()
}

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../templates/", $name)))),*]
    };
}

/// The templates and their filters. Links are relative: right below any prefix, with nothing
/// configured, behind a proxy that strips one as well.
///
/// # Errors
///
/// A template cannot be read: a mistake in it.
pub(crate) fn templates(router: &Router<View>, assets: &AssetManifest) -> Result<Templates, Error> {
    let mut environment = Environment::new();
    for (name, source) in templates![
        "base.html",
        "broken.html",
        "conflict.html",
        "diff.html",
        "edit.html",
        "error.html",
        "files.html",
        "form.html",
        "history.html",
        "macros.html",
        "manage.html",
        "missing.html",
        "page.html",
        "pages.html",
        "recent.html",
        "search.html",
        "served.html",
    ] {
        environment.add_template(name, source)?;
    }
    // A misspelt name is an error and not an empty place.
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
    environment.add_filter("day", date::day);
    environment.add_filter("clock", date::clock);
    environment.add_filter("iso", date::iso);
    environment.add_filter("bytes", |bytes: i64| match bytes {
        1 => "1 byte".to_owned(),
        ..=1023 => format!("{bytes} bytes"),
        1024..=1_048_575 => format!("{} KiB", bytes / 1024),
        _ => format!("{} MiB", bytes / 1_048_576),
    });
    environment.add_filter("signed", |number: i64| {
        // U+2212 is as wide as a plus sign.
        match number {
            0 => "±0".to_owned(),
            1.. => format!("+{number}"),
            _ => format!("−{}", number.unsigned_abs()),
        }
    });
    let templates = Templates::new(environment);
    Ok(templates.routes(router).assets(assets).relative_urls())
}

/// HTML that is safe already, for a template.
pub(crate) fn safe(html: String) -> Value {
    debug_assert!(
        !html.contains("<script"),
        "the sanitiser has let a script pass"
    );
    Value::from_safe_string(html)
}
