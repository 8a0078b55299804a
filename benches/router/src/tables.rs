//! Route tables and the paths that are asked of them.

pub struct Table {
    pub name: &'static str,
    pub routes: Vec<Route>,
    pub paths: Vec<String>,
}

pub struct Route {
    /// For the tries, which have no constraints.
    pub template: String,
    /// For regular expressions; the same parameters as groups.
    pub regex: String,
    /// For actix-router, which has both.
    pub actix: String,
}

pub const WORDS: [&str; 40] = [
    "users",
    "articles",
    "orders",
    "invoices",
    "products",
    "reviews",
    "comments",
    "images",
    "settings",
    "search",
    "teams",
    "projects",
    "issues",
    "labels",
    "events",
    "messages",
    "channels",
    "threads",
    "reports",
    "exports",
    "payments",
    "refunds",
    "carts",
    "coupons",
    "vendors",
    "stores",
    "shipments",
    "returns",
    "tags",
    "feeds",
    "profiles",
    "sessions",
    "tokens",
    "keys",
    "hooks",
    "logs",
    "metrics",
    "alerts",
    "jobs",
    "queues",
];

/// A generator of numbers: the same tables in every run.
pub struct Rng(pub u64);

impl Rng {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

pub fn all() -> Vec<Table> {
    vec![
        github("github", false),
        github("shuffled", true),
        regexes("regex100", 100),
        regexes("regex1000", 1000),
        regexes("regex10000", 10_000),
    ]
}

/// GitHub's API: every route once with its parameters as they stand, or a
/// thousand paths as they might come.
fn github(name: &'static str, realistic: bool) -> Table {
    let templates: Vec<&str> = include_str!("github.txt").lines().collect();
    let routes: Vec<Route> = templates
        .iter()
        .map(|template| {
            let mut regex = String::from("^");
            for (i, part) in template.split(['{', '}']).enumerate() {
                if i % 2 == 0 {
                    regex.push_str(part)
                } else {
                    regex.push_str(&format!("(?P<{part}>[^/]+)"))
                }
            }
            regex.push('$');
            Route {
                template: (*template).into(),
                regex,
                actix: (*template).into(),
            }
        })
        .collect();
    let mut rng = Rng(0x9E37_79B9_7F4A_7C15);
    let names = [
        "rust-lang",
        "tokio-rs",
        "a",
        "torvalds",
        "octocat",
        "some-quite-long-organisation",
        "x86",
        "BurntSushi",
        "m",
    ];
    let repos = [
        "rust",
        "axum",
        "linux",
        "hello-world",
        "regex-automata",
        "dotfiles",
        "website",
        "a-repository-with-a-long-name",
    ];
    let fill = |template: &str, rng: &mut Rng| {
        template
            .split(['{', '}'])
            .enumerate()
            .map(|(i, part)| match part {
                _ if i % 2 == 0 => part.to_owned(),
                "repo" | "repository" => rng.pick(&repos).to_owned(),
                "id" | "number" => rng.below(1_000_000).to_string(),
                "sha" | "access_token" => format!(
                    "{:016x}{:016x}",
                    rng.below(usize::MAX),
                    rng.below(usize::MAX)
                ),
                _ => rng.pick(&names).to_owned(),
            })
            .collect::<String>()
    };
    let paths = if realistic {
        (0..1000)
            .map(|_| {
                let template = rng.pick(&templates);
                fill(template, &mut rng)
            })
            .collect()
    } else {
        // As the usual benchmark has it: the parameter's name as its value.
        templates
            .iter()
            .map(|template| template.replace(['{', '}'], ""))
            .collect()
    };
    Table {
        name,
        routes,
        paths,
    }
}

/// Routes with constraints on their parameters.
fn regexes(name: &'static str, count: usize) -> Table {
    let mut rng = Rng(0x2545_F491_4F6C_DD1D);
    let mut routes = Vec::new();
    let mut fills: Vec<(String, Vec<usize>)> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    while routes.len() < count {
        let mut template = String::new();
        let mut regex = String::from("^");
        let mut actix = String::new();
        let mut kinds = Vec::new();
        let depth = 2 + rng.below(3);
        for level in 0..depth {
            let word = rng.pick(&WORDS);
            let word = if count > 100 && level == 0 {
                format!("{word}{}", rng.below(count / 50))
            } else {
                word.to_owned()
            };
            template.push_str(&format!("/{word}"));
            regex.push_str(&format!("/{word}"));
            actix.push_str(&format!("/{word}"));
            if rng.below(2) == 0 {
                let kind = rng.below(4);
                let sub = ["[0-9]+", "[a-z-]+", "[0-9]{4}", "[^/]+"][kind];
                let id = kinds.len();
                template.push_str(&format!("/{{p{level}}}"));
                regex.push_str(&format!("/(?P<p{level}>{sub})"));
                actix.push_str(&format!("/{{p{level}:{sub}}}"));
                kinds.push(kind);
                let _ = id;
            }
        }
        regex.push('$');
        if seen.insert(template.clone()) {
            fills.push((template.clone(), kinds));
            routes.push(Route {
                template,
                regex,
                actix,
            });
        }
    }
    let paths = (0..1000)
        .map(|_| {
            let (template, kinds) = &fills[rng.below(fills.len())];
            let mut kinds = kinds.iter();
            template
                .split(['{', '}'])
                .enumerate()
                .map(|(i, part)| {
                    if i % 2 == 0 {
                        part.to_owned()
                    } else {
                        match kinds.next() {
                            Some(0) => rng.below(100_000).to_string(),
                            Some(1) => rng
                                .pick(&["getting-started", "a", "hello-world", "rust"])
                                .to_owned(),
                            Some(2) => (1900 + rng.below(200)).to_string(),
                            _ => rng
                                .pick(&["John", "x1", "some.file.txt", "2007"])
                                .to_owned(),
                        }
                    }
                })
                .collect()
        })
        .collect();
    Table {
        name,
        routes,
        paths,
    }
}
