//! minijinja with `url_for`, `asset_url` and `flashes` ready-made.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use gateway_core::{Environ, Error, Reply, escape};
use http::HeaderMap;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Value, context, escape_formatter};
use serde::Serialize;
use tower_layer::Layer;

use crate::around::{Around, Head, Surround};

/// The templates of a site, with functions for what every page needs. Cheap to clone.
///
/// As a layer around a site it lets views [`render`](crate::EnvironExt::render).
///
/// ```
/// use gateway_core::testing::Client;
/// use gateway_core::{Environ, Error, Reply};
/// use gateway_web::{EnvironExt, Templates, values};
/// use minijinja::Environment;
/// use tower_layer::Layer;
///
/// fn book(environ: &mut Environ) -> Result<Reply, Error> {
///     environ.render("book.html", values! { title => "Tom & <Jerry>", cover => "/covers/o'neill.png" })
/// }
///
/// let mut environment = Environment::new();
/// environment.add_template("book.html", "<h1>{{ title }}</h1><img src='{{ cover }}'>").unwrap();
/// let client = Client::new(Templates::new(environment).layer(book));
/// client.get("/").send().assert_text("<h1>Tom &amp; &lt;Jerry&gt;</h1><img src='/covers/o&#39;neill.png'>");
/// ```
///
/// | in a template | what it is | feature |
/// |---|---|---|
/// | `url_for("book", id=7)`, `url_for("book", 7)` | the path of a route by its name, the site's mount in front | `router` |
/// | `asset_url("css/shop.css")` | the URL of an asset by its content, the site's mount in front | `files` |
/// | `flashes()` | the messages for this page, each with `kind` and `text`; each is given once | `session` |
/// | `script_name` | where the site is mounted, encoded; empty at the root | |
///
/// `& < > " '` are escaped, in text and in attributes of either quotes; `/` stays as it is, so that URLs can be read. In
/// templates of a directory that goes for every name but those that end in `.txt`; in an environment of the program's own
/// for names that end in `.html`, `.htm` or `.xml`, unless it has another `set_auto_escape_callback`.
#[derive(Clone)]
pub struct Templates {
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    environment: Arc<RwLock<Environment<'static>>>,
    /// Whether files may have changed since.
    reads_anew: bool,
    external_prefix: String,
    relative: bool,
    #[cfg(feature = "router")]
    routes: Option<Routes>,
    #[cfg(feature = "files")]
    assets: Option<middleware_static::AssetManifest>,
}

#[cfg(feature = "router")]
type Routes = Arc<
    dyn Fn(&str, router::reverse::ArgList) -> Result<String, router::UrlForError> + Send + Sync,
>;

impl Templates {
    /// The templates of an environment that the program has set up: with its templates, filters and globals. Its
    /// formatter is replaced.
    #[must_use]
    pub fn new(environment: Environment<'static>) -> Self {
        Self::with(environment, false)
    }

    /// The templates in a directory, by their paths in it. A build with debug assertions reads them anew for each page.
    #[must_use]
    pub fn from_directory(directory: impl Into<PathBuf>) -> Self {
        let mut environment = Environment::new();
        environment.set_loader(minijinja::path_loader(directory.into()));
        // A page is HTML by its Content-Type, whatever its template is called: `page.jinja`, `icon.svg`.
        environment.set_auto_escape_callback(|name| match name.ends_with(".txt") {
            true => AutoEscape::None,
            false => AutoEscape::Html,
        });
        Self::with(environment, cfg!(debug_assertions))
    }

    fn with(mut environment: Environment<'static>, reads_anew: bool) -> Self {
        environment.set_formatter(|out, state, value| {
            let escapes = matches!(state.auto_escape(), AutoEscape::Html) && !value.is_safe();
            match value.as_str() {
                // As the default does, but for slashes: `&#x2f;` in every link is hard to read.
                Some(text) if escapes => Ok(out.write_str(&escape(text))?),
                _ => escape_formatter(out, state, value),
            }
        });
        Self {
            shared: Arc::new(Shared {
                environment: Arc::new(RwLock::new(environment)),
                reads_anew,
                external_prefix: String::new(),
                relative: false,
                #[cfg(feature = "router")]
                routes: None,
                #[cfg(feature = "files")]
                assets: None,
            }),
        }
    }

    /// Changes the environment, such as to add a filter to templates [from a directory](Self::from_directory).
    #[must_use]
    pub fn configure(self, change: impl FnOnce(&mut Environment<'static>)) -> Self {
        let lock = self.shared.environment.write();
        change(&mut lock.unwrap_or_else(PoisonError::into_inner));
        self
    }

    /// The routes for `url_for` where no router has called: on the pages of errors. Default: none; views have the
    /// routes of the router that called them.
    #[cfg(feature = "router")]
    #[must_use]
    pub fn routes<S: Send + Sync + 'static>(mut self, router: &router::Router<S>) -> Self {
        let router = router.clone();
        let routes: Routes = Arc::new(move |name, args| router.url_for(name, args));
        Arc::make_mut(&mut self.shared).routes = Some(routes);
        self
    }

