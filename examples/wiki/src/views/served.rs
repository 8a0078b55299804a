//! How this page was served.

use gateway_core::{Environ, Error, Reply};
use minijinja::context;
use minijinja::value::Serde;
use router::RequestUrlArgs;

use crate::wiki::Wiki;

/// Parts of the names of variables whose values are secrets: they are not shown, not even on the
/// visitor's own screen.
const SECRET: [&str; 6] = ["AUTH", "COOKIE", "KEY", "PASS", "SECRET", "TOKEN"];

/// The live SCRIPT_NAME, PATH_INFO, gateway and stack of this very request.
///
/// # Errors
///
/// What SQLite says.
pub fn served(environ: &mut Environ) -> Result<Reply, Error> {
    let wiki = Wiki::of(environ)?;
    let text = |name: &str| {
        let value = environ.var(name).unwrap_or_default();
        String::from_utf8_lossy(&value).into_owned()
    };
    let vars = environ.vars().map(|(name, value)| {
        let hidden = SECRET.iter().any(|secret| name.contains(secret));
        let value = String::from_utf8_lossy(&value).into_owned();
        context! {
            name => name.into_owned(),
            value => if hidden { "(not shown)".to_owned() } else { value },
        }
    });
    let vars: Vec<_> = vars.collect();
    let routes = wiki.router().routes().map(|route| {
        let methods = route.methods().iter().map(|method| method.as_str());
        context! {
            methods => methods.collect::<Vec<_>>().join(" "),
            pattern => route.pattern(),
            name => route.name(),
        }
    });
    let (pages, revisions) = wiki.store().counts()?;
    let conn = environ.conn();
    let values = context! {
        script_name => text("SCRIPT_NAME"),
        path_info => text("PATH_INFO"),
        interface => text("GATEWAY_INTERFACE"),
        protocol => text("SERVER_PROTOCOL"),
        method => environ.method().as_str(),
        url => environ.request_uri(),
        application => environ.application_uri(),
        peer => conn.map(|conn| conn.peer().to_string()),
        pattern => environ.url_args().map(|args| args.pattern().to_owned()),
        stack => Serde(&wiki.surroundings().stack),
        routes => routes.collect::<Vec<_>>(),
        vars,
        pages,
        revisions,
        sqlite => rusqlite::version(),
        minutes => wiki.started().elapsed().as_secs() / 60,
        process => std::process::id(),
        thread => std::thread::current().name().unwrap_or("(unnamed)"),
        debug => cfg!(debug_assertions),
    };
    wiki.render(environ, "served.html", values)
}
