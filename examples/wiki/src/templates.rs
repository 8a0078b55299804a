//! Templates and static files, all in the binary.

use gateway_core::{Error, escape};
use middleware_static::AssetManifest;
use middleware_static::source::Embedded;
use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, State, escape_formatter};
use router::Router;

use crate::date;
use crate::urls::View;
use crate::wiki::relative;

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

/// The templates, with `url_for`, `asset_url` and the filters they use.
///
/// # Errors
///
/// A template cannot be read: a mistake in it.
pub(crate) fn environment(
    router: &Router<View>,
    assets: &AssetManifest,
) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    for (name, source) in templates![
        "base.html",
        "broken.html",
        "conflict.html",
        "diff.html",
        "edit.html",
        "error.html",
        "form.html",
        "history.html",
        "macros.html",
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
    environment.set_formatter(|out, state, value| {
        let escapes = matches!(state.auto_escape(), AutoEscape::Html) && !value.is_safe();
        match value.as_str() {
            // As the default does, but for slashes: `&#x2f;` in every link is hard to read.
            Some(text) if escapes => Ok(out.write_str(&escape(text))?),
            _ => escape_formatter(out, state, value),
        }
    });
    let router = router.clone();
    environment.add_function(
        "url_for",
        move |state: &State<'_, '_>, route: &str, args: Kwargs| {
            let mut named = Vec::new();
            for key in args.args() {
                named.push((key.to_owned(), args.get::<&str>(key)?.to_owned()));
            }
            let path = router.url_for(route, named);
            let path = path.map_err(|error| {
                minijinja::Error::new(ErrorKind::InvalidOperation, "no URL").with_source(error)
            })?;
            Ok(relative(&root(state), &path))
        },
    );
    let assets = assets.clone();
    environment.add_function("asset_url", move |state: &State<'_, '_>, name: &str| {
        format!("{}static/{}", root(state), assets.asset_url(name))
    });
    environment.add_filter("day", date::day);
    environment.add_filter("clock", date::clock);
    environment.add_filter("iso", date::iso);
    environment.add_filter("signed", |number: i64| {
        // U+2212 is as wide as a plus sign.
        match number {
            0 => "±0".to_owned(),
            1.. => format!("+{number}"),
            _ => format!("−{}", number.unsigned_abs()),
        }
    });
    Ok(environment)
}

/// The way up to the wiki from the page that is rendered.
fn root(state: &State<'_, '_>) -> String {
    let root = state.lookup("root");
    root.as_ref()
        .and_then(Value::as_str)
        .unwrap_or("./")
        .to_owned()
}

/// HTML that is safe already, for a template.
pub(crate) fn safe(html: String) -> Value {
    debug_assert!(
        !html.contains("<script"),
        "the sanitiser has let a script pass"
    );
    Value::from_safe_string(html)
}
