//! The tables in `tests/cases`.

use router::{IntoPattern, UrlForError, UrlMap};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reverse {
    case: Vec<ReverseCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReverseCase {
    about: String,
    pattern: String,
    #[serde(default)]
    args: Vec<String>,
    named: Option<std::collections::BTreeMap<String, String>>,
    url: Option<String>,
    error: Option<String>,
    /// For the reader.
    #[serde(rename = "django")]
    _django: Option<String>,
}

#[test]
fn urls_are_made_from_names_and_arguments_as_the_table_says() {
    let table: Reverse = toml::from_str(include_str!("cases/reverse.toml")).unwrap();
    for case in &table.case {
        let map = UrlMap::builder()
            .route((&case.pattern).named("it"), ())
            .build()
            .unwrap_or_else(|error| panic!("{}: {error}", case.about));
        let made = match &case.named {
            Some(named) => map.url_for(
                "it",
                named
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect::<Vec<_>>(),
            ),
            None => map.url_for("it", &case.args),
        };
        match (made, &case.url, &case.error) {
            (Ok(made), Some(url), None) => assert_eq!(made, *url, "{}", case.about),
            (Err(error), None, Some(variant)) => {
                assert_eq!(variant_of(&error), variant, "{}: {error}", case.about);
            }
            (made, ..) => panic!("{}: {made:?}", case.about),
        }
    }
}

fn variant_of(error: &UrlForError) -> &'static str {
    match error {
        UrlForError::Missing { .. } => "Missing",
        UrlForError::Extra { .. } => "Extra",
        UrlForError::UnknownArgument { .. } => "UnknownArgument",
        UrlForError::Unfit { .. } => "Unfit",
        UrlForError::Unsafe { .. } => "Unsafe",
        _ => "another",
    }
}

#[derive(Deserialize)]
struct Matching {
    list: Vec<List>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    about: String,
    #[serde(default)]
    routes: Vec<String>,
    #[serde(default)]
    templates: Vec<String>,
    paths: Vec<Asked>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    path: String,
    route: Option<usize>,
    /// `-` for a group that took no part.
    #[serde(default)]
    args: Vec<String>,
}

#[test]
fn paths_find_their_routes_as_the_table_says() {
    let table: Matching = toml::from_str(include_str!("cases/matching.toml")).unwrap();
    for list in &table.list {
        let mut builder = UrlMap::builder();
        for route in &list.routes {
            builder = builder.route(route, ());
        }
        for template in &list.templates {
            builder = builder.route(router::template(template), ());
        }
        let map = builder
            .build()
            .unwrap_or_else(|error| panic!("{}: {error}", list.about));
        for asked in &list.paths {
            let found = map.find(&asked.path);
            assert_eq!(
                found.map(|found| found.index()),
                asked.route,
                "{}: {:?}",
                list.about,
                asked.path
            );
            let args: Vec<String> = found
                .iter()
                .flat_map(|found| {
                    found
                        .args()
                        .iter()
                        .map(|arg| arg.unwrap_or("-").to_owned())
                        .collect::<Vec<_>>()
                })
                .collect();
            assert_eq!(args, asked.args, "{}: {:?}", list.about, asked.path);
        }
    }
}