    /// The assets for `asset_url`. Default: none. The [base](middleware_static::AssetManifest::base) of the manifest is the
    /// path below the site's mount where they are served.
    #[cfg(feature = "files")]
    #[must_use]
    pub fn assets(mut self, assets: &middleware_static::AssetManifest) -> Self {
        Arc::make_mut(&mut self.shared).assets = Some(assets.clone());
        self
    }

    /// What stands in front of the whole site's paths behind a proxy that strips it and does not say so, for
    /// `asset_url` and `script_name`. Default: nothing. The router has a setting of the same name.
    #[must_use]
    pub fn external_prefix(mut self, prefix: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.shared).external_prefix = prefix.into();
        self
    }

    /// Has `url_for` and `asset_url` give relative references (`../books/7`), from the path that the client asked for.
    /// Default: paths (`/shop/books/7`).
    ///
    /// They are right below any mount, and behind a proxy that strips a prefix and does not say so, with nothing
    /// configured. They are no use in a text that is read elsewhere, such as a mail.
    #[must_use]
    pub fn relative_urls(mut self) -> Self {
        Arc::make_mut(&mut self.shared).relative = true;
        self
    }

    /// A template with these values, as text.
    ///
    /// # Errors
    ///
    /// There is no such template, or it does not fit its values: 500.
    #[track_caller]
    pub fn text(
        &self,
        environ: &Environ,
        template: &str,
        values: impl Serialize,
    ) -> Result<String, Error> {
        self.write(&Place::of(environ), template, Value::from(Serde(values)))
    }

    /// A template as the page of an error.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    #[cfg(feature = "error-pages")]
    #[track_caller]
    pub fn error_page(
        &self,
        error: &crate::ErrorPage<'_>,
        template: &str,
        values: impl Serialize,
    ) -> Result<Reply, Error> {
        let place = Place {
            script_name: error.script_name().to_owned(),
            path: format!("{}{}", error.script_name(), error.path_info()),
            environ: None,
        };
        let page = self.write(&place, template, Value::from(Serde(values)))?;
        Ok(Reply::html(page))
    }

    #[track_caller]
    fn write(&self, place: &Place<'_>, template: &str, values: Value) -> Result<String, Error> {
        let shared = &self.shared;
        if shared.reads_anew {
            let lock = shared.environment.write();
            lock.unwrap_or_else(PoisonError::into_inner)
                .clear_templates();
        }
        let values = context! { ..self.functions(place), ..values };
        let environment = shared
            .environment
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(environment.get_template(template)?.render(values)?)
    }

    /// What a template finds besides its values.
    fn functions(&self, place: &Place<'_>) -> Value {
        let script_name = format!("{}{}", self.shared.external_prefix, place.script_name);
        let values = [
            ("script_name", Some(Value::from(script_name.clone()))),
            #[cfg(feature = "router")]
            ("url_for", Some(self.url_for(place, script_name.clone()))),
            #[cfg(feature = "files")]
            ("asset_url", self.asset_url(place, script_name)),
            #[cfg(feature = "session")]
            ("flashes", Some(flashes(place))),
        ];
        let values = values.into_iter();
        Value::from_pairs(values.filter_map(|(name, value)| Some((name, value?))))
    }

    #[cfg(feature = "files")]
    fn asset_url(&self, place: &Place<'_>, script_name: String) -> Option<Value> {
        let assets = self.shared.assets.clone()?;
        let start = self.start(place);
        Some(Value::from_function(move |name: &str| {
            start.to(format!("{script_name}{}", assets.asset_url(name)))
        }))
    }

    /// Where links begin, for `url_for` and `asset_url`.
    #[cfg(any(feature = "files", feature = "router"))]
    fn start(&self, place: &Place<'_>) -> Start {
        Start(self.shared.relative.then(|| place.path.clone()))
    }

    #[cfg(feature = "router")]
    fn url_for(&self, place: &Place<'_>, script_name: String) -> Value {
        use minijinja::ErrorKind;
        use minijinja::value::{Kwargs, Rest};
        use router::RequestUrlArgs;
        use router::reverse::IntoArgs;

        let own = place
            .environ
            .and_then(Environ::url_args)
            .map(router::UrlArgs::urls);
        let routes = self.shared.routes.clone();
        let start = self.start(place);
        Value::from_function(move |name: &str, in_order: Rest<Value>, by_name: Kwargs| {
            let mut named = Vec::new();
            for key in by_name.args() {
                named.push((key.to_owned(), by_name.get::<Value>(key)?.to_string()));
            }
            let args = match named.is_empty() {
                true => in_order
                    .iter()
                    .map(Value::to_string)
                    .collect::<Vec<_>>()
                    .into_args(),
                false => named.into_args(),
            };
            let url = match (&own, &routes) {
                (Some(urls), _) => urls.url_for(name, args),
                (None, Some(routes)) => {
                    routes(name, args).map(|path| format!("{script_name}{path}"))
                }
                (None, None) => {
                    let text = "no router called, and `Templates::routes` names none";
                    return Err(minijinja::Error::new(ErrorKind::InvalidOperation, text));
                }
            };
            url.map(|url| start.to(url)).map_err(|error| {
                let text = error.to_string();
                minijinja::Error::new(ErrorKind::InvalidOperation, text).with_source(error)
            })
        })
    }
}

