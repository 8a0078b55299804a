//! A router's table, as it is shown to people.

use std::borrow::Cow;
use std::fmt;

use super::resolve::Shared;
use super::rule::{RouterWarning, Rule, ShadowedRule};
use super::shadow::shadowed;
use super::warning::warnings;

/// The mounts and the routes, in the order in which they are asked.
pub(super) struct Table<'s> {
    pub(super) mounts: Vec<Row<'s>>,
    pub(super) routes: Vec<Row<'s>>,
    pub(super) has_hosts: bool,
}

pub(super) struct Row<'s> {
    section: usize,
    pub(super) methods: String,
    /// Empty where it is every host.
    pub(super) host: &'s str,
    pub(super) pattern: Cow<'s, str>,
    pub(super) name: &'s str,
    pub(super) never_wins: Option<&'s ShadowedRule>,
    pub(super) warnings: Vec<&'s RouterWarning>,
}

impl<'s> Table<'s> {
    pub(super) fn new(shared: &'s Shared) -> Self {
        let hosts: Vec<&str> = shared.hosts.routes().map(|host| host.pattern()).collect();
        let row = |section: usize| Row {
            section,
            methods: String::new(),
            host: section
                .checked_sub(1)
                .and_then(|host| hosts.get(host).copied())
                .unwrap_or_default(),
            pattern: Cow::Borrowed(""),
            name: "",
            never_wins: None,
            warnings: Vec::new(),
        };
        let mounts = shared.mounts.iter().map(|mount| Row {
            methods: "mount".to_owned(),
            pattern: Cow::Owned(mount.text()),
            ..row(mount.section)
        });
        let routes = shared.routes.iter().map(|info| Row {
            methods: info.methods_text(),
            pattern: Cow::Borrowed(&info.entry.pattern.source),
            name: info.entry.name.as_deref().unwrap_or_default(),
            ..row(info.section)
        });
        let mut table = Self {
            mounts: mounts.collect(),
            routes: routes.collect(),
            has_hosts: !hosts.is_empty(),
        };
        for told in shadowed(shared) {
            for row in table.rows_of(&told.rule) {
                row.never_wins.get_or_insert(told);
            }
        }
        for told in warnings(shared) {
            for row in table.rows_of(told.rule()) {
                row.warnings.push(told);
            }
        }
        table
    }

    /// The row of a route or a mount, and all rows of a host.
    fn rows_of(&mut self, rule: &Rule) -> Vec<&mut Row<'s>> {
        match rule {
            Rule::Route { index, .. } => self.routes.get_mut(*index).into_iter().collect(),
            Rule::Mount { index, .. } => self.mounts.get_mut(*index).into_iter().collect(),
            Rule::Host { index, .. } => {
                let rows = self.mounts.iter_mut().chain(&mut self.routes);
                rows.filter(|row| row.section == index + 1).collect()
            }
        }
    }
}

/// A line for each row.
impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = || self.mounts.iter().chain(&self.routes);
        let widest = |of: &dyn Fn(&Row<'_>) -> usize| rows().map(of).max().unwrap_or(0);
        let methods = widest(&|row| row.methods.len());
        let hosts = widest(&|row| row.host.chars().count());
        let patterns = widest(&|row| row.pattern.chars().count());
        let names = widest(&|row| row.name.chars().count());
        // A column that all rows leave empty is none.
        let column = |text: &str, width: usize| match width {
            0 => String::new(),
            width => format!("{text:<width$}  "),
        };
        for row in rows() {
            let mut line = [
                column(&row.methods, methods),
                column(row.host, hosts),
                column(&row.pattern, patterns),
                column(row.name, names),
            ]
            .concat();
            if let Some(told) = row.never_wins {
                line += &format!("never wins: {}  ", told.takers());
            }
            for warning in &row.warnings {
                line += warning.reason();
                if let Some(example) = warning.example() {
                    line += &format!(": `{example}`");
                }
                line += "  ";
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
