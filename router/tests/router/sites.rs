//! Tables of real sites: all routes match, are made from their names, and are shadowed as is told.

use std::collections::BTreeMap;

use http::Method;
use router::{IntoPattern, Router, template};
use serde::Deserialize;

use crate::{Echo, ask, build, echo};

#[derive(Deserialize)]
struct Sites {
    site: Vec<Site>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Site {
    about: String,
    /// For the reader.
    #[serde(rename = "source")]
    _source: String,
    syntax: Syntax,
    /// `METHODS name pattern`.
    routes: Vec<String>,
    /// By group.
    #[serde(default)]
    samples: BTreeMap<String, String>,
    /// By route.
    #[serde(default)]
    samples_of: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    shadowed: Vec<String>,
    asks: Vec<Ask>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Syntax {
    Template,
    Regex,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    ask: String,
    route: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    status: Option<u16>,
}

struct Line {
    methods: Vec<Method>,
    name: &'static str,
    pattern: String,
}

impl Site {
    fn lines(&self) -> Vec<Line> {
        let line = |line: &String| {
            let mut parts = line.splitn(3, ' ');
            let methods = parts.next().unwrap();
            let methods = methods.split(',').filter(|method| *method != "*");
            Line {
                methods: methods.map(|method| method.parse().unwrap()).collect(),
                // An endpoint of these tests has a name for good.
                name: String::from(parts.next().unwrap()).leak(),
                pattern: parts.next().unwrap().to_owned(),
            }
        };
        self.routes.iter().map(line).collect()
    }

    fn router(&self) -> Router<Echo> {
        let add = |builder: router::service::RouterBuilder<Echo>, line: Line| {
            let pattern = match self.syntax {
                Syntax::Template => template(&line.pattern).named(line.name),
                Syntax::Regex => line.pattern.named(line.name),
            };
            builder.methods(line.methods, pattern, Echo(line.name))
        };
        build(self.lines().into_iter().fold(echo(), add))
    }

    fn samples(&self, line: &Line, groups: &[Option<&str>]) -> Vec<String> {
        let sample = |group: &Option<&str>| {
            let sample = group.and_then(|group| self.samples.get(group));
            sample.cloned().unwrap_or_else(|| "1".to_owned())
        };
        let own = self.samples_of.get(line.name).cloned();
        own.unwrap_or_else(|| groups.iter().map(sample).collect())
    }
}

fn sites() -> Vec<Site> {
    let sites: Sites = toml::from_str(include_str!("../cases/sites.toml")).unwrap();
    sites.site
}

fn methods_text(methods: &[Method]) -> String {
    let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
    match methods.as_slice() {
        [] => "*".to_owned(),
        methods => methods.join(","),
    }
}

/// What an endpoint says that sees this path with these arguments.
fn told(name: &str, method: &Method, path: &str, args: &[String]) -> String {
    let mut words = vec![name.to_owned(), method.to_string(), path.to_owned()];
    words.extend(args.iter().cloned());
    words.join(" ")
}

#[test]
fn every_route_of_a_site_is_made_from_its_name_and_comes_back_to_it() {
    for site in sites() {
        let router = site.router();
        for (line, route) in site.lines().iter().zip(router.routes()) {
            let groups: Vec<Option<&str>> = route.groups().collect();
            let args = site.samples(line, &groups);
            let shown = format!("{} {}`", methods_text(&line.methods), line.pattern);
            if site
                .shadowed
                .iter()
                .any(|told| told.contains(&format!("`{shown} never")))
            {
                assert!(router.url_for(line.name, &args).is_err(), "{}", line.name);
                continue;
            }
            let url = router.url_for(line.name, &args);
            let url = url.unwrap_or_else(|error| panic!("{}, {}: {error}", site.about, line.name));
            let method = line.methods.first().unwrap_or(&Method::GET);
            let answer = ask(&router, method.clone(), &url).text;
            assert_eq!(
                answer,
                told(line.name, method, &url, &args),
                "{}",
                site.about
            );
        }
    }
}

#[test]
fn requests_to_a_site_go_where_the_table_says() {
    for site in sites() {
        let router = site.router();
        for case in &site.asks {
            let (method, path) = case.ask.split_once(' ').unwrap();
            let method: Method = method.parse().unwrap();
            let answer = ask(&router, method.clone(), path);
            assert_eq!(
                answer.status,
                case.status.unwrap_or(200),
                "{}: {}",
                site.about,
                case.ask
            );
            // What answers HEAD has no body.
            if let Some(route) = case.route.as_ref().filter(|_| method != Method::HEAD) {
                let expected = told(route, &method, path, &case.args);
                assert_eq!(answer.text, expected, "{}", site.about);
            }
        }
    }
}

#[test]
fn what_a_site_shadows_is_told() {
    for site in sites() {
        let router = site.router();
        let told: Vec<String> = router.shadowed().iter().map(ToString::to_string).collect();
        assert_eq!(told, site.shadowed, "{}", site.about);
    }
}