/// Values for a template, each of any type that serde can write: `values! { book, title => "Edit" }`.
///
/// ```
/// use gateway_web::values;
///
/// #[derive(serde::Serialize)]
/// struct Book {
///     title: &'static str,
/// }
///
/// let book = Book { title: "Moby-Dick" };
/// let values = values! { book, year => 1851 };
/// assert_eq!(values.get_attr("book")?.get_attr("title")?.to_string(), "Moby-Dick");
/// # Ok::<(), minijinja::Error>(())
/// ```
///
/// `minijinja::context!` takes what is a template value already, and is as good where that is all.
#[macro_export]
macro_rules! values {
    ($($name:ident $(=> $value:expr)?),* $(,)?) => {
        $crate::template_values([$((stringify!($name), $crate::values!(@ $name $(=> $value)?))),*])
    };
    (@ $name:ident) => { $crate::template_value(&$name) };
    (@ $name:ident => $value:expr) => { $crate::template_value(&$value) };
}

#[doc(hidden)]
pub fn template_values<const N: usize>(values: [(&'static str, Value); N]) -> Value {
    Value::from_pairs(values)
}

#[doc(hidden)]
pub fn template_value(value: &(impl Serialize + ?Sized)) -> Value {
    Value::from(Serde(value))
}

/// The page's own path, where links are relative to it.
#[cfg(any(feature = "files", feature = "router"))]
struct Start(Option<String>);

#[cfg(any(feature = "files", feature = "router"))]
impl Start {
    fn to(&self, url: String) -> String {
        let here = self.0.as_deref();
        here.and_then(|here| gateway_core::paths::relative_reference(here, &url, None))
            .unwrap_or(url)
    }
}

/// Where a page stands.
struct Place<'e> {
    script_name: String,
    /// As the client asked for it.
    #[cfg_attr(
        not(any(feature = "files", feature = "router")),
        expect(dead_code, reason = "for relative URLs")
    )]
    path: String,
    #[cfg_attr(
        not(any(feature = "router", feature = "session")),
        expect(dead_code, reason = "for `url_for` and `flashes`")
    )]
    environ: Option<&'e Environ>,
}

impl<'e> Place<'e> {
    fn of(environ: &'e Environ) -> Self {
        Self {
            script_name: match environ.get::<Here>() {
                Some(here) => here.mount.to_string(),
                None => environ.raw_script_name().to_owned(),
            },
            path: format!("{}{}", environ.raw_script_name(), environ.raw_path_info()),
            environ: Some(environ),
        }
    }
}

/// In the extensions of a request: the templates, and where the site is mounted, whatever its views have shifted
/// since.
#[derive(Clone)]
struct Here {
    templates: Templates,
    mount: Box<str>,
}

/// The messages of the session, where there is one.
#[cfg(feature = "session")]
fn flashes(place: &Place<'_>) -> Value {
    let session = place
        .environ
        .and_then(|environ| crate::session::of(environ).ok());
    Value::from_function(move || -> Vec<Value> {
        let flashes = session
            .as_ref()
            .map(crate::session::Session::flashes)
            .unwrap_or_default();
        let shown = flashes
            .iter()
            .map(|flash| context! { kind => flash.kind(), text => flash.text() });
        shown.collect()
    })
}

#[track_caller]
pub(crate) fn render(
    environ: &Environ,
    template: &str,
    values: impl Serialize,
) -> Result<Reply, Error> {
    let here: &Here = environ
        .get()
        .ok_or_else(|| Error::msg("there are no `Templates` around this view"))?;
    Ok(Reply::html(here.templates.text(environ, template, values)?))
}

impl Surround for Templates {
    type Kept = ();

    fn before(&self, request: &mut impl Head) {
        let here = Here {
            templates: self.clone(),
            mount: request.mount().into(),
        };
        request.insert(here);
    }

    fn after(&self, (): (), _: &mut HeaderMap) {}
}

impl<S> Layer<S> for Templates {
    type Service = Around<Self, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(self.clone(), inner)
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates").finish_non_exhaustive()
    }
}
